"""Opening a video file, and its pictures in order with every sign of damage reported.

Damage is found in three ways: the codec reports it, a packet or picture is marked corrupt, or
pictures are missing and nothing explains it (`damage.tally`). Files of VP9 that are damaged
otherwise pass; `benchmarks/damage.py` counts them.
"""

from __future__ import annotations

import contextlib
import functools
import os
import stat
from collections.abc import Iterator
from typing import Any, NamedTuple

import av
from etils import epath

from videolstm_jax.errors import VideoError
from videolstm_jax.video.damage.content import Content, FileContent
from videolstm_jax.video.damage.tally import Tally

STILL_FORMATS = ("image2", "tty")
"""FFmpeg's formats of single images and of text, which it also reads as one-frame videos."""
PICTURE_FORMAT = "_pipe"
"""How FFmpeg's names of pictures one after the other end, such as `jpeg_pipe`; one is a still."""
STRICT = {"err_detect": "explode"}
"""FFmpeg's option that makes the codecs report damage instead of hiding it."""
REFERRING_FORMATS = {
    *("concat", "dash", "hls", "imf", "webm_dash_manifest"),  # lists of videos
    *("rtp", "rtsp", "sap", "sdp"),  # descriptions of streams in a network
    *("avisynth", "lavfi", "vapoursynth"),  # programs
    *("dvdvideo", "vobsub"),  # parts of a disc
}
"""FFmpeg's formats of files that only name others, or what to compute; none is opened.

Such a file may be called clip.mp4, and would read any file of the machine, or ask other machines.
"""
DOUBTFUL = 3
"""Packets behind one that is marked as corrupt within which the first two of another may come.

FFmpeg splits H.264 into packets with a delay, so that the mark is on the last or the one before.
"""
JOIN_PERIODS = 1.5
"""Durations of a packet within which the next one follows without a gap."""
NO_FILES = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
"""What is no file; reading a pipe or a device might wait for ever."""


class OpenVideo(NamedTuple):
    """An open video: its name in messages, FFmpeg's container and stream, and its bytes."""

    name: str
    container: av.container.InputContainer
    stream: av.VideoStream
    content: Content


def _not_a_video_file(path: str | os.PathLike) -> str:
    """Returns what lies at a path that is no regular file, such as `a named pipe`, or ""."""
    # A bucket has files and folders only, of which the system knows nothing.
    if "://" in str(path):
        file = epath.Path(path)
        if file.is_dir():
            return "a folder"
        return "" if file.exists() else "no such file"
    # `epath` takes some pipes for files, and FFmpeg would wait for who writes them.
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return "no such file"
    if stat.S_ISREG(mode):
        return ""
    return NO_FILES.get(stat.S_IFMT(mode), "no file")


@contextlib.contextmanager
def open_video(path: str | os.PathLike) -> Iterator[OpenVideo]:
    """Opens a file; codec errors become `VideoError`."""
    problem = _not_a_video_file(path)
    if problem:
        raise VideoError(f"{path}: {problem}; expected a video file")
    file = epath.Path(path)
    if not file.stat().length:
        raise VideoError(f"{path}: empty, 0 bytes; expected a video file")
    with contextlib.ExitStack() as stack:
        source = os.fspath(path)
        # FFmpeg opens local paths itself; files in a bucket are read through a Python file object.
        if "://" in source:
            source = stack.enter_context(file.open("rb"))
        content = FileContent(path)
        yield stack.enter_context(open_video_source(source, os.fspath(path), content))


@contextlib.contextmanager
def open_video_source(source: Any, name: str, content: Content) -> Iterator[OpenVideo]:
    """Opens a path or a readable object.

    Args:
      source: what PyAV opens.
      name: what error messages call it.
      content: its bytes.
    """
    options = STRICT | {"format_whitelist": _allowed_formats()}
    with codec_errors(name), contextlib.ExitStack() as stack:
        try:
            # Metadata in any encoding is accepted: it is not used.
            container = av.open(source, metadata_errors="replace", options=options)
        except av.ArgumentError as error:
            # FFmpeg's answer for a format that is not allowed, and for some damage.
            raise VideoError(
                f"{name}: damaged, or not a video but a list of other files; expected one video"
            ) from error
        stack.enter_context(container)
        yield OpenVideo(name, container, _video_stream(container, name), content)


@functools.cache
def _allowed_formats() -> str:
    """The names of the formats that hold their pictures themselves, as FFmpeg's option has them."""
    return ",".join(sorted(av.formats_available - REFERRING_FORMATS))


def _video_stream(container: av.container.InputContainer, name: str) -> av.VideoStream:
    """The first video stream, set up for strict decoding."""
    format_name = container.format.name
    if format_name in STILL_FORMATS:
        raise VideoError(_not_moving(name, format_name))
    moving = []
    for stream in container.streams.video:
        # The cover of a sound file or a film is a stream of one picture.
        if not stream.disposition & av.stream.Disposition.attached_pic:
            moving.append(stream)
    if not moving:
        kinds = {stream.type for stream in container.streams}
        if container.streams.video:
            kinds = kinds - {"video"} | {"a cover"}
        present = ", ".join(sorted(kinds)) or "nothing"
        raise VideoError(f"{name}: no video stream, only {present}; expected one")
    stream = moving[0]
    if stream.codec_context is None:
        raise VideoError(f"{name}: pictures of an unknown codec; expected one that FFmpeg decodes")
    stream.codec_context.options = STRICT
    # Several videos are decoded at a time, so one thread each is enough.
    stream.codec_context.thread_count = 1
    return stream


def _not_moving(name: str, format_name: str) -> str:
    """Returns the message about a file of one picture, or of text."""
    return f"{name}: not a video but {format_name}; expected moving pictures"


@contextlib.contextmanager
def codec_errors(name: str) -> Iterator[None]:
    """Turns every error of the codecs into `VideoError`, which calls the file `name`."""
    try:
        yield
    except (av.FFmpegError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise VideoError(f"{name}: damaged or not a video: {reason}") from error


def all_video_pictures(video: OpenVideo, tally: Tally) -> Iterator[av.VideoFrame]:
    """Yields every picture in display order, and checks their number at the end.

    Args:
      video: before its first packet.
      tally: of the video, empty.

    Raises:
      VideoError: damage, where the stream comes to it; a lack of pictures, after the last one.
    """
    name, format_name = video.name, video.container.format.name
    for packet in _sound_packets(video):
        tally.add_packet(packet)
        if not packet.size and packet.pts is not None:
            # Theora repeats the picture before by a packet of no bytes. FFmpeg's own programs pass
            # over it; its decoders refuse it. The packet that ends the stream has no time.
            continue
        for picture in packet.decode():
            if picture.is_corrupt:
                raise VideoError(
                    f"{name}: frame {tally.pictures} is damaged; expected a sound file"
                )
            tally.add_picture(picture)
            yield picture
    # Cameras write JPEG pictures one after the other without a container.
    if format_name.endswith(PICTURE_FORMAT) and tally.packets < 2:
        raise VideoError(_not_moving(name, format_name))
    tally.check()


def _sound_packets(video: OpenVideo) -> Iterator[av.Packet]:
    """Yields all packets in the order of the file.

    Raises:
      VideoError: FFmpeg marks a packet as corrupt, but not because two streams were joined there.
    """
    held: list[av.Packet] = []  # a packet in doubt and those behind it
    count = 0
    for packet in video.container.demux(video.stream):
        count += 1
        # Nothing is decoded while a packet is in doubt: frames of a damaged one must not be given.
        if not held and not packet.is_corrupt:
            yield packet
            continue
        held.append(packet)
        if _is_join(video, held):
            yield from held
            held.clear()
        elif len(held) > DOUBTFUL:
            break
    if held:
        number = count - len(held) + 1
        raise VideoError(f"{video.name}: packet {number} is damaged; expected a sound file")


def _is_join(video: OpenVideo, held: list[av.Packet]) -> bool:
    """Whether packets in doubt end with the first two of another stream, joined to those before.

    Segments of a broadcast are often joined by writing one behind the other. Their counters start
    anew, which FFmpeg takes for a loss; but a segment begins with a key picture, at the time that
    follows or, of another recording, earlier. After a loss, time jumps forward.
    """
    if len(held) < 3 or "mpegts" not in video.container.format.name:
        return False
    before, first, second = held[-3:]
    return first.is_keyframe and _follows(before, first) and _follows(first, second)


def _follows(before: av.Packet, packet: av.Packet) -> bool:
    """Whether no packet can be missing between two, by their times of decoding."""
    if before.dts is None or packet.dts is None:
        return False
    return packet.dts <= before.dts + JOIN_PERIODS * (before.duration or 0)


def remaining_video_times(video: OpenVideo, tally: Tally) -> list[tuple[float, float]]:
    """Passes through the remaining packets of a video without decoding them.

    Args:
      video: the video.
      tally: with the packets and pictures so far.

    Returns:
      Time stamp and duration of each picture in display order, also those before, in seconds.
    """
    for packet in video.container.demux(video.stream):
        tally.add_packet(packet)
    return tally.times()
