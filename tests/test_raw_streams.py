"""Videos without a container, and what lies in a folder under the name of a video."""

import os
import socket

import numpy as np
import pytest
from sound_files import (
    RATE,
    SIDES,
    assert_refused,
    assert_taken,
    encoded,
    ended_crew,  # noqa: F401
    muxed,
    plain,
)
from test_encode import smooth

from videolstm_jax.errors import VideoError
from videolstm_jax.video import decode

RAW = {
    "a.mjpeg": ("mjpeg", {}),
    "a.mjpg": ("mjpeg", {}),
    "a.h264": ("libx264", {}),
    "a.264": ("libx264", {"bf": "0"}),
    "a.hevc": ("libx265", {"x265-params": "log-level=none"}),
    "a.265": ("libx265", {"x265-params": "log-level=none:bframes=0"}),
    "a.m2v": ("mpeg2video", {"bf": "2"}),
    "a.m1v": ("mpeg1video", {}),
    "a.m4v": ("mpeg4", {"bf": "2"}),
    "a.obu": ("libsvtav1", {"preset": "12"}),
}


@pytest.mark.parametrize("name", RAW)
def test_packets_one_after_the_other(tmp_path, name):
    codec, options = RAW[name]
    packets = encoded(codec, smooth(12, *SIDES), **options)
    path = tmp_path / name
    path.write_bytes(b"".join(map(bytes, packets)))
    frames = assert_taken(path, 12)
    assert len(decode.read(path, fps=10)) == decode.probe(path, fps=10).frames
    path.rename(tmp_path / "no_name")
    np.testing.assert_array_equal(decode.read(tmp_path / "no_name"), frames)


def test_ivf(tmp_path):
    packets = plain(encoded("libvpx", smooth(12, *SIDES), deadline="realtime"))
    assert_taken(muxed(tmp_path / "a.ivf", "libvpx", packets), 12)


def test_y4m(tmp_path):
    planes = np.random.default_rng(0).integers(16, 236, (12, SIDES[0] * SIDES[1] * 3 // 2))
    head = f"YUV4MPEG2 W{SIDES[1]} H{SIDES[0]} F{RATE}:1 C420jpeg\n".encode()
    path = tmp_path / "a.y4m"
    path.write_bytes(head + b"".join(b"FRAME\n" + bytes(row) for row in planes.tolist()))
    assert_taken(path, 12)


def test_pictures_that_are_cut_or_alone(tmp_path):
    packets = [bytes(packet) for packet in encoded("mjpeg", smooth(12, *SIDES))]
    path = tmp_path / "a.mjpeg"
    path.write_bytes(b"".join(packets)[:-50])
    assert_refused(path)
    path.write_bytes(packets[0])
    for opens in (decode.probe, decode.read):
        with pytest.raises(VideoError, match="not a video but jpeg_pipe"):
            opens(path)


def test_what_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "device.mp4").symlink_to("/dev/zero")
    (tmp_path / "lost.mp4").symlink_to(tmp_path / "nowhere.mp4")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "socket.mp4"))
    for name, kind in {
        "pipe.mp4": "a named pipe",
        "device.mp4": "a device",
        "socket.mp4": "a socket",
        "lost.mp4": "no such file",
    }.items():
        for opens in (decode.probe, decode.read):
            with pytest.raises(VideoError, match=f"{name}: {kind}; expected a video file"):
                opens(tmp_path / name)
    listener.close()
