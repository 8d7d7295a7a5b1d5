"""Pooling walks: exact sums, no video lost, names kept apart, and refusals."""

import numpy as np
import pytest

from videolstm_jax import artifacts, files
from videolstm_jax.artifacts import Workdir
from videolstm_jax.config import RunConfig, change
from videolstm_jax.files import ArtifactError
from videolstm_jax.stages import pool
from videolstm_jax.types import Dataset, Detection, Scores, Tube, Video

CLASSES = ("a", "b")


def write_part(folder, names, right, overlap, classes=CLASSES):
    """One walk: two training videos, the named test videos, of which the first `right` are scored right."""
    work = Workdir(str(folder))
    train = [Video(f"{name}/t", "t.mp4", label, "train", "t", 9, 64, 64, 25.0) for label, name in enumerate(classes)]
    test = [Video(name, "x.mp4", 0, "test", "x", 9, 64, 64, 25.0) for name in names]
    artifacts.save_dataset(work.dataset, Dataset(classes, tuple(sorted(train + test))))
    artifacts.save_detections(work.truth, [Detection(name, 0, 1.0, Tube(0, np.array([[0, 0, 8.0, 8]] * 9)))
                                           for name in names])
    rows = np.array([[0.9, 0.1] if at < right else [0.2, 0.8] for at in range(len(names))])
    scores = Scores(tuple(names), rows, np.zeros(len(names), int), classes)
    for path in (work.scores("videolstm-rgb"), work.fused("both"), work.scores("convnet-rgb")):
        artifacts.save_scores(path, scores)
    files.write_json(work.run("videolstm-rgb") / "map.json", {
        "model": {}, "truth": {"videos": len(names), "tubes": len(names)},
        "attention": {"mass_inside_truth": overlap, "area_of_truth": 0.25, "entropy": 0.5, "peak": 0.1},
        "frame_iou": {name: {"model": overlap, "centred": overlap - 0.1} for name in names}})
    for name in names:
        files.write_arrays(work.passes("videolstm-rgb", name), scores=np.full((8, 2), overlap))


def cfg(folder):
    return change(RunConfig(), workdir=str(folder))


def test_folds_add_up(tmp_path):
    write_part(tmp_path / "one", ["a/x", "a/y", "a/z"], 2, 0.6)
    write_part(tmp_path / "two", ["a/u"], 1, 0.2)
    summary = files.read_json(pool.run(cfg(tmp_path), ["one", "two"]))
    assert summary["accuracy"]["videolstm-rgb"] == {"right": 3, "videos": 4, "parts": [[2, 3], [1, 1]]}
    assert set(summary["accuracy"]) == {"videolstm-rgb", "both", "convnet-rgb"}
    found = summary["localization"]["videolstm-rgb"]
    assert found["model"]["value"] == pytest.approx(0.5) and found["mass_inside_truth"] == pytest.approx(0.5)
    assert found["floors"]["centred"]["minus"]["value"] == pytest.approx(0.1)
    pooled = Workdir(str(tmp_path / "pooled"))
    assert artifacts.load_scores(pooled.scores("both")).videos == ("a/u", "a/x", "a/y", "a/z")
    assert [video.name for video in artifacts.load_dataset(pooled.dataset).videos] == ["a/u", "a/x", "a/y", "a/z"]
    (kept,) = files.read_arrays(pooled.passes("videolstm-rgb", "a/u"), "scores")
    assert (kept == 0.2).all()
    assert "3/4" in pool.text(summary) and "+0.100" in pool.text(summary)


def test_seeds_with_videos_of_one_name_are_kept_apart(tmp_path):
    for seed in (0, 1):
        write_part(tmp_path / f"seed-{seed}", ["a/x", "a/y"], seed, 0.5)
    summary = files.read_json(pool.run(cfg(tmp_path), ["seed-0", "seed-1"]))
    assert summary["accuracy"]["both"]["videos"] == 4 and summary["accuracy"]["both"]["right"] == 1
    pooled = Workdir(str(tmp_path / "pooled"))
    assert artifacts.load_scores(pooled.scores("both")).videos == (
        "a/seed-0_x", "a/seed-0_y", "a/seed-1_x", "a/seed-1_y")
    assert len(artifacts.load_detections(pooled.truth)) == 4


def test_parts_that_do_not_belong_together(tmp_path):
    write_part(tmp_path / "one", ["a/x"], 1, 0.5)
    write_part(tmp_path / "two", ["a/y"], 1, 0.5, classes=("a", "c"))
    with pytest.raises(ArtifactError, match="different classes"):
        pool.run(cfg(tmp_path), ["one", "two"])
    with pytest.raises(ArtifactError, match=r"dataset\.json is missing"):
        pool.run(cfg(tmp_path), ["one", "three"])
