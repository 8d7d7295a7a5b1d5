"""What the stages of a pipeline will cost."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from videolstm_jax.config import change
from videolstm_jax.progress_lines import ProgressLines
from videolstm_jax.quantities import duration_text, size_text

if TYPE_CHECKING:
    from videolstm_jax.config import RunConfig
    from videolstm_jax.pipeline.steps import Step
    from videolstm_jax.train.cost import StageCost
    from videolstm_jax.types import Dataset


def pipeline_cost(steps: Sequence[Step], dataset: Dataset) -> str:
    """A table of what the longest stages will cost, and all of them together.

    Stages that learn or extract are timed on this device. The flow of `prepare` has rates that were
    measured elsewhere, since none is computed before the table is printed.
    """
    costs = importlib.import_module("videolstm_jax.train.cost")
    runs = []
    for step in steps:
        if step.stage == "train":
            runs.append(step.cfg)
    # Each kind of model is timed for some steps, which takes a while: it must not look like a hang.
    with ProgressLines(
        lambda seconds: f"measures the speed of this device, {seconds:.0f} s so far"
    ):
        # The settings of backbones and flow are the same in all runs.
        measured_pace = costs.measure_pace(runs[0], runs, dataset)
    lines = [
        "about, from nothing, at this device's speed just now; compiling and reading videos come "
        "on top. The line of prepare has both, at the rates of cores of an AMD EPYC:"
    ]

    def add_line(label: str, seconds: float, disk: int) -> None:
        lines.append(f"  {label:24s} {duration_text(seconds):>8s} {size_text(disk):>10s}")

    # The others have no line: they take seconds.
    total_seconds, total_disk = 0.0, 0
    for step in steps:
        if step.stage == "prepare":
            estimate = _prepare_cost(step.cfg, dataset)
        else:
            estimate = costs.estimate_training_cost(step.stage, step.cfg, dataset, measured_pace)
        if estimate is None:
            continue
        add_line(step.label, *estimate)
        total_seconds += estimate.seconds
        total_disk += estimate.disk
        if step.stage == "extract" and step.cfg.data.mirrored:
            # A line of its own, since one setting saves it.
            filmed = change(step.cfg, data__mirrored=False)
            filmed_estimate = costs.estimate_training_cost(
                step.stage, filmed, dataset, measured_pace
            )
            seconds = estimate.seconds - filmed_estimate.seconds
            add_line("  of it data.mirrored", seconds, estimate.disk - filmed_estimate.disk)
    add_line("together", total_seconds, total_disk)
    return "\n".join(lines)


def _prepare_cost(cfg: RunConfig, dataset: Dataset) -> StageCost:
    """The cost of decoding all videos and, unless that is left to other stages, of their flow."""
    # Imported when it is needed: a plan alone does not wait for TensorFlow.
    prepare = importlib.import_module("videolstm_jax.stages.prepare")
    costs = importlib.import_module("videolstm_jax.train.cost")
    cost = prepare.estimate_cost(cfg, dataset)
    if cfg.flow.online:
        return costs.StageCost(cost.decoding_seconds, 0)
    return costs.StageCost(cost.decoding_seconds + cost.flow_seconds, cost.flow_bytes)
