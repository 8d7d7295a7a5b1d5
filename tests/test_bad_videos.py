"""Every sort of video that a folder may hold by mistake, from the scan to the accuracy."""

import shutil
import sys
import wave

import av
import numpy as np
import pytest
from PIL import Image
from small_films import smooth

from videolstm_jax import artifacts, files
from videolstm_jax.artifacts import Workdir
from videolstm_jax.config import DataConfig, RunConfig, change
from videolstm_jax.dataset import scan
from videolstm_jax.errors import ConfigError, FileError, VideoError
from videolstm_jax.flow_images import flow_methods
from videolstm_jax.stages import fuse, nearest, prepare, report
from videolstm_jax.trained.results.work_contents import read_contents
from videolstm_jax.types import Scores
from videolstm_jax.video import decode, encode, guard, worker_client

pytestmark = pytest.mark.filterwarnings(
    "ignore::videolstm_jax.dataset.lists.list_files.ListWarning"
)


def sound_only(path):
    with wave.open(str(path), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(8000))


def sound_in_a_film(path):
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(
            np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
        )
        frame.rate = 8000
        for value in (frame, None):
            container.mux(stream.encode(value))


def truncated(path):
    encode.write(path, smooth(30, 24, 32), codec="mjpeg")
    path.write_bytes(path.read_bytes()[:-5000])


def overwritten(path):
    encode.write(path, smooth(30, 24, 32), codec="mpeg4")
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 200] = np.random.default_rng(0).bytes(200)
    path.write_bytes(data)


def wrong_extension(path):
    Image.new("RGB", (32, 24)).save(path.with_suffix(".png"))
    path.with_suffix(".png").rename(path)


BAD = {
    "zero.avi": lambda path: path.write_bytes(b""),
    "text.mp4": lambda path: path.write_text("no video" * 99),
    "sound.avi": sound_only,
    "film.mp4": sound_in_a_film,
    "truncated.avi": truncated,
    "overwritten.avi": overwritten,
    "picture.mp4": wrong_extension,
    "one.mp4": lambda path: encode.write(path, smooth(1, 24, 32)),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two classes with lists: two good clips in each part, all bad ones in `run`'s test list."""
    folder = tmp_path_factory.mktemp("bad")
    for label in ("jump", "run"):
        for k in range(4):
            encode.write(folder / "videos" / label / f"{k}.mp4", smooth(4, 24, 32, seed=k))
    for name, make in BAD.items():
        make(folder / "videos" / "run" / name)
    good = {
        part: [f"{label}/{k}.mp4" for label in ("jump", "run") for k in numbers]
        for part, numbers in (("train", (0, 1)), ("test", (2, 3)))
    }
    (folder / "trainlist01.txt").write_text(
        "".join(f"{name} {1 + name.startswith('run')}\n" for name in good["train"])
    )
    (folder / "testlist01.txt").write_text(
        "".join(f"{name}\n" for name in [*good["test"], *(f"run/{name}" for name in BAD)])
    )
    return folder


def settings(folder, work, **more):
    return change(
        RunConfig(workdir=str(work)),
        data__videos=str(folder),
        data__on_bad_video="skip",
        **{"flow__width": 16, "flow__height": 12, "flow__bound": 2.0, "flow__image": "png", **more},
    )


@pytest.mark.parametrize("online", [False, True])
def test_good_and_bad_are_all_that_is_listed(folder, tmp_path, online, capsys):
    cfg = settings(folder, tmp_path, flow__online=online)
    prepare.run(cfg)
    work = Workdir(cfg.workdir)
    good = [video.name for video in artifacts.load_dataset(work.dataset).videos]
    bad = files.read_jsonl(work.bad)
    assert sorted([*good, *(row["name"] for row in bad)]) == sorted(
        [
            *(f"{label}/{k}" for label in ("jump", "run") for k in range(4)),
            *(f"run/{name[:-4]}" for name in BAD),
        ]
    )
    assert (
        len(good) == 8 and len(bad) == len(BAD) and "8 videos, 32 frames" in capsys.readouterr().out
    )
    assert all(
        (row["part"], row["label"]) == ("test", "run") and row["path"] in row["reason"]
        for row in bad
    )
    reasons = {row["name"].split("/")[1]: row["reason"] for row in bad}
    for name, reason in {
        "zero": "0 bytes",
        "text": "not a video",
        "sound": "no video stream, only audio",
        "film": "no video stream, only audio",
        "truncated": "cut short|damaged",
        "overwritten": "damaged",
        "picture": "not a video but",
        "one": "1 frame",
    }.items():
        assert any(phrase in reasons[name] for phrase in reason.split("|")), reasons[name]
    index = files.read_json(work.flow / "index.json")
    assert sorted(index["frames"]) == good
    with pytest.raises(VideoError):
        prepare.run(change(cfg, workdir=str(tmp_path / "other"), data__on_bad_video="fail"))


def test_the_scan_survives_what_kills_the_decoder(folder, monkeypatch):
    started = worker_client.subprocess.Popen
    code = (
        "import os\nfrom videolstm_jax.video import decode, worker\nplain = decode.probe\n"
        "def probe(path, **named):\n    if path.endswith('run/2.mp4'): os.abort()\n"
        "    return plain(path, **named)\ndecode.probe = probe\nworker.serve()"
    )
    monkeypatch.setattr(
        worker_client.subprocess,
        "Popen",
        lambda command, **named: started([sys.executable, "-c", code], **named),
    )
    dataset, bad = scan.scan_videos(DataConfig(videos=str(folder), on_bad_video="skip"))
    assert "ended with SIGABRT" in {row["name"]: row["reason"] for row in bad}["run/2"]
    names = {video.name for video in dataset.videos}
    assert {"jump/0", "run/1", "run/3"} < names and len(names) + len(bad) == 8 + len(BAD)


def test_a_time_limit_is_a_setting(folder, monkeypatch):
    started = worker_client.subprocess.Popen
    code = (
        "import sys, time\n"
        "for line in sys.stdin: time.sleep(60 if 'jump/0' in line else 0); sys.exit(1)"
    )
    monkeypatch.setattr(
        worker_client.subprocess,
        "Popen",
        lambda command, **named: started([sys.executable, "-c", code], **named),
    )
    with pytest.raises(VideoError, match=r"jump/0\.mp4: not decoded after 0\.5 s"):
        scan.scan_videos(DataConfig(videos=str(folder), time_limit=0.5))


def test_what_asks_for_too_much_memory_is_refused(tmp_path):
    """A worker gives back an error, or is ended, before the machine is out of memory."""
    encode.write(tmp_path / "good.mp4", smooth(4, 24, 32))
    huge = {"size": (500_000, 200_000)}  # 300 GB a frame
    outcome = list(guard.read_all([tmp_path / "good.mp4"], **huge, workers=1))
    assert isinstance(outcome[0], VideoError) and "good.mp4" in str(outcome[0])


def test_metadata_that_is_not_utf_8(tmp_path):
    path = tmp_path / "latin.avi"
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "PLACEHOLDERTITLE"
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 24, "yuv420p"
        for image in smooth(4, 24, 32):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    data = path.read_bytes()
    assert data.count(b"PLACEHOLDERTITLE") == 1
    path.write_bytes(data.replace(b"PLACEHOLDERTITLE", b"T\xfcrkische Musik\xe4"))
    (outcome,) = guard.read_all([path])
    assert outcome.shape == (4, 24, 32, 3) and decode.check(path).frames == 4


@pytest.mark.slow
def test_ten_thousand_frames(tmp_path):
    frames = np.broadcast_to(
        np.arange(10_000, dtype=np.uint16)[:, None, None, None] % 251, (10_000, 8, 16, 3)
    )
    encode.write(tmp_path / "long.avi", frames.astype(np.uint8), codec="ffv1")
    crew = guard.Crew(1)
    assert (
        crew.probe(tmp_path / "long.avi").frames
        == crew.check(tmp_path / "long.avi").frames
        == 10_000
    )
    outcome = crew.read(tmp_path / "long.avi", start=9_990)
    np.testing.assert_array_equal(outcome, frames[9_990:])
    crew.end()


# ---- what they cost ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def prepared(folder, tmp_path_factory):
    cfg = settings(folder, tmp_path_factory.mktemp("work"))
    prepare.run(cfg)
    return cfg


@pytest.fixture
def scored(prepared, tmp_path):
    """Two score files that are right on 3 of the 4 test videos that could be read."""
    shutil.copytree(prepared.workdir, tmp_path / "work")
    cfg = change(prepared, workdir=str(tmp_path / "work"))
    rows = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]])
    scores = Scores(
        ("jump/2", "jump/3", "run/2", "run/3"), rows, np.array([0, 0, 1, 1]), ("jump", "run")
    )
    for name in ("a", "b"):
        artifacts.save_scores(Workdir(cfg.workdir).scores(name), scores)
    return cfg


def test_skipped_test_videos_count_as_wrong(scored, capsys):
    fuse.run(change(scored, fuse__runs=("a", "b")))
    assert f"3 of {4 + len(BAD)} right, 25.00 %" in capsys.readouterr().out
    nearest.run(scored)
    assert (
        f"of {4 + len(BAD)} test videos right ({len(BAD)} could not be read and count as wrong)"
        in (capsys.readouterr().out)
    )
    page = report.run(scored).read_text()
    assert f"3 of {4 + len(BAD)} test videos are named correctly" in page
    assert f"{len(BAD)} test videos could not be read" in page
    results = read_contents(Workdir(scored.workdir)).results
    (fused,) = [result for result, _ in results if result.kind == "fusion"]
    assert fused.mean_class == pytest.approx((1 + 1 / (2 + len(BAD))) / 2)


def test_unless_they_may_be_missing(scored, capsys):
    cfg = change(scored, eval__allow_missing=True)
    fuse.run(change(cfg, fuse__runs=("a", "b")))
    assert "3 of 4 right, 75.00 %" in capsys.readouterr().out
    nearest.run(cfg)
    assert "of 4 test videos right," in capsys.readouterr().out
    page = report.run(cfg).read_text()
    assert "3 of 4 test videos are named correctly" in page and "could not be read" not in page


def test_a_skipped_video_of_an_unknown_class_is_named(scored):
    work = Workdir(scored.workdir)
    rows = files.read_jsonl(work.bad)
    files.write_jsonl(work.bad, [rows[0] | {"label": "swim"}])
    with pytest.raises(
        FileError, match=r"bad\.jsonl:1: run/\w+ is of class swim; expected one of jump, run"
    ):
        fuse.run(change(scored, fuse__runs=("a", "b")))


# ---- flow by other methods, and lengths that differ ----------------------------------------------


@pytest.mark.parametrize("name", ["dis", "opencv_tvl1"])
def test_opencvs_flow(folder, tmp_path, name):
    cv2 = pytest.importorskip("cv2")
    if name == "opencv_tvl1" and not hasattr(cv2, "optflow"):
        pytest.skip("OpenCV without its contrib modules")
    texture = smooth(1, 40, 48, seed=3)[0, ..., 0]
    a, b = np.stack([texture, texture]), np.stack([np.roll(texture, 1, 1), np.roll(texture, 1, 0)])
    outcome = flow_methods.method(name)(a, b)[:, 10:-10, 10:-10]
    assert outcome.dtype == np.float32 and outcome.shape == (2, 20, 28, 2)
    np.testing.assert_allclose(np.median(outcome[0], (0, 1)), [1, 0], atol=0.25)
    np.testing.assert_allclose(np.median(outcome[1], (0, 1)), [0, 1], atol=0.25)
    cfg = settings(
        folder, tmp_path, flow__method=name, flow__width=12, flow__height=10, data__max_frames=2
    )
    prepare.run(cfg)
    assert files.read_json(Workdir(cfg.workdir).flow / "index.json")["method"] == name
    with pytest.raises(ConfigError, match=f"method '{name}', now 'tvl1'"):
        prepare.run(change(cfg, flow__method="tvl1"))


def test_opencv_that_is_not_there(folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(
        ConfigError, match=r"flow\.method is 'dis', which needs OpenCV: pip install"
    ):
        prepare.run(settings(folder, tmp_path, flow__method="dis"))
    assert not (tmp_path / "dataset.json").exists()
    monkeypatch.setitem(sys.modules, "cv2", type(sys)("cv2"))
    sys.modules["cv2"].__version__ = "4.9"
    with pytest.raises(ConfigError, match=r"4\.9 was installed without its contrib modules"):
        flow_methods.method("opencv_tvl1")
    with pytest.raises(ConfigError, match="expected one of tvl1, dis, opencv_tvl1"):
        flow_methods.method("farneback")


def test_lengths_that_differ_are_told(folder, tmp_path, capsys, monkeypatch):
    plain = guard.Crew.probe
    monkeypatch.setattr(
        guard.Crew,
        "probe",
        lambda crew, path, **named: plain(crew, path, **named)._replace(
            frames=7 if "jump/1" in path else 4
        ),
    )
    cfg = settings(folder, tmp_path)
    prepare.run(cfg)
    warnings = capsys.readouterr().err
    assert "has one pair less, in 1 videos: jump/1 (7 declared, 4 found)" in warnings
    assert {
        video.frames for video in artifacts.load_dataset(Workdir(cfg.workdir).dataset).videos
    } == {4}
