"""The training loop: progress, metrics, checkpoints, and an exact continuation after a stop."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
from etils import epath

from videolstm_jax.cluster import team
from videolstm_jax.cluster.watchdog import COMPILING, SAVING, watchdog
from videolstm_jax.errors import FileError
from videolstm_jax.progress_lines import ProgressLines
from videolstm_jax.train.checkpoints import manifest
from videolstm_jax.train.checkpoints.checkpoint import Checkpoints
from videolstm_jax.train.checkpoints.orbax_errors import DamagedCheckpoint
from videolstm_jax.train.checkpoints.resume import (
    Restored,
    check_training_resume,
    remove_unfinished_checkpoints,
    restore_same_checkpoint,
    warn_of_lost_best_checkpoint,
)
from videolstm_jax.train.graft import named_param_leaves
from videolstm_jax.train.mesh import batch_on_mesh
from videolstm_jax.train.numerics.divergence import Diverged
from videolstm_jax.train.record import Plan, TrainingRecord
from videolstm_jax.train.shared_stop import SharedStop
from videolstm_jax.train.signals import training_stop_signals

if TYPE_CHECKING:
    from jax.sharding import Mesh

    from videolstm_jax.files import PathLike
    from videolstm_jax.train.step import StepFn
    from videolstm_jax.types import TrainState


class Stopped(SystemExit):
    """Training was asked to stop and has saved; the message explains how to continue."""

    def __init__(self, message: str, number: int = signal.SIGINT):
        """Takes the message and the number of the signal, from which the exit status follows."""
        super().__init__(message)
        self.number = number


def fit(
    state: TrainState,
    step_fn: StepFn,
    batches_from: Callable[[int], Iterator[Any]],
    plan: Plan,
    *,
    folder: PathLike,
    mesh: Mesh | None = None,
) -> TrainState:
    """Trains to `plan.steps`, from the last sound checkpoint in the folder if there is one.

    Stopped anywhere and started again, it gives the same parameters and the same metrics.jsonl to
    the bit, as long as `batches_from(k)` yields batch k, k + 1 .. the same each time.

    Args:
      state: where to begin if there is no checkpoint; its buffers are donated.
      step_fn: of `make_step`.
      batches_from: batches from the given step on.
      plan: how long, how often.
      folder: metrics.jsonl, ckpt/ and best/ are written here. config.json is removed before
        training continues: its presence means that training is finished.
      mesh: the devices that the batch is spread over; None leaves it where it is. Several
        processes need one, and each gives its own rows of the batch.

    Returns:
      The state after the last step.

    Raises:
      Diverged: a step is not finite, and may not be skipped; or a parameter that is to be saved.
      Stopped: SIGINT or SIGTERM came, if only in the last step; the state has been saved.
      FileError: the folder holds checkpoints of something else, or none that is sound, or
        `plan.resume` expects others.
    """
    folder = epath.Path(folder)
    with contextlib.ExitStack() as stack:
        checkpoints, best, restored = _restored(state, plan, folder, stack)
        state = restored.state
        stop_requested = stack.enter_context(training_stop_signals())
        start = int(state.step)
        if team.current_team().count > 1:
            step_fn, stop_requested = _of_all(state, step_fn, plan, mesh, stop_requested)
        batches = _batches(batches_from, start, plan, folder, mesh)
        record = TrainingRecord(plan, folder, checkpoints, best, state, restored.about)
        state = _run_steps(state, step_fn, batches, plan, record, stop_requested)
        # A save goes on in a thread. The training is not done before its last one is on disk.
        checkpoints.wait()
        watchdog().rest()
        _raise_if_stopped(stop_requested(), int(state.step), folder)
    return state


def _restored(
    state: TrainState, plan: Plan, folder: epath.Path, stack: contextlib.ExitStack
) -> tuple[Checkpoints, Checkpoints | None, Restored]:
    """Opens the checkpoints, and restores the newest sound one; the stack closes them.

    Returns:
      The checkpoints, the best one with `keep_best`, and where training goes on.
    """
    # Process 0 makes the folders, and removes what is unfinished in them. The others open them when
    # that is done.
    with team.current_team().first_goes_first("the folder of checkpoints"):
        check_training_resume(folder, plan.resume)
        if team.current_team().is_first:
            remove_unfinished_checkpoints(folder)
        checkpoints = stack.enter_context(Checkpoints(folder / "ckpt"))
        best = None
        if plan.keep_best:
            best = stack.enter_context(Checkpoints(folder / "best", keep=1))
    restored = restore_same_checkpoint(state, checkpoints, plan.identity, plan.resume)
    _check_best(best, checkpoints, restored, plan)
    return checkpoints, best, restored


def _check_best(
    best: Checkpoints | None, checkpoints: Checkpoints, restored: Restored, plan: Plan
) -> None:
    """Raises FileError where best/ is damaged, or of something else than ckpt/."""
    if best is None:
        return
    if best.latest is None:
        warn_of_lost_best_checkpoint(best.folder, restored, plan.save_every)
        return
    try:
        best.check(restored.state, identity=plan.identity)
    except DamagedCheckpoint as error:
        # Without it nobody knows which state was the best so far.
        message = f"{error}. Put back a copy, or remove {best.folder.parent} to train anew"
        raise FileError(message) from error
    # The best state is saved before the checkpoint of the same step. A process that was killed
    # between the two leaves a best state that is newer by one save, and no more.
    if best.latest > restored.newest + plan.save_every:
        raise FileError(
            f"{best.folder.parent}: best/ holds step {best.latest} and ckpt/ "
            f"{checkpoints.latest or 'none'}; expected both of one run: remove best/, or the folder"
        )


def _of_all(
    state: TrainState,
    step_fn: StepFn,
    plan: Plan,
    mesh: Mesh | None,
    stop_requested: Callable[[], int],
) -> tuple[StepFn, Callable[[], int]]:
    """The step and the question for a signal, of all processes, which begin from one state."""
    team.current_team().agree("the state to begin from", _facts(plan, state))
    shared = SharedStop(step_fn, mesh, stop_requested)
    return shared.step, shared.stop


def _batches(
    batches_from: Callable[[int], Iterator[Any]],
    start: int,
    plan: Plan,
    folder: epath.Path,
    mesh: Mesh | None,
) -> Iterator[Any]:
    """The batches that are left, on the devices; none where the training has come to its end."""
    if start >= plan.steps:
        return iter(())
    # Its presence means that the training is finished, which it is not from here on.
    if team.current_team().is_first:
        (folder / "config.json").unlink(missing_ok=True)
    batches = batches_from(start)
    if mesh is not None:
        batches = map(partial(batch_on_mesh, mesh=mesh), batches)
    return batches


def _raise_if_stopped(number: int, step: int, folder: epath.Path) -> None:
    """Raises Stopped where a signal came, 0 being none."""
    if number:
        place = folder / "ckpt"
        message = f"stopped after step {step}; saved in {place}: the same command goes on there"
        raise Stopped(message, number)


def _run_steps(
    state: TrainState,
    step_fn: StepFn,
    batches: Iterator[Any],
    plan: Plan,
    record: TrainingRecord,
    stop_requested: Callable[[], int],
) -> TrainState:
    """Makes the steps from the state's own on, until the plan or a signal ends them."""
    start = int(state.step)
    watchdog().expect(COMPILING)
    batch = next(batches, None)
    for step in range(start + 1, plan.steps + 1):
        with _first_step(step == start + 1):
            state, metrics = step_fn(state, batch)
        # The next batch is read and sent while the devices still compute this step.
        batch = None
        if step < plan.steps:
            batch = next(batches)
        record.step_done(step, metrics, state)
        watchdog().step()
        due = step == plan.steps or step % plan.save_every == 0
        if due:
            # Also where another process does this work: the next step waits for that one.
            watchdog().expect(SAVING)
            _check_finite(state, step)
            record.validate(state)
        # Asked once: a signal that comes from here on is seen after the next step.
        stop = stop_requested()
        if stop and not due:
            _check_finite(state, step)
        if due or stop:
            watchdog().expect(SAVING)
            record.save(state, batches=step)
        if stop:
            break
    return state


def _facts(plan: Plan, state: TrainState) -> dict[str, str]:
    """What all processes must agree on before the first step, by name."""
    facts = {name: str(manifest.manifest_json(value)) for name, value in plan.identity.items()}
    facts["step to go on from"] = str(int(state.step))
    # Parameters drawn or read differently would stay different for good.
    facts["sha256 of the state"] = manifest.manifest_digest(manifest.manifest_of(state))
    return facts


def _check_finite(state: TrainState, step: int) -> None:
    """Raises Diverged where an array of the state is not finite.

    `make_step` applies no such update. Any other step may: it would be saved, and every later step
    would fail from there on.
    """
    for name, leaf in named_param_leaves(state).items():
        if jnp.issubdtype(leaf.dtype, jnp.inexact) and not jnp.isfinite(leaf).all():
            raise Diverged(
                f"{name} is not finite after step {step}; this step was not saved. A lower "
                "learning rate or gradient clipping may help"
            )


def _first_step(first: bool) -> contextlib.AbstractContextManager:
    """Prints lines while the first step compiles, which may take minutes."""
    if not first:
        return contextlib.nullcontext()
    return ProgressLines(lambda seconds: f"the first step compiles, {seconds:.0f} s so far")
