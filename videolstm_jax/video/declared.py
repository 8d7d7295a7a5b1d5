"""What the container of a video declares: frames a second, the number of pictures, their end."""

from __future__ import annotations

import contextlib

import av

from videolstm_jax.video.damage import avi, h264
from videolstm_jax.video.damage.content import Content
from videolstm_jax.video.damage.silent_packets import PLACEHOLDER

DEFAULT_RATE = 25
"""Frames a second of a container that does not say."""
FIELDS_A_FRAME = 1.5
"""A rate so many times as high counts fields or ticks; a frame has two fields."""
UNFINISHED = 1 << 30
"""The number of chunks of an AVI file that was written to a pipe, whose header was never filled."""
WITH_HIDDEN_PICTURES = ("vp8", "vp9")
"""Codecs with packets whose pictures are not shown; only the packets themselves say which."""
NOT_CODED_BYTES = 16
"""The most bytes of a packet of MPEG-4 that is a placeholder or a picture that is not coded."""


def video_frame_rate(stream: av.VideoStream) -> float:
    """Returns frames a second, 25 where the container does not say."""
    rate = stream.average_rate or stream.guessed_rate or stream.base_rate or DEFAULT_RATE
    guessed = stream.guessed_rate
    # Of interlaced AVI files and of DV, FFmpeg averages over fields or ticks.
    if guessed and rate > FIELDS_A_FRAME * guessed:
        rate = guessed
    coded = stream.codec_context.framerate
    # Only H.264 with fields: what progressive streams have in their codec's header may be wrong.
    if coded and rate > FIELDS_A_FRAME * coded and _may_have_fields(stream):
        rate = coded
    return float(rate)


def declared_packets(container: av.container.InputContainer, stream: av.VideoStream) -> int:
    """Returns the number of packets with content that the container declares, 0 where unknown.

    Of AVI it includes null chunks.
    """
    format_name = container.format.name
    if format_name == "ivf":
        return 0  # the header holds a duration, in units that differ among programs
    if format_name == "avi" and stream.frames >= UNFINISHED:
        return 0
    without_content = discarded = 0
    for entry in stream.index_entries:
        without_content += entry.size <= PLACEHOLDER
        discarded += entry.is_discard
    if "mp4" in format_name:
        # The header counts what edit lists cut away; the index marks it.
        return len(stream.index_entries) - discarded or stream.frames
    return max(0, stream.frames - without_content)


def declared_count(
    container: av.container.InputContainer, stream: av.VideoStream, content: Content
) -> int:
    """Returns the number of pictures that the container declares, 0 where it does not say.

    It says nothing of use where packets without a picture cannot be distinguished in its index.
    """
    if _may_have_silent_packets(stream):
        return 0
    count = declared_packets(container, stream)
    # The index of AVI does not list null chunks, but those before its last entry leave gaps in its
    # numbers. Those behind are in the bytes of the file alone.
    if container.format.name == "avi":
        count -= avi.avi_index_gaps(stream)
        end = avi.avi_end_of_last_chunk(stream)
        if end is not None:
            with content.behind(end) as source:
                count -= avi.avi_null_chunks_in(source, stream.index)
    return max(0, count)


def _may_have_silent_packets(stream: av.VideoStream) -> bool:
    """Whether there may be packets that give no picture, besides those without content."""
    codec = stream.codec_context.name
    if codec == "mpeg4":
        for entry in stream.index_entries:
            if entry.size <= NOT_CODED_BYTES:
                return True
    return codec in WITH_HIDDEN_PICTURES or _may_have_fields(stream)


def _may_have_fields(stream: av.VideoStream) -> bool:
    """Whether packets may hold single fields of frames."""
    context = stream.codec_context
    return context.name == "h264" and h264.h264_may_have_fields(bytes(context.extradata or b""))


def declared_end(container: av.container.InputContainer, stream: av.VideoStream) -> float:
    """Returns the time at which the container declares that the pictures end.

    Matroska and WebM declare no number of pictures. Their muxers write the duration of each stream
    as a tag, H:M:S; the duration of the whole file is that of the pictures only if there is no
    other stream. AVI declares its chunks, of which those without content hold a picture. MP4
    and Ogg declare the duration of each stream.

    Returns:
      Seconds on the clock of the time stamps, 0 where the container does not say.
    """
    format_name = container.format.name
    if format_name == "avi":
        # The duration is the number of chunks, which an unfinished header does not know.
        if stream.frames >= UNFINISHED:
            return 0.0
        return float((stream.duration or 0) * stream.time_base)
    if ("mp4" in format_name or format_name == "ogg") and stream.duration:
        # What edit lists leave out at the beginning is not in the duration.
        return float(((stream.start_time or 0) + stream.duration) * stream.time_base)
    if "matroska" not in format_name:
        return 0.0
    tag = stream.metadata.get("DURATION", "").split(":")
    if len(tag) == 3:
        with contextlib.suppress(ValueError):
            return (int(tag[0]) * 60 + int(tag[1])) * 60 + float(tag[2])
    if len(container.streams) != 1:
        return 0.0
    return (container.duration or 0) / av.time_base
