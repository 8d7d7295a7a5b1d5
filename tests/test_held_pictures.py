"""Times of variable rates, a last picture that is held, and the blocks of Matroska."""

import functools
import math
import struct

import numpy as np
import pytest
from small_films import smooth
from sound_files import (
    RATE,
    SIDES,
    assert_piped,
    assert_taken,
    encoded,
    ended_crew,  # noqa: F401
    muxed,
    plain,
    with_null_chunks_at_end,
)

from videolstm_jax.errors import VideoError
from videolstm_jax.video import decode, encode
from videolstm_jax.video.damage import matroska


@pytest.mark.parametrize("name, codec", [("a.mkv", "libx264"), ("a.webm", "libvpx-vp9")])
def test_a_last_picture_that_is_held(tmp_path, name, codec):
    path = held(tmp_path / name, codec)
    frames = assert_taken(path, 10)
    resampled = decode.read_video(path, fps=10)
    assert len(resampled) == 24 == decode.probe_video(path, fps=10).frames
    np.testing.assert_array_equal(resampled[8:], np.broadcast_to(frames[-1], resampled[8:].shape))


def held(path, codec):
    """Ten pictures at 25 a second, and a declared duration of 2.4 s."""
    muxed(path, codec, plain(encoded(codec, smooth(10, *SIDES))))
    data = path.read_bytes()
    assert data.count(b"00:00:00.400000000") == 1
    data = data.replace(b"00:00:00.400000000", b"00:00:02.400000000")
    path.write_bytes(data.replace(struct.pack(">d", 400.0), struct.pack(">d", 2400.0)))
    return path


def test_a_cut_file_whose_last_picture_is_held(tmp_path):
    path = held(tmp_path / "a.mkv", "libx264")
    data = path.read_bytes()
    blocks = block_starts(data)
    for end in (len(data) - 1, blocks[7], blocks[7] + 9, blocks[1]):
        path.write_bytes(data[:end])
        with pytest.raises(VideoError, match=r"cut short|damaged"):
            decode.read_video(path)


def block_starts(data):
    starts, at = [], data.index(b"\x1f\x43\xb6\x75")
    while (at := data.find(b"\xa3", at + 1)) >= 0:
        size, size_bytes = matroska._size(data[at + 1 : at + 9])
        if size and size_bytes and data[at + 1 + size_bytes] == 0x81 and at + size < len(data):
            starts.append(at)
            at += size
    return starts


def test_blocks_are_counted(tmp_path):
    path = tmp_path / "a.mkv"
    encode.write_video(path, smooth(12, *SIDES))
    assert matroska.block_count(path, 1) == 12 and matroska.block_count(path, 2) == 0
    assert matroska.block_count(tmp_path / "none.mkv", 1) is None
    data = path.read_bytes()
    # A live recording does not know its length.
    at = data.index(b"\x18\x53\x80\x67") + 4
    path.write_bytes(data[:at] + b"\x01" + b"\xff" * 7 + data[at + 8 :])
    assert matroska.block_count(path, 1) is None
    assert_taken(path, 12)
    starts = block_starts(data)
    for damage in (bytes(4), b"\xff" * 4):
        path.write_bytes(data[: starts[5]] + damage + data[starts[5] + 4 :])
        with pytest.raises(VideoError, match="damaged"):
            matroska.block_count(path, 1)
    path.write_bytes(data[: starts[5]] + data[starts[6] :])
    with pytest.raises(VideoError, match="cut short"):
        matroska.block_count(path, 1)
    with pytest.raises(VideoError):
        decode.read_video(path)


# ---- variable rates ------------------------------------------------------------------------------

TIMES = [0, 1, 2, 3, 9, 10, 11, 12, 20, 21, 22, 30]
"""Times of twelve pictures, in periods of 1/25 s."""


def nearest(times, fps, end):
    """The picture nearest to each k / fps before the end, the earlier of two."""
    indices = []
    for k in range(math.ceil(end * fps / RATE - 1e-6)):
        distances = np.abs(np.array(times) - k * RATE / fps)
        indices.append(int(np.flatnonzero(distances < distances.min() + 1e-6)[0]))
    return indices


@pytest.fixture(scope="module")
def uneven(tmp_path_factory):
    """Makes a file of pictures at `TIMES`, the last of which lasts some periods."""
    folder = tmp_path_factory.mktemp("uneven")
    packets = functools.cache(
        lambda codec: plain(encoded(codec, smooth(len(TIMES), *SIDES), TIMES, g="6"))
    )

    def make(name, codec, last=1):
        return muxed(folder / name, codec, packets(codec), last_duration=last)

    return make


@pytest.mark.parametrize(
    "name, codec",
    [
        ("a.mkv", "libx264"),
        ("a.webm", "libvpx"),
        ("a.mp4", "libx264"),
        ("b.mp4", "mpeg4"),
        ("a.mov", "libx264"),
        ("a.ts", "libx264"),
        ("a.flv", "libx264"),
        ("a.avi", "mjpeg"),
    ],
)
def test_variable_rates(uneven, name, codec):
    path = uneven(name, codec)
    frames = assert_taken(path, len(TIMES))
    for fps in (5.0, 10.0, 25.0):
        expected = nearest(TIMES, fps, TIMES[-1] + 1)
        resampled = decode.read_video(path, fps=fps)
        assert len(resampled) == decode.probe_video(path, fps=fps).frames == len(expected)
        np.testing.assert_array_equal(resampled, frames[expected])


@pytest.mark.parametrize("name", ["b.mp4", "b.mov"])
def test_a_last_picture_of_mp4_that_is_held(uneven, name):
    path = uneven(name, "mpeg4", last=8)
    frames = assert_taken(path, len(TIMES))
    resampled = decode.read_video(path, fps=25)
    assert len(resampled) == decode.probe_video(path, fps=25).frames
    np.testing.assert_array_equal(resampled, frames[nearest(TIMES, 25, TIMES[-1] + 8)])


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_an_edit_list_leaves_pictures_out(tmp_path, suffix):
    """Pictures before time 0 are decoded and not shown: a film was cut without encoding it."""
    packets = []
    for data, pts, dts, key in plain(encoded("mpeg4", smooth(20, *SIDES), g="20")):
        packets.append((data, pts - 5, dts - 5, key))
    path = muxed(tmp_path / f"a{suffix}", "mpeg4", packets)
    frames = assert_taken(path, 15)
    resampled = decode.read_video(path, fps=50)
    assert len(resampled) == decode.probe_video(path, fps=50).frames == 30
    np.testing.assert_array_equal(resampled[::2], frames)


# ---- pipes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name, codec", [("a.mkv", "libx264"), ("a.webm", "libvpx")])
def test_a_held_picture_through_a_pipe(tmp_path, name, codec):
    path = held(tmp_path / name, codec)
    assert_piped(path, decode.read_video(path))
    assert_piped(path, decode.read_video(path, fps=10), fps=10)
    data = path.read_bytes()
    for end in (len(data) - 1, block_starts(data)[7]):
        path.write_bytes(data[:end])
        with pytest.raises(VideoError, match=r"cut short|damaged"):
            assert_piped(path, [])


def test_null_chunks_at_the_end_of_a_pipe(tmp_path):
    path = muxed(tmp_path / "a.avi", "mjpeg", plain(encoded("mjpeg", smooth(10, *SIDES))))
    path.write_bytes(with_null_chunks_at_end(path.read_bytes(), 10, 16))
    frames = assert_taken(path, 10)
    assert_piped(path, frames)
    expected = frames[nearest(range(10), RATE, 16)]
    assert_piped(path, expected, fps=RATE)
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"idx1") - 60])
    with pytest.raises(VideoError):
        assert_piped(path, frames)


def test_variable_rates_through_a_pipe(uneven):
    for name, codec in (("a.mkv", "libx264"), ("a.ts", "libx264"), ("a.avi", "mjpeg")):
        path = uneven(name, codec)
        assert_piped(path, decode.read_video(path))
        assert_piped(path, decode.read_video(path, fps=10), fps=10)
