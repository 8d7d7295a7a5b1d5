"""The recurrent models of the ladder, and which test clips each one has right."""

from __future__ import annotations

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
from videolstm_jax.artifacts import Workdir, load_scores
from videolstm_jax.config import RunConfig, change
from videolstm_jax.presets import Settings
from videolstm_jax.stages import fuse
from videolstm_jax.types import Scores

SEEDS = (0, 1, 2, 3, 4)

TRAINING: Mapping[str, Any] = {
    "model__hidden": 24,
    "model__attention": 24,
    "model__head": 64,
    "data__frames": 12,
    "data__batch": 16,
    "train__steps": 120,
    "train__save_every": 120,
    "train__log_every": 40,
    # Three segments of 12 frames read each clip of 32 to 40 frames about once.
    "eval__segments": 3,
    "eval__states": "none",
    # Sizes only: the features do not change between the trainings of one process.
    "data__verify": "never",
}
"""On top of the settings of a set, for every training. Sizes are chosen for one busy core."""

CELLS = ("videolstm", "convalstm", "alstm", "motion_alstm", "convlstm", "lstm")


def _runs(streams: Sequence[str], cells: Sequence[str]) -> tuple[Run, ...]:
    runs = []
    for cell in cells:
        for stream in streams:
            runs.append(Run(f"{cell}-{stream}", cell, stream))
    return tuple(runs)


RUNS: Mapping[str, tuple[Run, ...]] = {
    "independent": _runs(("rgb", "flow"), CELLS),
    # What the background is worth is asked of RGB: there is no background in flow.
    "tied": _runs(("rgb",), ("videolstm", "convalstm", "motion_alstm", "alstm")),
}
"""The models of each set, the most important ones first."""

FUSED = ("videolstm-rgb", "videolstm-flow")


def config_of(run: Run, settings: Settings, seed: int) -> RunConfig:
    """The configuration of one training on the features of a set."""
    return run.config(settings.override(**TRAINING), settings.overrides["workdir"], seed)


def train_all(
    runs: Sequence[Run], settings: Settings, seeds: Sequence[int], stop: float = float("inf")
) -> None:
    """Trains and scores what is missing; all runs of a seed come before the next seed."""
    for seed in seeds:
        for run in runs:
            if time.monotonic() < stop:
                train_and_score(config_of(run, settings, seed), stop)


# ---- which clips are right -----------------------------------------------------------------------


def ladder_rows(runs: Sequence[Run], settings: Settings, names: list[str]) -> dict[str, Row]:
    """The backbones, every run that has scores, and the product of both VideoLSTMs.

    Args:
      runs: of a set.
      settings: of the set.
      names: of the V test clips, in the order of the answers.
    """
    rows = {}
    work = Workdir(settings.overrides["workdir"])
    for stream in ("rgb", "flow"):
        path = work.convnet(stream) / "scores.npz"
        if path.exists():
            right = in_order(right_by_video(load_scores(path)), names)
            rows[f"convnet-{stream}"] = Row(right[None])
    for run in runs:
        row = run_row(run, settings, names)
        if row is not None:
            rows[run.name] = row
    fused = [run for run in runs if run.name in FUSED]
    if len(fused) == len(FUSED):
        row = _fused_row(fused, settings, names)
        if row is not None:
            rows["fusion"] = row
    return rows


def run_row(run: Run, settings: Settings, names: list[str]) -> Row | None:
    """The answers of all seeds that have been scored; None where there is none."""
    seeds = scored_seeds(run, settings)
    answers = []
    for seed in seeds:
        answers.append(in_order(right_of_run(config_of(run, settings, seed)), names))
    if not answers:
        return None
    return Row(np.stack(answers), {"seeds": seeds})


def scored_seeds(run: Run, settings: Settings) -> list[int]:
    """The seeds of a run that have scores."""
    return [seed for seed in SEEDS if scores_path(config_of(run, settings, seed)).exists()]


def _fused_row(runs: Sequence[Run], settings: Settings, names: list[str]) -> Row | None:
    seeds = set(SEEDS)
    for run in runs:
        seeds &= set(scored_seeds(run, settings))
    answers = []
    for seed in sorted(seeds):
        scores = fused_scores(runs, settings, seed)
        answers.append(in_order(right_by_video(scores), names))
    if not answers:
        return None
    return Row(np.stack(answers), {"seeds": sorted(seeds)})


def fused_scores(runs: Sequence[Run], settings: Settings, seed: int) -> Scores:
    """The product of the scores of several runs of one seed, by the stage `fuse`."""
    folders = tuple(run.folder(seed) for run in runs)
    cfg = change(settings.config(), fuse__runs=folders, fuse__name=f"fusion-seed{seed}")
    return load_scores(fuse.run(cfg))
