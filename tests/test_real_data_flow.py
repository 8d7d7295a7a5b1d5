"""Backbones of flow on UT-Interaction: each fold is fitted once, with the settings of its row."""

import pathlib

import numpy as np
import pytest

from benchmarks.real_data import ut_flow_backbones
from videolstm_jax.presets import Settings
from videolstm_jax.types import Dataset, Scores, Video
from videolstm_jax.workdir.dataset_json import load_dataset, save_dataset
from videolstm_jax.workdir.layout import Workdir
from videolstm_jax.workdir.scores_npz import save_scores

NAMES = ("a/0", "b/1")


@pytest.fixture
def folds(tmp_path):
    """Two prepared folds; each tests one of the two videos."""
    settings = []
    for number in range(2):
        root = tmp_path / f"fold-{number}"
        (root / "flow").mkdir(parents=True)
        videos = []
        for label, name in enumerate(NAMES):
            part = "test" if label == number else "train"
            videos.append(Video(name, f"{name}.avi", label, part, name, 5, 8, 8, 10.0))
        save_dataset(root / "dataset.json", Dataset(("a", "b"), tuple(videos)))
        settings.append(Settings("small", {"workdir": str(root)}))
    return settings


@pytest.fixture
def fitted_configs(monkeypatch):
    """The configurations that `fit_convnet` was called with; `extract` writes right scores."""
    configs = []

    def extract(cfg):
        work = Workdir(cfg.workdir)
        dataset = load_dataset(work.dataset)
        (test,) = dataset.part("test")
        scores = np.eye(2, dtype=np.float32)[[test.label]]
        path = pathlib.Path(work.root) / "convnets/flow/scores.npz"
        path.parent.mkdir(parents=True)
        save_scores(path, Scores((test.name,), scores, np.array([test.label]), dataset.classes))

    monkeypatch.setattr(ut_flow_backbones.fit_convnet, "run", configs.append)
    monkeypatch.setattr(ut_flow_backbones.extract, "run", extract)
    return configs


@pytest.fixture
def trained_configs(monkeypatch):
    """The configurations of the trainings, none of which has scores when it ends."""
    configs = []
    monkeypatch.setattr(ut_flow_backbones, "_training", lambda settings, root: settings)
    monkeypatch.setattr(
        ut_flow_backbones, "train_and_score", lambda cfg, stop: configs.append(cfg) or False
    )
    return configs


def right_of_seed(folds, root, backbone, seed=0, stop=float("inf")):
    return ut_flow_backbones._right_of_seed(folds, str(root), backbone, seed, stop)


def test_each_fold_is_fitted_once_with_the_backbone_of_its_row(
    folds, fitted_configs, trained_configs, tmp_path
):
    for backbone in ut_flow_backbones.BACKBONES:
        for seed in (0, 0, 1):
            right_of_seed(folds, tmp_path, backbone, seed)
    small, _, small_of_seed_1, _, lite0, *others = fitted_configs
    assert len(others) == 3
    assert small.data.stream == lite0.data.stream == "flow"
    assert (small.convnet.backbone, small.convnet.train_layers) == ("vgg", "all")
    assert (lite0.convnet.backbone, lite0.convnet.train_layers) == ("lite0", "block16")
    assert [small.seed, small_of_seed_1.seed] == [0, 1]
    assert small.workdir != small_of_seed_1.workdir
    flow = pathlib.Path(Workdir(lite0.workdir).flow)
    assert flow.resolve() == tmp_path / "fold-0" / "flow"


def test_a_backbone_that_was_fitted_has_its_own_row(
    folds, fitted_configs, trained_configs, tmp_path
):
    # VideoLSTM has no scores yet, so that it has no row.
    assert right_of_seed(folds, tmp_path, "small network") == {
        "ConvNet, flow, small network": {"a/0": True, "b/1": True}
    }
    assert len(trained_configs) == 2


def test_a_fold_that_has_no_time_leaves_no_row(folds, fitted_configs, trained_configs, tmp_path):
    right_of_seed(folds[:1], tmp_path, "small network")
    assert right_of_seed(folds, tmp_path, "small network", stop=0.0) == {}
    assert len(fitted_configs) == 1
