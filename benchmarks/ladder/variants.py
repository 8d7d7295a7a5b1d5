"""VideoLSTM on flow against its own flow ConvNet: what each change of one setting is worth."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.ladder.runs import TRAINING, config_of, run_row
from benchmarks.real_data.rows import Row, as_record
from benchmarks.real_data.stages import (
    Run,
    in_order,
    right_by_video,
    scores_path,
    train_and_score,
)
from videolstm_jax import files
from videolstm_jax.artifacts import Workdir, load_dataset, load_scores
from videolstm_jax.presets import Settings

SEEDS = (0, 1, 2)

AS_SET = Run("videolstm-flow", "videolstm", "flow")
"""The run of the ladder: with mirrored features, scored by segments."""

CHANGES: Mapping[str, Mapping[str, Any]] = {
    "not mirrored": {"data__mirrored": False},
    "240 updates": {"train__steps": 240, "train__save_every": 240},
    "480 updates": {"train__steps": 480, "train__save_every": 480},
    "24 frames in a clip": {"data__frames": 24},
    "48 hidden channels": {"model__hidden": 48, "model__attention": 48},
    "no dropout": {"model__dropout": 0.0},
    "dropout .5 before the dense layer too": {"model__hidden_dropout": 0.5},
    "learning rate 3e-3": {"optim__learning_rate": 3e-3},
}
"""One change of the settings each, which is a training of its own."""

CELLS = {"fc7 and LSTM": "lstm", "pool5 and ConvLSTM, no attention": "convlstm"}
"""Other cells on the same flow, as the ladder trained them."""

READ_OUTS = {
    "mean of all frames": lambda scores: scores.mean(0),
    "last frame": lambda scores: scores[-1],
    "mean of the last half": lambda scores: scores[len(scores) // 2 :].mean(0),
}
"""From the class probabilities [L', C] of one pass over a clip to its scores [C]."""


def run(settings: Settings, names: list[str], stop: float = float("inf")) -> dict[str, Any]:
    """Trains what is missing, and returns the rows of all changes.

    Args:
      settings: of the set.
      names: of the V test clips, in the order of the answers.
      stop: a moment of `time.monotonic` after which nothing is begun.
    """
    runs = [AS_SET, *changed_runs().values()]
    for seed in SEEDS:
        for variant in runs:
            if time.monotonic() < stop:
                train_and_score(config_of(variant, settings, seed), stop)
    return {
        "settings": TRAINING,
        "changes": CHANGES,
        "videos": names,
        "rows": as_record(_rows(settings, names)),
    }


def changed_runs() -> dict[str, Run]:
    """A run for every change, by the name of the change."""
    runs = {}
    for number, (name, overrides) in enumerate(CHANGES.items()):
        runs[name] = Run(f"flow-change{number}", "videolstm", "flow", overrides)
    return runs


def _rows(settings: Settings, names: list[str]) -> dict[str, Row]:
    work = Workdir(settings.overrides["workdir"])
    backbone = load_scores(work.convnet("flow") / "scores.npz")
    rows = {"flow ConvNet": Row(in_order(right_by_video(backbone), names)[None])}
    variants = {"VideoLSTM on flow, as in the ladder": AS_SET, **changed_runs()}
    for name, cell in CELLS.items():
        variants[name] = Run(f"{cell}-flow", cell, "flow")
    for name, variant in variants.items():
        row = run_row(variant, settings, names)
        if row is not None:
            rows[name] = row
    rows |= _read_outs(settings, names)
    return rows


def _read_outs(settings: Settings, names: list[str]) -> dict[str, Row]:
    """The trained runs of the ladder, their frames read in other ways."""
    work = Workdir(settings.overrides["workdir"])
    label = {video.name: video.label for video in load_dataset(work.dataset).videos}
    configs = [config_of(AS_SET, settings, seed) for seed in SEEDS]
    configs = [cfg for cfg in configs if scores_path(cfg).exists()]
    rows = {}
    for read_out, function in READ_OUTS.items():
        answers = []
        for cfg in configs:
            frames = _frame_scores(work, cfg.run_name, names)
            right = []
            for name, scores in zip(names, frames, strict=True):
                right.append(function(scores).argmax() == label[name])
            answers.append(np.array(right))
        if answers:
            rows[read_out] = Row(np.stack(answers))
    return rows


def _frame_scores(work: Workdir, run_name: str, names: Sequence[str]) -> list[np.ndarray]:
    """The class probabilities [L', C] of each clip, from one pass over it."""
    clips = []
    for name in names:
        path = work.evaluated_video(run_name, name)
        (scores,) = files.read_arrays(path, "scores", made_by="evaluate")
        clips.append(scores)
    return clips
