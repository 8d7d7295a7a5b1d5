"""Opening a video file, and its pictures in order with every sign of damage reported.

Damage is found in three ways: the codec reports it, a packet or picture is marked corrupt, or
pictures are missing and nothing explains it (`tally`). Files of VP9 that are damaged otherwise
pass; `benchmarks/damage.py` counts them.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import av
from etils import epath

from videolstm_jax.errors import VideoError
from videolstm_jax.video.tally import Tally

STILL_FORMATS = ("image2", "tty")
"""FFmpeg's formats of single images and of text, which it also reads as one-frame videos."""
STRICT = {"err_detect": "explode"}
"""FFmpeg's option that makes the codecs report damage instead of hiding it."""


@contextlib.contextmanager
def open_video(path: str | os.PathLike) -> Iterator[tuple]:
    """Opens a file and yields its container and video stream; codec errors become `VideoError`."""
    file = epath.Path(path)
    if not file.is_file():
        problem = "a folder" if file.is_dir() else "no such file"
        raise VideoError(f"{path}: {problem}; expected a video file")
    if not file.stat().length:
        raise VideoError(f"{path}: empty, 0 bytes; expected a video file")
    # FFmpeg opens local paths itself; files in a bucket are read through a Python file object.
    source = file.open("rb") if "://" in str(path) else os.fspath(path)
    try:
        with open_source(source, os.fspath(path)) as streams:
            yield streams
    finally:
        if not isinstance(source, str):
            source.close()


@contextlib.contextmanager
def open_source(source: Any, name: str) -> Iterator[tuple]:
    """Opens a path or a readable object and yields its container and video stream.

    Args:
      source: what PyAV opens.
      name: what error messages call it.
    """
    with (
        codec_errors(name),
        # Metadata in any encoding is accepted: it is not used.
        av.open(source, metadata_errors="replace", options=STRICT) as container,
    ):
        yield container, _video_stream(container, name)


def _video_stream(container: av.container.InputContainer, name: str) -> av.VideoStream:
    """The first video stream, set up for strict decoding."""
    format_name = container.format.name
    if format_name in STILL_FORMATS or format_name.endswith("_pipe"):
        raise VideoError(f"{name}: not a video but {format_name}; expected moving pictures")
    if not container.streams.video:
        kinds = sorted({stream.type for stream in container.streams})
        present = ", ".join(kinds) or "nothing"
        raise VideoError(f"{name}: no video stream, only {present}; expected one")
    stream = container.streams.video[0]
    if stream.codec_context is None:
        raise VideoError(f"{name}: pictures of an unknown codec; expected one that FFmpeg decodes")
    stream.codec_context.options = STRICT
    # Several videos are decoded at a time, so one thread each is enough.
    stream.codec_context.thread_count = 1
    return stream


@contextlib.contextmanager
def codec_errors(name: str) -> Iterator[None]:
    """Turns every error of the codecs into `VideoError`, which calls the file `name`."""
    try:
        yield
    except (av.FFmpegError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise VideoError(f"{name}: damaged or not a video: {reason}") from error


def all_pictures(
    path: str | os.PathLike, container: av.container.InputContainer, stream: av.VideoStream
) -> Iterator[av.VideoFrame]:
    """Yields every picture in display order, and checks their number at the end.

    Raises:
      VideoError: damage, where the stream comes to it; a lack of pictures, after the last one.
    """
    tally = Tally(path, container, stream)
    for packet in container.demux(stream):
        tally.add_packet(packet)
        if packet.is_corrupt:
            raise VideoError(f"{path}: packet {tally.packets} is damaged; expected a sound file")
        for picture in packet.decode():
            if picture.is_corrupt:
                raise VideoError(
                    f"{path}: frame {tally.pictures} is damaged; expected a sound file"
                )
            tally.add_picture(picture)
            yield picture
    tally.check()
