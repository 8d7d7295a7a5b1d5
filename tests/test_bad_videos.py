"""Every sort of video that a folder may hold by mistake, and what the decoder does with each."""

import sys

import av
import numpy as np
import pytest
from bad_video_files import BAD, settings, write_folder
from small_films import smooth

from videolstm_jax import files
from videolstm_jax.config import DataConfig, change
from videolstm_jax.dataset import scan
from videolstm_jax.errors import VideoError
from videolstm_jax.stages import prepare
from videolstm_jax.video import decode, encode, guard, worker_client
from videolstm_jax.workdir.dataset_json import load_dataset
from videolstm_jax.workdir.layout import Workdir

pytestmark = pytest.mark.filterwarnings(
    "ignore::videolstm_jax.dataset.lists.list_files.ListWarning"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("bad"))


@pytest.mark.parametrize("online", [False, True])
def test_good_and_bad_are_all_that_is_listed(folder, tmp_path, online, capsys):
    cfg = settings(folder, tmp_path, flow__online=online)
    prepare.run(cfg)
    work = Workdir(cfg.workdir)
    good = [video.name for video in load_dataset(work.dataset).videos]
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
        "import os\nfrom videolstm_jax.video import decode, worker\nplain = decode.probe_video\n"
        "def probe(path, **named):\n    if path.endswith('run/2.mp4'): os.abort()\n"
        "    return plain(path, **named)\ndecode.probe_video = probe\n"
        "worker.serve_video_requests()"
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


def test_what_asks_for_too_much_memory_is_refused(tmp_path, own_workers):
    """A worker gives back an error, or is ended, before the machine is out of memory."""
    encode.write_video(tmp_path / "good.mp4", smooth(4, 24, 32))
    huge = {"size": (500_000, 200_000)}  # 300 GB a frame
    outcome = list(guard.read_all_videos([tmp_path / "good.mp4"], **huge, workers=1))
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
    (outcome,) = guard.read_all_videos([path])
    assert outcome.shape == (4, 24, 32, 3) and decode.check_video_decodes(path).frames == 4


@pytest.mark.slow
def test_ten_thousand_frames(tmp_path):
    frames = np.broadcast_to(
        np.arange(10_000, dtype=np.uint16)[:, None, None, None] % 251, (10_000, 8, 16, 3)
    )
    encode.write_video(tmp_path / "long.avi", frames.astype(np.uint8), codec="ffv1")
    crew = guard.Crew(1)
    assert (
        crew.probe(tmp_path / "long.avi").frames
        == crew.check(tmp_path / "long.avi").frames
        == 10_000
    )
    outcome = crew.read(tmp_path / "long.avi", start=9_990)
    np.testing.assert_array_equal(outcome, frames[9_990:])
    crew.end()


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
    assert {video.frames for video in load_dataset(Workdir(cfg.workdir).dataset).videos} == {4}
