"""Video files to RGB or grey frames; damaged files are refused.

Decoding happens in this process. A file that may be damaged goes through `guard`, since some broken
streams crash the codec.
"""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import av
import numpy as np
from PIL import Image

from videolstm_jax.flow import image
from videolstm_jax.video.container import all_pictures, open_video
from videolstm_jax.video.orientation import upright
from videolstm_jax.video.tally import declared_count, declared_seconds, frame_rate

HELD = 0.5
"""Periods beyond its own for which a last picture counts as held."""


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
    with a longer shorter side are scaled down to it and keep their shape.
    """

    size: tuple[int, int] | None = None
    grey: bool = False
    shorter_side: int = 0

    def size_of(self, width: int, height: int) -> tuple[int, int]:
        """(W, H) that frames of W x H pixels are brought to."""
        if self.size is not None:
            return self.size
        shorter = min(width, height)
        # Never larger than the video: made-up pixels would cost time and say nothing.
        if not self.shorter_side or shorter <= self.shorter_side:
            return width, height
        scale = self.shorter_side / shorter
        return round(width * scale), round(height * scale)


def probe(path: str | os.PathLike, *, fps: float = 0.0) -> VideoInfo:
    """Reads length, size and rate of a video from its header and first picture.

    The whole file is decoded only if the container does not declare its number of frames. A damaged
    file may pass; `read` finds the damage.

    Args:
      path: a video file.
      fps: the rate that `read` will resample to; 0 is the file's own.

    Raises:
      VideoError: missing, empty, no video, or no picture.
    """
    with open_video(path) as (container, stream):
        rate, frames = frame_rate(stream), declared_count(container, stream)
        pictures = all_pictures(path, container, stream)
        height, width = upright(next(pictures)).shape[:2]
        if not frames:  # the container does not say: the rest is decoded and counted
            frames = 1 + sum(1 for _ in pictures)
        pictures.close()  # before the container that it reads from
        seconds = end_of_pictures(frames / rate, declared_seconds(container, stream), rate)
    if not fps:
        return VideoInfo(frames, width, height, rate)
    # `resampled` yields a frame for every k / fps before the end; 1e-6 absorbs rounding.
    return VideoInfo(max(1, math.ceil(seconds * fps - 1e-6)), width, height, fps)


def read(
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
    return read_formats(path, [FrameFormat(size)], fps=fps, max_frames=max_frames)[0]


def read_formats(
    path: str | os.PathLike,
    formats: Sequence[FrameFormat],
    *,
    fps: float = 0.0,
    max_frames: int = 0,
) -> list[np.ndarray]:
    """Decodes a video once and returns its frames in several formats; see `read`.

    Returns:
      For each format [L, H, W, 3] uint8 RGB or, grey, [L, H, W] uint8 luma (`flow.image.grey`).

    Raises:
      VideoError: as `read`.
    """
    frames: list[list[np.ndarray]] = [[] for _ in formats]
    first_size = None
    with open_video(path) as (container, stream):
        for picture in selected_pictures(path, container, stream, fps, max_frames):
            original = upright(picture)
            first_size = first_size or original.shape[1::-1]
            for frame_format, images in zip(formats, frames, strict=True):
                squashed = squashed_to(original, frame_format.size_of(*first_size))
                images.append(image.grey(squashed) if frame_format.grey else squashed)
    return [_stacked(images) for images in frames]


def check(path: str | os.PathLike, *, fps: float = 0.0, max_frames: int = 0) -> VideoInfo:
    """Decodes a whole video and returns its true length, which `probe` takes from the header.

    Raises:
      VideoError: as `read`.
    """
    # The second pass counts what `read` would return and finds the damage that it would find.
    info = probe(path, fps=fps)
    with open_video(path) as (container, stream):
        pictures = selected_pictures(path, container, stream, fps, max_frames)
        return info._replace(frames=sum(1 for _ in pictures))


# ---- from pictures to frames ---------------------------------------------------------------------


def selected_pictures(
    path: str | os.PathLike,
    container: av.container.InputContainer,
    stream: av.VideoStream,
    fps: float,
    max_frames: int,
) -> Iterator[av.VideoFrame]:
    """Yields the pictures that `read` returns, resampled and limited."""
    pictures = all_pictures(path, container, stream)
    selected = pictures
    if fps:
        selected = resampled(pictures, stream, fps, declared_seconds(container, stream))
    yield from itertools.islice(selected, max_frames or None)
    pictures.close()


def resampled(
    pictures: Iterator[av.VideoFrame],
    stream: av.VideoStream,
    fps: float,
    declared: float = 0.0,
) -> Iterator[av.VideoFrame]:
    """Yields the picture nearest to each k / fps, for all k / fps before the end of the video.

    Args:
      pictures: all pictures in display order.
      stream: of the video.
      fps: frames a second to yield.
      declared: the time in seconds at which pictures end by the container, 0 where it does
        not say.
    """
    rate = frame_rate(stream)
    k, last, time, first = 0, None, 0.0, 0.0
    for picture in pictures:
        stamp = picture.time
        if last is None:
            first = stamp or 0.0
            last = picture
            continue
        if stamp is None or stamp - first <= time:
            next_time = time + 1 / rate  # no usable stamp: one period after the picture before
        else:
            next_time = stamp - first
        # The picture before is the nearest one up to halfway; it wins a tie.
        while k / fps <= (time + next_time) / 2 + 1e-9:
            yield last
            k += 1
        last, time = picture, next_time
    # The last picture is shown for one period or longer; a video has at least one frame.
    end = end_of_pictures(time + 1 / rate, declared - first, rate)
    while k == 0 or k / fps < end - 1e-6 / fps:
        yield last
        k += 1


def end_of_pictures(computed: float, declared: float, rate: float) -> float:
    """Returns the time in seconds at which the last picture ends.

    Args:
      computed: the end if the last picture lasts one period.
      declared: what the container declares, 0 where it does not.
      rate: frames a second.
    """
    # Only a last picture that is held longer counts: declared times are rounded to milliseconds.
    return declared if declared > computed + HELD / rate else computed


def squashed_to(image: np.ndarray, size: tuple[int, int] | None) -> np.ndarray:
    """Returns the image at (W, H) pixels, or at its own size where None; contiguous."""
    image = np.ascontiguousarray(image)
    if size is None or image.shape[1::-1] == tuple(size):
        return image
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))


def _stacked(images: list[np.ndarray]) -> np.ndarray:
    """One array of all images; the list is emptied, so that a long video is not held twice."""
    frames = np.empty((len(images), *images[0].shape), np.uint8)
    for index in reversed(range(len(images))):
        frames[index] = images.pop()
    return frames
