"""UT-Interaction, sequences 1 to 15: six interactions of two people, whole sequences held out.

The folder holds videos/<Class>/v_<Class>_g<sequence>_c<number>.avi. Fold k holds out the sequences
k, k + 5 and k + 10, and trains on the other twelve. Videos are read at 10 frames a second. Cells
read every second frame, so that a clip of 12 covers 2.4 seconds. Both streams read frozen
EfficientNet-Lite0; its first kernel is averaged for flow. The maps 7x7x320 are reduced to their 64
principal components, which are those of the training list of each fold.
"""

from __future__ import annotations

import pathlib
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.real_data import backbone_arrays
from benchmarks.real_data.rows import Row
from benchmarks.real_data.stages import (
    Run,
    in_order,
    right_by_video,
    right_of_run,
    scores_path,
    train_and_score,
)
from benchmarks.real_data.ut_baselines import MEAN_FLOW, MIDDLE_RGB, baselines
from benchmarks.real_data.ut_folds import (
    HELD_OUT,
    extracted_folds,
    import_features,
    training_fold,
    work_of,
)
from benchmarks.real_data.ut_tries import FIRST, TRIES, Try, compare_tries, ridge_on_held_out
from videolstm_jax.config import RunConfig, change
from videolstm_jax.presets import Settings
from videolstm_jax.stages import fuse
from videolstm_jax.workdir.dataset_json import load_dataset
from videolstm_jax.workdir.scores_npz import load_scores

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

CHOSEN = "mirrored clips, weight decay 10, each value of the map standardised"
"""The try of `ut_tries` with most validation videos right."""

RGB_CELLS = ("videolstm", "convalstm", "alstm", "convlstm", "lstm", "motion_alstm")

RUNS = (
    Run("videolstm-flow", "videolstm", "flow"),
    *(Run(f"{cell}-rgb", cell) for cell in RGB_CELLS),
    *(Run(f"{cell}-flow", cell, "flow") for cell in ("convalstm", "alstm", "convlstm", "lstm")),
)
"""The most important ones first, since a run may be stopped at any time."""

SECOND_RUNS = tuple(model for model in RUNS if model.cell in ("videolstm", "convalstm", "alstm"))
"""The models that are trained with the chosen setting too."""

SECOND = ", second setting"
"""What is added to the names of their rows."""

CHOSEN_RGB = "second setting, A * X times 49"
"""The same for RGB, of the tries that were complete. On flow no later try is above `CHOSEN`."""

THIRD_RUNS = tuple(model for model in RUNS if model.name == "videolstm-rgb")
THIRD = ", third setting"
"""`CHOSEN_RGB` on RGB, fused with `CHOSEN` on flow."""

FUSED = ("videolstm-rgb", "videolstm-flow")
SEEDS = (0, 1, 2)
"""VideoLSTM has all of them, the other cells the first two."""

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


RIDGE = (MIDDLE_RGB, MEAN_FLOW)
"""The best baselines of each stream."""


def run(data: str, workdir: str, *, minutes: float = float("inf")) -> dict[str, Any]:
    """Computes what is missing, for so many minutes, and returns the rows that are complete."""
    stop = time.monotonic() + 60 * minutes
    folds = extracted_folds(data, workdir, SETTINGS)
    names = sorted(video.name for video in load_dataset(work_of(folds[0]).dataset).videos)
    tries = compare_tries(folds[0], workdir, stop)
    rows = baselines(folds, workdir, names)
    add_rows(rows, TRIES[FIRST], RUNS, folds, names, "", stop)
    if CHOSEN != FIRST:
        add_rows(rows, TRIES[CHOSEN], SECOND_RUNS, folds, names, SECOND, stop)
        add_rows(rows, TRIES[CHOSEN_RGB], THIRD_RUNS, folds, names, THIRD, stop)
    return {
        "data": "UT-Interaction, sequences 1 to 15, folds of 3 sequences",
        "videos": names,
        "settings": SETTINGS,
        "validation": {
            "held_out": list(HELD_OUT),
            "chosen": CHOSEN,
            "chosen for RGB": CHOSEN_RGB,
            "tries": tries,
            "ridge on the mean map": ridge_on_held_out(folds[0], workdir),
        },
        "pairs": [*PAIRS, *_second_pairs(), *_third_pairs()],
        "rows": rows,
    }


def _second_pairs() -> list[tuple[str, str]]:
    """Each row with the second setting and the same with the first, and the paper's orderings."""
    pairs = []
    for name in (*(model.name for model in SECOND_RUNS), "fusion"):
        pairs.append((f"{name}{SECOND}", name))
    names = {model.name for model in SECOND_RUNS} | {"fusion"}
    for better, worse in PAIRS:
        if better in names:
            pairs.append((f"{better}{SECOND}", f"{worse}{SECOND}" if worse in names else worse))
    return pairs


def _third_pairs() -> list[tuple[str, str]]:
    """The third setting against the first and second, and against ridge regression."""
    pairs = []
    for name in ("videolstm-rgb", "fusion"):
        for worse in (name, f"{name}{SECOND}", *RIDGE):
            pairs.append((f"{name}{THIRD}", worse))
    return pairs


# ---- recurrent models ----------------------------------------------------------------------------


def add_rows(
    rows: dict[str, Row],
    setting: Try,
    models: Sequence[Run],
    prepared: Sequence[Settings],
    names: list[str],
    suffix: str,
    stop: float,
) -> None:
    """Trains models with one setting on all folds, and adds the rows that are complete.

    Args:
      rows: that are added to, with the fusion of both VideoLSTMs where both are there.
      setting: of the trainings, and the form of their features.
      models: that are trained.
      prepared: the folds.
      names: of all videos, the order of the rows.
      suffix: of the names of the rows.
      stop: a moment of `time.monotonic` after which no training is begun.
    """
    # The LSTM alone reads vectors, and the others maps.
    layers = backbone_arrays.LAYERS
    if all(model.cell != "lstm" for model in models):
        layers = ("pool5",)
    folds = []
    for fold in prepared:
        settings = training_fold(fold.override(**setting.settings), _root(fold), setting.form)
        import_features(settings, _root(fold), setting.form, layers=layers)
        folds.append(settings)
    if suffix:
        # Two settings may share a form of features, and with it the folder of the models.
        models = [model._replace(name=model.name + _folder_suffix(suffix)) for model in models]
    for seed in SEEDS:
        for model in models:
            if seed < 2 or model.cell == "videolstm":
                for settings in folds:
                    train_and_score(_config(model, settings, seed), stop)
    for model in models:
        title = model.name.removesuffix(_folder_suffix(suffix)) + suffix
        _add_row(rows, model, folds, names, title)
    fused = _fused(models, _folder_suffix(suffix))
    _add_fusion(rows, fused, folds, names, suffix)


def _folder_suffix(suffix: str) -> str:
    """What is added to the names of folders for a suffix of rows: -second, or nothing."""
    return suffix.removesuffix(" setting").replace(", ", "-")


def _fused(models: Sequence[Run], folder_suffix: str) -> list[Run]:
    """Both VideoLSTMs; a stream that a setting does not train has the second setting's model."""
    trained = {model.name.removesuffix(folder_suffix): model for model in models}
    fused = []
    for model in RUNS:
        if model.name in FUSED:
            second = model._replace(name=model.name + _folder_suffix(SECOND))
            fused.append(trained.get(model.name, second))
    return sorted(fused, key=lambda model: model.stream, reverse=True)


def _root(fold: Settings) -> str:
    """The work folder of the task, which holds those of the folds."""
    return str(pathlib.Path(fold.overrides["workdir"]).parent)


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


def _add_row(
    rows: dict[str, Row], model: Run, folds: Sequence[Settings], names: list[str], title: str
) -> None:
    answers = []
    seeds = _complete_seeds(model, folds)
    for seed in seeds:
        right: dict[str, bool] = {}
        for settings in folds:
            right |= right_of_run(_config(model, settings, seed))
        answers.append(in_order(right, names))
    if answers:
        rows[title] = Row(np.stack(answers), {"seeds": seeds})


def _add_fusion(
    rows: dict[str, Row],
    models: Sequence[Run],
    folds: Sequence[Settings],
    names: list[str],
    suffix: str,
) -> None:
    """The product of both VideoLSTMs, by the stage `fuse`."""
    complete = [set(_complete_seeds(model, folds)) for model in models]
    answers = []
    seeds = sorted(set.intersection(*complete))
    for seed in seeds:
        right: dict[str, bool] = {}
        for settings in folds:
            runs = tuple(model.folder(seed) for model in models)
            name = f"fusion{_folder_suffix(suffix)}-seed{seed}"
            cfg = change(settings.config(), fuse__runs=runs, fuse__name=name)
            right |= right_by_video(load_scores(fuse.run(cfg)))
        answers.append(in_order(right, names))
    if answers:
        rows["fusion" + suffix] = Row(np.stack(answers), {"seeds": seeds})
