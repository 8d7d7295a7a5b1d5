"""Files of unusual kinds, made packet by packet, and whether they are read as FFmpeg reads them."""

import fractions
import functools
import struct
import subprocess

import av
import numpy as np
import pytest
from small_films import smooth

from videolstm_jax.errors import VideoError
from videolstm_jax.video import decode, guard, live

SIDES = (48, 64)
RATE = 25


def encoded(codec, frames=None, times=None, **options):
    """Packets of an encoder for `frames`, shown at `times` (in periods) or one after the other."""
    if frames is None:
        frames = smooth(40, *SIDES)
    try:
        context = av.CodecContext.create(codec, "w")
    except (av.codec.codec.UnknownCodecError, ValueError):
        pytest.skip(f"this build of FFmpeg has no {codec}")
    context.height, context.width = frames.shape[1:3]
    context.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    context.time_base, context.framerate = fractions.Fraction(1, RATE), fractions.Fraction(RATE)
    context.options = options
    context.thread_count = 1
    packets = []
    for k, image in enumerate(frames):
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        frame.pts, frame.time_base = times[k] if times else k, context.time_base
        packets.extend(context.encode(frame))
    packets.extend(context.encode(None))
    return packets


def muxed(path, codec, packets, sides=SIDES, *, last_duration=1, file_format=None):
    """Writes packets as they are: of each its bytes, pts, dts and whether it is a key packet."""
    target = path if hasattr(path, "write") else str(path)
    with av.open(target, "w", format=file_format) as container:
        stream = container.add_stream(codec, rate=RATE)
        stream.height, stream.width = sides
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for number, (data, pts, dts, key) in enumerate(packets, 1):
            packet = av.Packet(data)
            if number == len(packets):
                packet.duration = last_duration
            packet.stream, packet.time_base = stream, fractions.Fraction(1, RATE)
            packet.pts, packet.dts, packet.is_keyframe = pts, dts, key
            container.mux(packet)
    return path


def plain(packets):
    return [(bytes(packet), packet.pts, packet.dts, packet.is_keyframe) for packet in packets]


def with_null_chunks_at_end(data, present, declared):
    """Adds chunks of no bytes behind the last one of an AVI file, and counts them in its header."""
    data = bytearray(data)
    at = data.index(b"strh") + 8 + 32  # dwLength
    assert struct.unpack_from("<I", data, at)[0] == present
    struct.pack_into("<I", data, at, declared)
    index = data.index(b"idx1")
    movi = data.index(b"movi") - 8
    null = b"00dc" + bytes(4)
    added = null * (declared - present)
    struct.pack_into("<I", data, movi + 4, struct.unpack_from("<I", data, movi + 4)[0] + len(added))
    return bytes(data[:index] + added + data[index:])


def ffmpegs_frames(path):
    """What FFmpeg gives without this project's strictness."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(stream)])


@functools.cache
def crew():
    """One worker process for all files of a module; starting one takes longer than a small file."""
    return guard.Crew(1)


@pytest.fixture(scope="module", autouse=True)
def ended_crew():
    """Ends the process of `crew` with a module that imports this fixture."""
    yield
    crew().end()
    crew.cache_clear()


def assert_taken(path, count=None):
    """Reads a file in a worker and frame by frame, and compares with FFmpeg's frames."""
    expected = ffmpegs_frames(path)
    assert count is None or len(expected) == count
    np.testing.assert_array_equal(crew().read(path), expected)
    assert crew().check(path).frames == decode.probe_video(path).frames == len(expected)
    with live.open_live_video(path) as source:
        np.testing.assert_array_equal(list(source.frames), expected)
    return expected


def assert_piped(path, frames, **settings):
    """Reads a file through a pipe, which cannot be read backwards."""
    with (
        subprocess.Popen(["cat", str(path)], stdout=subprocess.PIPE) as feeder,
        live.open_live_video("-", pipe=feeder.stdout, **settings) as source,
    ):
        np.testing.assert_array_equal(list(source.frames), frames)


def assert_refused(path, match="."):
    with pytest.raises(VideoError, match=match):
        crew().read(path)
