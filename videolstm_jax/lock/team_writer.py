"""The lock of a folder that several processes fill together, of which the first one writes."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from videolstm_jax.cluster import team
from videolstm_jax.folders import remove_unfinished
from videolstm_jax.lock.sole_writer import sole_writer


@contextlib.contextmanager
def team_writer(folder: os.PathLike | str, stage: str, *, break_lock: bool) -> Iterator[None]:
    """Holds the lock of a folder in process 0, which first removes what a killed process left.

    Args:
      folder: that the processes of this command fill.
      stage: what writes, for the message to others.
      break_lock: take the lock from whoever has it.

    Raises:
      FileError: as `sole_writer`.
    """
    processes = team.current()
    if not processes.is_first:
        yield
        return
    # Where one machine of several is lost, all are started again while its lock still looks alive.
    patient = processes.count > 1
    with sole_writer(folder, stage, break_lock=break_lock, patient=patient):
        remove_unfinished(folder)
        yield
