"""Files of a work folder come back the same; damaged ones are refused by name."""

import importlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from videolstm_jax import files
from videolstm_jax.errors import FileError
from videolstm_jax.presets import configured
from videolstm_jax.types import Dataset, Detection, Scores, Tube, Video
from videolstm_jax.workdir.config_json import load_config, save_config
from videolstm_jax.workdir.dataset_json import load_dataset, save_dataset
from videolstm_jax.workdir.layout import LAYOUT, Workdir
from videolstm_jax.workdir.scores_npz import load_scores, save_scores
from videolstm_jax.workdir.tubes_jsonl import load_detections, save_detections

SCORES = Scores(
    ("a/x", "b/ÿ"),
    np.array([[0.25, 0.75], [1, 0]], np.float32),
    np.array([1, 0], np.int32),
    ("a", "b"),
)


def test_an_interrupted_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    files.write_bytes(path, b"old")
    with pytest.raises(RuntimeError), files.replacing(path) as beside:
        beside.write_bytes(b"half")
        raise RuntimeError
    assert path.read_bytes() == b"old" and [p.name for p in tmp_path.iterdir()] == ["file"]


def test_dataset_round_trip(tmp_path):
    dataset = Dataset(
        ("a", "b"), (Video("a/x", "videos/a/x.avi", 0, "train", "g01", 31, 320, 240, 25.0),)
    )
    save_dataset(tmp_path / "dataset.json", dataset)
    assert load_dataset(tmp_path / "dataset.json") == dataset


@pytest.mark.parametrize("layout", [{}, {"layout": 1}])
def test_a_work_folder_of_an_earlier_version_is_refused(tmp_path, layout):
    record = {"classes": [], "videos": [], "config": {}, **layout}
    for name, load in (
        ("dataset.json", lambda: load_dataset(tmp_path / "dataset.json")),
        ("config.json", lambda: load_config(tmp_path)),
    ):
        files.write_json(tmp_path / name, record)
        with pytest.raises(FileError, match=rf"{name}: .* earlier version; remove it or give an"):
            load()


OLD_FILES = ("dataset.json", "convnets/rgb/config.json", "runs/alstm-rgb/config.json")


@pytest.mark.parametrize("stage", ["prepare", "nearest", "fit_convnet", "train", "fuse"])
@pytest.mark.parametrize("name", OLD_FILES)
def test_no_stage_writes_to_a_work_folder_of_an_earlier_version(tmp_path, stage, name):
    if stage == "nearest" and name != "dataset.json":
        pytest.skip("nearest reads only dataset.json")
    work = tmp_path / "work"
    files.write_json(work / "dataset.json", {"layout": LAYOUT})
    files.write_json(work / name, {"classes": [], "videos": [], "config": {}})
    before = {path: path.is_file() and path.read_bytes() for path in work.rglob("*")}
    videos = tmp_path / "videos"
    videos.mkdir()
    cfg = configured("small", workdir=str(work), data__videos=str(videos), fuse__runs=("a", "b"))
    run = importlib.import_module(f"videolstm_jax.stages.{stage}").run
    with pytest.raises(FileError, match=rf"{name}: .* earlier version; remove it or give another"):
        run(cfg)
    after = {path: path.is_file() and path.read_bytes() for path in work.rglob("*")}
    assert after == before


VIDEO = Video("a/x", "videos/a/x.avi", 0, "train", "g01", 31, 320, 240, 25.0)


@pytest.mark.parametrize(
    "videos, message",
    [
        ((VIDEO, VIDEO), "a/x is listed twice"),
        ((VIDEO._replace(label=2),), "a/x has the label 2; expected 0 to 1"),
        ((VIDEO._replace(label=-1),), "a/x has the label -1"),
        ((VIDEO._replace(part="tset"),), "'?tset.?; expected one of .?train"),
    ],
)
def test_a_list_that_contradicts_itself_is_neither_written_nor_read(tmp_path, videos, message):
    path = tmp_path / "dataset.json"
    with pytest.raises(FileError, match=message):
        save_dataset(path, Dataset(("a", "b"), videos))
    rows = [video._asdict() for video in videos]
    files.write_json(path, {"layout": LAYOUT, "classes": ["a", "b"], "videos": rows})
    with pytest.raises(FileError, match=message):
        load_dataset(path)


def test_the_videos_of_a_part():
    dataset = Dataset(("a",), (VIDEO, VIDEO._replace(name="a/y", part="test")))
    assert [video.name for video in dataset.part("test")] == ["a/y"]
    with pytest.raises(FileError, match="lists no videos of the part 'valid'"):
        dataset.part("valid")


def test_config_json_records_what_the_user_gave(tmp_path):
    cfg = configured("authors", "alstm", train__steps=5)
    save_config(tmp_path, cfg, classes=["a"])
    record = load_config(tmp_path)
    assert record["overrides"] == {"model.cell": "alstm", "train.steps": 5}
    assert record["config"]["preset"] == "authors" and record["classes"] == ["a"]
    assert "overrides" not in record["config"]


def test_scores_round_trip_and_same_bytes(tmp_path):
    save_scores(tmp_path / "a.npz", SCORES)
    save_scores(tmp_path / "b.npz", SCORES)
    back = load_scores(tmp_path / "a.npz")
    assert back.videos == SCORES.videos and back.classes == SCORES.classes
    np.testing.assert_array_equal(back.scores, SCORES.scores)
    np.testing.assert_array_equal(back.label, SCORES.label)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


@pytest.mark.parametrize(
    "change, message",
    [
        ({"scores": SCORES.scores[:1]}, "expected"),
        ({"label": np.array([0, 2])}, "labels 0 to 2"),
        ({"scores": SCORES.scores * np.nan}, "a/x are not finite"),
    ],
)
def test_scores_that_do_not_agree(tmp_path, change, message):
    save_scores(tmp_path / "s.npz", SCORES._replace(**change))
    with pytest.raises(FileError, match=message):
        load_scores(tmp_path / "s.npz")


def test_missing_and_damaged_files_are_named(tmp_path):
    with pytest.raises(FileError, match=r"dataset\.json is missing; the stage prepare"):
        load_dataset(tmp_path / "dataset.json")
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(FileError, match=r"x\.json: not JSON"):
        files.read_json(tmp_path / "x.json")
    for damaged in (b'"\xff"', b"[" * 200_000):
        (tmp_path / "x.json").write_bytes(damaged)
        with pytest.raises(FileError, match=r"x\.json: not JSON"):
            files.read_json(tmp_path / "x.json")
    (tmp_path / "x.npz").write_bytes(b"PK no")
    with pytest.raises(FileError, match=r"x\.npz: cannot be read"):
        load_scores(tmp_path / "x.npz")
    files.write_arrays(tmp_path / "y.npz", scores=np.zeros(2))
    with pytest.raises(FileError, match="lacks"):
        load_scores(tmp_path / "y.npz")
    np.savez(tmp_path / "z.npz", videos=np.array([{}], object))
    with pytest.raises(FileError, match=r"z\.npz"):
        files.read_arrays(tmp_path / "z.npz", "videos")


@given(
    start=st.integers(0, 5),
    count=st.integers(1, 4),
    score=st.floats(-1e6, 1e6),
    name=st.text(max_size=5),
)
def test_detections_round_trip(tmp_path_factory, start, count, score, name):
    path = tmp_path_factory.mktemp("tubes") / "tubes.jsonl"
    detection = Detection(
        name, 3, score, Tube(start, np.arange(count * 4).reshape(count, 4) + [0, 0, 5.125, 5.5])
    )
    save_detections(path, [detection])
    (back,) = load_detections(path)
    assert back[:3] == detection[:3] and back.tube.start == start
    np.testing.assert_allclose(back.tube.boxes, detection.tube.boxes, atol=5e-4)


def test_where_scores_are_found(tmp_path):
    work = Workdir(str(tmp_path))
    assert work.scores("videolstm-rgb") == work.run("videolstm-rgb") / "scores.npz"
    assert work.scores("convnet-flow") == work.convnet("flow") / "scores.npz"
    assert str(work.scores("elsewhere/idt.npz")) == "elsewhere/idt.npz"
    save_scores(work.fused("both"), SCORES)
    assert work.scores("both") == work.fused("both")
