"""A video file opened: its pictures in order, counted against what the container promised."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import av
from etils import epath

from videolstm_jax.errors import VideoError

PLACEHOLDER = 1
"""Bytes of the packets that XviD writes where a picture travelled with its neighbour: they hold no
picture.
"""
SPARE = 1
"""Pictures that a sound file may lack of what its container declares; more is a loss."""
STILLS = ("image2", "tty")


@contextlib.contextmanager
def open_video(path: str | os.PathLike) -> Iterator[tuple]:
    """Opens a file and its video stream, and turns every error of the codecs into `VideoError`."""
    file = epath.Path(path)
    if not file.is_file():
        raise VideoError(
            f"{path}: {'a folder' if file.is_dir() else 'no such file'}; expected a video file"
        )
    if not file.stat().length:
        raise VideoError(f"{path}: empty, 0 bytes; expected a video file")
    source = file.open("rb") if "://" in str(path) else os.fspath(path)
    try:
        with open_source(source, os.fspath(path)) as found:
            yield found
    finally:
        if not isinstance(source, str):
            source.close()


@contextlib.contextmanager
def open_source(source: Any, name: str) -> Iterator[tuple]:
    """The container and video stream of what is open for reading or a path; errors call it `name`."""
    options = {"err_detect": "explode"}
    with naming(name), av.open(source, metadata_errors="replace", options=options) as container:
        kinds = sorted({stream.type for stream in container.streams})
        kind = container.format.name
        if kind in STILLS or kind.endswith("_pipe"):
            raise VideoError(f"{name}: not a video but {kind}; expected moving pictures")
        if not container.streams.video:
            raise VideoError(
                f"{name}: no video stream, only {', '.join(kinds) or 'nothing'}; expected one"
            )
        stream = container.streams.video[0]
        if stream.codec_context is None:
            raise VideoError(
                f"{name}: pictures of an unknown codec; expected one that FFmpeg decodes"
            )
        stream.codec_context.options = options
        stream.codec_context.thread_count = 1
        yield container, stream


@contextlib.contextmanager
def naming(name: str) -> Iterator[None]:
    """Turns every error of the codecs into `VideoError`, which calls the file `name`."""
    try:
        yield
    except (av.FFmpegError, UnicodeError) as error:
        raise VideoError(
            f"{name}: damaged or not a video: {getattr(error, 'strerror', None) or error}"
        ) from error


def rate_of(stream: av.VideoStream) -> float:
    """Frames a second, 25 where the container does not say."""
    return float(stream.average_rate or stream.guessed_rate or stream.base_rate or 25)


def declared(container: av.container.InputContainer, stream: av.VideoStream) -> int:
    """Pictures that the container promises, 0 where it does not say."""
    if (
        "mp4" in container.format.name
    ):  # its index, unlike its header, knows what edit lists cut away
        return sum(not entry.is_discard for entry in stream.index_entries) or stream.frames
    empty = sum(entry.size <= PLACEHOLDER for entry in stream.index_entries)
    return max(0, stream.frames - empty)


def every_picture(
    path: str | os.PathLike, container: av.container.InputContainer, stream: av.VideoStream
) -> Iterator[av.VideoFrame]:
    """Yields every picture in the order of display, then compares their number with what was
    declared.
    """
    found = packets = 0
    end = 0.0
    for packet in container.demux(stream):
        packets += packet.size > PLACEHOLDER and not packet.is_discard
        if packet.is_corrupt:
            raise VideoError(f"{path}: packet {packets} is damaged; expected a sound file")
        for picture in packet.decode():
            if picture.is_corrupt:
                raise VideoError(f"{path}: frame {found} is damaged; expected a sound file")
            found += 1
            end = max(end, (picture.time or 0.0) + 1 / rate_of(stream))
            yield picture
    if not found:
        raise VideoError(f"{path}: 0 frames decoded; expected at least 1")
    promised = declared(container, stream)
    if packets < promised or found < max(packets, promised) - SPARE:
        raise VideoError(
            f"{path}: cut short or damaged: {found} frames decoded; expected {max(packets, promised)}"
        )
    seconds = _seconds(container, stream)
    if end < seconds - 2 / rate_of(stream):
        raise VideoError(
            f"{path}: cut short: pictures end at {end:.2f} s; expected {seconds:.2f} s as declared"
        )


def _seconds(container: av.container.InputContainer, stream: av.VideoStream) -> float:
    """How long the pictures of a container without a frame count say they last, 0 where they do
    not.
    """
    if "matroska" not in container.format.name:
        return 0.0
    tag = stream.metadata.get("DURATION", "").split(":")
    if len(tag) == 3:
        with contextlib.suppress(ValueError):
            return (int(tag[0]) * 60 + int(tag[1])) * 60 + float(tag[2])
    return (container.duration or 0) / av.time_base if len(container.streams) == 1 else 0.0
