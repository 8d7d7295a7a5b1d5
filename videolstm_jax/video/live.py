"""Frames one at a time from a file, a pipe or a camera."""

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
from videolstm_jax.video.container import OpenVideo, codec_errors, open_video, open_video_source
from videolstm_jax.video.damage.content import PipeContent
from videolstm_jax.video.declared import video_frame_rate
from videolstm_jax.video.orientation import upright_video_picture
from videolstm_jax.video.resample import Timeline, resampled_video_pictures

PIPE = "-"
PIPE_NAME = "standard input"
CAMERAS = {"linux": ("v4l2", "/dev/video{}"), "darwin": ("avfoundation", "{}")}
"""FFmpeg's device and the address of camera number {} on each system."""
PROTOCOLS = ("http", "https", "rtmp", "rtp", "rtsp", "rtsps", "srt", "tcp", "udp")
"""Addresses such as rtsp://HOST/PATH are read by FFmpeg itself; others are files and buckets."""
NETWORK_SECONDS = 10.0
"""A source in the network that gives nothing for so long is an error."""


class Live(NamedTuple):
    """An open source: its name in messages, frames a second, and its frames.

    Frames are [H, W, 3] uint8 RGB of one size. They are decoded when they are asked for and not
    kept.
    """

    name: str
    fps: float
    frames: Iterator[np.ndarray]


@contextlib.contextmanager
def open_live_video(
    source: str | os.PathLike,
    *,
    fps: float = 0.0,
    max_frames: int = 0,
    pipe: BinaryIO | None = None,
) -> Iterator[Live]:
    """Opens a source and closes it at the end of the block.

    Frames are upright, and those of other sizes than the first are squashed to its size, as in
    `decode.read_video`. Damage is raised when the stream comes to it, after the frames before it.

    Args:
      source: a path, the number of a camera, an address in the network (see `PROTOCOLS`), or `-`
        for a pipe. A file whose name is a number wins over the camera.
      fps: frames a second to resample to; 0 takes every frame.
      max_frames: how many frames to yield at most; 0 yields all, of a camera without end.
      pipe: what `-` reads; standard input where None.

    Raises:
      VideoError: no such file, camera or address, no video in it, or, while frames are read,
        damage.
    """
    name = os.fspath(source)
    is_camera = name.isdecimal() and not os.path.exists(name)
    if is_network_video(name) or is_camera:
        device = _camera(int(name)) if is_camera else _network(name)
        with device as (label, container, stream):
            pictures = _unbroken_pictures(container, stream)
            if fps:
                pictures = resampled_video_pictures(pictures, Timeline(stream, None), fps)
            limited = itertools.islice(pictures, max_frames or None)
            yield Live(label, fps or video_frame_rate(stream), _frames(label, limited))
        return
    opened_source = _piped(pipe) if name == PIPE else open_video(source)
    with opened_source as video:
        pictures = decode.selected_video_pictures(video, fps, max_frames)
        yield Live(video.name, fps or video_frame_rate(video.stream), _frames(video.name, pictures))


def is_network_video(source: str) -> bool:
    """Whether a source is an address that FFmpeg reads over the network."""
    protocol, separator, _ = source.partition("://")
    return bool(separator) and protocol.lower() in PROTOCOLS


def _unbroken_pictures(
    container: av.container.InputContainer, stream: av.VideoStream
) -> Iterator[av.VideoFrame]:
    """Yields pictures of a camera or network, which drop and break some now and then."""
    for picture in container.decode(stream):
        if not picture.is_corrupt:
            yield picture


def _frames(name: str, pictures: Iterator[av.VideoFrame]) -> Iterator[np.ndarray]:
    size = None
    try:
        # Errors are named inside the generator: the reader has the frames before the damage.
        with codec_errors(name):
            for picture in pictures:
                image = decode.squashed_video_frame(upright_video_picture(picture), size)
                size = size or image.shape[1::-1]
                yield image
    finally:
        # A generator that reads from a container ends before the container is closed.
        if hasattr(pictures, "close"):
            pictures.close()


@contextlib.contextmanager
def _piped(pipe: BinaryIO | None) -> Iterator[OpenVideo]:
    if pipe is None:
        pipe = sys.stdin.buffer
    # A terminal would be waited for without a word.
    if pipe.isatty():
        raise VideoError(
            "standard input is a terminal; expected a video, such as from: cat FILE | .. --video=-"
        )
    try:
        content = PipeContent(pipe, PIPE_NAME)
        with open_video_source(content, PIPE_NAME, content) as video:
            yield video
    except VideoError as error:
        # An mp4 file with its index (the box `moov`) at the end is the common cause of failure.
        if "moov" in str(error) or isinstance(error.__cause__, av.FFmpegError):
            raise VideoError(
                f"{error}. A pipe cannot be read backwards: of mp4 only what was written with "
                "`-movflags frag_keyframe` or `+faststart` can be piped; mkv, avi and ts always can"
            ) from error
        raise


@contextlib.contextmanager
def _network(address: str) -> Iterator[tuple]:
    try:
        with av.open(address, timeout=NETWORK_SECONDS, metadata_errors="replace") as container:
            if not container.streams.video:
                raise VideoError(f"{address}: no video stream; expected one")
            yield address, container, container.streams.video[0]
    except av.FFmpegError as error:
        reason = error.strerror or error
        raise VideoError(f"{address}: cannot be read over the network: {reason}") from error


@contextlib.contextmanager
def _camera(number: int) -> Iterator[tuple]:
    if sys.platform not in CAMERAS:
        systems = " and ".join(CAMERAS)
        raise VideoError(
            f"camera {number}: numbers are known on {systems} only, this is {sys.platform}; "
            "expected a file or -"
        )
    device, address = CAMERAS[sys.platform]
    address = address.format(number)
    if address.startswith("/") and not os.path.exists(address):
        present = sorted(str(path) for path in pathlib.Path("/dev").glob("video*"))
        cameras = ", ".join(present) or "none"
        raise VideoError(
            f"camera {number}: there is no {address} (cameras of this machine: {cameras}); "
            "expected a camera's number, a video file or -"
        )
    try:
        with av.open(address, format=device) as container:
            yield f"camera {number}", container, container.streams.video[0]
    except av.FFmpegError as error:
        reason = error.strerror or error
        raise VideoError(f"camera {number}: {address} cannot be read: {reason}") from error
