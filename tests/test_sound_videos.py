"""Packets without a picture: hidden ones, null chunks of AVI, streams cut out of an open GOP."""

import itertools

import numpy as np
import pytest
from small_films import smooth
from sound_files import (
    RATE,
    SIDES,
    assert_refused,
    assert_taken,
    encoded,
    ended_crew,  # noqa: F401
    ffmpegs_frames,
    muxed,
    plain,
    with_null_chunks_at_end,
)

from videolstm_jax.video import decode
from videolstm_jax.video.damage import mpeg4, silent_packets

# ---- packets without a picture -------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".webm", ".mkv", ".ivf", ".avi"])
def test_hidden_frames_of_vp8(tmp_path, suffix):
    packets = plain(encoded("libvpx", **{"deadline": "realtime", "cpu-used": "8"}))
    hidden = 0
    for index in range(5, len(packets), 9):
        data, pts, dts, key = packets[index]
        assert data[0] >> 4 & 1 and not key
        # The bit "show" of the frame tag: the picture is decoded, and predicts others.
        packets[index] = bytes([data[0] & ~0x10]) + data[1:], pts, dts, key
        hidden += 1
    path = muxed(tmp_path / f"a{suffix}", "libvpx", packets)
    assert_taken(path, 40 - hidden)


def test_a_lost_picture_of_vp8_is_not_a_hidden_one(tmp_path):
    packets = plain(encoded("libvpx", **{"deadline": "realtime", "cpu-used": "8"}))
    path = muxed(tmp_path / "a.webm", "libvpx", packets)
    assert_taken(path, 40)
    data = path.read_bytes()
    at = data.index(packets[20][0])
    # A block whose element has another name is lost without an error of FFmpeg.
    header = data.rindex(b"\xa3", 0, at)
    path.write_bytes(data[:header] + b"\xec" + data[header + 1 :])
    assert len(ffmpegs_frames(path)) == 39


@pytest.mark.parametrize("suffix", [".webm", ".mkv", ".ivf", ".mp4"])
def test_hidden_frames_of_vp9_in_packets_of_their_own(tmp_path, suffix):
    packets = plain(encoded("libvpx-vp9", g="10", deadline="realtime", **{"cpu-used": "8"}))
    assert_taken(muxed(tmp_path / f"a{suffix}", "libvpx-vp9", packets), 40)
    hidden = 0
    for index, (data, pts, dts, key) in enumerate(packets):
        if key and index:
            # The bit "show" of a key frame can be cleared without moving those behind it.
            assert data[0] == 0x82 and not silent_packets.vp9_is_hidden(data)
            packets[index] = bytes([0x80]) + data[1:], pts, dts, key
            hidden += 1
    assert hidden >= 3
    assert_taken(muxed(tmp_path / f"b{suffix}", "libvpx-vp9", packets), 40 - hidden)


def test_packets_of_messages_of_hevc(tmp_path):
    """A message (SEI) beside the pictures, and the code that ends a stream of MPEG-2."""
    message = b"\0\0\0\1\x4e\x01\x05\x10" + bytes(range(1, 17)) + b"\x80"
    options = {"x265-params": "log-level=none:bframes=0"}
    for codec, extra, more in (
        ("libx265", message, options),
        ("mpeg2video", silent_packets.MPEG2_END, {"bf": "0"}),
    ):
        packets = []
        for data, _, _, key in plain(encoded(codec, smooth(12, *SIDES), **more)):
            packets.append((data, len(packets), len(packets), key))
            if len(packets) in (3, 7, 11):
                packets.append((extra, len(packets), len(packets), False))
        assert_taken(muxed(tmp_path / "a.mkv", codec, packets), 12)
        # Zeros where units were are damage.
        packets[3] = (bytes(len(extra) + 20), *packets[3][1:])
        packets[8] = (bytes(len(extra) + 20), *packets[8][1:])
        assert_refused(muxed(tmp_path / "a.mkv", codec, packets))


def test_pictures_of_mpeg4_that_are_not_coded(tmp_path):
    """XviD writes them where nothing changed."""
    packets = plain(encoded("mpeg4", g="12"))
    header = mpeg4.mpeg4_time_bits(packets[0][0])
    assert header == 5  # 25 ticks a second
    # vop_coding_type 01 (P), modulo_time_base 0, marker 1, five bits of time, marker 1, coded 0
    not_coded = b"\0\0\1\xb6" + bytes([0b01010000, 0b01011111])
    assert mpeg4.mpeg4_is_not_coded(not_coded, header)
    assert not any(mpeg4.mpeg4_is_not_coded(data, header) for data, *_ in packets)
    longer = []
    for index, (data, _, _, key) in enumerate(packets):
        longer.append((data, len(longer), len(longer), key))
        if index % 7 == 3:
            longer.append((not_coded, len(longer), len(longer), False))
    for suffix in (".mkv", ".mp4", ".avi"):
        assert_taken(muxed(tmp_path / f"a{suffix}", "mpeg4", longer), 40)


@pytest.mark.parametrize("b_pictures", [1, 2])
@pytest.mark.parametrize("placeholder", [b"\x7f", b"\0\0\1\xb6" + bytes([0b01010000, 0b01011111])])
def test_packed_b_pictures(tmp_path, b_pictures, placeholder):
    """XviD and DivX put a P picture and the B picture before it into one chunk of AVI."""
    packets = plain(encoded("mpeg4", bf=str(b_pictures), g="12"))
    mark = b"\0\0\1\xb2DivX503b1393p"
    chunks, index = [], 0
    is_b = [data[data.index(b"\0\0\1\xb6") + 4] >> 6 == 2 for data, *_ in packets]
    while index < len(packets):
        data = packets[index][0]
        if packets[index][3]:
            # The program's name, behind the header of the layer: its last letter means "packed".
            at = data.index(b"\0\0\1\xb6")
            data = data[:at] + mark + data[at:]
        following = index + 1
        while following < len(packets) and is_b[following]:
            following += 1
        if following > index + 1:
            chunks.append((data + packets[index + 1][0], packets[index][3]))
            chunks.extend((packets[b][0], False) for b in range(index + 2, following))
            chunks.append((placeholder, False))
        else:
            chunks.append((data, packets[index][3]))
        index = following
    chunks = [(data, number, number, key) for number, (data, key) in enumerate(chunks)]
    path = muxed(tmp_path / "a.avi", "mpeg4", chunks)
    frames = assert_taken(path)
    assert len(frames) >= len(packets) - 1
    # Time stamps of packed pictures are made up: the rate is constant.
    np.testing.assert_array_equal(decode.read_video(path, fps=RATE)[: len(frames)], frames)


# ---- null frames of AVI --------------------------------------------------------------------------


@pytest.mark.parametrize("codec", ["mjpeg", "mpeg4"])
@pytest.mark.parametrize("dropped", [{3, 8, 13, 18}, {1, 2, 3, 4, 5, 6}, {18, 19}])
def test_null_chunks_of_avi(tmp_path, codec, dropped):
    frames = smooth(20, *SIDES)
    shown = [k for k in range(20) if k not in dropped]
    packets = plain(encoded(codec, frames[shown]))
    packets = [(data, k, k, key) for k, (data, _, _, key) in zip(shown, packets, strict=True)]
    path = muxed(tmp_path / "a.avi", codec, packets)
    if 19 in dropped:  # the muxer writes none at the end: a program that records does
        path.write_bytes(with_null_chunks_at_end(path.read_bytes(), len(shown), 20))
    read = assert_taken(path, len(shown))
    assert decode.probe_video(path).frames in (len(shown), 20)
    # At the file's own rate each null chunk repeats the picture before it; nearer is the next one.
    resampled = decode.read_video(path, fps=RATE)
    assert len(resampled) == 20 == decode.probe_video(path, fps=RATE).frames
    for k, frame in enumerate(resampled):
        nearest = int(np.argmin(np.abs(np.array(shown) - k)))
        np.testing.assert_array_equal(frame, read[nearest])


@pytest.mark.parametrize("between", [[], [1], [1, 2]])
def test_chunks_for_the_delay_of_an_encoder_hold_no_picture(tmp_path, between):
    """Behind the first picture, where B pictures delay the others.

    FFmpeg writes null chunks there, XviD placeholders of one byte (`between`).
    """
    frames = smooth(20, *SIDES)
    packets = plain(encoded("mpeg4", frames, bf="2", g="12"))
    delayed = []
    for k, (data, _, _, key) in enumerate(packets):
        if key:  # FFmpeg knows the placeholders of XviD only
            at = data.index(b"\0\0\1\xb6")
            data = data[:at] + b"\0\0\1\xb2XviD0046" + data[at:]
        turn = k + 2 if k else 0
        delayed.append((data, turn, turn, key))
        if not k:
            delayed.extend((b"\x7f", turn, turn, False) for turn in between)
    path = muxed(tmp_path / "a.avi", "mpeg4", delayed)
    read = assert_taken(path, 20)
    np.testing.assert_array_equal(decode.read_video(path, fps=RATE), read)
    np.testing.assert_array_equal(decode.read_video(path, fps=5), read[::5])


def test_a_lost_chunk_is_no_null_chunk(tmp_path):
    packets = plain(encoded("mjpeg", smooth(20, *SIDES)))
    path = muxed(tmp_path / "a.avi", "mjpeg", packets)
    data = bytearray(path.read_bytes())
    chunk = data.index(packets[9][0]) - 8
    for name in (b"JUNK", b"00dc\0\0\0\0"):  # renamed, or its size set to zero
        broken = bytearray(data)
        broken[chunk : chunk + len(name)] = name
        path.write_bytes(broken)
        assert_refused(path)


def test_a_cut_file_with_null_chunks_is_refused(tmp_path):
    packets = plain(encoded("mjpeg", smooth(20, *SIDES)))
    packets = [(data, k + k // 4, k + k // 4, key) for data, k, _, key in packets]
    path = muxed(tmp_path / "a.avi", "mjpeg", packets)
    assert_taken(path, 20)
    data = path.read_bytes()
    paths = []
    for share in (0.4, 0.6, 0.8, 0.9):
        paths.append(tmp_path / f"{share}.avi")
        paths[-1].write_bytes(data[: int(share * len(data))])
    paths.append(tmp_path / "between.avi")
    paths[-1].write_bytes(data[: data.index(packets[12][0]) - 8])
    for path in paths:
        assert_refused(path)


# ---- a stream cut out of an open GOP -------------------------------------------------------------

OPEN_GOPS = {
    "mpeg2video": {"bf": "2", "g": "12"},
    "libx264": {
        "x264-params": "open-gop=1:keyint=12:bframes=2:b-pyramid=none:scenecut=0:rc-lookahead=10"
    },
    "libx265": {
        "x265-params": "open-gop=1:keyint=12:min-keyint=12:bframes=3:scenecut=0:log-level=none"
    },
}


@pytest.mark.parametrize(
    "codec, suffix",
    [
        *itertools.product(("mpeg2video", "libx265"), (".ts", ".mkv")),
        ("mpeg2video", ".mpg"),
        ("mpeg2video", ".m2v"),
        ("libx264", ".ts"),
        ("libx264", ".h264"),
        ("libx265", ".hevc"),
    ],
)
def test_a_cut_within_an_open_gop(tmp_path, codec, suffix):
    packets = plain(encoded(codec, smooth(60, *SIDES), **OPEN_GOPS[codec]))
    keys = [index for index, (*_, key) in enumerate(packets) if key]
    cut = packets[keys[2] :]
    leading = sum(pts < cut[0][1] for _, pts, _, _ in cut)
    assert leading
    # Elementary streams hold their headers before each key picture; x264 and x265 repeat them here.
    path = muxed(tmp_path / f"a{suffix}", codec, cut)
    frames = assert_taken(path)
    assert len(cut) - leading <= len(frames) <= len(cut)


def test_the_end_of_a_cut_stream_is_still_counted(tmp_path):
    """Leading pictures explain a lack at the start only."""
    packets = plain(encoded("mpeg2video", smooth(60, *SIDES), **OPEN_GOPS["mpeg2video"]))
    keys = [index for index, (*_, key) in enumerate(packets) if key]
    cut = packets[keys[1] :]
    path = muxed(tmp_path / "a.ts", "mpeg2video", cut)
    assert_taken(path)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2 // 188 * 188
    data[middle : middle + 188 * 8] = bytes(188 * 8)
    path.write_bytes(data)
    assert_refused(path)


def test_a_lost_key_picture_at_the_start_is_no_open_gop(tmp_path):
    packets = plain(encoded("mpeg2video", smooth(60, *SIDES), **OPEN_GOPS["mpeg2video"]))
    data, *times = packets[0]
    start = data.index(b"\0\0\1\0")  # the picture's header; FFmpeg skips what it does not know
    packets[0] = data[:start] + b"\0\0\1\xb2" + data[start + 4 :], *times
    path = muxed(tmp_path / "a.ts", "mpeg2video", packets)
    assert_refused(path)
