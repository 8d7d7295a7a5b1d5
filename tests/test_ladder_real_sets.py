"""The ladder on folds of real videos, with made-up features."""

import feature_stores
import numpy as np
import pytest

from benchmarks.held_out import fold_of_groups
from benchmarks.ladder import __main__, real_sets, runs, trainer
from benchmarks.real_data.stages import Run, Workdir
from videolstm_jax.errors import ConfigError
from videolstm_jax.presets import Settings
from videolstm_jax.types import Dataset, Video
from videolstm_jax.workdir.dataset_json import save_dataset
from videolstm_jax.workdir.scores_npz import load_scores

STEMS = {"a1": 6, "a2": 7, "b1": 6, "b2": 8}
"""Frames of features; the letter is the class and the digit the group."""

SMALL = {
    **real_sets.SETTINGS,
    "model__hidden": 3,
    "model__head": 4,
    "data__frames": 4,
    "data__batch": 2,
    "train__steps": 3,
}
LSTM = Run("lstm-rgb", "lstm", "rgb")


def dataset():
    """Two classes and two groups."""
    videos = []
    for stem, frames in STEMS.items():
        name = f"c/{stem}"
        label = "ab".index(stem[0])
        videos.append(Video(name, f"{name}.mp4", label, "train", stem[1], frames + 1, 8, 8, 25.0))
    return Dataset(("a", "b"), tuple(videos))


@pytest.fixture
def folds(tmp_path):
    """Settings of two folds with the same features."""
    prepared = []
    for number in (1, 2):
        settings = Settings("small", {**SMALL, "workdir": str(tmp_path / f"fold-{number}")})
        work = Workdir(settings.overrides["workdir"])
        feature_stores.written(work.features("rgb", "fc7"), (3,), **STEMS)
        save_dataset(work.dataset, fold_of_groups(dataset(), number, 2))
        prepared.append(settings)
    return prepared


def test_each_group_is_the_test_list_of_one_fold():
    for number, tested in ((1, ["c/a1", "c/b1"]), (2, ["c/a2", "c/b2"])):
        fold = fold_of_groups(dataset(), number, 2)
        assert [video.name for video in fold.part("test")] == tested
        assert len(fold.part("train")) == 2


def test_folds_share_one_program(folds, monkeypatch):
    opened = []
    open_trainer = trainer.open_trainer
    monkeypatch.setattr(trainer, "open_trainer", lambda cfg: opened.append(0) or open_trainer(cfg))
    runs.train_all([LSTM], folds, (0,))
    assert len(opened) == 1
    tested = [load_scores(runs.scores_of_run(LSTM, fold, 0)).videos for fold in folds]
    assert tested == [("c/a1", "c/b1"), ("c/a2", "c/b2")]
    row = runs.ladder_rows([LSTM], folds)["lstm-rgb"]
    assert row.right.shape == (1, 4) and row.about == {"seeds": [0]}
    assert runs.names_of_test(folds) == ["c/a1", "c/a2", "c/b1", "c/b2"]


def test_a_seed_that_lacks_a_fold_has_no_row(folds):
    runs.train_all([LSTM], folds[:1], (0,))
    assert runs.ladder_rows([LSTM], folds) == {}


def test_folds_with_scales_of_their_own_are_refused(folds):
    opened = trainer.open_trainer(runs.config_of(LSTM, folds[0], 0))
    scaled = folds[1].override(data__feature_scale="std")
    with pytest.raises(ConfigError, match="folds share programs with raw only"):
        trainer.on_fold(opened, runs.config_of(LSTM, scaled, 0))


def test_the_row_convnet_has_seeds(folds, tmp_path):
    convnet = real_sets.CONVNETS[0]
    generator = np.random.default_rng(0)
    folder = tmp_path / "arrays" / "rgb-lite0-filmed" / "fc7" / "c"
    folder.mkdir(parents=True)
    for stem, frames in STEMS.items():
        # The first value tells the class.
        vectors = generator.normal(size=(frames, 5)) + 9 * np.eye(5)["ab".index(stem[0])]
        np.save(folder / f"{stem}.npy", vectors.astype(np.float16))
    for seed in (0, 1):
        for settings in folds:
            real_sets._classify_frames(convnet, settings, str(tmp_path), seed)
    row = runs.ladder_rows([convnet], folds)["convnet-rgb"]
    np.testing.assert_array_equal(row.right, np.ones((2, 4), bool))


def test_a_real_set_needs_its_folder(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["ladder", "weizmann", "--workdir=w"])
    with pytest.raises(SystemExit):
        __main__.main()
    assert "--data is missing; expected the folder of weizmann" in capsys.readouterr().err
