"""VideoLSTM on flow against its own flow ConvNet: what each change of one setting is worth."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmarks.ladder.runs import RUNS, config_of, names_of_test, run_row, train_all
from benchmarks.ladder.sets import SETS, TRAINING
from benchmarks.ladder.trainer import READ_OUTS
from benchmarks.real_data.rows import Row, as_record
from benchmarks.real_data.stages import Run, in_order, right_by_video, scores_path
from videolstm_jax import files
from videolstm_jax.presets import Settings
from videolstm_jax.workdir.layout import Workdir
from videolstm_jax.workdir.scores_npz import load_scores

SEEDS = (0, 1, 2)

AS_SET = Run("videolstm-flow", "videolstm", "flow")
"""The sizes of the ladder, with mirrored features, scored by segments."""

CHANGES: Mapping[str, Mapping[str, Any]] = {
    "A * X times 49": {"model__attention_scale": 49.0},
    "A * X times 49, 300 updates": {"model__attention_scale": 49.0, "train__steps": 300},
    "not mirrored": {"data__mirrored": False},
    "300 updates": {"train__steps": 300},
    "no dropout": {"model__dropout": 0.0},
    "24 frames in a clip": {"data__frames": 24},
    "learning rate 1e-3": {"optim__learning_rate": 1e-3},
    "32 hidden channels": {"model__hidden": 32, "model__attention": 32},
}
"""What is changed; each is a training of its own, the likeliest reasons first."""

CELLS = {
    "fc7 and LSTM": "lstm-flow",
    "pool5 and ConvLSTM, no attention": "convlstm-flow",
    "appearance attention, ConvALSTM": "convalstm-flow",
}
"""Other cells on the same flow, as the ladder trained them."""


def run(settings: Settings, stop: float = float("inf")) -> dict[str, Any]:
    """Trains what is missing, and returns the rows of all changes.

    Args:
      settings: of the set.
      stop: a moment of `time.monotonic` after which nothing is begun.
    """
    others = [run for run in RUNS["independent"] if run.name in CELLS.values()]
    runs = [AS_SET, *changed_runs().values(), *others]
    train_all(runs, [settings], SEEDS, stop, read_outs=(AS_SET.name,))
    return {
        "settings": TRAINING,
        "changes": CHANGES,
        "set": SETS["hard"].settings,
        "videos": names_of_test([settings]),
        "rows": as_record(_rows(settings)),
    }


def changed_runs(changes: Mapping[str, Mapping[str, Any]] = CHANGES) -> dict[str, Run]:
    """A run for every change, by the name of the change.

    Args:
      changes: the changed settings by name.
    """
    runs = {}
    for name, overrides in changes.items():
        folder = re.sub("[^a-z0-9]+", "_", name.lower()).strip("_")
        runs[name] = Run(f"flow-{folder}", "videolstm", "flow", overrides)
    return runs


def _rows(settings: Settings) -> dict[str, Row]:
    names = names_of_test([settings])
    work = Workdir(settings.overrides["workdir"])
    backbone = load_scores(work.convnet("flow") / "scores.npz")
    rows = {"flow ConvNet": Row(in_order(right_by_video(backbone), names)[None])}
    variants = {"VideoLSTM": AS_SET, **changed_runs()}
    of_ladder = {run.name: run for run in RUNS["independent"]}
    for name, run_name in CELLS.items():
        variants[name] = of_ladder[run_name]
    for name, variant in variants.items():
        row = run_row(variant, [settings])
        if row is not None:
            rows[name] = row
    rows |= _read_outs(settings)
    return rows


def _read_outs(settings: Settings) -> dict[str, Row]:
    """The trained runs of the ladder, their frames read in other ways."""
    names = names_of_test([settings])
    answers: dict[str, list[np.ndarray]] = {name: [] for name in READ_OUTS}
    for seed in SEEDS:
        cfg = config_of(AS_SET, settings, seed)
        path = Workdir(cfg.workdir).run(cfg.run_name) / "read_outs.npz"
        if not path.exists():
            continue
        # The rows of both files are in the order of the same list.
        scores = load_scores(scores_path(cfg))
        tables = files.read_arrays(path, *READ_OUTS)
        for read_out, table in zip(READ_OUTS, tables, strict=True):
            right = right_by_video(scores._replace(scores=table))
            answers[read_out].append(in_order(right, names))
    rows = {}
    for read_out, right in answers.items():
        if right:
            rows[f"read-out: {read_out.replace('_', ' ')}"] = Row(np.stack(right))
    return rows
