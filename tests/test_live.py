"""Frames that are read one at a time are those of the whole file, from a path, pipe or device."""

import functools
import http.server
import io
import os
import subprocess
import sys
import threading

import av
import numpy as np
import pytest
from small_films import smooth

from videolstm_jax.errors import VideoError
from videolstm_jax.video import decode, encode, live


def frames_of(source, **settings):
    with live.open_live_video(source, **settings) as stream:
        return stream.fps, list(stream.frames)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("live")
    frames = smooth(14, 24, 32)
    for name in ("a.mkv", "a.avi", "a.mp4"):
        encode.write_video(folder / name, frames, 10)
    return folder


@pytest.mark.parametrize("name", ["a.mkv", "a.avi", "a.mp4"])
@pytest.mark.parametrize(
    "settings", [{}, {"fps": 4.0}, {"max_frames": 5}, {"fps": 25.0, "max_frames": 20}]
)
def test_a_file_frame_by_frame(clips, name, settings):
    fps, frames = frames_of(str(clips / name), **settings)
    np.testing.assert_array_equal(frames, decode.read_video(clips / name, **settings))
    assert fps == settings.get("fps", 10.0)


@pytest.mark.parametrize("name", ["a.mkv", "a.avi"])
def test_a_pipe(clips, name):
    read, write = os.pipe()
    feeder = subprocess.Popen(["cat", str(clips / name)], stdout=write)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        np.testing.assert_array_equal(frames_of("-", pipe=pipe)[1], decode.read_video(clips / name))
    assert feeder.wait() == 0


def test_standard_input(clips):
    code = (
        "from videolstm_jax.video import live\n"
        "with live.open_live_video('-') as stream:\n"
        "    print(sum(frame.sum() for frame in stream.frames))"
    )
    with (clips / "a.mkv").open("rb") as file:
        pipe = subprocess.Popen(["cat"], stdin=file, stdout=subprocess.PIPE)
        done = subprocess.run(
            [sys.executable, "-c", code], stdin=pipe.stdout, capture_output=True, text=True
        )
    assert int(done.stdout) == decode.read_video(clips / "a.mkv").sum(), done.stderr


def test_an_mp4_that_cannot_be_piped(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (20, 128, 128, 3)).astype(np.uint8)
    encode.write_video(
        tmp_path / "a.mp4", noise, crf=5
    )  # more than is read ahead, its index at the end
    read, write = os.pipe()
    with (
        subprocess.Popen(["cat", str(tmp_path / "a.mp4")], stdout=write) as feeder,
        os.fdopen(read, "rb") as pipe,
    ):
        os.close(write)
        with pytest.raises(VideoError, match=r"standard input: .*cannot be read backwards"):
            frames_of("-", pipe=pipe)
        pipe.close()
        feeder.wait()


@pytest.mark.parametrize(
    "content, message", [(b"", "standard input"), (b"no video at all" * 50, "standard input")]
)
def test_a_pipe_of_something_else(content, message):
    with pytest.raises(VideoError, match=message):
        frames_of("-", pipe=io.BytesIO(content))


def test_damage_is_told_where_it_lies(tmp_path):
    encode.write_video(tmp_path / "a.avi", smooth(40, 48, 64), 10, codec="mjpeg")
    data = (tmp_path / "a.avi").read_bytes()
    (tmp_path / "cut.avi").write_bytes(data[: int(len(data) * 0.6)])
    frames_before = []
    with (
        pytest.raises(VideoError, match=r"cut\.avi"),
        live.open_live_video(tmp_path / "cut.avi") as stream,
    ):
        for frame in stream.frames:
            frames_before.append(frame.shape)
    assert 15 < len(frames_before) < 30 and set(frames_before) == {(48, 64, 3)}
    with live.open_live_video(tmp_path / "cut.avi", max_frames=1) as stream:
        assert len(list(stream.frames)) == 1
    with (
        pytest.raises(VideoError, match="no such file"),
        live.open_live_video(tmp_path / "none.avi"),
    ):
        pass


def test_damage_within_the_stream_is_told_where_it_lies(tmp_path):
    """Overwritten bytes make the codec itself complain, while the frames are being read."""
    encode.write_video(tmp_path / "a.avi", smooth(40, 48, 64), 10, codec="mpeg4")
    data = bytearray((tmp_path / "a.avi").read_bytes())
    middle = len(data) // 2
    data[middle : middle + 200] = np.random.default_rng(0).bytes(200)
    (tmp_path / "a.avi").write_bytes(data)
    frames_before = []
    with (
        live.open_live_video(tmp_path / "a.avi") as stream,
        pytest.raises(VideoError, match=r"a\.avi: damaged"),
    ):
        frames_before.extend(stream.frames)
    assert 5 < len(frames_before) < 40


def test_frames_keep_the_size_of_the_first(tmp_path):
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 24, "yuvj444p"
        for frame in smooth(3, 24, 32):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    assert {frame.shape for frame in frames_of(tmp_path / "a.mkv")[1]} == {(24, 32, 3)}


def test_a_device_without_end(monkeypatch):
    monkeypatch.setitem(live.CAMERAS, "linux", ("lavfi", "testsrc=size=64x48:rate=12,hue=h={}"))
    monkeypatch.setattr(sys, "platform", "linux")
    fps, frames = frames_of("7", max_frames=30)
    assert fps == 12 and len(frames) == 30 and frames[0].shape == (48, 64, 3)
    assert np.abs(frames[-1].astype(int) - frames[0]).max() > 50
    fps, slow = frames_of("7", fps=6.0, max_frames=4)
    assert fps == 6
    np.testing.assert_array_equal(slow[1:], np.array(frames)[[2, 4, 6]])


@pytest.fixture
def server(clips):
    """The address of an HTTP server of the clips."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(clips))
    handler.log_message = lambda *_: None
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


@pytest.mark.parametrize("settings", [{}, {"fps": 4.0, "max_frames": 3}])
def test_an_address_in_the_network(clips, server, settings):
    fps, frames = frames_of(f"{server}/a.mp4", **settings)
    np.testing.assert_array_equal(frames, decode.read_video(clips / "a.mp4", **settings))
    assert fps == settings.get("fps", 10.0)


@pytest.mark.parametrize("address", ["{}/missing.mp4", "rtsp://127.0.0.1:1/stream"])
def test_an_address_that_does_not_answer(server, address):
    address = address.format(server)
    with pytest.raises(VideoError, match=f"^{address}: cannot be read over the network: "):
        frames_of(address)


def test_a_camera_that_is_not_there(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    with pytest.raises(
        VideoError, match=r"camera 93: there is no /dev/video93 .*expected a camera's number"
    ):
        frames_of("93")
    monkeypatch.setattr(sys, "platform", "haiku")
    with pytest.raises(VideoError, match="camera 0: numbers are known on linux and darwin only"):
        frames_of("0")
