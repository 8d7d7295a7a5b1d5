"""What the stages of a pipeline will cost on this device."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from videolstm_jax.config import change
from videolstm_jax.progress_lines import ProgressLines
from videolstm_jax.quantities import duration_text, size_text

if TYPE_CHECKING:
    from videolstm_jax.pipeline.steps import Step
    from videolstm_jax.types import Dataset


def pipeline_cost(steps: Sequence[Step], dataset: Dataset) -> str:
    """A table of what the stages that learn will cost on this device, and all of them together."""
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
        "on top:"
    ]

    def add_line(label: str, seconds: float, disk: int) -> None:
        lines.append(f"  {label:24s} {duration_text(seconds):>8s} {size_text(disk):>10s}")

    # Stages that learn nothing have no line: they take seconds.
    total_seconds, total_disk = 0.0, 0
    for step in steps:
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
