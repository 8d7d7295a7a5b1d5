"""Prepare: real folders end to end, resuming, refusing and bad videos."""

import json
import os
import shutil

import numpy as np
import pytest
from moving_videos import made, settings, written
from small_films import smooth

from videolstm_jax import files
from videolstm_jax.config import RunConfig, change
from videolstm_jax.dataset import scan
from videolstm_jax.dataset.lists.list_files import ListWarning
from videolstm_jax.errors import ConfigError, FileError, VideoError
from videolstm_jax.flow import image, tvl1
from videolstm_jax.flow_images import flow_file, flow_writing
from videolstm_jax.lock.sole_writer import sole_writer
from videolstm_jax.stages import prepare
from videolstm_jax.video import decode, encode
from videolstm_jax.workdir.dataset_json import load_dataset
from videolstm_jax.workdir.layout import Workdir
from videolstm_jax.workdir.tubes_jsonl import load_detections

pytestmark = pytest.mark.filterwarnings(
    "ignore::videolstm_jax.dataset.lists.list_files.ListWarning"
)
# The class that the filter names.
assert issubclass(ListWarning, Warning)


@pytest.fixture(scope="module")
def prepared_workdir(tmp_path_factory):
    """A prepared folder: its configuration and every file."""
    folder = tmp_path_factory.mktemp("prepared_workdir")
    cfg = settings(folder, made(folder / "videos"))
    prepare.run(cfg)
    return cfg, written(folder / "work")


def test_flow_of_every_pair(prepared_workdir):
    cfg, _ = prepared_workdir
    work = Workdir(cfg.workdir)
    dataset = load_dataset(work.dataset)
    index = files.read_json(work.flow / "index.json")
    assert [video.frames for video in dataset.videos] == [5, 9, 6, 12]
    assert index["frames"] == {video.name: video.frames - 1 for video in dataset.videos}
    assert index["source"] == {
        video.name: f"{os.path.getsize(video.path)} bytes" for video in dataset.videos
    }
    assert {name: index[name] for name in ("method", "width", "height", "bound", "image")} == {
        "method": "tvl1",
        "width": 0,
        "height": 0,
        "bound": 2.0,
        "image": "png",
    }
    most_pairs = max(video.frames for video in dataset.videos) - 1
    for video in dataset.videos:
        grey = image.grey_frames_for_flow(decode.read_video(video.path))
        pairs = np.zeros((2, most_pairs, 24, 32), np.uint8)  # one shape is compiled once
        pairs[:, : len(grey) - 1] = grey[:-1], grey[1:]
        expected = image.flow_to_image(np.asarray(tvl1.tvl1(*pairs)), 2.0)[: len(grey) - 1]
        stored = flow_file.read_flow(work.flow / f"{video.name}.zip")
        assert stored.shape == expected.shape
        assert (stored != expected).mean() < 1e-3 and np.abs(
            stored.astype(int) - expected
        ).max() <= 1
    assert not work.truth.exists() and not work.bad.exists()


def test_again_is_free_and_broken_off_is_resumed(prepared_workdir, tmp_path, monkeypatch):
    cfg, left = prepared_workdir
    shutil.copytree(cfg.workdir, tmp_path / "work")
    cfg = change(cfg, workdir=str(tmp_path / "work"))
    for name in ("flow/index.json", "dataset.json", next(name for name in left if "run/" in name)):
        (tmp_path / "work" / name).unlink()
    damaged = tmp_path / "work" / next(name for name in left if name.startswith("flow/jump/"))
    data = bytearray(damaged.read_bytes())
    data[data.index(b"PK\x01\x02") + 6] ^= 64  # asks zipfile for a version that it does not know
    damaged.write_bytes(data)
    # What a killed process was writing; the last one is of another stage, which may go on.
    unfinished = []
    for name in ("flow/.index.json", ".dataset.json", ".truth.jsonl", ".bad.jsonl", ".mean.npz"):
        unfinished.append(tmp_path / "work" / f"{name}.part-0123456789abcdef")
        unfinished[-1].write_bytes(b"half")
    prepare.run(cfg)
    assert [path.exists() for path in unfinished] == [False] * 4 + [True]
    unfinished[-1].unlink()
    assert written(tmp_path / "work") == left
    monkeypatch.setattr(
        flow_writing.batched,
        "batched_tvl1_images",
        lambda videos, *args, **named: iter(list(videos)),
    )
    prepare.run(cfg)
    assert written(tmp_path / "work") == left


def test_a_replaced_video_is_done_again(tmp_path):
    cfg = settings(tmp_path, made(tmp_path / "videos"))
    prepare.run(cfg)
    path = next((tmp_path / "videos" / "run").iterdir())
    encode.write_video(path, smooth(8, 24, 32, seed=9))
    prepare.run(cfg)
    index = files.read_json(tmp_path / "work" / "flow" / "index.json")
    assert index["frames"][f"run/{path.stem}"] == 7


def test_nothing_is_marked_done_when_it_stops_half_way(tmp_path, monkeypatch):
    cfg = settings(tmp_path, made(tmp_path / "videos"))
    plain = flow_writing.flow_file.write_flow

    def full(path, *args, **named):
        if "run" in str(path):
            raise OSError(28, "No space left on device")
        plain(path, *args, **named)

    monkeypatch.setattr(flow_writing.flow_file, "write_flow", full)
    with pytest.raises(OSError, match="No space left"):
        prepare.run(cfg)
    assert not (tmp_path / "work" / "flow" / "index.json").exists()
    assert not [path for path in (tmp_path / "work").rglob("*") if ".part-" in path.name]


@pytest.mark.parametrize(
    "setting, value, message",
    [
        ("flow__bound", 3.0, r"bound 2\.0, now 3\.0"),
        ("flow__image", "jpeg", "image 'png', now 'jpeg'"),
        ("data__fps", 20.0, r"fps 0\.0, now 20\.0"),
        ("data__max_frames", 4, "max_frames 0, now 4"),
    ],
)
def test_other_settings_are_refused(prepared_workdir, setting, value, message):
    cfg, _ = prepared_workdir
    with pytest.raises(ConfigError, match=message):
        prepare.run(change(cfg, **{setting: value}))
    assert (Workdir(cfg.workdir).flow / "index.json").exists()


def test_settings_file_is_plain_json(prepared_workdir):
    _, left = prepared_workdir
    assert json.loads(left["flow/settings.json"])["bound"] == 2.0


def test_a_second_process_in_the_same_folder_is_refused(prepared_workdir):
    cfg, _ = prepared_workdir
    with (
        sole_writer(cfg.workdir, "prepare", name=".prepare.lock"),
        pytest.raises(FileError, match="prepare runs here already"),
    ):
        prepare.run(cfg)
    assert (Workdir(cfg.workdir).flow / "index.json").exists()


def test_bad_videos(tmp_path):
    videos = made(tmp_path / "videos", (5, 6, 5, 6, 5, 6))
    cut = videos / "run" / "v_x_g01_c02_cut.avi"
    encode.write_video(cut, smooth(30, 24, 32), codec="mjpeg")
    cut.write_bytes(cut.read_bytes()[:-9000])
    (videos / "jump" / "v_x_g02_c03_text.avi").write_text("no video")
    encode.write_video(videos / "run" / "v_x_g02_c04_one.mp4", smooth(1, 24, 32))
    cfg = settings(tmp_path, videos)
    with pytest.raises(VideoError):
        prepare.run(cfg)
    prepare.run(change(cfg, data__on_bad_video="skip"))
    work = Workdir(cfg.workdir)
    bad = files.read_jsonl(work.bad)
    good = load_dataset(work.dataset).videos
    assert [row["name"].rpartition("_")[2] for row in bad] == ["text", "cut", "one"]
    assert len(good) + len(bad) == 9 and set(
        files.read_json(work.flow / "index.json")["frames"]
    ) == {video.name for video in good}
    assert "cut short or damaged" in bad[1]["reason"] or "damaged" in bad[1]["reason"]
    assert "1 frame" in bad[2]["reason"] and all(row["path"] in row["reason"] for row in bad)
    for row in bad:
        (videos / f"{row['name']}.avi").unlink(missing_ok=True)
        (videos / f"{row['name']}.mp4").unlink(missing_ok=True)
    prepare.run(cfg)
    assert not work.bad.exists()


def test_weizmann(real_data, tmp_path, capsys):
    """Real clips with true boxes; a few frames of each, since this is not about speed."""
    cfg = settings(
        tmp_path,
        real_data / "weizmann",
        data__max_frames=3,
        flow__image="jpeg",
        flow__width=32,
        flow__height=24,
        flow__bound=1.5,
    )
    prepare.run(cfg)
    work = Workdir(cfg.workdir)
    dataset = load_dataset(work.dataset)
    assert len(dataset.videos) == 24 and dataset.classes == ("bend", "jack", "wave1", "wave2")
    assert {video.part for video in dataset.videos} == {"train", "test"}
    truth = load_detections(work.truth)
    assert len(truth) == 24 and all(len(detection.tube.boxes) <= 3 for detection in truth)
    assert "24 videos, 72 frames, 24 true tubes, 0 bad videos" in capsys.readouterr().out


def test_built_in_set(tmp_path):
    cfg = change(
        RunConfig(workdir=str(tmp_path)),
        data__source="stick_actions",
        data__clips_per_class=1,
        data__test_clips_per_class=1,
        data__max_frames=3,
        flow__width=32,
        flow__height=24,
    )
    prepare.run(cfg)
    work = Workdir(str(tmp_path))
    dataset = load_dataset(work.dataset)
    assert len(dataset.videos) == 16 and len(load_detections(work.truth)) == 16
    assert (tmp_path / "stick_actions").is_dir()


def test_a_folder_of_videos_beside_the_built_in_set_is_refused(tmp_path):
    cfg = change(
        RunConfig(workdir=str(tmp_path / "work")),
        data__source="stick_actions",
        data__videos=str(tmp_path),
    )
    message = rf"data.videos is '{tmp_path}', but data.source is 'stick_actions'"
    with pytest.raises(ConfigError, match=message):
        prepare.run(cfg)


@pytest.mark.parametrize(
    "table, settings_of, message",
    [
        (
            None,
            {"data__boxes": "nowhere.json"},
            r"data\.boxes is nowhere\.json, which is not there",
        ),
        ({"jump/none": [[0, 0, 9, 9]]}, {}, "boxes of jump/none, which is no listed video"),
        ({"run/v_x_g01_c01_2": [[0, 0, 99, 9]]}, {}, "leaves the frame"),
        ({}, {"data__fps": 20.0}, r"expected data\.fps 0"),
    ],
)
def test_wrong_boxes_are_told_before_any_flow(tmp_path, table, settings_of, message):
    videos = made(tmp_path / "videos")
    if table is not None:
        (videos / "boxes.json").write_text(json.dumps(table))
    with pytest.raises(FileError, match=message):
        prepare.run(settings(tmp_path, videos, **settings_of))
    assert not (tmp_path / "work" / "flow").exists()


def test_how_many_boxes_there_may_be_is_known_at_the_end(tmp_path, monkeypatch):
    """A header may promise fewer frames than there are, or more."""
    videos = made(tmp_path / "videos")
    (videos / "boxes.json").write_text(json.dumps({"run/v_x_g01_c01_2": [[0, 0, 9, 9]] * 6}))
    plain = scan.scan_videos

    def shortened(*args, **named):
        dataset, bad = plain(*args, **named)
        return dataset._replace(
            videos=tuple(video._replace(frames=3) for video in dataset.videos)
        ), bad

    monkeypatch.setattr(scan, "scan_videos", shortened)
    prepare.run(settings(tmp_path, videos))
    (detection,) = load_detections(tmp_path / "work" / "truth.jsonl")
    assert len(detection.tube.boxes) == 6
    (videos / "boxes.json").write_text(json.dumps({"run/v_x_g01_c01_2": [[0, 0, 9, 9]] * 7}))
    with pytest.raises(FileError, match=r"7 boxes of .* at most its 6 frames"):
        prepare.run(settings(tmp_path, videos))
