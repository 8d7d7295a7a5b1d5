"""VideoLSTM on flow against its own flow ConvNet, at the sizes of the published hard stick actions.

They are those of docs/results.md: the preset `research`, a flow backbone that starts from the
demo's, and 400 updates. Each seed draws clips of its own and fits a backbone of its own. So clips
of different seeds are different clips, and no interval averages over seeds.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.ladder.variants import changed_runs
from benchmarks.real_data import stages
from benchmarks.real_data.rows import Row, as_record, difference, markdown, percent
from videolstm_jax.config import RunConfig
from videolstm_jax.measure.intervals import wilson_interval
from videolstm_jax.presets import Settings
from videolstm_jax.stages import extract, fit_convnet, prepare
from videolstm_jax.workdir.dataset_json import load_dataset
from videolstm_jax.workdir.layout import Workdir
from videolstm_jax.workdir.scores_npz import load_scores

SEEDS = (0, 1, 2)

SETTINGS: Mapping[str, Any] = {
    "convnet__steps": 2000,
    "convnet__learning_rate": 1e-3,
    "train__steps": 400,
    "data__stream": "flow",
}
"""On top of the preset `research`."""

BACKBONE = "flow ConvNet"
AS_PUBLISHED = "VideoLSTM"

CHANGES: Mapping[str, Mapping[str, Any]] = {
    AS_PUBLISHED: {},
    "A * X times 49": {"model__attention_scale": 49.0},
    "A * X times 49, 800 updates": {"model__attention_scale": 49.0, "train__steps": 800},
    "800 updates": {"train__steps": 800},
    "mirrored": {"data__mirrored": True},
    "A * X times 49, mirrored": {"model__attention_scale": 49.0, "data__mirrored": True},
}
"""What is changed; each is a training of its own, the likeliest reasons first."""


def run(workdir: str, demo: str, seeds: Sequence[int], stop: float = float("inf")) -> dict:
    """Trains what is missing, and returns the rows of the changes that have scores of all seeds.

    All seeds of a change come before the next change.

    Args:
      workdir: the folder of all seeds.
      demo: the work folder of a finished `make demo`.
      seeds: of the clips, the backbone and the cell.
      stop: a moment of `time.monotonic` after which nothing is begun.
    """
    settings = [settings_of(workdir, demo, seed) for seed in seeds]
    for change in changed_runs(CHANGES).values():
        for seed, of_seed in zip(seeds, settings, strict=True):
            if time.monotonic() >= stop:
                break
            _make_features(of_seed.config())
            cfg = change.config(of_seed, of_seed.overrides["workdir"], seed)
            if cfg.data.mirrored:
                # Only now: the features as filmed are those of the published run.
                extract.run(cfg)
            stages.train_and_score(cfg, stop)
    return {
        "settings": SETTINGS,
        "changes": CHANGES,
        "seeds": list(seeds),
        "videos": _names_of_test(settings[0]),
        "rows": as_record(_rows(settings, seeds)),
    }


def settings_of(workdir: str, demo: str, seed: int) -> Settings:
    """The settings of the published run of one seed, in a folder of its own."""
    place = {
        "workdir": f"{workdir}/published/seed-{seed}",
        "convnet__weights": f"{demo}/convnets/{{stream}}",
        "seed": seed,
    }
    return Settings("research", {**SETTINGS, **place})


def _make_features(cfg: RunConfig) -> None:
    """Draws the clips of a seed, fits its backbone and extracts features, where missing."""
    work = Workdir(cfg.workdir)
    if not work.dataset.exists():
        prepare.run(cfg)
    # `extract` writes the scores of the backbone last.
    if not _backbone_scores(work).exists():
        fit_convnet.run(cfg)
        extract.run(cfg)


def _backbone_scores(work: Workdir) -> Any:
    return work.scores("convnet-flow")


def _names_of_test(settings: Settings) -> list[str]:
    """The names of the V test clips of a seed, which are the same for all seeds."""
    dataset = load_dataset(Workdir(settings.overrides["workdir"]).dataset)
    return sorted(video.name for video in dataset.part("test"))


def _rows(settings: Sequence[Settings], seeds: Sequence[int]) -> dict[str, Row]:
    """The answers [seeds, V] of the backbones, and of every change with scores of all seeds."""
    works = [Workdir(of_seed.overrides["workdir"]) for of_seed in settings]
    names = _names_of_test(settings[0])
    paths_of_row = {BACKBONE: [_backbone_scores(work) for work in works]}
    for name, change in changed_runs(CHANGES).items():
        paths = []
        for seed, work in zip(seeds, works, strict=True):
            paths.append(work.scores(change.folder(seed)))
        paths_of_row[name] = paths
    rows = {}
    for name, paths in paths_of_row.items():
        if all(path.exists() for path in paths):
            answers = []
            for path in paths:
                answers.append(stages.in_order(stages.right_by_video(load_scores(path)), names))
            rows[name] = Row(np.stack(answers))
    return rows


def published_table(rows: Mapping[str, Row]) -> str:
    """Each row with its differences to the ConvNet and to the run with the published settings.

    Args:
      rows: of this task; the clips of the seeds are different clips.
    """
    pooled = {name: Row(row.right.reshape(1, -1)) for name, row in rows.items()}
    total = pooled[BACKBONE].right.size
    head = (
        "setting",
        f"right of {total}, % (95 % interval)",
        "each seed",
        "minus ConvNet",
        "minus VideoLSTM",
    )
    lines = []
    for name, row in pooled.items():
        count = int(row.right.sum())
        share = f"{count}: {percent(wilson_interval(count, total))}"
        each = " ".join(f"{100 * right.mean():.1f}" for right in rows[name].right)
        differences = []
        for baseline in (BACKBONE, AS_PUBLISHED):
            text = "-"
            if name != baseline and baseline in pooled:
                text = percent(difference(row, pooled[baseline]), sign="+")
            differences.append(text)
        lines.append((name, share, each, *differences))
    return markdown(head, lines)
