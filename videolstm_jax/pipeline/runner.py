"""Runs the stages of a pipeline, in one process or in several together."""

from __future__ import annotations

import importlib
import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from videolstm_jax.cluster import team
from videolstm_jax.cluster.first_process import run_in_first_process
from videolstm_jax.pipeline.costs import pipeline_cost
from videolstm_jax.pipeline.steps import Step, plan

if TYPE_CHECKING:
    from etils import epath

    from videolstm_jax.config import RunConfig
    from videolstm_jax.types import Dataset

TOGETHER = ("prepare", "fit_convnet", "train", "evaluate")
"""The stages that several processes run together."""
SHARDED = ("extract",)
"""The stages of which each of several processes does its share alone."""


def run(cfg: RunConfig) -> epath.Path | None:
    """Runs every stage of the plan, and prints what each will cost and what it took.

    Several processes run a stage together where it can be shared. Process 0 runs the others.

    Returns:
      The page of pictures; None in processes other than the first.

    Raises:
      ConfigError, FileError, VideoError: as the stages do.
    """
    steps = plan(cfg)
    _check_batches(steps)
    _check_backbones(steps)
    seconds: list[tuple[str, float]] = []
    for number, step in enumerate(steps, 1):
        print(f"\n[{number}/{len(steps)}] {step.label}", flush=True)
        start_time = time.perf_counter()
        path = _run_step(step, steps)
        seconds.append((step.label, time.perf_counter() - start_time))
    _print_times(seconds)
    print(f"\nthe page of pictures: {path}")
    return path


def _print_times(seconds: Sequence[tuple[str, float]]) -> None:
    """Prints a line for each stage, and the sum."""
    # At the end, behind all that the stages print, so that a user finds it after a long run.
    head = "all stages"
    total = 0.0
    width = len(head)
    for label, stage_seconds in seconds:
        total += stage_seconds
        width = max(width, len(label))
    rows = [*seconds, (head, total)]
    print()
    for label, stage_seconds in rows:
        print(f"{label:{width}s} {stage_seconds:8.1f} s")


def _check_batches(steps: Sequence[Step]) -> None:
    """Raises ConfigError where a batch cannot be shared by the devices."""
    # Now, before the videos are decoded: the stages themselves notice it hours later.
    mesh = importlib.import_module("videolstm_jax.train.mesh")
    for step in steps:
        settings = step.cfg.train
        if step.stage == "fit_convnet":
            mesh.data_mesh(settings.devices, step.cfg.convnet.batch, settings.shards)
        if step.stage == "train":
            mesh.data_mesh(settings.devices, step.cfg.data.batch, settings.shards)


def _check_backbones(steps: Sequence[Step]) -> None:
    """Raises ConfigError or FileError where a backbone cannot start; see `check_backbone_start`."""
    # Now, before the flow of all videos is computed: `fit_convnet` comes after it.
    start = importlib.import_module("videolstm_jax.backbone.start")
    for step in steps:
        if step.stage == "fit_convnet":
            start.check_backbone_start(step.cfg)


def _run_step(step: Step, steps: Sequence[Step]) -> epath.Path | None:
    """Runs one stage; `prepare` prints the cost of all as soon as it has listed the videos."""
    # Imported when it is needed: a plan alone does not wait for TensorFlow.
    stage = importlib.import_module(f"videolstm_jax.stages.{step.stage}")
    processes = team.current_team()
    run_stage = partial(stage.run, step.cfg)
    if step.stage == "prepare":
        run_stage = partial(run_stage, on_listed=partial(_print_cost, steps))
    if step.stage in SHARDED:
        shards = importlib.import_module("videolstm_jax.features.shards")
        # Shards count from 1, as users name them.
        own_shard = shards.Shard(processes.index + 1, processes.count)
        run_stage = partial(run_stage, shard=own_shard)
    # The others load no model, so one process is enough for them.
    if step.stage not in TOGETHER + SHARDED:
        return run_in_first_process(step.label, run_stage)
    path = run_stage()
    # The next stage reads what process 0, or the last shard, writes at the end of this one.
    processes.meet(f"the end of {step.label}")
    return path


def _print_cost(steps: Sequence[Step], dataset: Dataset) -> None:
    print(pipeline_cost(steps, dataset), flush=True)
