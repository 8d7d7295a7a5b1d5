"""How long a training lasts, and what it writes on its way: metrics, progress and checkpoints."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np

from videolstm_jax.cluster import team
from videolstm_jax.cluster.watchdog import SAVING, watchdog
from videolstm_jax.train.log import MetricsLog, ProgressLine, training_metrics_text
from videolstm_jax.train.numerics.divergence import MOST_SKIPPED_IN_A_ROW, Diverged, SkippedSteps
from videolstm_jax.train.numerics.finite import names_of_finite_checks, not_finite_problem
from videolstm_jax.train.numerics.state_hashes import StateHashes

if TYPE_CHECKING:
    from etils import epath

    from videolstm_jax.train.checkpoints.checkpoint import Checkpoints
    from videolstm_jax.train.state import Metrics
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
      nonfinite: `train.nonfinite`, for a step whose loss, gradient or update is not finite.
      hash_every: steps between two lines of hashes.jsonl; 0 writes none.
      resume: `auto`, `must` or `never`, see `resume.check_training_resume`.
      videos_of: the names of the videos of a batch, by its number.
    """

    steps: int
    log_every: int
    save_every: int
    identity: Mapping[str, Any]
    about: Mapping[str, Any]
    validate: Callable[[TrainState], Mapping[str, float]] | None = None
    keep_best: bool = False
    nonfinite: str = "abort"
    hash_every: int = 0
    resume: str = "auto"
    videos_of: Callable[[int], Sequence[str]] | None = None


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
        state: TrainState,
        about: Mapping[str, Any],
    ):
        """Opens the logs to continue after a state.

        Args:
          plan: of the training.
          folder: of the run.
          checkpoints: to save to.
          best: of the best state, where that is kept.
          state: to go on from.
          about: what was saved beside it; nothing at the beginning.
        """
        self._plan, self._checkpoints, self._best = plan, checkpoints, best
        self._names = names_of_finite_checks(state)
        # Earlier checkpoints lack `skipped`: no step was skipped then.
        self._window: list[list[float]] = about.get("window", [])
        self._skipped = SkippedSteps(**about.get("skipped", {}))
        self._writes = team.current_team().is_first
        if not self._writes:
            return
        start = int(state.step)
        # Checkpoints of earlier versions lack the digest.
        sha256 = about.get("metrics_sha256", "")
        self._log = MetricsLog(folder / "metrics.jsonl", step=start, sha256=sha256)
        self._hashes = StateHashes(folder / "hashes.jsonl", plan.hash_every, start)
        self._line = ProgressLine(plan.steps, start)
        if start:
            self._line.note(f"goes on from step {start} of {folder / 'ckpt'}")

    def step_done(self, step: int, metrics: Any, state: TrainState) -> None:
        """Waits for a step, shows its metrics, and logs their means when a line is due.

        Raises:
          Diverged: the step is not finite, and `nonfinite` is `abort`, or too many were skipped.
        """
        # Fetching waits for the step. With several steps in flight the all-reduce of CPU devices
        # can deadlock.
        metrics = jax.device_get(metrics)
        problem = not_finite_problem(metrics, self._names)
        # All processes count alike, so that all of them end where too many are skipped.
        self._skipped = self._skipped.after_step(skipped=bool(problem))
        if problem:
            self._skip(step, problem)
        else:
            self._add(_values_of(metrics, step))
        if not self._writes:
            return
        if self._plan.hash_every and self._is_due(step, self._plan.hash_every):
            self._hashes.add(state)
        logged = self._is_due(step, self._plan.log_every)
        means = self._means(metrics)
        self._line.show(step, means, logged=logged)
        if logged:
            self._log.write(step, means)
            self._window.clear()
            self._skipped = self._skipped._replace(since_line=0)

    def _add(self, values: list[float]) -> None:
        # The other processes write no line, so their lists would grow without end.
        if self._writes:
            self._window.append(values)

    def _is_due(self, step: int, every: int) -> bool:
        return step % every == 0 or step == self._plan.steps

    def _means(self, metrics: Metrics) -> dict[str, float]:
        """The means since the last line, and how many steps since then were skipped."""
        means: dict[str, float] = {}
        # All of them may have been skipped.
        if self._window:
            averages = np.mean(self._window, axis=0).tolist()
            means.update(zip(_logged_fields(metrics), averages, strict=True))
        # Left out where it is 0, as it is in nearly every training.
        if self._skipped.since_line:
            means["skipped"] = self._skipped.since_line
        return means

    def _skip(self, step: int, problem: str) -> None:
        """Prints that a step is skipped; raises Diverged where it is not to be skipped."""
        text, in_a_row = f"{problem} at step {step}", self._skipped.in_a_row
        advice = "nothing was saved after it. A lower learning rate or gradient clipping may help"
        if self._plan.nonfinite == "abort":
            advice += ", or --train.nonfinite=skip"
            raise Diverged(f"{text}; {advice}. {self._videos_text(step)}")
        if in_a_row >= MOST_SKIPPED_IN_A_ROW:
            text += f", the last of {in_a_row} steps in a row that were skipped"
            raise Diverged(f"{text}; {advice}. {self._videos_text(step)}")
        if self._writes:
            self._line.note(f"skipped: {text}. {self._videos_text(step)}")

    def _videos_text(self, step: int) -> str:
        """The videos of the batch of a step, for a message; they are drawn again to name them."""
        if self._plan.videos_of is None:
            return "The videos of the batch are not known"
        # Batch k makes step k + 1, and may have a video twice.
        names = dict.fromkeys(self._plan.videos_of(step - 1))
        return f"Videos of the batch: {', '.join(names)}"

    def validate(self, state: TrainState) -> None:
        """Scores a state, and keeps it in best/ where it is better than all before."""
        if self._plan.validate is None:
            return
        scores, step = dict(self._plan.validate(state)), int(state.step)
        # Of the checkpoint in best/, also where another process does this work.
        watchdog().expect(SAVING)
        if not self._writes:
            return
        self._log.write(step, scores)
        self._line.note(f"step {step}: {training_metrics_text(scores, ', ')}")
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

    def save(self, state: TrainState, *, batches: int) -> None:
        """Begins to save a state, with the metrics that the next line of the log will average.

        Args:
          state: after a step.
          batches: how many were drawn and used for it, by the loop's own count.
        """
        about = {
            **self._plan.about,
            "window": self._window,
            "skipped": self._skipped._asdict(),
            "batches": batches,
        }
        # A line of a step must not be missing where its checkpoint is there to go on from.
        if self._writes:
            self._hashes.wait()
            self._log.sync()
            about["metrics_sha256"] = self._log.sha256
        self._checkpoints.save(state, identity=self._plan.identity, about=about)


def _logged_fields(metrics: Metrics) -> list[str]:
    """The names of the metrics that are averaged and logged."""
    return [name for name in metrics._fields if name != "not_finite"]


def _values_of(metrics: Metrics, step: int) -> list[float]:
    """The logged metrics of a step; raises Diverged where one is not finite."""
    values = []
    for name in _logged_fields(metrics):
        value = float(getattr(metrics, name))
        # A step that is not of `make_step` may not have looked.
        if not math.isfinite(value):
            text = f"{name.replace('_', ' ')} is {value} at step {step}"
            raise Diverged(f"{text}; nothing was saved after it")
        values.append(value)
    return values
