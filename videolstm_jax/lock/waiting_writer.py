"""The lock of a folder for short work that each of several processes does in its turn."""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Iterator

from videolstm_jax.lock.owner import FolderInUse
from videolstm_jax.lock.sole_writer import sole_writer

_RETRY = 0.5
"""Seconds between two looks at the lock, on average."""


@contextlib.contextmanager
def waiting_writer(
    folder: os.PathLike | str, stage: str, *, name: str, waits_for: str
) -> Iterator[None]:
    """Holds the lock of a folder as long as the block lasts; waits for it as long as it takes.

    A process that was killed while it held the lock counts as dead as in `sole_writer`, so nobody
    waits for it for ever.

    Args:
      folder: on a disk or in a bucket.
      stage: what writes, for the message to others.
      name: of the lock's file.
      waits_for: the work of the others, for the line that is printed before this process waits.

    Raises:
      FileError: the lock was taken from this process while it had it.
    """
    is_printed = False
    with contextlib.ExitStack() as stack:
        while True:
            try:
                stack.enter_context(sole_writer(folder, stage, name=name))
                break
            except FolderInUse as error:
                if not is_printed:
                    print(f"waits for {waits_for}: {error}", flush=True)
                is_printed = True
            # Of two that try a lock in a bucket at the same moment both are refused. With equal
            # pauses they would meet again.
            time.sleep(_RETRY * (50 + secrets.randbelow(100)) / 100)
        yield
