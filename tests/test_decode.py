"""Decoding: real clips of many kinds against PyAV's own frames, damaged files, workers that die."""

import fractions
import io
import os
import struct
import wave

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from small_films import smooth

from videolstm_jax.errors import VideoError
from videolstm_jax.video import decode, encode, guard, worker_client
from videolstm_jax.video.decode import VideoInfo


@pytest.fixture
def clip(tmp_path):
    """A lossless clip of 20 frames at 10 frames a second, and its frames."""
    frames = smooth(20, 24, 32)
    encode.write_video(tmp_path / "clip.avi", frames, 10, codec="ffv1")
    return tmp_path / "clip.avi", frames


def test_lossless_round_trip(clip):
    path, frames = clip
    assert decode.probe_video(path) == VideoInfo(20, 32, 24, 10.0)
    np.testing.assert_array_equal(decode.read_video(path), frames)
    np.testing.assert_array_equal(decode.read_video(path, max_frames=7), frames[:7])


def test_squash_is_pillows(clip):
    path, frames = clip
    expected = [
        np.asarray(Image.fromarray(frame).resize((10, 16), Image.Resampling.BILINEAR))
        for frame in frames
    ]
    np.testing.assert_array_equal(decode.read_video(path, size=(10, 16)), expected)


@settings(max_examples=25, deadline=None)
@given(length=st.integers(1, 12), rate=st.sampled_from([5, 10, 24, 30]), fps=st.floats(0.5, 70))
def test_resampling_takes_the_nearest_frame(tmp_path_factory, length, rate, fps):
    path = tmp_path_factory.mktemp("rate") / "a.avi"
    frames = np.arange(length, dtype=np.uint8)[:, None, None, None] * np.full(
        (1, 8, 8, 3), 20, np.uint8
    )
    encode.write_video(path, frames, rate, codec="ffv1")
    decoded = decode.read_video(path, fps=fps)[:, 0, 0, 0] // 20
    assert len(decoded) == decode.probe_video(path, fps=fps).frames
    assert (len(decoded) - 1) / fps < length / rate + 1e-6
    assert len(decoded) / fps > length / rate - 1e-6 or len(decoded) == 1
    for k, index in enumerate(decoded):
        distance = np.abs(np.arange(length) / rate - k / fps)
        assert distance[index] <= distance.min() + 1e-6
    np.testing.assert_array_equal(decode.read_video(path, fps=rate), frames)


def test_resampling_follows_uneven_time_stamps(tmp_path):
    times = [0, 1, 2, 10, 11, 20]
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = 8, 8, "bgr0"
        stream.codec_context.time_base = fractions.Fraction(1, 10)
        for k, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(np.full((8, 8, 3), 40 * k, np.uint8), format="rgb24")
            frame.pts, frame.time_base = time, fractions.Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    decoded = decode.read_video(tmp_path / "a.mkv", fps=2)[:, 0, 0, 0] // 40
    assert decoded[:5].tolist() == [
        int(np.argmin(np.abs(np.array(times) - 5 * k))) for k in range(5)
    ]


@pytest.mark.parametrize(
    "matrix, turns", [((0, 1, -1, 0), -1), ((-1, 0, 0, -1), 2), ((0, -1, 1, 0), 1)]
)
def test_display_matrix(tmp_path, matrix, turns):
    frames = smooth(3, 48, 64)
    encode.write_video(tmp_path / "a.mp4", frames)
    plain = decode.read_video(tmp_path / "a.mp4")
    data = bytearray((tmp_path / "a.mp4").read_bytes())
    at = data.index(b"tkhd") + 44  # the matrix of a version 0 track header
    a, b, c, d = (value << 16 for value in matrix)
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    (tmp_path / "b.mp4").write_bytes(data)
    turned = np.rot90(plain, turns, axes=(1, 2))
    assert decode.probe_video(tmp_path / "b.mp4")[1:3] == turned.shape[2:0:-1]
    np.testing.assert_array_equal(decode.read_video(tmp_path / "b.mp4"), turned)


def test_pictures_that_change_size(tmp_path):
    parts = [smooth(3, 24, 32), smooth(4, 40, 20)]
    codec = None
    buffer = io.BytesIO()
    for part in parts:  # raw MPEG-4 elementary streams, one after the other
        codec = av.CodecContext.create("mpeg4", "w")
        codec.height, codec.width = part.shape[1:3]
        codec.pix_fmt, codec.time_base = "yuv420p", fractions.Fraction(1, 25)
        for frame in [*(av.VideoFrame.from_ndarray(image, format="rgb24") for image in part), None]:
            for packet in codec.encode(frame):
                buffer.write(bytes(packet))
    (tmp_path / "a.m4v").write_bytes(buffer.getvalue())
    assert decode.read_video(tmp_path / "a.m4v").shape == (7, 24, 32, 3)
    assert decode.read_video(tmp_path / "a.m4v", size=(8, 9)).shape == (7, 9, 8, 3)
    assert decode.probe_video(tmp_path / "a.m4v")[:3] == (7, 32, 24)


CLIPS = (
    "ucf101_clips/v_BasketballDunk_g17_c03.avi",
    "ucf101_clips/v_ApplyEyeMakeup_g01_c01.avi",
    "hmdb51_clips/RATRACE_wave_f_nm_np1_fr_goo_37.avi",
    "hmdb51_clips/hmdb51_Turnk_r_Pippi_Michel_cartwheel_f_cm_np2_le_med_6.avi",
    "weizmann/videos/bend/p0_bend.mp4",
    "fight_surv/fight/fi085.mp4",
    "fight_surv/noFight/nofi077.mp4",
)


@pytest.mark.parametrize(
    "name, length", list(zip(CLIPS, (74, 164, 72, 83, 61, 33, 63), strict=True))
)
def test_real_clips(real_data, name, length):
    path = real_data / name
    with av.open(str(path), metadata_errors="replace") as container:
        expected = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    decoded = decode.read_video(path)
    info = decode.probe_video(path)
    assert info.frames == len(decoded) == length and (info.height, info.width) == decoded.shape[1:3]
    np.testing.assert_array_equal(decoded, expected)


@pytest.mark.slow
def test_every_real_clip_probes_as_it_reads(real_data):
    for path in sorted((real_data / "weizmann" / "videos").rglob("*.mp4")):
        assert decode.probe_video(path).frames == len(decode.read_video(path))


# ---- what cannot be used -------------------------------------------------------------------------


def test_no_videos(tmp_path):
    (tmp_path / "empty.avi").write_bytes(b"")
    (tmp_path / "text.avi").write_bytes(b"this is no video\n" * 100)
    (tmp_path / "notes.txt").write_bytes(b"nor is this\n" * 100)
    Image.new("RGB", (8, 8)).save(tmp_path / "still.png")
    with wave.open(str(tmp_path / "sound.wav"), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(8000))
    with av.open(str(tmp_path / "none.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width = stream.height = 16
        stream.pix_fmt = "yuv420p"
        container.start_encoding()
    for name, message in {
        "absent.avi": "no such file",
        ".": "a folder",
        "empty.avi": "0 bytes",
        "text.avi": "not a video",
        "notes.txt": "not a video",
        "still.png": "not a video but png",
        "sound.wav": "no video stream, only audio",
        "none.mp4": "0 frames decoded|no video stream",
    }.items():
        for opens in (decode.probe_video, decode.read_video):
            with pytest.raises(VideoError, match=message) as caught:
                opens(tmp_path / name)
            assert str(tmp_path / name) in str(caught.value)


@pytest.mark.parametrize("name", [*CLIPS[:3], *CLIPS[4:6], "mkv"])
def test_cut_short(real_data, tmp_path, name):
    if name == "mkv":
        source = tmp_path / "whole.mkv"
        encode.write_video(source, decode.read_video(real_data / CLIPS[4]))
    else:
        source = real_data / name
    data = source.read_bytes()
    paths = []
    for k, share in enumerate((0.02, 0.2, 0.5, 0.8, 0.95)):
        paths.append(tmp_path / f"{k}{source.suffix}")
        paths[-1].write_bytes(data[: int(share * len(data))])
    for path, decoded in zip(paths, guard.read_all_videos(paths), strict=True):
        assert isinstance(decoded, VideoError) and str(path) in str(decoded)


def test_overwritten_pictures(real_data, tmp_path):
    data = (real_data / CLIPS[0]).read_bytes()
    random = np.random.default_rng(0)
    paths = []
    for k in range(12):
        broken = bytearray(data)
        at = random.integers(15_000, len(data) - 10_000)
        broken[at : at + 2000] = random.bytes(2000)
        paths.append(tmp_path / f"{k}.avi")
        paths[-1].write_bytes(broken)
    assert all(isinstance(decoded, VideoError) for decoded in guard.read_all_videos(paths))


# ---- other processes -----------------------------------------------------------------------------


def test_workers_give_what_read_gives(real_data, tmp_path):
    (tmp_path / "bad.avi").write_bytes(b"no video" * 99)
    paths = [
        real_data / CLIPS[0],
        tmp_path / "bad.avi",
        tmp_path / "absent.avi",
        real_data / CLIPS[4],
    ]
    decoded = list(guard.read_all_videos(paths, size=(40, 30), fps=12, max_frames=9))
    for path, frames in zip(paths, decoded, strict=True):
        if path.name in ("bad.avi", "absent.avi"):
            assert isinstance(frames, VideoError)
        else:
            np.testing.assert_array_equal(
                frames, decode.read_video(path, size=(40, 30), fps=12, max_frames=9)
            )
    luma = next(guard.read_all_videos(paths[3:], grey=True))
    weights = decode.read_video(paths[3]) @ np.array([0.299, 0.587, 0.114])
    assert luma.dtype == np.uint8 and np.abs(luma - weights).max() <= 0.5 + 1e-6


def test_a_worker_that_dies_or_hangs_costs_one_video(clip, tmp_path, monkeypatch):
    broken = {"dies.avi": "os.abort()", "stuck.avi": "time.sleep(60)", "half.avi": None}
    code = (
        "import os, sys, time, json\nfor line in sys.stdin:\n"
        " name = os.path.basename(json.loads(line)['path'])\n"
        + "".join(
            f" if name == {name!r}: {code_line}\n"
            for name, code_line in broken.items()
            if code_line
        )
        + " half = name == 'half.avi'\n head = {'bad': '', 'info': [], 'shapes': [[2, 3, 4, 3]]}\n"
        " sys.stdout.buffer.write(json.dumps(head).encode() + b'\\n' + bytes(5 if half else 72))\n"
        " sys.stdout.flush()\n if half: sys.exit(3)\n"
    )
    started = worker_client.subprocess.Popen

    def fake(command, **options):
        return started([command[0], "-c", code], **options)

    monkeypatch.setattr(worker_client.subprocess, "Popen", fake)
    names = ["ok.avi", "dies.avi", "stuck.avi", "half.avi", "ok.avi"]
    decoded = list(guard.read_all_videos([tmp_path / name for name in names], workers=1, limit=1.0))
    assert [isinstance(frames, VideoError) for frames in decoded] == [
        False,
        True,
        True,
        True,
        False,
    ]
    messages = [str(error) for error in decoded[1:4]]
    assert (
        "SIGABRT" in messages[0]
        and "not decoded after 1 s" in messages[1]
        and "exit status 3" in messages[2]
    )
    assert all(name in error for name, error in zip(names[1:], messages, strict=False))


def test_workers_end_with_their_reader(clip, own_workers):
    path, frames = clip
    reader = guard.read_all_videos([path] * 8)
    np.testing.assert_array_equal(next(reader), frames)
    reader.close()
    children = f"/proc/self/task/{os.getpid()}/children"
    if os.path.exists(children):
        with open(children) as file:
            for child in file.read().split():
                with open(f"/proc/{child}/cmdline") as command:
                    assert "worker.serve_video_requests" not in command.read()
