"""The recurrent models of the ladder, and which test clips each one has right."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.ladder import trainer
from benchmarks.real_data.rows import Row
from benchmarks.real_data.stages import Run, in_order, right_by_video, right_of_run, scores_path
from videolstm_jax.artifacts import Workdir, load_dataset, load_scores
from videolstm_jax.config import RunConfig, change
from videolstm_jax.presets import Settings
from videolstm_jax.stages import fuse
from videolstm_jax.types import Scores

SEEDS = (0, 1, 2, 3, 4)

TRAINING: Mapping[str, Any] = {
    "model__hidden": 16,
    "model__attention": 16,
    "model__head": 64,
    "data__frames": 12,
    "data__batch": 8,
    "optim__learning_rate": 3e-3,
    "train__steps": 100,
    # Three segments of 12 frames read each clip of 32 to 40 frames about once.
    "eval__segments": 3,
    "eval__batch": 40,
}
"""On top of the settings of a set, for every training. Sizes are chosen for one busy core."""

ATTENDING = ("videolstm", "convalstm", "motion_alstm", "alstm")
"""Motion-based attention, each followed by the same cell with attention from appearance."""

PLAIN = ("convlstm", "lstm")


def _runs(stream: str, cells: Sequence[str]) -> tuple[Run, ...]:
    return tuple(Run(f"{cell}-{stream}", cell, stream) for cell in cells)


RUNS: Mapping[str, tuple[Run, ...]] = {
    # On flow, motion attention reads the same maps that it weighs, so ALSTM has no row for it.
    "independent": (
        *_runs("rgb", (*ATTENDING, *PLAIN)),
        *_runs("flow", ("videolstm", "convalstm", "alstm", *PLAIN)),
    ),
    # What the background is worth is asked of RGB: there is no background in flow.
    "tied": _runs("rgb", ATTENDING),
}
"""The models of each set."""

FUSED_CELL = "videolstm"
"""The cell whose two streams are multiplied."""


def config_of(run: Run, settings: Settings, seed: int) -> RunConfig:
    """The configuration of one training on the features of a set."""
    return run.config(settings.override(**TRAINING), settings.overrides["workdir"], seed)


def train_all(
    runs: Sequence[Run],
    settings: Settings,
    seeds: Sequence[int],
    stop: float = float("inf"),
    *,
    read_outs: Sequence[str] = (),
) -> None:
    """Trains and scores what is missing; all runs of a seed come before the next seed.

    Args:
      runs: the models.
      settings: of the set.
      seeds: of each model.
      stop: a moment of `time.monotonic` after which nothing is begun.
      read_outs: names of runs whose frames are read in every way too.
    """
    opened: dict[str, trainer.Trainer] = {}
    for seed in seeds:
        for run in runs:
            cfg = config_of(run, settings, seed)
            if scores_path(cfg).exists() or time.monotonic() >= stop:
                continue
            # Opened once, since its programs serve every seed.
            if run.name not in opened:
                opened[run.name] = trainer.open_trainer(cfg)
            trainer.train_and_score(opened[run.name], cfg, read_outs=run.name in read_outs)


# ---- which clips are right -----------------------------------------------------------------------


def ladder_rows(
    runs: Sequence[Run], settings: Settings, *, fusion: str = "fusion"
) -> dict[str, Row]:
    """The backbones, every run that has scores, and the product of both VideoLSTMs.

    Args:
      runs: of a set.
      settings: of the set.
      fusion: the name of the row of the product.
    """
    rows = {}
    work, names = Workdir(settings.overrides["workdir"]), names_of_test(settings)
    for stream in ("rgb", "flow"):
        path = work.convnet(stream) / "scores.npz"
        if path.exists():
            right = in_order(right_by_video(load_scores(path)), names)
            rows[f"convnet-{stream}"] = Row(right[None])
    for run in runs:
        row = run_row(run, settings)
        if row is not None:
            rows[run.name] = row
    fused = [run for run in runs if run.cell == FUSED_CELL]
    if len(fused) == 2:
        row = _fused_row(fused, settings)
        if row is not None:
            rows[fusion] = row
    return rows


def names_of_test(settings: Settings) -> list[str]:
    """The V test clips of a set, in the order of the answers of every row."""
    dataset = load_dataset(Workdir(settings.overrides["workdir"]).dataset)
    return sorted(video.name for video in dataset.part("test"))


def run_row(run: Run, settings: Settings) -> Row | None:
    """The answers of all seeds that have been scored; None where there is none."""
    names = names_of_test(settings)
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


def _fused_row(runs: Sequence[Run], settings: Settings) -> Row | None:
    names = names_of_test(settings)
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
    # Named after its runs, since several pairs of a set may be fused.
    name = "+".join(folders)
    cfg = change(settings.config(), fuse__runs=folders, fuse__name=name)
    return load_scores(fuse.run(cfg))
