"""Runs the tasks of a plan in this process; what is finished is skipped."""

from __future__ import annotations

import importlib
import time
from collections.abc import Sequence

from etils import epath

from videolstm_jax.paper.plan import PlannedStage


def _stages_of(task: PlannedStage) -> tuple[str, ...]:
    """The modules of `stages` that do a task."""
    # Trajectories of another program are there already.
    if task.step.stage == "idt" and not task.step.cfg.idt.files:
        return ("trajectories", "idt")
    return (task.step.stage,)


def is_paper_task_finished(task: PlannedStage) -> bool:
    """Whether the result of a task is there; stages that look themselves are never finished."""
    # Only that it exists: every stage writes its result beside its name, and renames it at the end.
    return task.result is not None and epath.Path(task.result).exists()


def run_paper_tasks(tasks: Sequence[PlannedStage]) -> None:
    """Runs tasks in order, and prints what each took.

    Raises:
      ConfigError, FileError, VideoError: as the stages do. The same call goes on from there.
    """
    for number, task in enumerate(tasks, 1):
        print(f"\n[{number}/{len(tasks)}] {task.name}", flush=True)
        # Looked at when it is the task's turn: one before it may have removed the result.
        if is_paper_task_finished(task):
            print(f"finished: {task.result}", flush=True)
            continue
        start_time = time.perf_counter()
        for name in _stages_of(task):
            # Imported when it is needed: a plan alone does not wait for TensorFlow.
            stage = importlib.import_module(f"videolstm_jax.stages.{name}")
            stage.run(task.step.cfg)
        print(f"{task.name}: {time.perf_counter() - start_time:.1f} s", flush=True)
