"""The loop around the step: progress, metrics, checkpoints, and going on exactly where it stopped."""

from __future__ import annotations

import contextlib
import math
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np
from etils import epath

from videolstm_jax.errors import FileError
from videolstm_jax.train.checkpoint import Checkpoints
from videolstm_jax.train.log import MetricsLog, Progress

if TYPE_CHECKING:
    from videolstm_jax.files import PathLike
    from videolstm_jax.train.step import StepFn
    from videolstm_jax.types import TrainState


class Stopped(SystemExit):
    """Training was asked to stop and has saved; the message says how to go on."""


class Diverged(ValueError):
    """A loss that is not finite: the message names the step. Nothing is saved after it."""


class Plan(NamedTuple):
    """How long to train, when to write, and what the checkpoints are of.

    `steps` is where training ends, `log_every` and `save_every` are counted in steps from the
    first. `identity` must agree with a checkpoint that is gone on from; `about` is kept beside the
    state. `validate` scores a state at every save; with `keep_best` the state of the highest
    `valid_accuracy` is kept in `best/` too.
    """

    steps: int
    log_every: int
    save_every: int
    identity: Mapping[str, Any]
    about: Mapping[str, Any]
    validate: Callable[[TrainState], Mapping[str, float]] | None = None
    keep_best: bool = False


def fit(
    state: TrainState,
    step_fn: StepFn,
    batches_from: Callable[[int], Iterator[Any]],
    plan: Plan,
    *,
    folder: PathLike,
    place: Callable[[Any], Any] = lambda batch: batch,
) -> TrainState:
    """Trains to `plan.steps`, from the last checkpoint in the folder if there is one.

    Stopped anywhere and started again, it gives the same parameters and the same metrics.jsonl to
    the bit, as long as `batches_from(k)` yields batch k, k + 1 .. the same each time.

    Args:
      state: where to begin if there is no checkpoint; its buffers are donated.
      step_fn: of `make_step`.
      batches_from: batches from the given step on.
      plan: how long, how often.
      folder: metrics.jsonl, ckpt/ and best/ go here; config.json, by which a stage says that
        training is done, is removed before it goes on.
      place: puts a batch on the devices.

    Returns:
      The state after the last step.

    Raises:
      Diverged: the loss is not finite.
      Stopped: SIGINT or SIGTERM came, if only in the last step; the state has been saved.
      FileError: the folder holds checkpoints of something else, or damaged ones.
    """
    folder = epath.Path(folder)
    with contextlib.ExitStack() as stack:
        checkpoints = stack.enter_context(Checkpoints(folder / "ckpt"))
        best = stack.enter_context(Checkpoints(folder / "best", keep=1)) if plan.keep_best else None
        stopping = stack.enter_context(_signals())
        state, window = _begun(state, plan, folder, checkpoints, best)
        start = int(state.step)
        if start < plan.steps:
            (folder / "config.json").unlink(missing_ok=True)
        log, progress = (
            MetricsLog(folder / "metrics.jsonl", step=start),
            Progress(plan.steps, start),
        )
        if start:
            progress.note(f"goes on from step {start} of {folder / 'ckpt'}")
        batches = map(place, batches_from(start)) if start < plan.steps else iter(())
        batch = next(batches, None)
        for step in range(start + 1, plan.steps + 1):
            state, metrics = step_fn(state, batch)
            last = step == plan.steps
            batch = None if last else next(batches)  # read and sent while the devices work
            window.append(_finite(metrics, step))
            _report(log, progress, plan, step, metrics._fields, window)
            due = last or step % plan.save_every == 0
            if due:
                _validate(state, plan, log, best, progress)
            stop = stopping()
            if due or stop:
                checkpoints.save(
                    state, identity=plan.identity, about={**plan.about, "window": window}
                )
            if stop:
                break
        checkpoints.wait()
        if stopping():
            raise Stopped(
                f"stopped after step {int(state.step)}; saved in {folder / 'ckpt'}: the same command goes on "
                "there"
            )
    return state


def _begun(
    state: TrainState,
    plan: Plan,
    folder: epath.Path,
    checkpoints: Checkpoints,
    best: Checkpoints | None,
) -> tuple[TrainState, list[list[float]]]:
    """The state to go on from, with the metrics since the last line; raises FileError as `fit`."""
    window: list[list[float]] = []
    if checkpoints.latest is not None:
        state, about = checkpoints.restore(state, identity=plan.identity)
        window = about["window"]
    if best is not None and best.latest is not None:
        best.check(state, identity=plan.identity)
        if (
            best.latest > int(state.step) + plan.save_every
        ):  # it is saved first, so one save newer is no harm
            raise FileError(
                f"{folder}: best/ holds step {best.latest} and ckpt/ {checkpoints.latest or 'none'}; "
                "expected both of one run: remove best/, or the folder"
            )
    return state, window


def _finite(metrics: Any, step: int) -> list[float]:
    """Waits for the step, as Python floats; several steps in flight can deadlock the all-reduce of
    CPU devices.
    """
    values = [float(value) for value in jax.device_get(metrics)]
    for name, value in zip(metrics._fields, values, strict=True):
        if not math.isfinite(value):
            raise Diverged(
                f"{name.replace('_', ' ')} is {value} at step {step}; nothing was saved after it. "
                "A lower learning rate or gradient clipping may help"
            )
    return values


def _report(
    log: MetricsLog, progress: Progress, plan: Plan, step: int, names: tuple, window: list
) -> None:
    logged = step % plan.log_every == 0 or step == plan.steps
    means = dict(zip(names, np.mean(window, axis=0).tolist(), strict=True))
    progress.show(step, means, logged=logged)
    if logged:
        log.write(step, means)
        window.clear()


def _validate(
    state: TrainState, plan: Plan, log: MetricsLog, best: Checkpoints | None, progress: Progress
) -> None:
    if plan.validate is None:
        return
    found, step = dict(plan.validate(state)), int(state.step)
    log.write(step, found)
    said = ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in found.items())
    progress.note(f"step {step}: {said}")
    if best is None:
        return
    score = found["valid_accuracy"]
    # `best` is saved whole before the checkpoint of this step begins, so it is never older than its
    # own score.
    if best.latest is None or score > best.meta()["about"]["valid_accuracy"]:
        best.save(state, identity=plan.identity, about={**plan.about, "valid_accuracy": score})
        best.wait()


@contextlib.contextmanager
def _signals() -> Iterator[Callable[[], bool]]:
    """Yields a function that tells whether SIGINT or SIGTERM has come; a second SIGINT interrupts
    at once.
    """
    if (
        threading.current_thread() is not threading.main_thread()
    ):  # only the main thread may set handlers
        yield lambda: False
        return
    came: list[int] = []
    before = {name: signal.getsignal(name) for name in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, _: object) -> None:
        came.append(number)
        again = before[
            signal.SIGINT
        ]  # which does nothing where a script was started in the background of another
        signal.signal(signal.SIGINT, again if callable(again) else signal.default_int_handler)

    try:
        for name in before:
            signal.signal(name, note)
        yield lambda: bool(came)
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
