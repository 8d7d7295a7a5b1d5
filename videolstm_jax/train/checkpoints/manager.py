"""Opens orbax's manager of a folder for one process or several, and sees that the disk has it."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import TYPE_CHECKING, Any

from videolstm_jax.cluster import team
from videolstm_jax.durable import is_bucket, sync, sync_tree
from videolstm_jax.errors import FileError
from videolstm_jax.train.checkpoints.bucket import BucketManager

if TYPE_CHECKING:
    from etils import epath


def opened_checkpoint_manager(folder: epath.Path, *, keep: int, create: bool) -> tuple[Any, Any]:
    """Opens a folder that holds the last `keep` checkpoints.

    Returns:
      Orbax's `CheckpointManager`, or what stands for it in a bucket; and its module of arguments.

    Raises:
      FileError: there is no such folder, and it is not to be created.
    """
    # Orbax takes half a second to import, and most of the package never needs it.
    import orbax.checkpoint as ocp

    if not folder.exists():
        _check_may_be_made(folder, create)
    if team.current_team().is_first:
        folder.mkdir(parents=True, exist_ok=True)

    def open_local(place: epath.Path, **options: Any) -> Any:
        options |= {"max_to_keep": keep, **_of_one_process(ocp)}
        return ocp.CheckpointManager(
            place,
            options=ocp.CheckpointManagerOptions(**options),
            # Items of their own, so that the parameters can be read without the optimizer's state.
            item_names=("params", "rest", "meta"),
        )

    if is_bucket(folder):
        # A reader, such as an evaluation beside the training, leaves unfinished saves alone.
        writes = create and team.current_team().is_first
        # The copy to the bucket begins when `save` returns: the local files must be complete then.
        open_waiting = partial(open_local, enable_async_checkpointing=False)
        return BucketManager(folder, open_waiting, keep=keep, writes=writes), ocp.args
    return open_local(folder), ocp.args


def sync_checkpoint_steps(folder: epath.Path, steps: Collection[int]) -> None:
    """Waits until the disk has the checkpoints of some steps.

    Orbax renames a checkpoint whose content may be in memory only. After a loss of power it could
    be empty, and so could the one before it, where both are seconds old.
    """
    for step in sorted(steps):
        # A later save may have removed it.
        if (folder / str(step)).exists():
            sync_tree(folder / str(step))
    if steps:
        sync(folder)


def _check_may_be_made(folder: epath.Path, create: bool) -> None:
    """Raises FileError where the folder is missing, and it is not for this process to make."""
    if not create:
        raise FileError(f"{folder} is missing; expected a folder of checkpoints")
    # A bucket has no folders, only objects: an empty one may be gone again.
    if not team.current_team().is_first and not is_bucket(folder):
        raise FileError(
            f"{folder} is missing on {team.current_team().name}, and process 0 has made it; "
            "expected a work folder that all processes share"
        )


def _of_one_process(ocp: Any) -> dict[str, Any]:
    """Options with which orbax waits for no other process; none where there is no other."""
    if team.current_team().count == 1:
        return {}
    # Each process is the only member, and the head, of a group of its own. Only process 0 saves,
    # and orbax would wait for the others at every save.
    index = team.current_team().index
    options = ocp.options.MultiprocessingOptions(
        primary_host=index, active_processes={index}, barrier_sync_key_prefix=str(index)
    )
    # Orbax refuses to make a folder for some of the processes only; it has been made here.
    return {"multiprocessing_options": options, "create": False}
