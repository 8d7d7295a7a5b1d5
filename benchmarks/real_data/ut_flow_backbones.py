"""Which backbone of flow serves own videos: a small network, or EfficientNet-Lite0?

The folds are those of `ut_interaction`. Each backbone is fitted to the flow images of each training
list by `fit_convnet`, and its maps are stored by `extract`. A VideoLSTM reads them as in
`ut_interaction`: every second frame, 64 principal components, 100 updates. A seed is that of the
backbone and of its VideoLSTM. The rows of frozen Lite0 are those of `ut_interaction`, whose frame
classifier is the same layer on stored features.
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
# A fold of Lite0 takes four minutes of one core, one of the small network a minute and a half.
SEEDS: Mapping[str, Sequence[int]] = {
    "small network": (0, 1, 2),
    "Lite0, last block fitted": (0,),
}
"""The seeds of each backbone."""


def run(data: str, workdir: str, *, minutes: float = float("inf")) -> dict[str, Any]:
    """Computes what is missing, for so many minutes; returns the rows of the complete seeds."""
    stop = time.monotonic() + 60 * minutes
    folds = [prepared_fold(data, workdir, number, UT_SETTINGS) for number in range(1, FOLDS + 1)]
    names = sorted(video.name for video in load_dataset(work_of(folds[0]).dataset).videos)
    right: dict[str, list[np.ndarray]] = {}
    for backbone, seeds in SEEDS.items():
        for seed in seeds:
            for name, videos in _right_of_seed(folds, workdir, backbone, seed, stop).items():
                right.setdefault(name, []).append(in_order(videos, names))
    rows = {name: Row(np.stack(of_seeds)) for name, of_seeds in right.items()}
    return {
        "data": "UT-Interaction, sequences 1 to 15, folds of 3 sequences, flow",
        "videos": names,
        "settings": UT_SETTINGS,
        "backbones": BACKBONES,
        "rows": rows,
    }


def _right_of_seed(
    folds: Sequence[Settings], workdir: str, backbone: str, seed: int, stop: float
) -> dict[str, dict[str, bool]]:
    """Which videos the backbone alone and its VideoLSTM have right; rows that are complete."""
    root = f"{workdir}/flow-{backbone.replace(', ', '-').replace(' ', '-').lower()}"
    # The first seed was measured before there were others.
    if seed:
        root += f"-seed{seed}"
    frames: dict[str, bool] = {}
    clips: dict[str, bool] = {}
    for fold in folds:
        settings = _fold_settings(fold, root, backbone, seed)
        if not _fit(fold, settings, stop):
            continue
        frames |= right_by_video(load_scores(_convnet_scores(settings)))
        cfg = _training(settings, root)
        if train_and_score(cfg, stop):
            clips |= right_of_run(cfg)
    videos = load_dataset(work_of(folds[0]).dataset).videos
    rows = {f"ConvNet, flow, {backbone}": frames, f"videolstm-flow, {backbone}": clips}
    return {name: right for name, right in rows.items() if len(right) == len(videos)}


def _fold_settings(fold: Settings, root: str, backbone: str, seed: int) -> Settings:
    """The settings of one backbone in a work folder of its own."""
    name = pathlib.Path(fold.overrides["workdir"]).name
    return fold.override(workdir=f"{root}/{name}", seed=seed, **BACKBONES[backbone])


def _fit(fold: Settings, settings: Settings, stop: float) -> bool:
    """Fits a backbone and stores its maps, unless that was done; returns whether they are there."""
    if _convnet_scores(settings).exists():
        return True
    if time.monotonic() >= stop:
        return False
    work, prepared = work_of(settings), work_of(fold)
    if not pathlib.Path(work.dataset).exists():
        pathlib.Path(work.root).mkdir(parents=True, exist_ok=True)
        pathlib.Path(work.flow).symlink_to(pathlib.Path(prepared.flow).resolve())
        shutil.copyfile(prepared.dataset, work.dataset)
    cfg = settings.for_stream("flow").config()
    began, busy = time.monotonic(), time.process_time()
    fit_convnet.run(cfg)
    extract.run(cfg)
    wall, processor = time.monotonic() - began, time.process_time() - busy
    print(f"{work.root}: {wall:.0f} s, {processor:.0f} s of processor time", flush=True)
    return True


def _convnet_scores(settings: Settings) -> pathlib.Path:
    return pathlib.Path(work_of(settings).root) / "convnets" / "flow" / "scores.npz"


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
    return RUN.config(training, training.overrides["workdir"], settings.overrides["seed"])
