"""UCF101, 14 of its 101 classes, official split 1: an LSTM on fc6 vectors of VGG-16, 11 a video.

The folder holds features_u8.npz: `q` uint8 [V, 11, 4096] with value = (q / 255)^2 * `scale`,
`names` such as ApplyLipstick/v_ApplyLipstick_g01_c01.avi, `labels`, and `train`, which is true for
the training list. The settings of the LSTM are chosen on groups 8 to 11 of the training list, which
are held out for that; the test list has no part in the choice.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from benchmarks.real_data import linear
from benchmarks.real_data.rows import Row
from benchmarks.real_data.stages import Run, in_order, right_of_run, run_of, train_and_score
from benchmarks.real_data.ucf101_features import Features, imported_workdir, read_features
from videolstm_jax.presets import Settings

SEEDS = (0, 1, 2)
VALIDATION_GROUPS = ("g08", "g09", "g10", "g11")

SETTINGS = {
    "data__frames": 11,
    "data__batch": 64,
    # The file has no features of mirrored frames.
    "data__mirrored": False,
    "model__hidden": 64,
    "model__head": 64,
    "eval__segments": 1,
    "optim__schedule": "cosine",
    "data__validation": 0.0,
    "train__keep": "last",
    "train__steps": 200,
    "train__save_every": 200,
    "train__log_every": 50,
    "data__workers": 1,
}
"""On top of the preset `modern`: Adam, learning rate 1e-3, dropout .5, features of deviation 1."""


class Try(NamedTuple):
    """What is compared on the validation groups.

    Attributes:
      settings: on top of `SETTINGS`.
      values: how the vectors are imported, a name of `ucf101_features.IMPORTS`.
    """

    settings: Mapping[str, Any] = {}
    values: str = "raw"


_WIDE = {"model__hidden": 256, "model__head": 256}
_DECAY = {"optim__weight_decay": 10.0}

TRIES = {
    "first setting": Try(),
    "100 updates": Try({"train__steps": 100}),
    "dropout .5 before and after the dense layer": Try({"model__hidden_dropout": 0.5}),
    "learning rate 3e-4": Try({"optim__learning_rate": 3e-4}),
    "each value standardised, weight decay 10": Try(_DECAY, "standardised"),
    "weight decay 10": Try(_DECAY),
    "each value standardised, weight decay 10, 256 hidden channels": Try(
        {**_WIDE, **_DECAY}, "standardised"
    ),
}
"""What is compared on the validation groups, each with the seeds `TRY_SEEDS`."""

TRY_SEEDS = (0,)

FIRST = "first setting"
CHOSEN = "each value standardised, weight decay 10"
"""The try with most validation videos right, and the smallest of equals; see the result file."""


UNSCALED = "nearest centroid of the mean, vectors not scaled"
"""The row in which a class's long vectors count more in its centroid."""


def run(data: str, workdir: str, *, minutes: float = float("inf")) -> dict[str, Any]:
    """Computes what is missing, and returns the rows and what each try is worth.

    Trainings that would begin after so many minutes are left out.
    """
    stop = time.monotonic() + 60 * minutes
    features = read_features(data)
    tries = _tries(features, workdir, stop)
    rows = _baselines(features)
    _add_lstm(rows, "lstm", FIRST, features, workdir, stop)
    if CHOSEN != FIRST:
        _add_lstm(rows, "lstm, chosen", CHOSEN, features, workdir, stop)
    pairs = []
    for name in ("lstm", "lstm, chosen"):
        for baseline in ("ridge on the mean", "nearest centroid of the mean"):
            pairs.append((name, baseline))
    return {
        "data": "UCF101, 14 of 101 classes, official split 1, VGG-16 fc6, 11 frames a video",
        "videos": len(_test_names(features)),
        "settings": SETTINGS,
        "pairs": [*pairs, ("lstm, chosen", "lstm")],
        "validation": {
            "groups": list(VALIDATION_GROUPS),
            "chosen": CHOSEN,
            "tries": tries,
            "ridge on the mean": ridge_on_held_out(features),
        },
        "rows": rows,
    }


def _add_lstm(
    rows: dict[str, Row], row: str, name: str, features: Features, workdir: str, stop: float
) -> None:
    """Trains a try on the whole training list, with all seeds, and adds its row."""
    chosen = TRIES[name]
    settings = _settings_of(features, workdir, chosen.values, hold_out=())
    # The first setting keeps the name of its runs, so that older work folders go on.
    run_name = "lstm"
    if name != FIRST:
        run_name = run_of(chosen.settings)
    lstm = Run(run_name, "lstm", overrides=chosen.settings)
    answers = {}
    for seed in SEEDS:
        cfg = lstm.config(settings, settings.overrides["workdir"], seed)
        if train_and_score(cfg, stop):
            answers[seed] = in_order(right_of_run(cfg), _test_names(features))
    if answers:
        about = {"setting": name, "seeds": list(answers)}
        rows[row] = Row(np.stack(list(answers.values())), about)


def _settings_of(
    features: Features, root: str, values: str, *, hold_out: tuple[str, ...]
) -> Settings:
    """The settings of the work folder that has the features imported so."""
    workdir = imported_workdir(features, root, values, hold_out=hold_out)
    return Settings("modern", {**SETTINGS, "workdir": workdir})


def _test_names(features: Features) -> list[str]:
    names = []
    for name, is_train in zip(features.names, features.is_train, strict=True):
        if not is_train:
            names.append(name)
    return sorted(names)


# ---- what is compared ----------------------------------------------------------------------------


def _tries(features: Features, workdir: str, stop: float) -> dict[str, dict[str, Any]]:
    """What each of `TRIES` is worth on the validation groups."""
    worth = {}
    for name, compared in TRIES.items():
        settings = _settings_of(features, workdir, compared.values, hold_out=VALIDATION_GROUPS)
        settings = settings.override(eval__part="valid")
        lstm = Run(run_of(compared.settings), "lstm", overrides=compared.settings)
        right = []
        for seed in TRY_SEEDS:
            cfg = lstm.config(settings, settings.overrides["workdir"], seed)
            if train_and_score(cfg, stop):
                answers = right_of_run(cfg)
                right.append(sum(answers.values()))
        if right:
            about = {"settings": compared.settings, "values": compared.values}
            worth[name] = {**about, "right": right, "videos": len(answers)}
    return worth


def ridge_on_held_out(features: Features) -> dict[str, Any]:
    """Right answers of ridge regression on the validation groups, trained as the tries are."""
    held_out = features.is_train & np.isin(features.groups, VALIDATION_GROUPS)
    train = features.is_train & ~held_out
    means = features.values.mean(1)
    scores, strength = linear.ridge(
        means[train], features.label[train], means[held_out], groups=features.groups[train].tolist()
    )
    right = int((scores.argmax(1) == features.label[held_out]).sum())
    return {"strength": strength, "right": [right], "videos": int(held_out.sum())}


def _baselines(features: Features) -> dict[str, Row]:
    order = np.argsort(np.array(features.names)[~features.is_train])
    train, test = features.values[features.is_train], features.values[~features.is_train]
    train_label, test_label = features.label[features.is_train], features.label[~features.is_train]
    groups = features.groups[features.is_train].tolist()
    middle = train.shape[1] // 2
    means = train.mean(1), train_label, test.mean(1)
    scores = {
        "nearest centroid of the mean": (linear.nearest_centroid(*means), {}),
        UNSCALED: (linear.nearest_centroid(*means, scaled=False), {}),
    }
    inputs = {
        "ridge on the middle frame": (train[:, middle], test[:, middle]),
        "ridge on the mean": (train.mean(1), test.mean(1)),
    }
    for name, (train_rows, test_rows) in inputs.items():
        values, strength = linear.ridge(train_rows, train_label, test_rows, groups=groups)
        scores[name] = (values, {"strength": strength})
    rows = {}
    for name, (values, about) in scores.items():
        right = values.argmax(1) == test_label
        rows[name] = Row(right[order][None], about)
    return rows
