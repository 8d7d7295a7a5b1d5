"""Video files to RGB frames, refusing whatever is damaged."""

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
from videolstm_jax.video.container import declared, every_picture, open_video, rate_of


class VideoInfo(NamedTuple):
    """`frames`, displayed `width` and `height` in pixels, and frames a second, all as `read`
    returns them.
    """

    frames: int
    width: int
    height: int
    fps: float


class View(NamedTuple):
    """One way to see frames: the (W, H) pixels they are squashed to, None for their own, in RGB or
    as luma.
    """

    size: tuple[int, int] | None = None
    grey: bool = False


def probe(path: str | os.PathLike, *, fps: float = 0.0) -> VideoInfo:
    """Tells length, size and rate of a video from its header and first picture.

    The whole file is decoded only where the container does not say how many frames it has. A
    damaged file may pass here; `read` finds the damage.

    Args:
      path: a video file.
      fps: the rate `read` will be asked for; 0 is the file's own.

    Raises:
      VideoError: missing, empty, no video, or no picture.
    """
    with open_video(path) as (container, stream):
        rate, frames = rate_of(stream), declared(container, stream)
        pictures = every_picture(path, container, stream)
        height, width = displayed(next(pictures)).shape[:2]
        if not frames:
            frames = 1 + sum(1 for _ in pictures)
        pictures.close()
    if fps:
        return VideoInfo(max(1, math.ceil(frames * fps / rate - 1e-6)), width, height, fps)
    return VideoInfo(frames, width, height, rate)


def read(
    path: str | os.PathLike,
    *,
    fps: float = 0.0,
    max_frames: int = 0,
    size: tuple[int, int] | None = None,
) -> np.ndarray:
    """Decodes a video, upright as players show it.

    Decoding happens in this process: a file that may be damaged goes through `guard.read_all`,
    since some broken streams crash the codec. With `fps`, output frame k is the one whose time
    stamp is nearest to k / fps, the earlier of two. Frames of other sizes than the first are
    squashed to its size.

    Args:
      path: a video file.
      fps: frames a second to resample to; 0 takes every frame.
      max_frames: how many frames to return at most; 0 returns all. What lies behind them is not
        checked.
      size: (W, H) pixels to squash every frame to (Pillow's bilinear); None keeps the first frame's
        size.

    Returns:
      [L, H, W, 3] uint8 RGB, L >= 1.

    Raises:
      VideoError: missing, empty, no video, no picture, damaged, or shorter than it declares.
    """
    return read_views(path, [View(size)], fps=fps, max_frames=max_frames)[0]


def read_views(
    path: str | os.PathLike, views: Sequence[View], *, fps: float = 0.0, max_frames: int = 0
) -> list[np.ndarray]:
    """Decodes a video once and gives it in several sizes, see `read`.

    Returns:
      For each view [L, H, W, 3] uint8 RGB or, grey, [L, H, W] uint8 luma (`flow.image.grey`).

    Raises:
      VideoError: as `read`.
    """
    seen: list[list[np.ndarray]] = [[] for _ in views]
    own = None
    with open_video(path) as (container, stream):
        for picture in chosen(path, container, stream, fps, max_frames):
            whole = displayed(picture)
            own = own or whole.shape[1::-1]
            for view, images in zip(views, seen, strict=True):
                squashed = squashed_to(whole, view.size or own)
                images.append(image.grey(squashed) if view.grey else squashed)
    return [_stacked(images) for images in seen]


def check(path: str | os.PathLike, *, fps: float = 0.0, max_frames: int = 0) -> VideoInfo:
    """Decodes a whole video for nothing but what `probe` can only promise; see `read`.

    Raises:
      VideoError: as `read`.
    """
    info = probe(path, fps=fps)
    with open_video(path) as (container, stream):
        return info._replace(
            frames=sum(1 for _ in chosen(path, container, stream, fps, max_frames))
        )


# ---- from picture to frame -----------------------------------------------------------------------


def chosen(
    path: str | os.PathLike,
    container: av.container.InputContainer,
    stream: av.VideoStream,
    fps: float,
    max_frames: int,
) -> Iterator[av.VideoFrame]:
    """Yields the pictures that `read` returns."""
    pictures = every_picture(path, container, stream)
    yield from itertools.islice(
        resampled(pictures, container, stream, fps) if fps else pictures, max_frames or None
    )
    pictures.close()


def resampled(
    pictures: Iterator[av.VideoFrame],
    container: av.container.InputContainer,
    stream: av.VideoStream,
    fps: float,
) -> Iterator[av.VideoFrame]:
    """Yields the picture nearest to each k / fps, for all k / fps before the end of the last
    picture.
    """
    period = 1 / rate_of(stream)
    even = (
        container.format.name == "avi"
    )  # AVI has no time stamps; those of packed B pictures are not in order
    k, last, now, first = 0, None, 0.0, 0.0
    for picture in pictures:
        stamp = picture.time
        if last is None:
            first = stamp or 0.0
            last = picture
            continue
        follows = now + period if even or stamp is None or stamp - first <= now else stamp - first
        while k / fps <= (now + follows) / 2 + 1e-9:
            yield last
            k += 1
        last, now = picture, follows
    while k == 0 or k / fps < now + period - 1e-6 / fps:
        yield last
        k += 1


def displayed(picture: av.VideoFrame) -> np.ndarray:
    """[H, W, 3] RGB, turned by the quarter turns that the display matrix asks for."""
    return np.rot90(picture.to_ndarray(format="rgb24"), round(picture.rotation / 90))


def squashed_to(image: np.ndarray, size: tuple[int, int] | None) -> np.ndarray:
    """The image at (W, H) pixels, or at its own size where None; contiguous."""
    if size is None or image.shape[1::-1] == tuple(size):
        return np.ascontiguousarray(image)
    return np.asarray(
        Image.fromarray(np.ascontiguousarray(image)).resize(size, Image.Resampling.BILINEAR)
    )


def _stacked(images: list[np.ndarray]) -> np.ndarray:
    """One array of all images; the list is emptied meanwhile, so that long videos are not held
    twice.
    """
    whole = np.empty((len(images), *images[0].shape), np.uint8)
    for at in reversed(range(len(images))):
        whole[at] = images.pop()
    return whole
