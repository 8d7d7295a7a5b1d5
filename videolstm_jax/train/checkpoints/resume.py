"""How a training goes on from the checkpoints in its folder: the newest sound one, or a refusal.

Nothing is skipped silently: every step that cannot be used has a line on standard error. Of several
processes, process 0 decides, and the others go on from the step that it has left as the newest.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from videolstm_jax.cluster import team
from videolstm_jax.errors import FileError
from videolstm_jax.train.checkpoints.manifest import unrecorded_identity
from videolstm_jax.train.checkpoints.orbax_errors import DamagedCheckpoint
from videolstm_jax.train.checkpoints.step_folders import (
    DAMAGED,
    free_checkpoint_folder_name,
    is_unfinished_checkpoint,
    step_folders,
)
from videolstm_jax.train.checkpoints.versions import checkpoint_versions_difference
from videolstm_jax.train.log import last_logged_training_step

if TYPE_CHECKING:
    from etils import epath

    from videolstm_jax.train.checkpoints.checkpoint import Checkpoints
    from videolstm_jax.types import TrainState


class Restored(NamedTuple):
    """Where a training goes on.

    Attributes:
      state: after the step of the checkpoint.
      about: what was saved beside it; empty where there is none.
      newest: the step of the newest checkpoint that was there, damaged or not; 0 for none.
    """

    state: TrainState
    about: dict[str, Any]
    newest: int = 0


def check_training_resume(folder: epath.Path, resume: str) -> None:
    """Refuses a folder by `resume`, before anything in it is opened or written.

    Args:
      folder: of the run.
      resume: the setting.

    Raises:
      FileError: `must`, and there is no checkpoint; or `never`, and there is one, damaged or not.
    """
    place = folder / "ckpt"
    # A save that was cut off never was a checkpoint: `must` cannot go on from it, `never` loses
    # nothing by it.
    steps = []
    for step, path in step_folders(place):
        if not is_unfinished_checkpoint(path):
            steps.append(step)
    if resume == "must" and not steps:
        raise _missing(place)
    if resume == "never" and steps:
        listed = ", ".join(map(str, sorted(steps)))
        raise FileError(
            f"{place} holds checkpoints of steps {listed}; expected none for --resume=never: "
            f"remove {folder}, or take another --name"
        )


def _missing(place: epath.Path) -> FileError:
    return FileError(
        f"{place} holds no checkpoint; expected one for --resume=must. --resume=auto trains from "
        "the beginning"
    )


def remove_unfinished_checkpoints(folder: epath.Path) -> None:
    """Removes what an interrupted save has left in the folder of a run, and prints which step.

    It never was a checkpoint, and the training makes this step again.
    """
    for step, path in step_folders(folder / "ckpt"):
        if is_unfinished_checkpoint(path):
            path.rmtree()
            _warn(f"{folder / 'ckpt'}: the save of step {step} was not finished; it was removed")


def restore_same_checkpoint(
    state: TrainState, checkpoints: Checkpoints, identity: Mapping[str, Any], resume: str
) -> Restored:
    """The state that process 0 restores by `_restore_newest`, in all processes.

    The others are given the number of its step. A shared disk may still show them a checkpoint that
    process 0 has just moved.

    Args:
      state: with the shapes and places of the arrays.
      checkpoints: of the run.
      identity: what a checkpoint must agree with.
      resume: the setting.

    Raises:
      FileError: as `_restore_newest`; or there is no checkpoint, and `resume` is `must`.
    """
    processes = team.current_team()
    numbers = b""
    if processes.is_first:
        _warn_of_uncommitted(checkpoints)
        # Again: in a bucket a folder of the right name may lack the mark of its end.
        if resume == "must" and not checkpoints.steps:
            raise _missing(checkpoints.folder)
        restored = _restore_newest(state, checkpoints, identity)
        numbers = json.dumps([int(restored.state.step), restored.newest]).encode()
    step, newest = json.loads(processes.broadcast("the step to go on from", numbers))
    if processes.is_first:
        return restored
    # No step at all: not `step`, which is 0 also for a checkpoint of the beginning.
    if not newest:
        return Restored(state, {})
    state, about = checkpoints.restore(state, identity=identity, step=step)
    return Restored(state, about, newest)


def _restore_newest(
    state: TrainState, checkpoints: Checkpoints, identity: Mapping[str, Any]
) -> Restored:
    """The state of the newest sound checkpoint; the given one where there are no checkpoints.

    Newer ones that are damaged are moved to the folder `ckpt-damaged`: training makes their steps
    again, and orbax saves no step before the newest one.

    Args:
      state: with the shapes and places of the arrays.
      checkpoints: of the run.
      identity: what a checkpoint must agree with.

    Raises:
      FileError: all checkpoints are damaged, or the newest sound one is of something else.
    """
    folder = checkpoints.folder.parent
    steps = checkpoints.steps
    if not steps:
        _warn_of_lost(folder, None)
        return Restored(state, {})
    damage: dict[int, DamagedCheckpoint] = {}
    for step in steps:
        try:
            state, about = checkpoints.restore(state, identity=identity, step=step)
        except DamagedCheckpoint as error:
            # Moved only when a sound one is found: without one, all stays where it is for a repair.
            damage[step] = error
            continue
        _check_position(about, step, checkpoints)
        _set_aside(damage, step, checkpoints)
        _warn_of_lost(folder, steps[0])
        _warn_of_differences(checkpoints, step, identity)
        return Restored(state, about, steps[0])
    problems = "; ".join(str(error) for error in damage.values())
    raise FileError(
        f"no checkpoint in {checkpoints.folder} is sound: {problems}. Put back a copy of one, or "
        f"remove {folder} to train anew"
    )


def _warn_of_uncommitted(checkpoints: Checkpoints) -> None:
    """Prints which steps have a folder that orbax does not count as a checkpoint.

    In a bucket nothing is renamed: a mark in the folder says that its save has ended.
    """
    for step, _ in step_folders(checkpoints.folder):
        if step not in checkpoints.steps:
            _warn(f"{checkpoints.folder / str(step)} is passed over: its save was not finished")


def warn_of_lost_best_checkpoint(folder: epath.Path, restored: Restored, save_every: int) -> None:
    """Prints a line where best/ is empty, although states were compared before this step.

    Args:
      folder: of the best state.
      restored: where training goes on.
      save_every: steps between two comparisons.
    """
    step = int(restored.state.step)
    if step >= save_every:
        _warn(f"{folder} holds no checkpoint; the best one will be of a step after {step}")


def _check_position(about: Mapping[str, Any], step: int, checkpoints: Checkpoints) -> None:
    """Raises FileError where a checkpoint is not behind as many batches as steps."""
    # Batch k makes step k + 1, so the stream of batches goes on at the number of the step.
    batches = about.get("batches", step)
    if batches != step:
        raise FileError(
            f"{checkpoints.folder / str(step)} was made with batches {batches}; expected {step}, "
            f"one for each step: remove {checkpoints.folder.parent} to train anew"
        )


def _set_aside(
    damage: Mapping[int, DamagedCheckpoint], step: int, checkpoints: Checkpoints
) -> None:
    """Moves damaged checkpoints out of the way, and prints what is wrong with each."""
    for number, error in damage.items():
        # Moved, not removed: the user may want to see the damage, and to repair the file system.
        target = free_checkpoint_folder_name(checkpoints.folder.parent / DAMAGED, str(number))
        target.parent.mkdir(parents=True, exist_ok=True)
        (checkpoints.folder / str(number)).rename(target)
        _warn(f"{error}. It was moved to {target}; training goes on from step {step}")
    if damage:
        checkpoints.reload()


def _warn_of_lost(folder: epath.Path, newest: int | None) -> None:
    """Prints a line where the logs show that a training went further than its checkpoints.

    A training that was killed has logged some steps after its last checkpoint. One that had come to
    its end has its last step in both.
    """
    logged_step = last_logged_training_step(folder / "metrics.jsonl")
    is_finished = (folder / "config.json").exists()
    if newest is None:
        trace = _trace_of_training(folder, logged_step)
        if trace:
            _warn(
                f"{folder / 'ckpt'} holds no checkpoint, and {trace}; training begins at step 0 "
                "(--resume=must would end here)"
            )
    if newest is not None and is_finished and newest < logged_step:
        _warn(
            f"{folder / 'ckpt'} holds step {newest}, and this training had ended at step "
            f"{logged_step}: its newest checkpoint is missing"
        )


# What a training leaves beside its checkpoints and metrics.jsonl. The folder of the best state is
# none of them: it is opened, and so made, before this is asked.
_TRACES = ("config.json", "hashes.jsonl", DAMAGED)


def _trace_of_training(folder: epath.Path, logged_step: int) -> str:
    """What shows that a training has been in this folder, as a clause; empty where nothing does.

    Args:
      folder: of the run.
      logged_step: the last step of metrics.jsonl, 0 without one.
    """
    if logged_step:
        return f"metrics.jsonl goes to step {logged_step}"
    for name in _TRACES:
        if (folder / name).exists():
            return f"{name} is there from an earlier training"
    return ""


def _warn_of_differences(checkpoints: Checkpoints, step: int, identity: Mapping[str, Any]) -> None:
    """Prints which versions differ, and what a checkpoint of an earlier state did not record."""
    place = checkpoints.folder / str(step)
    meta = checkpoints.meta(step)
    missing_fields = unrecorded_identity(meta["identity"], identity)
    if "batches" not in meta["about"]:
        missing_fields.append("batches")
    if "versions" not in meta:
        missing_fields.append("versions")
        difference = ""
    else:
        difference = checkpoint_versions_difference(meta["versions"])
    if missing_fields:
        _warn(f"{place} is of an earlier version; not compared: {', '.join(missing_fields)}")
    if difference:
        _warn(f"{place} was made with {difference}: results may differ by rounding")


def _warn(text: str) -> None:
    # Of several processes one is enough.
    if team.current_team().is_first:
        print(f"warning: {text}", file=sys.stderr, flush=True)
