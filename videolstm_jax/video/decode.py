"""Video files to RGB or grey frames; damaged files are refused.

Decoding happens in this process. A file that may be damaged goes through `guard`, since some broken
streams crash the codec.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import av
import numpy as np
from PIL import Image

from videolstm_jax.flow import image
from videolstm_jax.square import SQUASH, PictureFit, square_source_region
from videolstm_jax.video.container import (
    OpenVideo,
    all_video_pictures,
    open_video,
    remaining_video_times,
)
from videolstm_jax.video.damage.tally import Tally
from videolstm_jax.video.declared import declared_count, video_frame_rate
from videolstm_jax.video.orientation import upright_video_picture
from videolstm_jax.video.resample import Timeline, duration_of_picture, resampled_video_pictures


class VideoInfo(NamedTuple):
    """Number of frames, displayed width and height in pixels, and frames a second."""

    frames: int
    width: int
    height: int
    fps: float


class FrameFormat(NamedTuple):
    """The form in which frames are returned.

    They are squashed to `size` (W, H) pixels, or have the size of the first frame if it is None;
    `grey` asks for luma instead of RGB. Where `size` is None and `shorter_side` is not 0, frames
    with a longer shorter side are scaled down to it and keep their shape. With `keep_shape`, frames
    are scaled to fit into `size` instead. `fit` says how they are brought to a square `size`.
    """

    size: tuple[int, int] | None = None
    grey: bool = False
    shorter_side: int = 0
    keep_shape: bool = False
    fit: PictureFit = SQUASH

    def size_of(self, width: int, height: int) -> tuple[int, int]:
        """(W, H) that frames of W x H pixels are brought to."""
        if self.size is not None:
            if not self.keep_shape:
                return self.size
            scale = min(self.size[0] / width, self.size[1] / height)
            return max(1, round(width * scale)), max(1, round(height * scale))
        shorter = min(width, height)
        # Never larger than the video: made-up pixels would cost time and say nothing.
        if not self.shorter_side or shorter <= self.shorter_side:
            return width, height
        scale = self.shorter_side / shorter
        return round(width * scale), round(height * scale)


def probe_video(path: str | os.PathLike, *, fps: float = 0.0) -> VideoInfo:
    """Reads length, size and rate of a video from its header and first picture.

    The whole file is decoded only if the container does not declare its number of frames, and its
    packets are passed through only if `fps` needs their times. A damaged file may pass;
    `read_video` finds the damage.

    Args:
      path: a video file.
      fps: the rate that `read_video` will resample to; 0 is the file's own.

    Raises:
      VideoError: missing, empty, no video, or no picture.
    """
    with open_video(path) as video:
        rate = video_frame_rate(video.stream)
        frames = declared_count(video.container, video.stream, video.content)
        timeline = Timeline(video.stream, video.container)
        tally = Tally(video)
        pictures = all_video_pictures(video, tally)
        # The header gives the stored size; players turn some videos.
        first = next(pictures)
        height, width = upright_video_picture(first).shape[:2]
        if not frames:  # the container does not say: the rest is decoded and counted
            frames = 1
            timeline.add(first.time, duration_of_picture(first))
            for picture in pictures:
                timeline.add(picture.time, duration_of_picture(picture))
                frames += 1
        elif fps:
            for stamp, duration in remaining_video_times(video, tally):
                timeline.add(stamp, duration)
        pictures.close()  # before the container that it reads from
    if not fps:
        return VideoInfo(frames, width, height, rate)
    return VideoInfo(timeline.count(fps), width, height, fps)


def read_video(
    path: str | os.PathLike,
    *,
    fps: float = 0.0,
    max_frames: int = 0,
    size: tuple[int, int] | None = None,
) -> np.ndarray:
    """Decodes a video into upright RGB frames, as players show them.

    With `fps`, output frame k is the one whose time stamp is nearest to k / fps, the earlier of
    two. Frames of other sizes than the first are squashed to its size.

    Args:
      path: a video file.
      fps: frames a second to resample to; 0 takes every frame.
      max_frames: how many frames to return at most; 0 returns all. Frames behind them are not
        checked for damage.
      size: (W, H) pixels to squash every frame to (Pillow's bilinear filter); None keeps the size
        of the first frame.

    Returns:
      [L, H, W, 3] uint8 RGB, L >= 1.

    Raises:
      VideoError: missing, empty, no video, no picture, damaged, or shorter than it declares.
    """
    return read_video_formats(path, [FrameFormat(size)], fps=fps, max_frames=max_frames)[0]


def read_video_formats(
    path: str | os.PathLike,
    formats: Sequence[FrameFormat],
    *,
    fps: float = 0.0,
    max_frames: int = 0,
) -> list[np.ndarray]:
    """Decodes a video once and returns its frames in several formats; see `read_video`.

    Returns:
      For each format [L, H, W, 3] uint8 RGB or, grey, [L, H, W] uint8 luma (see
      `flow.image.grey_frames_for_flow`).

    Raises:
      VideoError: as `read_video`.
    """
    frames: list[list[np.ndarray]] = [[] for _ in formats]
    first_size = None
    with open_video(path) as video:
        for picture in selected_video_pictures(video, fps, max_frames):
            original = upright_video_picture(picture)
            # Broadcasts change the size of pictures within a video; flow needs one size.
            first_size = first_size or original.shape[1::-1]
            for frame_format, images in zip(formats, frames, strict=True):
                frame = _formatted(original, frame_format, first_size)
                # Grey after scaling: flow and RGB then come from the same pixels.
                if frame_format.grey:
                    frame = image.grey_frames_for_flow(frame)
                images.append(frame)
    return [_stacked(images) for images in frames]


def check_video_decodes(
    path: str | os.PathLike, *, fps: float = 0.0, max_frames: int = 0
) -> VideoInfo:
    """Decodes a whole video and returns its true length, which `probe_video` takes from the header.

    Raises:
      VideoError: as `read_video`.
    """
    # The second pass counts what `read_video` would return and finds the damage that it would find.
    info = probe_video(path, fps=fps)
    frames = 0
    with open_video(path) as video:
        for _ in selected_video_pictures(video, fps, max_frames):
            frames += 1
    return info._replace(frames=frames)


# ---- from pictures to frames ---------------------------------------------------------------------


def selected_video_pictures(
    video: OpenVideo, fps: float, max_frames: int
) -> Iterator[av.VideoFrame]:
    """Yields the pictures that `read_video` returns, resampled and limited."""
    pictures = all_video_pictures(video, Tally(video))
    selected = pictures
    if fps:
        selected = resampled_video_pictures(pictures, Timeline(video.stream, video.container), fps)
    yield from itertools.islice(selected, max_frames or None)
    pictures.close()


def squashed_video_frame(image: np.ndarray, size: tuple[int, int] | None) -> np.ndarray:
    """Returns the image at (W, H) pixels, or at its own size where None; contiguous."""
    image = np.ascontiguousarray(image)
    if size is None or image.shape[1::-1] == tuple(size):
        return image
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))


def fitted_video_frame(image: np.ndarray, side: int, fit: PictureFit) -> np.ndarray:
    """Returns the image [H, W, 3] uint8 as the square [S, S, 3] that a backbone reads."""
    region, box = square_source_region(image, fit)
    if box is None:
        return squashed_video_frame(region, (side, side))
    region = Image.fromarray(np.ascontiguousarray(region))
    return np.asarray(region.resize((side, side), Image.Resampling.BILINEAR, box))


def _formatted(
    picture: np.ndarray, frame_format: FrameFormat, first_size: tuple[int, int]
) -> np.ndarray:
    """The picture of a video whose first one has W, H = `first_size`, without grey."""
    if frame_format.fit.kind == "squash":
        return squashed_video_frame(picture, frame_format.size_of(*first_size))
    # A picture of another size than the first must lie in the square as the first one does.
    picture = squashed_video_frame(picture, first_size)
    side, _ = frame_format.size_of(*first_size)
    return fitted_video_frame(picture, side, frame_format.fit)


def _stacked(images: list[np.ndarray]) -> np.ndarray:
    """One array of all images; the list is emptied, so that a long video is not held twice."""
    frames = np.empty((len(images), *images[0].shape), np.uint8)
    # From the end, since `pop` takes the last one without moving the others.
    for index in reversed(range(len(images))):
        frames[index] = images.pop()
    return frames
