"""Lets one process at a time write a folder: a small file in it names the process that does.

The file contains the machine of the process, its number, and when it began. A process that ends
in any way but SIGKILL or loss of power removes its file. Of one that could not, the file is taken
over by the next process, see `owner.is_alive`.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
from collections.abc import Callable, Iterator

from etils import epath

from videolstm_jax.lock.bucket import bucket_writer
from videolstm_jax.lock.local import local_writer, release
from videolstm_jax.lock.owner import LockOwner, this_process


@contextlib.contextmanager
def sole_writer(
    folder: os.PathLike | str,
    stage: str,
    *,
    name: str = ".lock",
    rivals: str = "",
    break_lock: bool = False,
) -> Iterator[None]:
    """Holds the lock of a folder as long as the block lasts.

    Args:
      folder: on a disk or in a bucket; it is made where it does not exist.
      stage: what writes, for the message to others.
      name: of the file. Locks of different names do not exclude each other.
      rivals: a pattern of the names of other locks that exclude this one too, such as
        `.extract-*.lock`; empty for none.
      break_lock: take the lock from whoever has it.

    Raises:
      FileError: another process has the lock; or it was taken from this one, so that both have
        written.
    """
    owner = this_process(stage)
    place = os.fspath(folder)
    if "://" in place:
        lock = bucket_writer(
            epath.Path(place), owner, name=name, rivals=rivals, break_lock=break_lock
        )
    else:
        lock = local_writer(
            pathlib.Path(place), owner, name=name, rivals=rivals, break_lock=break_lock
        )
    with lock:
        if "://" not in place:
            _held[owner] = lambda: release(pathlib.Path(place) / name, owner)
        try:
            yield
        finally:
            _held.pop(owner, None)


def release_held() -> None:
    """Removes the files of all locks that this process holds, just before it ends.

    For a process that another thread ends while the main one waits in native code: its `finally`
    blocks do not run. Of a lock in a bucket the heartbeat alone tells that its process is gone.
    """
    for remove in list(_held.values()):
        remove()


_held: dict[LockOwner, Callable[[], None]] = {}
"""What removes the file of each lock that this process holds."""
