"""Rows of VGG-16 maps: a cell that some folds lack is compared on the clips of its own folds."""

import pathlib

import numpy as np
import pytest

from benchmarks.real_data import ut_vgg16
from benchmarks.real_data.rows import Row
from benchmarks.real_data.stages import scores_path
from videolstm_jax.presets import Settings
from videolstm_jax.types import Dataset, Video

NAMES = ["a/0", "a/1", "a/2", "a/3"]
TEST_LISTS = (("a/0", "a/2"), ("a/1", "a/3"))


def dataset(test):
    videos = []
    for name in NAMES:
        part = "test" if name in test else "train"
        videos.append(Video(name, f"{name}.avi", 0, part, name, 5, 8, 8, 10.0))
    return Dataset(("a",), tuple(videos))


@pytest.fixture
def folds(tmp_path, monkeypatch):
    """Two folds: ALSTM has scores of both with two seeds, and of the first with a third seed.

    ConvALSTM has scores of the second fold alone.
    """
    settings = [Settings("modern", {"workdir": str(tmp_path / str(k))}) for k in range(2)]
    scored_folds = {
        "alstm-vgg16": [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0)],
        "convalstm-vgg16": [(0, 1)],
    }
    for model in ut_vgg16.RUNS:
        for seed, number in scored_folds.get(model.name, []):
            path = pathlib.Path(scores_path(ut_vgg16._config(model, settings[number], seed)))
            path.parent.mkdir(parents=True)
            path.touch()
    answers = {
        "alstm-vgg16-seed0": [True, False, True, True],
        "alstm-vgg16-seed1": [True, False, False, True],
        "convalstm-vgg16-seed0": [False] * 4,
    }

    def right_of_run(cfg):
        names = TEST_LISTS[int(pathlib.Path(cfg.workdir).name)]
        hits = answers[cfg.run_name]
        return {name: hits[NAMES.index(name)] for name in names}

    monkeypatch.setattr(ut_vgg16, "right_of_run", right_of_run)
    return settings


def test_a_row_has_all_folds_or_stands_with_those_that_it_has(folds):
    rows = {"ridge": Row(np.array([[True, True, False, False]]))}
    ut_vgg16._add_rows(rows, folds, [0, 1], NAMES)
    assert list(rows) == ["ridge", "alstm-vgg16"]
    seeds = [[True, False, True, True], [True, False, False, True]]
    assert rows["alstm-vgg16"].right.tolist() == seeds
    assert rows["alstm-vgg16"].about == {"seeds": [0, 1]}
    partial = ut_vgg16._partial(rows, folds, [dataset(test) for test in TEST_LISTS])
    assert list(partial) == ["convalstm-vgg16"]
    assert partial["convalstm-vgg16"]["folds"] == [2]
    texts = {name: row["right"] for name, row in partial["convalstm-vgg16"]["rows"].items()}
    assert texts == {"ridge": ["10"], "alstm-vgg16": ["01", "01"], "convalstm-vgg16": ["00"]}


def test_vectors_in_place_of_fc7_are_means_over_the_places(tmp_path):
    maps = np.random.default_rng(0).normal(size=(3, 7, 7, 4)).astype(np.float16)
    (tmp_path / "pool5" / "Wave").mkdir(parents=True)
    np.save(tmp_path / "pool5" / "Wave" / "a.npy", maps)
    ut_vgg16.write_means(tmp_path)
    means = np.load(tmp_path / "fc7" / "Wave" / "a.npy")
    assert means.dtype == np.float16 and means.shape == (3, 4)
    expected = maps.astype(np.float64).reshape(3, 49, 4).mean(1)
    np.testing.assert_allclose(means, expected, atol=1e-3)


def test_the_frame_classifier_learns_what_a_value_says(tmp_path):
    """Two classes that differ in the sign of one value; each video of the other list is right."""
    videos, generator = [], np.random.default_rng(0)
    (tmp_path / "arrays" / "rgb-vgg16-filmed" / "fc7").mkdir(parents=True)
    for number in range(8):
        values = generator.normal(size=(5, 3)).astype(np.float16)
        values[:, 1] = (-1) ** number * 2
        np.save(tmp_path / "arrays" / "rgb-vgg16-filmed" / "fc7" / f"v{number}.npy", values)
        part = "train" if number < 4 else "test"
        videos.append(Video(f"v{number}", "", number % 2, part, str(number), 5, 8, 8, 10.0))
    first = Dataset(("a", "b"), tuple(videos))
    # The second fold exchanges both lists.
    exchanged = {"train": "test", "test": "train"}
    second = [video._replace(part=exchanged[video.part]) for video in videos]
    parts = [first, first._replace(videos=tuple(second))]
    row = ut_vgg16._classifier_row(parts, str(tmp_path))
    assert row.right.tolist() == [[True] * 8] * len(ut_vgg16.CLASSIFIER_SEEDS)
