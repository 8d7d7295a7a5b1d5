"""Videos without a container, joined or unfinished ones, and files that are no videos."""

import os
import socket

import av
import numpy as np
import pytest
from small_films import smooth
from sound_files import (
    RATE,
    SIDES,
    assert_piped,
    assert_refused,
    assert_taken,
    encoded,
    ended_crew,  # noqa: F401
    muxed,
    plain,
)

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
    assert len(decode.read_video(path, fps=10)) == decode.probe_video(path, fps=10).frames
    path.rename(tmp_path / "no_name")
    np.testing.assert_array_equal(decode.read_video(tmp_path / "no_name"), frames)


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
    for opens in (decode.probe_video, decode.read_video):
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
        for opens in (decode.probe_video, decode.read_video):
            with pytest.raises(VideoError, match=f"{name}: {kind}; expected a video file"):
                opens(tmp_path / name)
    listener.close()


# ---- containers of programs that record ----------------------------------------------------------


def test_packets_of_no_bytes(tmp_path):
    """Theora repeats a picture by such a packet; FFmpeg's programs pass over it."""
    packets = plain(encoded("mjpeg", smooth(12, *SIDES)))
    shown = [packets[k] for k in range(12) if k not in (3, 7, 8)]
    frames = assert_taken(muxed(tmp_path / "a.mkv", "mjpeg", shown), 9)
    for k in (3, 7, 8):
        packets[k] = (b"", *packets[k][1:])
    path = muxed(tmp_path / "a.nut", "mjpeg", packets)
    np.testing.assert_array_equal(decode.read_video(path), frames)
    assert decode.probe_video(path).frames == decode.check_video_decodes(path).frames == 9
    repeated = [0, 1, 2, 2, 3, 4, 5, 5, 6, 6, 7, 8]
    np.testing.assert_array_equal(decode.read_video(path, fps=RATE), frames[repeated])


@pytest.mark.parametrize("codec", ["libx264", "mpeg2video"])
def test_segments_joined(tmp_path, codec):
    """Counters of transport streams start anew where one is written behind the other."""
    packets = plain(encoded(codec, smooth(24, *SIDES), g="12"))
    keys = [index for index, (*_, key) in enumerate(packets) if key]
    parts = []
    for name, part in (("a.ts", packets[: keys[1]]), ("b.ts", packets[keys[1] :])):
        parts.append(muxed(tmp_path / name, codec, part).read_bytes())
    path = tmp_path / "joined.ts"
    for first, second in ((0, 1), (1, 0), (0, 0)):
        path.write_bytes(parts[first] + parts[second])
        assert_taken(path)
    # A loss is no join: the middle of the second segment is missing.
    lost = len(parts[1]) // 2 // 188 * 188
    path.write_bytes(parts[0] + parts[1][:lost] + parts[1][lost + 5 * 188 :])
    assert_refused(path)


class WriteOnly:
    """A pipe: what was written cannot be changed."""

    def __init__(self):
        self.data = b""

    def write(self, data):
        self.data += bytes(data)
        return len(data)


@pytest.mark.parametrize("codec", ["mjpeg", "mpeg4"])
def test_an_avi_file_that_was_written_to_a_pipe(tmp_path, codec):
    """Its header declares 2**30 chunks, and there is no index."""
    pipe = WriteOnly()
    muxed(pipe, codec, plain(encoded(codec, smooth(12, *SIDES))), file_format="avi")
    path = tmp_path / "a.avi"
    path.write_bytes(pipe.data)
    frames = assert_taken(path, 12)
    assert_piped(path, frames)
    assert len(decode.read_video(path, fps=10)) == decode.probe_video(path, fps=10).frames == 5


def test_the_cover_of_a_sound_file_is_no_video(tmp_path):
    path = tmp_path / "a.mp3"
    with av.open(str(path), "w") as container:
        sound = container.add_stream("libmp3lame", rate=44100, layout="mono")
        cover = container.add_stream("png")
        cover.height, cover.width, cover.pix_fmt = 16, 16, "rgb24"
        cover.disposition = av.stream.Disposition.attached_pic
        picture = av.VideoFrame.from_ndarray(smooth(1, 16, 16)[0], format="rgb24")
        for frame in (picture, None):
            container.mux(cover.encode(frame))
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1152), np.float32), "fltp", "mono")
        silence.rate = 44100
        for frame in (silence, None):
            container.mux(sound.encode(frame))
    with pytest.raises(VideoError, match="no video stream, only a cover, audio"):
        decode.read_video(path)
