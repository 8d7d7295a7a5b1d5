"""Pooling work folders: exact sums, no video lost, names kept apart, and refusals."""

import numpy as np
import pytest

from videolstm_jax import files
from videolstm_jax.config import RunConfig, change
from videolstm_jax.errors import FileError
from videolstm_jax.results.summary_text import pooled_text
from videolstm_jax.stages import localize, pool, report
from videolstm_jax.types import Dataset, Detection, Scores, Tube, Video
from videolstm_jax.workdir.config_json import load_config, save_config
from videolstm_jax.workdir.dataset_json import load_dataset, save_dataset
from videolstm_jax.workdir.layout import Workdir
from videolstm_jax.workdir.scores_npz import load_scores, save_scores
from videolstm_jax.workdir.tubes_jsonl import load_detections, save_detections

CLASSES = ("a", "b")


def write_part(folder, names, right, classes=CLASSES, box=8.0):
    """One work folder: a training video for each class, and the named test videos.

    The first `right` of these are scored right.
    """
    work = Workdir(str(folder))
    train = [
        Video(f"{name}/t", f"{name}/t.mp4", label, "train", "t", 9, 64, 64, 25.0)
        for label, name in enumerate(classes)
    ]
    test = [Video(name, f"{name}.mp4", 0, "test", "x", 9, 64, 64, 25.0) for name in names]
    save_dataset(work.dataset, Dataset(classes, tuple(sorted(train + test))))
    save_detections(
        work.truth,
        [
            Detection(name, 0, 1.0, Tube(0, np.array([[0, 0, side, side]] * 9)))
            for name, side in [("a/t", box), *((name, 8.0) for name in names)]
        ],
    )
    rows = np.array([[0.9, 0.1] if at < right else [0.2, 0.8] for at in range(len(names))])
    scores = Scores(tuple(names), rows, np.zeros(len(names), int), classes)
    for path in (work.scores("videolstm-rgb"), work.fused("both"), work.scores("convnet-rgb")):
        save_scores(path, scores)
    for name in names:
        files.write_arrays(
            work.evaluated_video("videolstm-rgb", name),
            scores=np.full((8, 2), 0.5),
            attention=np.full((8, 7, 7), 1 / 49),
        )
        files.write_arrays(work.states("videolstm-rgb", name), mean=np.zeros(1))
    return work


def pooled_summary(folder, parts):
    """The pool of these parts, its runs localised, and the contents of pooled.json."""
    pool.run(cfg(folder), parts)
    localize.run(change(cfg(folder / "pooled"), name="videolstm-rgb"))
    return files.read_json(pool.pool_summary(cfg(folder), parts))


def cfg(folder):
    return change(RunConfig(), workdir=str(folder))


def test_folds_add_up(tmp_path):
    write_part(tmp_path / "one", ["a/x", "a/y", "a/z"], 2, box=8.0)
    write_part(tmp_path / "two", ["a/u"], 1, box=16.0)
    summary = pooled_summary(tmp_path, ["one", "two"])
    assert summary["accuracy"]["videolstm-rgb"] == {
        "right": 3,
        "videos": 4,
        "parts": [[2, 3], [1, 1]],
    }
    assert set(summary["accuracy"]) == {"videolstm-rgb", "both", "convnet-rgb"}
    pooled = Workdir(str(tmp_path / "pooled"))
    assert load_scores(pooled.scores("both")).videos == ("a/u", "a/x", "a/y", "a/z")
    assert [video.name for video in load_dataset(pooled.dataset).videos] == [
        "a/u",
        "a/x",
        "a/y",
        "a/z",
    ]
    assert len(files.read_arrays(pooled.evaluated_video("videolstm-rgb", "a/u"), "scores")[0]) == 8
    assert pooled.states("videolstm-rgb", "a/u").exists()
    assert "3/4" in pooled_text(summary)


def test_each_test_video_keeps_the_training_box_of_its_own_part(tmp_path):
    write_part(tmp_path / "one", ["a/x", "a/y", "a/z"], 2, box=8.0)
    write_part(tmp_path / "two", ["a/u"], 1, box=16.0)
    row = pooled_summary(tmp_path, ["one", "two"])["localization"]["videolstm-rgb"]
    value = row["baselines"]["mean_train_box"]
    assert value["value"] == pytest.approx((3 * 1 + 0.25) / 4), (
        "the boxes of `two` are twice as large as the true one"
    )
    assert value["minus"]["value"] == pytest.approx(row["model"]["value"] - value["value"])
    assert row["mass_inside_truth"] == pytest.approx(row["area_of_truth"]), "uniform attention"


def test_seeds_with_videos_of_one_name_are_kept_apart(tmp_path):
    for seed in (0, 1):
        write_part(tmp_path / f"seed-{seed}", ["a/x", "a/y"], seed)
    summary = pooled_summary(tmp_path, ["seed-0", "seed-1"])
    assert summary["accuracy"]["both"]["videos"] == 4 and summary["accuracy"]["both"]["right"] == 1
    pooled = Workdir(str(tmp_path / "pooled"))
    assert load_scores(pooled.scores("both")).videos == (
        "a/seed-0_x",
        "a/seed-0_y",
        "a/seed-1_x",
        "a/seed-1_y",
    )
    assert len(load_detections(pooled.truth)) == 4


def test_warnings_of_every_part_are_on_the_page(tmp_path):
    """A training that diverged in one seed spoils the pooled figures, whichever seed it is."""
    for seed in (0, 1, 2):
        work = write_part(tmp_path / f"seed-{seed}", ["a/x", "a/y"], seed)
        warnings = [["the training has diverged"], [], ["the training has diverged"]][seed]
        for folder in (work.run("videolstm-rgb"), work.convnet("rgb")):
            save_config(folder, change(RunConfig(), seed=seed), warnings=warnings, attends=True)
    pool.run(cfg(tmp_path), ["seed-0", "seed-1", "seed-2"])
    page = report.run(change(cfg(tmp_path / "pooled"), report__examples=0)).read_text()
    for name in ("videolstm-rgb", "convnet-rgb"):
        assert f"{name}: in seed-0 the training has diverged." in page
        assert f"{name}: in seed-2 the training has diverged." in page
    assert "in seed-1" not in page


def test_the_foreground_axis_of_one_part_does_not_stand_for_all(tmp_path):
    for seed in (0, 1):
        work = write_part(tmp_path / f"seed-{seed}", ["a/x"], seed)
        axis = {"axis": [1.0], "offset": float(seed)}
        save_config(work.run("videolstm-rgb"), RunConfig(), foreground=axis)
    pool.run(cfg(tmp_path), ["seed-0", "seed-1"])
    pooled = Workdir(str(tmp_path / "pooled"))
    assert "foreground" not in load_config(pooled.run("videolstm-rgb"))


def test_parts_that_do_not_belong_together(tmp_path):
    write_part(tmp_path / "one", ["a/x"], 1)
    write_part(tmp_path / "two", ["a/y"], 1, classes=("a", "c"))
    with pytest.raises(FileError, match="different classes"):
        pool.run(cfg(tmp_path), ["one", "two"])
    with pytest.raises(FileError, match=r"dataset\.json is missing"):
        pool.run(cfg(tmp_path), ["one", "three"])
