"""Locks that other processes left, and threads that take a lock at the same time."""

import json
import threading

from videolstm_jax.errors import FileError
from videolstm_jax.lock import owner


def owner_file(folder, name=".lock", **changes):
    """Leaves the lock of this process, as it would be with some fields of another."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(json.dumps(owner.this_lock_owner("train")._asdict() | changes))
    return path


def number_of_winners(lock):
    """How many of eight threads that take a lock at the same time get it."""
    start, done, winners = threading.Barrier(8), threading.Barrier(8), []

    def contend():
        start.wait()
        try:
            with lock():
                winners.append(1)
                # The lock is held until all have tried: nobody gets it after another let it go.
                done.wait()
        except FileError:
            done.wait()

    threads = [threading.Thread(target=contend) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(winners)
