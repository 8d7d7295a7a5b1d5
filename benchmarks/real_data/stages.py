"""Trains and scores one run by the project's stages, unless its scores are there."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from etils import epath

from videolstm_jax.config import RunConfig, change
from videolstm_jax.presets import Settings
from videolstm_jax.sealed_json import json_sha256
from videolstm_jax.stages import evaluate, train
from videolstm_jax.types import Scores
from videolstm_jax.workdir.layout import Workdir
from videolstm_jax.workdir.scores_npz import load_scores


class Run(NamedTuple):
    """One recurrent model of a table.

    Attributes:
      name: of its row; the seed is added for its folder.
      cell: that is trained.
      stream: that it reads.
      overrides: settings beside those of the task.
    """

    name: str
    cell: str
    stream: str = "rgb"
    overrides: Mapping[str, Any] = {}

    def folder(self, seed: int) -> str:
        """The name of the run's folder."""
        return f"{self.name}-seed{seed}"

    def config(self, settings: Settings, workdir: str, seed: int) -> RunConfig:
        """The configuration of one training."""
        settings = settings.override(workdir=workdir, seed=seed, **self.overrides)
        return change(settings.for_cell(self.cell, self.stream), name=self.folder(seed))


def run_of(overrides: Mapping[str, Any]) -> str:
    """A name for a try: other settings, another folder, so that no try goes on from another."""
    return f"try-{json_sha256(dict(overrides))[:8]}"


def train_and_score(cfg: RunConfig, stop: float = float("inf")) -> bool:
    """Trains a run and scores its list, `eval.part`, unless that was done before.

    Args:
      cfg: of the run.
      stop: a moment of `time.monotonic` after which nothing is begun.

    Returns:
      Whether the scores are there.
    """
    path = scores_path(cfg)
    if not path.exists() and time.monotonic() < stop:
        began, busy = time.monotonic(), time.process_time()
        train.run(cfg)
        evaluate.run(cfg)
        wall, processor = time.monotonic() - began, time.process_time() - busy
        print(f"{cfg.run_name}: {wall:.0f} s, {processor:.0f} s of processor time", flush=True)
    return path.exists()


def scores_path(cfg: RunConfig) -> epath.Path:
    """Where `evaluate` writes the scores of a run."""
    work = Workdir(cfg.workdir)
    if cfg.eval.part == "valid":
        return work.validation_scores(cfg.run_name)
    return work.run(cfg.run_name) / "scores.npz"


def right_by_video(scores: Scores) -> dict[str, bool]:
    """Whether each video's best class is its own."""
    hits = scores.scores.argmax(1) == scores.label
    return dict(zip(scores.videos, hits.tolist(), strict=True))


def right_of_run(cfg: RunConfig) -> dict[str, bool]:
    """Whether a scored run has each video right."""
    return right_by_video(load_scores(scores_path(cfg)))


def in_order(right: Mapping[str, bool], names: list[str]) -> np.ndarray:
    """The answers as an array [V], in the order of the names."""
    return np.array([right[name] for name in names])
