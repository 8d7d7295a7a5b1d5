"""UT-Interaction on pool5 of an ImageNet VGG-16, 7x7x512, with cells of the paper's sizes.

The folds and the work folder are those of `ut_interaction`, which runs first. The weights are
imported by `--convnet.weights`. RGB alone has this backbone: the motion of VideoLSTM and of ALSTM
with motion is the frozen EfficientNet-Lite0 of flow, its map 7x7x320 and its vector of 1280. The
file of weights has no dense layers, so LSTM and the frame classifier read the mean of pool5 over
its places instead of fc7. As many trainings are made as the time allows; a cell that does not have
all folds is compared with the others on those that it has.
"""

from __future__ import annotations

import pathlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.real_data import backbone_arrays
from benchmarks.real_data.rows import Row, as_record
from benchmarks.real_data.stages import (
    Run,
    in_order,
    right_of_run,
    scores_path,
    train_and_score,
)
from benchmarks.real_data.ut_baselines import classified_right, ridge_right
from benchmarks.real_data.ut_folds import (
    FOLDS,
    FeatureForm,
    arrays_every,
    arrays_folder,
    import_features,
    prepared_fold,
    training_fold,
    work_of,
)
from benchmarks.real_data.ut_interaction import SETTINGS as UT_SETTINGS
from videolstm_jax.config import RunConfig
from videolstm_jax.presets import Settings
from videolstm_jax.types import Dataset
from videolstm_jax.workdir.dataset_json import load_dataset

FORM = FeatureForm(channels=0, rgb="vgg16")

SETTINGS = {
    "data__frames": 12,
    "data__batch": 8,
    "data__mirrored": False,
    "data__feature_scale": "raw",
    "data__fit": "squash",
    "data__validation": 0.0,
    "data__workers": 1,
    "model__dropout": 0.7,
    "optim__learning_rate": 3e-4,
    "optim__schedule": "cosine",
    "train__keep": "last",
    "train__log_every": 5,
    "eval__segments": 4,
}
"""On top of the preset `modern`, which has the paper's sizes: 512 hidden channels, 1024 units."""

DENSE = {"train__steps": 150, "train__save_every": 150}
CONVOLUTIONAL = {"train__steps": 40, "train__save_every": 10}
"""An update of these cells takes many times as long."""

RUNS = (
    Run("lstm-vgg16", "lstm", overrides=DENSE),
    Run("alstm-vgg16", "alstm", overrides=DENSE),
    Run("motion_alstm-vgg16", "motion_alstm", overrides=DENSE),
    Run("convlstm-vgg16", "convlstm", overrides=CONVOLUTIONAL),
    Run("convalstm-vgg16", "convalstm", overrides=CONVOLUTIONAL),
    Run("videolstm-vgg16", "videolstm", overrides=CONVOLUTIONAL),
)
SEEDS = {"lstm": (0, 1, 2), "alstm": (0, 1, 2), "motion_alstm": (0, 1, 2)}
"""Of each cell; the slow cells have the first one alone."""

CLASSIFIER = "frame classifier, VGG-16"
CLASSIFIER_SEEDS = (0, 1, 2)


def run(data: str, workdir: str, *, weights: str, minutes: float = float("inf")) -> dict[str, Any]:
    """Computes what is missing, for so many minutes; returns rows of all folds and of some."""
    stop = time.monotonic() + 60 * minutes
    folds = [prepared_fold(data, workdir, number, UT_SETTINGS) for number in range(1, FOLDS + 1)]
    extract_vgg16(folds[0], workdir, weights)
    parts = [load_dataset(work_of(fold).dataset) for fold in folds]
    rows = _ridge_rows(parts, workdir)
    rows[CLASSIFIER] = _classifier_row(parts, workdir)
    trained = []
    for fold in folds:
        settings = training_fold(fold, workdir, FORM)
        import_features(settings, workdir, FORM)
        trained.append(Settings("modern", {**SETTINGS, "workdir": settings.overrides["workdir"]}))
    # Model by model, the cheapest first: a row of all folds says more than one fold of all rows.
    for model in RUNS:
        for seed in _seeds(model):
            for settings in trained:
                train_and_score(_config(model, settings, seed), stop)
    names = sorted(video.name for video in parts[0].videos)
    _add_rows(rows, trained, list(range(FOLDS)), names)
    figures = {
        "data": "UT-Interaction, sequences 1 to 15, VGG-16 pool5 of every sixth frame",
        "videos": names,
        "settings": SETTINGS,
        "runs": {model.name: model.overrides for model in RUNS},
        "rows": rows,
    }
    partial = _partial(rows, trained, parts)
    if partial:
        figures["partial"] = partial
    return figures


def extract_vgg16(fold: Settings, workdir: str, weights: str) -> None:
    """Writes pool5 of every second record, at 224 x 224 pixels, squashed, and its mean as fc7."""
    shown = {name: fold.overrides[name] for name in ("workdir", "data__fps", "data__fit")}
    # The dense layers are not read, so that they are made small.
    network = {
        "convnet__weights": weights,
        "convnet__preprocessing": "caffe",
        "convnet__dense": (8,),
    }
    settings = Settings("paper", {**shown, **network, "data__workers": 1})
    folder = arrays_folder(workdir, "rgb", backbone="vgg16")
    backbone_arrays.extract(
        settings.config(), folder, layers=("pool5",), every=arrays_every("vgg16", "filmed")
    )
    write_means(folder)


def write_means(folder: pathlib.Path) -> None:
    """Writes the mean of pool5 over its places, [L', 512], where the vectors fc7 are read."""
    for path in sorted((folder / "pool5").rglob("*.npy")):
        target = folder / "fc7" / path.relative_to(folder / "pool5")
        if not target.exists():
            maps = np.load(path).astype(np.float32)
            target.parent.mkdir(parents=True, exist_ok=True)
            np.save(target, maps.mean((1, 2)).astype(np.float16))


def _ridge_rows(parts: Sequence[Dataset], workdir: str) -> dict[str, Row]:
    """Ridge regression on the same maps, each on all folds."""
    folder = arrays_folder(workdir, "rgb", backbone="vgg16") / "pool5"
    vectors: dict[str, dict[str, np.ndarray]] = {"mean": {}, "middle frame's": {}}
    for video in parts[0].videos:
        maps = np.load(folder / f"{video.name}.npy").astype(np.float32)
        vectors["mean"][video.name] = maps.mean(0).ravel()
        vectors["middle frame's"][video.name] = maps[len(maps) // 2].ravel()
    names = sorted(vectors["mean"])
    rows = {}
    for name, of_video in vectors.items():
        right: dict[str, bool] = {}
        for dataset in parts:
            right |= ridge_right(dataset, of_video)
        rows[f"ridge on the {name} 7x7x512 map, VGG-16"] = Row(in_order(right, names)[None])
    return rows


def _seeds(model: Run) -> tuple[int, ...]:
    return SEEDS.get(model.cell, (0,))


def _classifier_row(parts: Sequence[Dataset], workdir: str) -> Row:
    """The layer of the classes on single frames."""
    folder = arrays_folder(workdir, "rgb", backbone="vgg16") / "fc7"
    names = sorted(video.name for video in parts[0].videos)
    answers = []
    for seed in CLASSIFIER_SEEDS:
        right: dict[str, bool] = {}
        for dataset in parts:
            right |= classified_right(dataset, folder, seed)
        answers.append(in_order(right, names))
    return Row(np.stack(answers), {"seeds": list(CLASSIFIER_SEEDS)})


def _partial(
    rows: Mapping[str, Row], folds: Sequence[Settings], parts: Sequence[Dataset]
) -> dict[str, Any]:
    """The cells that some folds lack: each with all rows on the test clips of its own folds."""
    names = sorted(video.name for video in parts[0].videos)
    partial = {}
    for model in RUNS:
        numbers = _scored_folds(model, folds)
        if not numbers or model.name in rows:
            continue
        tested = {video.name for number in numbers for video in parts[number].part("test")}
        of_folds = [number for number, name in enumerate(names) if name in tested]
        shared = {name: Row(row.right[:, of_folds], row.about) for name, row in rows.items()}
        _add_rows(shared, folds, numbers, sorted(tested))
        folds_of_rows = [number + 1 for number in numbers]
        partial[model.name] = {"folds": folds_of_rows, "rows": as_record(shared)}
    return partial


def _scored_folds(model: Run, folds: Sequence[Settings]) -> list[int]:
    """The indices of the folds that a cell has scores of, with its first seed."""
    scored = []
    for number, settings in enumerate(folds):
        if scores_path(_config(model, settings, _seeds(model)[0])).exists():
            scored.append(number)
    return scored


def _add_rows(
    rows: dict[str, Row], folds: Sequence[Settings], numbers: Sequence[int], names: list[str]
) -> None:
    """Adds the cells that are scored on all of these folds, with the seeds that are."""
    chosen = [folds[number] for number in numbers]
    for model in RUNS:
        answers, seeds = [], []
        for seed in _seeds(model):
            configs = [_config(model, settings, seed) for settings in chosen]
            if configs and all(scores_path(cfg).exists() for cfg in configs):
                right: dict[str, bool] = {}
                for cfg in configs:
                    right |= right_of_run(cfg)
                answers.append(in_order(right, names))
                seeds.append(seed)
        if answers:
            rows[model.name] = Row(np.stack(answers), {"seeds": seeds})


def _config(model: Run, settings: Settings, seed: int) -> RunConfig:
    return model.config(settings, settings.overrides["workdir"], seed)
