"""How long a training lasts, and what it writes on its way: metrics, progress and checkpoints."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np

from videolstm_jax.cluster import team
from videolstm_jax.train.log import MetricsLog, ProgressLine, values_text

if TYPE_CHECKING:
    from etils import epath

    from videolstm_jax.train.checkpoints.checkpoint import Checkpoints
    from videolstm_jax.types import TrainState


class Plan(NamedTuple):
    """How long to train, when to write, and what identifies the training.

    Attributes:
      steps: the number of the last step.
      log_every: steps between two lines of metrics.jsonl.
      save_every: steps between two checkpoints.
      identity: JSON values that a checkpoint must agree with to be continued.
      about: JSON values that are kept beside the state.
      validate: scores a state at every save.
      keep_best: whether the state of the highest `valid_accuracy` is kept in best/ too.
    """

    steps: int
    log_every: int
    save_every: int
    identity: Mapping[str, Any]
    about: Mapping[str, Any]
    validate: Callable[[TrainState], Mapping[str, float]] | None = None
    keep_best: bool = False


class TrainingRecord:
    """Everything that a training writes: metrics, the line of progress, and checkpoints.

    Of several processes, process 0 writes.
    """

    def __init__(
        self,
        plan: Plan,
        folder: epath.Path,
        checkpoints: Checkpoints,
        best: Checkpoints | None,
        start: int,
        window: list[list[float]],
    ):
        """Opens metrics.jsonl after step `start`; `window` has the metrics since its last line."""
        self._plan, self._checkpoints, self._best = plan, checkpoints, best
        self._window = window
        self._writes = team.current().is_first
        if not self._writes:
            return
        self._log = MetricsLog(folder / "metrics.jsonl", step=start)
        self._line = ProgressLine(plan.steps, start)
        if start:
            self._line.note(f"goes on from step {start} of {folder / 'ckpt'}")

    def step_done(self, step: int, metrics: Any) -> None:
        """Waits for a step, shows its metrics, and logs their means when a line is due."""
        values = _finite(metrics, step)
        if not self._writes:
            return
        self._window.append(values)
        averages = np.mean(self._window, axis=0).tolist()
        means = dict(zip(metrics._fields, averages, strict=True))
        logged = step % self._plan.log_every == 0 or step == self._plan.steps
        self._line.show(step, means, logged=logged)
        if logged:
            self._log.write(step, means)
            self._window.clear()

    def validate(self, state: TrainState) -> None:
        """Scores a state, and keeps it in best/ where it is better than all before."""
        if self._plan.validate is None:
            return
        scores, step = dict(self._plan.validate(state)), int(state.step)
        if not self._writes:
            return
        self._log.write(step, scores)
        self._line.note(f"step {step}: {values_text(scores, ', ')}")
        best = self._best
        if best is None:
            return
        accuracy = scores["valid_accuracy"]
        if best.latest is None or accuracy > best.meta()["about"]["valid_accuracy"]:
            about = {**self._plan.about, "valid_accuracy": accuracy}
            best.save(state, identity=self._plan.identity, about=about)
            # It must be on disk before the checkpoint of this step begins. A training that is
            # killed in between then repeats the step, and finds its score already kept.
            best.wait()

    def save(self, state: TrainState) -> None:
        """Begins to save a state, with the metrics that the next line of the log will average."""
        about = {**self._plan.about, "window": self._window}
        self._checkpoints.save(state, identity=self._plan.identity, about=about)


def _finite(metrics: Any, step: int) -> list[float]:
    """The metrics of a step as Python floats; raises ValueError where one is not finite."""
    # Fetching waits for the step. With several steps in flight the all-reduce of CPU devices can
    # deadlock.
    values = list(map(float, jax.device_get(metrics)))
    for name, value in zip(metrics._fields, values, strict=True):
        if not math.isfinite(value):
            raise ValueError(
                f"{name.replace('_', ' ')} is {value} at step {step}; nothing was saved after it. "
                "A lower learning rate or gradient clipping may help"
            )
    return values
