"""Times of variable rates, a last picture that is held, and the blocks of Matroska."""

import struct

import numpy as np
import pytest
from sound_files import (
    SIDES,
    assert_taken,
    encoded,
    ended_crew,  # noqa: F401
    muxed,
    plain,
)
from test_encode import smooth

from videolstm_jax.errors import VideoError
from videolstm_jax.video import decode, encode
from videolstm_jax.video.damage import matroska


@pytest.mark.parametrize("name, codec", [("a.mkv", "libx264"), ("a.webm", "libvpx-vp9")])
def test_a_last_picture_that_is_held(tmp_path, name, codec):
    path = held(tmp_path / name, codec)
    frames = assert_taken(path, 10)
    resampled = decode.read(path, fps=10)
    assert len(resampled) == 24 == decode.probe(path, fps=10).frames
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
            decode.read(path)


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
    encode.write(path, smooth(12, *SIDES))
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
        decode.read(path)
