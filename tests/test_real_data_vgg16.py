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
    """Two folds: ALSTM has scores of both, ConvALSTM of the second alone."""
    settings = [Settings("modern", {"workdir": str(tmp_path / str(k))}) for k in range(2)]
    scored_folds = {"alstm-vgg16": [0, 1], "convalstm-vgg16": [1]}
    for model in ut_vgg16.RUNS:
        for number in scored_folds.get(model.name, []):
            path = pathlib.Path(scores_path(ut_vgg16._config(model, settings[number])))
            path.parent.mkdir(parents=True)
            path.touch()
    answers = {"alstm-vgg16": [True, False, True, True], "convalstm-vgg16": [False] * 4}

    def right_of_run(cfg):
        names = TEST_LISTS[int(pathlib.Path(cfg.workdir).name)]
        hits = answers[cfg.run_name.removesuffix("-seed0")]
        return {name: hits[NAMES.index(name)] for name in names}

    monkeypatch.setattr(ut_vgg16, "right_of_run", right_of_run)
    return settings


def test_a_row_has_all_folds_or_stands_with_those_that_it_has(folds):
    rows = {"ridge": Row(np.array([[True, True, False, False]]))}
    ut_vgg16._add_rows(rows, folds, [0, 1], NAMES)
    assert list(rows) == ["ridge", "alstm-vgg16"]
    assert rows["alstm-vgg16"].right.tolist() == [[True, False, True, True]]
    partial = ut_vgg16._partial(rows, folds, [dataset(test) for test in TEST_LISTS])
    assert list(partial) == ["convalstm-vgg16"]
    assert partial["convalstm-vgg16"]["folds"] == [2]
    texts = {name: row["right"] for name, row in partial["convalstm-vgg16"]["rows"].items()}
    assert texts == {"ridge": ["10"], "alstm-vgg16": ["01"], "convalstm-vgg16": ["00"]}
