"""Which backbone of flow serves own videos: a small network, or EfficientNet-Lite0?

The folds are those of `ut_interaction`, which runs first. Each backbone is fitted to the flow
images of each training list by `fit_convnet`, and its maps are stored by `extract`. A VideoLSTM
reads them as in `ut_interaction`: every second frame, 64 principal components, 100 updates. The
rows of frozen Lite0 are those of `ut_interaction`, whose frame classifier is the same layer on
stored features.
"""

from __future__ import annotations

import pathlib
import shutil
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.real_data.rows import Row
from benchmarks.real_data.stages import (
    Run,
    in_order,
    right_by_video,
    right_of_run,
    scores_path,
    train_and_score,
)
from benchmarks.real_data.ut_folds import (
    FOLDS,
    arrays_folder,
    import_features,
    prepared_fold,
    training_fold,
    work_of,
)
from benchmarks.real_data.ut_interaction import SETTINGS as UT_SETTINGS
from videolstm_jax.config import RunConfig
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.presets import Settings
from videolstm_jax.stages import extract, fit_convnet
from videolstm_jax.workdir.dataset_json import load_dataset
from videolstm_jax.workdir.scores_npz import load_scores

BACKBONES: Mapping[str, Mapping[str, Any]] = {
    "small network": {"pipeline__flow_backbone": ""},
    "Lite0, last block fitted": {
        "pipeline__flow_backbone": "lite0",
        "convnet__train_layers": "block16",
        # At the rate of `small`, .002, Adam would leave the weights of ImageNet within a few steps.
        "convnet__learning_rate": 3e-4,
    },
}
"""The settings of each backbone, on top of the preset `small` and of the folds."""

RUN = Run("videolstm-flow", "videolstm", "flow")
SEED = 0


def run(data: str, workdir: str, *, minutes: float = float("inf")) -> dict[str, Any]:
    """Computes what is missing, for so many minutes; returns the rows of all folds."""
    stop = time.monotonic() + 60 * minutes
    folds = [prepared_fold(data, workdir, number, UT_SETTINGS) for number in range(1, FOLDS + 1)]
    names = sorted(video.name for video in load_dataset(work_of(folds[0]).dataset).videos)
    rows: dict[str, Row] = {}
    for backbone, overrides in BACKBONES.items():
        root = f"{workdir}/flow-{backbone.replace(', ', '-').replace(' ', '-').lower()}"
        fitted = []
        for fold in folds:
            if time.monotonic() < stop:
                fitted.append(_fitted_fold(fold, root, overrides))
        if len(fitted) == len(folds):
            _add_rows(rows, backbone, root, fitted, names, stop)
    return {
        "data": "UT-Interaction, sequences 1 to 15, folds of 3 sequences, flow",
        "videos": names,
        "settings": UT_SETTINGS,
        "backbones": BACKBONES,
        "rows": rows,
    }


def _fitted_fold(fold: Settings, root: str, overrides: Mapping[str, Any]) -> Settings:
    """The work folder of a fold with its backbone fitted and its maps stored."""
    name = pathlib.Path(fold.overrides["workdir"]).name
    settings = fold.override(workdir=f"{root}/{name}", seed=SEED, **overrides)
    work, prepared = work_of(settings), work_of(fold)
    if not pathlib.Path(work.dataset).exists():
        pathlib.Path(work.root).mkdir(parents=True, exist_ok=True)
        pathlib.Path(work.flow).symlink_to(pathlib.Path(prepared.flow).resolve())
        shutil.copyfile(prepared.dataset, work.dataset)
    cfg = settings.for_stream("flow").config()
    if not _convnet_scores(settings).exists():
        began, busy = time.monotonic(), time.process_time()
        fit_convnet.run(cfg)
        extract.run(cfg)
        wall, processor = time.monotonic() - began, time.process_time() - busy
        print(f"{work.root}: {wall:.0f} s, {processor:.0f} s of processor time", flush=True)
    return settings


def _convnet_scores(settings: Settings) -> pathlib.Path:
    return pathlib.Path(work_of(settings).root) / "convnets" / "flow" / "scores.npz"


def _add_rows(
    rows: dict[str, Row],
    backbone: str,
    root: str,
    fitted: Sequence[Settings],
    names: list[str],
    stop: float,
) -> None:
    """Adds the row of the backbone alone, and that of VideoLSTM where all folds are trained."""
    right: dict[str, bool] = {}
    for settings in fitted:
        right |= right_by_video(load_scores(_convnet_scores(settings)))
    rows[f"ConvNet, flow, {backbone}"] = Row(in_order(right, names)[None])
    right = {}
    for settings in fitted:
        cfg = _training(settings, root)
        train_and_score(cfg, stop)
        if not scores_path(cfg).exists():
            return
        right |= right_of_run(cfg)
    rows[f"videolstm-flow, {backbone}"] = Row(in_order(right, names)[None])


def _training(settings: Settings, root: str) -> RunConfig:
    """The configuration of a training on the maps that were stored; they are imported first."""
    # As arrays they go the way of the maps of `ut_interaction`: thinned, projected and scaled.
    fold_root = f"{root}/arrays-{pathlib.Path(settings.overrides['workdir']).name}"
    folder = arrays_folder(fold_root, "flow") / "pool5"
    store = FeatureStore.open(work_of(settings).features("flow", "pool5"))
    for video in load_dataset(work_of(settings).dataset).videos:
        path = folder / f"{video.name}.npy"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, store.read(video.name))
    # The cell reads imported maps, whose network is not that of the settings.
    imported = settings.override(pipeline__flow_backbone="lite0", convnet__train_layers="last")
    training = training_fold(imported, root)
    import_features(training, fold_root, streams=("flow",), layers=("pool5",))
    return RUN.config(training, training.overrides["workdir"], SEED)
