"""The recurrent models of the ladder, and which test clips each one has right."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import numpy as np
from etils import epath

from benchmarks.ladder import trainer
from benchmarks.real_data.rows import Row
from benchmarks.real_data.stages import Run, in_order, right_by_video
from videolstm_jax.config import RunConfig, change
from videolstm_jax.presets import Settings
from videolstm_jax.stages import fuse
from videolstm_jax.workdir.dataset_json import load_dataset
from videolstm_jax.workdir.layout import Workdir
from videolstm_jax.workdir.scores_npz import load_scores

SEEDS = (0, 1, 2, 3, 4)

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
    """The configuration of one training on the features of a set or of a fold."""
    return run.config(settings, settings.overrides["workdir"], seed)


def scores_of_run(run: Run, settings: Settings, seed: int) -> epath.Path:
    """Where the scores of a run lie; a run need not be of a recurrent model."""
    return Workdir(settings.overrides["workdir"]).scores(run.folder(seed))


def train_all(
    runs: Sequence[Run],
    folds: Sequence[Settings],
    seeds: Sequence[int],
    stop: float = float("inf"),
    *,
    read_outs: Sequence[str] = (),
) -> None:
    """Trains and scores what is missing; all runs of a seed come before the next seed.

    Args:
      runs: the models.
      folds: the settings of each fold; a set with one test list has one.
      seeds: of each model.
      stop: a moment of `time.monotonic` after which nothing is begun.
      read_outs: names of runs whose frames are read in every way too.
    """
    opened: dict[str, trainer.Trainer] = {}
    for seed in seeds:
        for run in runs:
            for settings in folds:
                path = scores_of_run(run, settings, seed)
                if path.exists() or time.monotonic() >= stop:
                    continue
                cfg = config_of(run, settings, seed)
                # Opened once, since its programs serve every fold and seed.
                if run.name not in opened:
                    opened[run.name] = trainer.open_trainer(cfg)
                on_fold = trainer.on_fold(opened[run.name], cfg)
                trainer.train_and_score(on_fold, cfg, read_outs=run.name in read_outs)


# ---- which clips are right -----------------------------------------------------------------------


def ladder_rows(
    runs: Sequence[Run], folds: Sequence[Settings], *, fusion: str = "fusion"
) -> dict[str, Row]:
    """The backbones, every run that has scores, and the product of both VideoLSTMs.

    Args:
      runs: of a set.
      folds: the settings of each fold.
      fusion: the name of the row of the product.
    """
    rows = {}
    names = names_of_test(folds)
    for stream in ("rgb", "flow"):
        convnets = [_work(settings).convnet(stream) / "scores.npz" for settings in folds]
        if all(path.exists() for path in convnets):
            rows[f"convnet-{stream}"] = Row(_right_of_folds(convnets, names)[None])
    for run in runs:
        row = run_row(run, folds)
        if row is not None:
            rows[run.name] = row
    fused = [run for run in runs if run.cell == FUSED_CELL]
    if len(fused) == 2:
        row = _fused_row(fused, folds)
        if row is not None:
            rows[fusion] = row
    return rows


def names_of_test(folds: Sequence[Settings]) -> list[str]:
    """The V test clips of all folds, in the order of the answers of every row."""
    names = []
    for settings in folds:
        dataset = load_dataset(_work(settings).dataset)
        names += [video.name for video in dataset.part("test")]
    return sorted(names)


def run_row(run: Run, folds: Sequence[Settings]) -> Row | None:
    """The answers of all seeds that have been scored; None where there is none."""
    names = names_of_test(folds)
    seeds = scored_seeds(run, folds)
    answers = []
    for seed in seeds:
        paths = [scores_of_run(run, settings, seed) for settings in folds]
        answers.append(_right_of_folds(paths, names))
    if not answers:
        return None
    return Row(np.stack(answers), {"seeds": seeds})


def scored_seeds(run: Run, folds: Sequence[Settings]) -> list[int]:
    """The seeds of a run that have scores of every fold."""
    seeds = []
    for seed in SEEDS:
        paths = [scores_of_run(run, settings, seed) for settings in folds]
        if all(path.exists() for path in paths):
            seeds.append(seed)
    return seeds


def _work(settings: Settings) -> Workdir:
    return Workdir(settings.overrides["workdir"])


def _right_of_folds(paths: Sequence[epath.Path], names: list[str]) -> np.ndarray:
    """Whether each of V clips is right, [V]; each score file has the test clips of one fold."""
    right: dict[str, bool] = {}
    for path in paths:
        right |= right_by_video(load_scores(path))
    return in_order(right, names)


def _fused_row(runs: Sequence[Run], folds: Sequence[Settings]) -> Row | None:
    names = names_of_test(folds)
    seeds = set(SEEDS)
    for run in runs:
        seeds &= set(scored_seeds(run, folds))
    answers = []
    for seed in sorted(seeds):
        paths = [fused_scores(runs, settings, seed) for settings in folds]
        answers.append(_right_of_folds(paths, names))
    if not answers:
        return None
    return Row(np.stack(answers), {"seeds": sorted(seeds)})


def fused_scores(runs: Sequence[Run], settings: Settings, seed: int) -> epath.Path:
    """The file of the product of several runs of one seed, by the stage `fuse`."""
    folders = tuple(run.folder(seed) for run in runs)
    # Named after its runs, since several pairs of a set may be fused.
    name = "+".join(folders)
    return fuse.run(change(settings.config(), fuse__runs=folders, fuse__name=name))
