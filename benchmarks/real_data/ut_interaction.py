"""UT-Interaction, sequences 1 to 15: six interactions of two people, whole sequences held out.

The folder holds videos/<Class>/v_<Class>_g<sequence>_c<number>.avi. Fold k holds out the sequences
k, k + 5 and k + 10, and trains on the other twelve. Videos are read at 10 frames a second. Cells
read every second frame, so that a clip of 12 covers 2.4 seconds. Both streams read frozen
EfficientNet-Lite0; its first kernel is averaged for flow. The maps 7x7x320 are reduced to their 64
principal components, which are those of the training list of each fold.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.real_data import lite0_arrays
from benchmarks.real_data.rows import Row
from benchmarks.real_data.stages import (
    Run,
    in_order,
    right_by_video,
    right_of_run,
    run_of,
    scores_path,
    train_and_score,
)
from benchmarks.real_data.ut_baselines import baselines
from benchmarks.real_data.ut_folds import (
    FOLDS,
    VALIDATION_SEQUENCES,
    arrays_folder,
    import_features,
    prepared_fold,
    training_fold,
    validation_fold,
    views,
    work_of,
)
from videolstm_jax.artifacts import load_dataset, load_scores
from videolstm_jax.config import RunConfig, change
from videolstm_jax.presets import Settings
from videolstm_jax.stages import fuse

SETTINGS = {
    "data__fps": 10.0,
    "data__fit": "squash",
    # One size of flow, or TV-L1 would be compiled for each of the 90 sizes of video. The bound is
    # the same in all folds, so that they share the flow; 99 % of displacements are below it.
    "flow__width": 112,
    "flow__height": 112,
    "flow__percentile": 0.0,
    "flow__bound": 4.0,
    "pipeline__flow_backbone": "lite0",
    # The arrays are scaled when they are imported; see `ut_folds`.
    "data__feature_scale": "raw",
    "data__frames": 12,
    "data__batch": 8,
    # The extraction of mirrored frames takes as long as that of the filmed ones.
    "data__mirrored": False,
    "data__workers": 1,
    "model__hidden": 32,
    "model__attention": 32,
    "model__head": 64,
    "train__steps": 100,
    "train__save_every": 100,
    "train__log_every": 50,
    "eval__segments": 4,
    "eval__states": "none",
}
"""On top of the preset `small`."""

TRIES = {
    "as set": {},
    "learning rate 3e-3": {"optim__learning_rate": 3e-3},
    "learning rate 3e-3, 300 updates": {"optim__learning_rate": 3e-3, "train__steps": 300},
    "learning rate 3e-3, dropout .5 before and after the dense layer": {
        "optim__learning_rate": 3e-3,
        "model__hidden_dropout": 0.5,
    },
}
"""Settings of VideoLSTM on flow that are compared on held-out sequences, with seed 0."""

CHOSEN = "learning rate 3e-3"
"""The try with most validation videos right; all rows are trained so."""

RGB_CELLS = ("videolstm", "convalstm", "alstm", "convlstm", "lstm", "motion_alstm")

RUNS = (
    Run("videolstm-flow", "videolstm", "flow"),
    *(Run(f"{cell}-rgb", cell) for cell in RGB_CELLS),
    *(Run(f"{cell}-flow", cell, "flow") for cell in ("convalstm", "alstm", "convlstm", "lstm")),
)
"""The most important ones first, since a run may be stopped at any time."""

FUSED = ("videolstm-rgb", "videolstm-flow")
SEEDS = (0, 1, 2)
THIRD_SEED = frozenset(FUSED)
"""All runs have two seeds; these have three."""

PAIRS = (
    ("convalstm-rgb", "convlstm-rgb"),
    ("convalstm-rgb", "alstm-rgb"),
    ("convalstm-rgb", "lstm-rgb"),
    ("convalstm-flow", "convlstm-flow"),
    ("convalstm-flow", "alstm-flow"),
    ("convalstm-flow", "lstm-flow"),
    ("videolstm-rgb", "convalstm-rgb"),
    ("motion_alstm-rgb", "alstm-rgb"),
    ("fusion", "videolstm-rgb"),
    ("fusion", "videolstm-flow"),
    ("videolstm-rgb", "frame classifier, RGB"),
    ("lstm-rgb", "frame classifier, RGB"),
    ("videolstm-flow", "frame classifier, flow"),
    ("fusion", "ridge on the middle frame's 7x7x320 map, RGB"),
    ("fusion", "ridge on the mean 7x7x320 map, RGB"),
    ("fusion", "ridge on mean, maximum and deviation of 1280, RGB"),
    ("fusion", "ridge on both mean vectors"),
)
"""The orderings of the paper, and what the fusion is compared with."""


def run(data: str, workdir: str, *, minutes: float = float("inf")) -> dict[str, Any]:
    """Computes what is missing, for so many minutes, and returns the rows that are complete."""
    stop = time.monotonic() + 60 * minutes
    folds = [prepared_fold(data, workdir, number, SETTINGS) for number in range(1, FOLDS + 1)]
    for stream in ("rgb", "flow"):
        cfg = folds[0].for_stream(stream).config()
        for view in views(SETTINGS):
            lite0_arrays.extract(cfg, arrays_folder(workdir, stream, view), view)
    names = sorted(video.name for video in load_dataset(work_of(folds[0]).dataset).videos)
    rows = baselines(folds, workdir, names)
    tries = _tries(folds[0], workdir, stop)
    folds = [training_fold(settings.override(**TRIES[CHOSEN]), workdir) for settings in folds]
    for settings in folds:
        import_features(settings, workdir)
    for seed in SEEDS:
        for model in RUNS:
            if seed < 2 or model.name in THIRD_SEED:
                _train_folds(model, folds, seed, stop)
    for model in RUNS:
        _add_row(rows, model, folds, names)
    _add_fusion(rows, folds, names)
    return {
        "data": "UT-Interaction, sequences 1 to 15, folds of 3 sequences",
        "videos": names,
        "settings": SETTINGS,
        "validation": {
            "sequences": list(VALIDATION_SEQUENCES),
            "chosen": CHOSEN,
            "tries": tries,
        },
        "pairs": PAIRS,
        "rows": rows,
    }


# ---- recurrent models ----------------------------------------------------------------------------


def _tries(fold: Settings, workdir: str, stop: float) -> dict[str, dict[str, Any]]:
    """What each of `TRIES` is worth on the validation sequences."""
    settings = validation_fold(fold, workdir)
    import_features(settings, workdir)
    worth = {}
    for name, overrides in TRIES.items():
        model = Run(run_of(overrides), "videolstm", "flow", overrides)
        cfg = _config(model, settings, 0)
        if train_and_score(cfg, stop):
            right = right_of_run(cfg)
            worth[name] = {
                "settings": overrides,
                "right": sum(right.values()),
                "videos": len(right),
            }
    return worth


def _train_folds(model: Run, folds: Sequence[Settings], seed: int, stop: float) -> None:
    for settings in folds:
        train_and_score(_config(model, settings, seed), stop)


def _config(model: Run, settings: Settings, seed: int) -> RunConfig:
    return model.config(settings, settings.overrides["workdir"], seed)


def _complete_seeds(model: Run, folds: Sequence[Settings]) -> list[int]:
    """The seeds that all folds have scores of."""
    seeds = []
    for seed in SEEDS:
        paths = [scores_path(_config(model, settings, seed)) for settings in folds]
        if all(path.exists() for path in paths):
            seeds.append(seed)
    return seeds


def _add_row(rows: dict[str, Row], model: Run, folds: Sequence[Settings], names: list[str]) -> None:
    answers = []
    seeds = _complete_seeds(model, folds)
    for seed in seeds:
        right: dict[str, bool] = {}
        for settings in folds:
            right |= right_of_run(_config(model, settings, seed))
        answers.append(in_order(right, names))
    if answers:
        rows[model.name] = Row(np.stack(answers), {"seeds": seeds})


def _add_fusion(rows: dict[str, Row], folds: Sequence[Settings], names: list[str]) -> None:
    """The product of both VideoLSTMs, by the stage `fuse`."""
    models = [model for model in RUNS if model.name in FUSED]
    complete = [set(_complete_seeds(model, folds)) for model in models]
    answers = []
    seeds = sorted(set.intersection(*complete))
    for seed in seeds:
        right: dict[str, bool] = {}
        for settings in folds:
            runs = tuple(model.folder(seed) for model in models)
            cfg = change(settings.config(), fuse__runs=runs, fuse__name=f"fusion-seed{seed}")
            right |= right_by_video(load_scores(fuse.run(cfg)))
        answers.append(in_order(right, names))
    if answers:
        rows["fusion"] = Row(np.stack(answers), {"seeds": seeds})
