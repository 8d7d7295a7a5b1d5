"""Backbones of flow on UT-Interaction: each fold is fitted once, with the settings of its row."""

import pathlib

import numpy as np
import pytest

from benchmarks.real_data import ut_flow_backbones
from benchmarks.real_data.rows import Row
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


def test_each_fold_is_fitted_once_with_the_backbone_of_its_row(folds, fitted_configs, tmp_path):
    for overrides in ut_flow_backbones.BACKBONES.values():
        root = str(tmp_path / f"flow-{len(fitted_configs)}")
        for _ in range(2):
            for fold in folds:
                ut_flow_backbones._fitted_fold(fold, root, overrides)
    small, _, lite0, _ = fitted_configs
    assert small.data.stream == lite0.data.stream == "flow"
    assert (small.convnet.backbone, small.convnet.train_layers) == ("vgg", "all")
    assert (lite0.convnet.backbone, lite0.convnet.train_layers) == ("lite0", "block16")
    flow = pathlib.Path(Workdir(lite0.workdir).flow)
    assert flow.resolve() == tmp_path / "fold-0" / "flow"


def test_a_backbone_that_was_fitted_has_its_own_row(folds, fitted_configs, tmp_path, monkeypatch):
    monkeypatch.setattr(ut_flow_backbones, "_training", lambda settings, root: settings)
    monkeypatch.setattr(ut_flow_backbones, "train_and_score", lambda cfg, stop: None)
    monkeypatch.setattr(ut_flow_backbones, "scores_path", lambda cfg: tmp_path / "missing")
    (backbone, overrides), *_ = ut_flow_backbones.BACKBONES.items()
    root = str(tmp_path / "small")
    fitted = [ut_flow_backbones._fitted_fold(fold, root, overrides) for fold in folds]
    rows: dict[str, Row] = {}
    ut_flow_backbones._add_rows(rows, backbone, root, fitted, list(NAMES), 0.0)
    # VideoLSTM has no scores yet, so that it has no row.
    assert {name: row.right.tolist() for name, row in rows.items()} == {
        "ConvNet, flow, small network": [[True, True]]
    }
