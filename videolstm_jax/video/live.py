"""Frames as they come, one at a time, from a file, a pipe or a camera."""

from __future__ import annotations

import contextlib
import itertools
import os
import pathlib
import sys
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

import av
import numpy as np

from videolstm_jax.errors import VideoError
from videolstm_jax.video import decode
from videolstm_jax.video.container import naming, open_source, open_video, rate_of

PIPE = "-"
CAMERAS = {"linux": ("v4l2", "/dev/video{}"), "darwin": ("avfoundation", "{}")}
"""FFmpeg's device and the name of camera number {} on each system."""


class Live(NamedTuple):
    """A source that is open: its name in messages, frames a second, and its frames [H, W, 3] uint8
    RGB, all one size.

    Frames are made when they are asked for, and none is kept.
    """

    name: str
    fps: float
    frames: Iterator[np.ndarray]


@contextlib.contextmanager
def opened(
    source: str | os.PathLike,
    *,
    fps: float = 0.0,
    max_frames: int = 0,
    pipe: BinaryIO | None = None,
) -> Iterator[Live]:
    """Opens a source and closes it again.

    Frames are upright, and those of other sizes than the first are squashed to its size, as
    `decode.read` has them. Damage is found when the stream comes to it: after the frames before it
    have been yielded.

    Args:
      source: a path, the number of a camera, or `-` for a pipe.
      fps: frames a second to resample to; 0 takes every frame.
      max_frames: how many frames to yield at most; 0 yields all, of a camera without end.
      pipe: what `-` reads; standard input where None.

    Raises:
      VideoError: no such file or camera, no video in it, or, while frames are read, damage.
    """
    name = os.fspath(source)
    if name.isdecimal() and not os.path.exists(name):
        with _camera(int(name)) as (label, container, stream):
            found = (picture for picture in container.decode(stream) if not picture.is_corrupt)
            found = decode.resampled(found, container, stream, fps) if fps else found
            yield Live(
                label,
                fps or rate_of(stream),
                _frames(label, itertools.islice(found, max_frames or None)),
            )
        return
    with _piped(pipe) if name == PIPE else open_video(source) as (container, stream):
        label = "standard input" if name == PIPE else name
        found = decode.chosen(label, container, stream, fps, max_frames)
        yield Live(label, fps or rate_of(stream), _frames(label, found))


def _frames(name: str, pictures: Iterator[av.VideoFrame]) -> Iterator[np.ndarray]:
    size = None
    try:
        with naming(name):  # here, so that whoever reads knows how far it came
            for picture in pictures:
                image = decode.squashed_to(decode.displayed(picture), size)
                size = size or image.shape[1::-1]
                yield image
    finally:
        if hasattr(pictures, "close"):
            pictures.close()


class _Pipe:
    """A file that can only be read: what PyAV is not shown, it does not try."""

    def __init__(self, file: BinaryIO) -> None:
        self.read = file.read


@contextlib.contextmanager
def _piped(pipe: BinaryIO | None) -> Iterator[tuple]:
    pipe = sys.stdin.buffer if pipe is None else pipe
    if pipe.isatty():
        raise VideoError(
            "standard input is a terminal; expected a video, such as from: cat FILE | .. --video=-"
        )
    try:
        with open_source(_Pipe(pipe), "standard input") as found:
            yield found
    except VideoError as error:
        if "moov" in str(error) or isinstance(error.__cause__, av.FFmpegError):
            raise VideoError(
                f"{error}. A pipe cannot be read backwards: of mp4 only what was written with "
                "`-movflags frag_keyframe` or `+faststart` can be piped; mkv, avi and ts always can"
            ) from error
        raise


@contextlib.contextmanager
def _camera(number: int) -> Iterator[tuple]:
    if sys.platform not in CAMERAS:
        raise VideoError(
            f"camera {number}: numbers are known on {' and '.join(CAMERAS)} only, this is {sys.platform}; "
            "expected a file or -"
        )
    kind, address = CAMERAS[sys.platform]
    address = address.format(number)
    if address.startswith("/") and not os.path.exists(address):
        there = sorted(str(path) for path in pathlib.Path("/dev").glob("video*"))
        raise VideoError(
            f"camera {number}: there is no {address} (cameras here: {', '.join(there) or 'none'}); expected "
            "a camera's number, a video file or -"
        )
    try:
        with av.open(address, format=kind) as container:
            yield f"camera {number}", container, container.streams.video[0]
    except av.FFmpegError as error:
        raise VideoError(
            f"camera {number}: {address} cannot be read: {error.strerror or error}"
        ) from error
