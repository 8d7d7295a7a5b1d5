"""Opening a video file, and its pictures in order with every sign of damage reported.

Damage is found in four ways: the codec reports it, a packet or picture is marked corrupt, there are
fewer pictures than the container declares, or the pictures end before the declared duration. Files
of VP9 that are damaged otherwise pass; `benchmarks/damage.py` counts them.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import av
from etils import epath

from videolstm_jax.errors import VideoError

PLACEHOLDER = 1
"""Bytes of a packet without a picture.

XviD writes such packets into AVI files where a picture travels in the packet of its neighbour.
"""
TOLERANCE = 1
"""Pictures that an undamaged file may lack of what its container declares."""
STILL_FORMATS = ("image2", "tty")
"""FFmpeg's formats of single images and of text, which it also reads as one-frame videos."""
STRICT = {"err_detect": "explode"}
"""FFmpeg's option that makes the codecs report damage instead of hiding it."""
DEFAULT_RATE = 25
"""Frames a second of a container that does not say."""


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


def frame_rate(stream: av.VideoStream) -> float:
    """Returns frames a second, 25 where the container does not say."""
    return float(stream.average_rate or stream.guessed_rate or stream.base_rate or DEFAULT_RATE)


def declared_count(container: av.container.InputContainer, stream: av.VideoStream) -> int:
    """Returns the number of pictures that the container declares, 0 where it does not say."""
    if "mp4" in container.format.name:
        # The header counts what edit lists cut away; the index marks it.
        return sum(not entry.is_discard for entry in stream.index_entries) or stream.frames
    placeholders = sum(entry.size <= PLACEHOLDER for entry in stream.index_entries)
    return max(0, stream.frames - placeholders)


def all_pictures(
    path: str | os.PathLike, container: av.container.InputContainer, stream: av.VideoStream
) -> Iterator[av.VideoFrame]:
    """Yields every picture in display order, and checks number and duration at the end.

    Raises:
      VideoError: damage, where the stream comes to it; a lack of pictures, after the last one.
    """
    pictures = packets = 0
    end = 0.0  # seconds
    for packet in container.demux(stream):
        packets += packet.size > PLACEHOLDER and not packet.is_discard
        if packet.is_corrupt:
            raise VideoError(f"{path}: packet {packets} is damaged; expected a sound file")
        for picture in packet.decode():
            if picture.is_corrupt:
                raise VideoError(f"{path}: frame {pictures} is damaged; expected a sound file")
            pictures += 1
            end = max(end, (picture.time or 0.0) + 1 / frame_rate(stream))
            yield picture
    if not pictures:
        raise VideoError(f"{path}: 0 frames decoded; expected at least 1")
    # Packets are counted too: where the container declares nothing, a packet that gave no picture
    # is the only trace of one that was lost.
    declared = declared_count(container, stream)
    expected = max(packets, declared)
    if packets < declared or pictures < expected - TOLERANCE:
        raise VideoError(
            f"{path}: cut short or damaged: {pictures} frames decoded; expected {expected}"
        )
    seconds = _declared_seconds(container, stream)
    if end < seconds - 2 / frame_rate(stream):
        raise VideoError(
            f"{path}: cut short: pictures end at {end:.2f} s; expected {seconds:.2f} s as declared"
        )


def _declared_seconds(container: av.container.InputContainer, stream: av.VideoStream) -> float:
    """The duration of the pictures that a Matroska file declares, 0 where it does not say.

    Matroska and WebM declare no number of pictures. Their muxers write the duration of each stream
    as a tag, H:M:S; the duration of the whole file is that of the pictures only if there is no
    other stream.
    """
    if "matroska" not in container.format.name:
        return 0.0
    tag = stream.metadata.get("DURATION", "").split(":")
    if len(tag) == 3:
        with contextlib.suppress(ValueError):
            return (int(tag[0]) * 60 + int(tag[1])) * 60 + float(tag[2])
    return (container.duration or 0) / av.time_base if len(container.streams) == 1 else 0.0
