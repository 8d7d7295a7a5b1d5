"""Video files to RGB frames, refusing whatever is damaged."""

from __future__ import annotations

import contextlib
import itertools
import math
import os
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import av
import numpy as np
from etils import epath
from PIL import Image

from videolstm_jax.flow import image

PLACEHOLDER = 1
"""Bytes of the packets that XviD writes where a picture travelled with its neighbour: they hold no picture."""
SPARE = 1
"""Pictures that a sound file may lack of what its container declares; more is a loss."""
STILLS = ("image2", "tty")


class BadVideo(ValueError):
    """A file that cannot be used as a video: the message names it, what was found and what was expected."""


class VideoInfo(NamedTuple):
    """`frames`, displayed `width` and `height` in pixels, and frames a second, all as `read` returns them."""

    frames: int
    width: int
    height: int
    fps: float


class View(NamedTuple):
    """One way to see frames: the (W, H) pixels they are squashed to, None for their own, in RGB or as luma."""

    size: tuple[int, int] | None = None
    grey: bool = False


def probe(path: str | os.PathLike, *, fps: float = 0.0) -> VideoInfo:
    """Tells length, size and rate of a video from its header and first picture.

    The whole file is decoded only where the container does not say how many frames it has. A damaged file may pass
    here; `read` finds the damage.

    Args:
      path: a video file.
      fps: the rate `read` will be asked for; 0 is the file's own.

    Raises:
      BadVideo: missing, empty, no video, or no picture.
    """
    with opened(path) as (container, stream):
        rate, frames = rate_of(stream), _declared(container, stream)
        pictures = _pictures(path, container, stream)
        height, width = displayed(next(pictures)).shape[:2]
        if not frames:
            frames = 1 + sum(1 for _ in pictures)
        pictures.close()
    if fps:
        return VideoInfo(max(1, math.ceil(frames * fps / rate - 1e-6)), width, height, fps)
    return VideoInfo(frames, width, height, rate)


def read(path: str | os.PathLike, *, fps: float = 0.0, max_frames: int = 0,
         size: tuple[int, int] | None = None) -> np.ndarray:
    """Decodes a video, upright as players show it.

    Decoding happens in this process: a file that may be damaged goes through `guard.read_all`, since some broken
    streams crash the codec. With `fps`, output frame k is the one whose time stamp is nearest to k / fps, the earlier
    of two. Frames of other sizes than the first are squashed to its size.

    Args:
      path: a video file.
      fps: frames a second to resample to; 0 takes every frame.
      max_frames: how many frames to return at most; 0 returns all. What lies behind them is not checked.
      size: (W, H) pixels to squash every frame to (Pillow's bilinear); None keeps the first frame's size.

    Returns:
      [L, H, W, 3] uint8 RGB, L >= 1.

    Raises:
      BadVideo: missing, empty, no video, no picture, damaged, or shorter than it declares.
    """
    return read_views(path, [View(size)], fps=fps, max_frames=max_frames)[0]


def read_views(path: str | os.PathLike, views: Sequence[View], *, fps: float = 0.0,
               max_frames: int = 0) -> list[np.ndarray]:
    """Decodes a video once and gives it in several sizes, see `read`.

    Returns:
      For each view [L, H, W, 3] uint8 RGB or, grey, [L, H, W] uint8 luma (`flow.image.grey`).

    Raises:
      BadVideo: as `read`.
    """
    seen: list[list[np.ndarray]] = [[] for _ in views]
    own = None
    with opened(path) as (container, stream):
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
      BadVideo: as `read`.
    """
    info = probe(path, fps=fps)
    with opened(path) as (container, stream):
        return info._replace(frames=sum(1 for _ in chosen(path, container, stream, fps, max_frames)))


# ---- inside the container ---------------------------------------------------------------------------------------


@contextlib.contextmanager
def opened(path: str | os.PathLike) -> Iterator[tuple]:
    """Opens a file and its video stream, and turns every error of the codecs into `BadVideo`."""
    file = epath.Path(path)
    if not file.is_file():
        raise BadVideo(f"{path}: {'a folder' if file.is_dir() else 'no such file'}; expected a video file")
    if not file.stat().length:
        raise BadVideo(f"{path}: empty, 0 bytes; expected a video file")
    source = file.open("rb") if "://" in str(path) else os.fspath(path)
    try:
        with reading(source, os.fspath(path)) as found:
            yield found
    finally:
        if not isinstance(source, str):
            source.close()


@contextlib.contextmanager
def reading(source: Any, name: str) -> Iterator[tuple]:
    """The container and video stream of what is open for reading or a path; errors call it `name`."""
    try:
        options = {"err_detect": "explode"}
        with av.open(source, metadata_errors="replace", options=options) as container:
            kinds = sorted({stream.type for stream in container.streams})
            kind = container.format.name
            if kind in STILLS or kind.endswith("_pipe"):
                raise BadVideo(f"{name}: not a video but {kind}; expected moving pictures")
            if not container.streams.video:
                raise BadVideo(f"{name}: no video stream, only {', '.join(kinds) or 'nothing'}; expected one")
            stream = container.streams.video[0]
            if stream.codec_context is None:
                raise BadVideo(f"{name}: pictures of an unknown codec; expected one that FFmpeg decodes")
            stream.codec_context.options = options
            stream.codec_context.thread_count = 1
            yield container, stream
    except (av.FFmpegError, UnicodeError) as error:
        raise BadVideo(f"{name}: damaged or not a video: {getattr(error, 'strerror', None) or error}") from error


def rate_of(stream: av.VideoStream) -> float:
    """Frames a second, 25 where the container does not say."""
    return float(stream.average_rate or stream.guessed_rate or stream.base_rate or 25)


def _declared(container: av.container.InputContainer, stream: av.VideoStream) -> int:
    """Pictures that the container promises, 0 where it does not say."""
    if "mp4" in container.format.name:  # its index, unlike its header, knows what edit lists cut away
        return sum(not entry.is_discard for entry in stream.index_entries) or stream.frames
    empty = sum(entry.size <= PLACEHOLDER for entry in stream.index_entries)
    return max(0, stream.frames - empty)


def _pictures(path: str | os.PathLike, container: av.container.InputContainer,
              stream: av.VideoStream) -> Iterator[av.VideoFrame]:
    """Yields every picture in the order of display, then compares their number with what was declared."""
    found = packets = 0
    end = 0.0
    for packet in container.demux(stream):
        packets += packet.size > PLACEHOLDER and not packet.is_discard
        if packet.is_corrupt:
            raise BadVideo(f"{path}: packet {packets} is damaged; expected a sound file")
        for picture in packet.decode():
            if picture.is_corrupt:
                raise BadVideo(f"{path}: frame {found} is damaged; expected a sound file")
            found += 1
            end = max(end, (picture.time or 0.0) + 1 / rate_of(stream))
            yield picture
    if not found:
        raise BadVideo(f"{path}: 0 frames decoded; expected at least 1")
    declared = _declared(container, stream)
    if packets < declared or found < max(packets, declared) - SPARE:
        raise BadVideo(f"{path}: cut short or damaged: {found} frames decoded; expected {max(packets, declared)}")
    seconds = _seconds(container, stream)
    if end < seconds - 2 / rate_of(stream):
        raise BadVideo(f"{path}: cut short: pictures end at {end:.2f} s; expected {seconds:.2f} s as declared")


def _seconds(container: av.container.InputContainer, stream: av.VideoStream) -> float:
    """How long the pictures of a container without a frame count say they last, 0 where they do not."""
    if "matroska" not in container.format.name:
        return 0.0
    tag = stream.metadata.get("DURATION", "").split(":")
    if len(tag) == 3:
        with contextlib.suppress(ValueError):
            return (int(tag[0]) * 60 + int(tag[1])) * 60 + float(tag[2])
    return (container.duration or 0) / av.time_base if len(container.streams) == 1 else 0.0


# ---- from picture to frame --------------------------------------------------------------------------------------


def chosen(path: str | os.PathLike, container: av.container.InputContainer, stream: av.VideoStream, fps: float,
            max_frames: int) -> Iterator[av.VideoFrame]:
    """Yields the pictures that `read` returns."""
    pictures = _pictures(path, container, stream)
    yield from itertools.islice(resampled(pictures, container, stream, fps) if fps else pictures, max_frames or None)
    pictures.close()


def resampled(pictures: Iterator[av.VideoFrame], container: av.container.InputContainer, stream: av.VideoStream,
               fps: float) -> Iterator[av.VideoFrame]:
    """Yields the picture nearest to each k / fps, for all k / fps before the end of the last picture."""
    period = 1 / rate_of(stream)
    even = container.format.name == "avi"  # AVI has no time stamps; those of packed B pictures are not in order
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
    return np.asarray(Image.fromarray(np.ascontiguousarray(image)).resize(size, Image.Resampling.BILINEAR))


def _stacked(images: list[np.ndarray]) -> np.ndarray:
    """One array of all images; the list is emptied meanwhile, so that long videos are not held twice."""
    whole = np.empty((len(images), *images[0].shape), np.uint8)
    for at in reversed(range(len(images))):
        whole[at] = images.pop()
    return whole
