"""The lock of what one command writes in a folder, in the first of its processes."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator

from etils import epath

from videolstm_jax.cluster import team
from videolstm_jax.folders import remove_unfinished
from videolstm_jax.lock.sole_writer import sole_writer


@contextlib.contextmanager
def team_writer(
    folder: os.PathLike | str,
    stage: str,
    *,
    break_lock: bool,
    name: str = ".lock",
    rivals: str = "",
    is_ours: Callable[[epath.Path], bool] = lambda _: True,
    below: bool = True,
) -> Iterator[None]:
    """Holds a lock of a folder in process 0, which first removes what a killed process left.

    Args:
      folder: that the processes of this command write.
      stage: what writes, for the message to others.
      break_lock: take the lock from whoever has it.
      name: of the lock's file. Stages that share a folder have a lock each.
      rivals: a pattern of the names of other locks that exclude this one too; empty for none.
      is_ours: whether a file is one that this lock protects. Other stages may write the others now,
        so only what a killed process left of these is removed.
      below: whether these files may lie in folders below.

    Raises:
      FileError: as `sole_writer`.
    """
    processes = team.current_team()
    if not processes.is_first:
        yield
        return
    # Where one machine of several is lost, all are started again while its lock still looks alive.
    patient = processes.count > 1 or processes.others_wait
    options = {"name": name, "rivals": rivals, "break_lock": break_lock, "patient": patient}
    with sole_writer(folder, stage, **options):
        remove_unfinished(folder, is_ours, below=below)
        yield
