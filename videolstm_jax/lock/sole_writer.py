"""Lets one process at a time write a folder: a small file in it names the process that does.

The file contains the machine of the process, its number, and when it began. A process that ends
in any way but SIGKILL or loss of power removes its file. Of one that could not, the file is taken
over by the next process, see `owner.is_owner_alive`.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import time
from collections.abc import Callable, Iterator

from etils import epath

from videolstm_jax.lock.bucket import bucket_writer
from videolstm_jax.lock.local import local_writer, release_lock
from videolstm_jax.lock.owner import HEARTBEAT, SILENCE, FolderInUse, this_lock_owner

_RETRY = 2.0
"""Seconds between two looks at a lock that may be that of a dead process."""


@contextlib.contextmanager
def sole_writer(
    folder: os.PathLike | str,
    stage: str,
    *,
    name: str = ".lock",
    rivals: str = "",
    break_lock: bool = False,
    patient: bool = False,
) -> Iterator[None]:
    """Holds the lock of a folder as long as the block lasts.

    Args:
      folder: on a disk or in a bucket; it is made where it does not exist.
      stage: what writes, for the message to others.
      name: of the file. Locks of different names do not exclude each other.
      rivals: a pattern of the names of other locks that exclude this one too, such as
        `.extract-*.lock`; empty for none.
      break_lock: take the lock from whoever has it.
      patient: wait for a lock of another machine as long as a process that was killed there could
        seem to live. A scheduler starts a command again on other machines within seconds.

    Raises:
      FileError: another process has the lock; or it was taken from this one, so that both have
        written.
    """
    owner = this_lock_owner(stage)
    place = os.fspath(folder)
    options = {"name": name, "rivals": rivals, "break_lock": break_lock}

    def lock() -> contextlib.AbstractContextManager[None]:
        if "://" in place:
            return bucket_writer(epath.Path(place), owner, **options)
        return local_writer(pathlib.Path(place), owner, **options)

    # The owner would not do: a process that locks two folders in one second is the same owner.
    key = object()
    with contextlib.ExitStack() as stack:
        # First in, last out: until the file is gone, a thread that ends the process must remove it.
        stack.callback(_held.pop, key, None)
        # Before the file is there, for the same reason. That of another owner stays.
        if "://" not in place:
            _held[key] = lambda: release_lock(pathlib.Path(place) / name, owner)
        _enter(stack, lock, SILENCE + HEARTBEAT if patient else 0)
        yield


def _enter(
    stack: contextlib.ExitStack,
    lock: Callable[[], contextlib.AbstractContextManager[None]],
    seconds: float,
) -> None:
    """Enters the lock; waits for one of another machine, whose owner may be dead."""
    deadline = time.monotonic() + seconds
    is_printed = False
    while True:
        try:
            stack.enter_context(lock())
            return
        except FolderInUse as error:
            if not error.is_elsewhere or time.monotonic() > deadline:
                raise
            if not is_printed:
                print(f"waits up to {seconds:.0f} s, since this may be over: {error}", flush=True)
            is_printed = True
        time.sleep(_RETRY)


def release_held_locks() -> None:
    """Removes the files of all locks that this process holds, just before it ends.

    For a process that another thread ends while the main one waits in native code: its `finally`
    blocks do not run. Of a lock in a bucket the heartbeat alone tells that its process is gone.
    """
    for remove in list(_held.values()):
        remove()


_held: dict[object, Callable[[], None]] = {}
"""What removes the file of each lock that this process holds, one key a lock."""
