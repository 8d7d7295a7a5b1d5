"""The benchmark of boxes of ImageNet features: its own read-out, flow patches and tables."""

import numpy as np
import pytest

from benchmarks.real_localisation.cells import flow_patches
from benchmarks.real_localisation.overlaps import Measured, as_record, text
from benchmarks.real_localisation.read_outs import otsu, otsu_tube
from benchmarks.real_localisation.tasks import clips_of, first_of_each_class, performers_held_out
from videolstm_jax.types import Tube, Video

VIDEO = Video("Run/a", "a.mp4", 0, "test", "g01", 4, 40, 40, 25.0)


def test_otsu_splits_two_groups():
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(1, 0.1, 300), rng.normal(3, 0.1, 60)])
    assert values[:300].max() < otsu(values) < values[300:].min()


def test_the_box_of_otsus_threshold_is_that_of_the_largest_region():
    maps = np.zeros((3, 4, 4))
    maps[:, 1:3, 1:3] = 1
    maps[:, 3, 3] = 0.01
    boxes = otsu_tube(maps, VIDEO).boxes
    assert boxes.shape == (4, 4)
    # Linear between the centres of cells of 10 pixels, which lie at 15 and 25.
    assert np.abs(boxes - [10, 10, 30, 30]).max() <= 3


def test_flow_patches_are_means_over_parts_of_cells():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (2, 13, 17, 2), np.uint8)
    patches = flow_patches(images, cells=3, parts=2)
    assert patches.shape == (2, 3, 3, 8)
    rows = np.linspace(0, 13, 7).round().astype(int)
    columns = np.linspace(0, 17, 7).round().astype(int)
    # Cell (2, 1), its lower left part: rows 5 and columns 2 of the parts.
    part = images[1, rows[5] : rows[6], columns[2] : columns[3]].astype(float) - 128
    np.testing.assert_allclose(patches[1, 2, 1, 4:6], part.mean((0, 1)), rtol=1e-5)


def test_rows_are_compared_with_the_baselines_by_name(tmp_path):
    other = VIDEO._replace(name="Run/B")
    truth = {video.name: [Tube(0, np.tile([10.0, 10, 30, 30], (4, 1)))] for video in (VIDEO, other)}
    measured = Measured(truth)
    measured.add_baselines([VIDEO], [VIDEO, other])
    # Saved rows are sorted by name, those that are added later are not.
    measured.save(tmp_path / "rows.json")
    measured.load(tmp_path / "rows.json")
    full = Tube(0, np.tile([0.0, 0, 40, 40], (4, 1)))
    measured.add("half", VIDEO, truth["Run/a"][0])
    measured.add("half", other, full)
    rows = as_record(measured.finished())
    assert rows["mean training box"]["iou"] == [1, 1, 1]
    assert rows["best centred box"]["iou"] == [1, 1, 1]
    assert rows["half"]["videos"] == [pytest.approx(0.25), 1]
    assert rows["half"]["minus_mean_training_box"][0] == pytest.approx(-0.375)
    assert text([-0.0381, -0.0553, 0.0211], "+") == "-.038 (-.055 to +.021)"


def test_recurrent_models_may_train_on_more_clips_than_the_axis():
    videos = []
    for label in (0, 1):
        for number in range(4):
            part = "test" if number == 3 else "train"
            videos.append(VIDEO._replace(name=f"{label}/{number}", label=label, part=part))
    (fold,) = first_of_each_class(train=1, test=1, recurrent=2)(videos)
    names = {}
    for field in ("train", "test", "boxed", "recurrent"):
        names[field] = [video.name for video in getattr(fold, field)]
    assert names == {
        "train": ["0/0", "1/0"],
        "test": ["0/3", "1/3"],
        "boxed": ["0/0", "0/1", "0/2", "1/0", "1/1", "1/2"],
        "recurrent": ["0/0", "0/1", "1/0", "1/1"],
    }
    # Maps are extracted of every clip that some model reads, once.
    used = [video.name for video in clips_of([fold])]
    assert sorted(used) == ["0/0", "0/1", "0/3", "1/0", "1/1", "1/3"]


def test_recurrent_models_of_a_performer_fold_train_on_the_clips_of_the_axis():
    videos = [VIDEO._replace(name=f"Run/{group}", group=group) for group in ("p0", "p1")]
    folds = performers_held_out(videos)
    assert [fold.recurrent == fold.train == fold.boxed for fold in folds] == [True, True]
    assert [[video.group for video in fold.recurrent] for fold in folds] == [["p1"], ["p0"]]
