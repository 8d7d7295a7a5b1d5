"""The lock of a folder in a bucket: each process writes its own object, then looks for others.

A bucket has no object that only one of two writers can make, as etils shows it. But what was
written is in every list from then on, at Google's store and at S3. So a process that first writes
its own object, and then lists the others, sees every process that listed before it. Two that begin
at the same time may both be refused, but they never both go on.
"""

from __future__ import annotations

import contextlib
import fnmatch
import secrets
from collections.abc import Iterator

from etils import epath

from videolstm_jax.lock.owner import (
    LockOwner,
    check_lock_still_owned,
    is_owner_alive,
    lock_heartbeat,
    lock_refusal,
    owner_bytes,
    parse_owner,
)


@contextlib.contextmanager
def bucket_writer(
    place: epath.Path, owner: LockOwner, *, name: str, rivals: str, break_lock: bool
) -> Iterator[None]:
    """Holds the lock of a folder in a bucket; see `sole_writer.sole_writer`."""
    place.mkdir(parents=True, exist_ok=True)
    own_object = place / f"{name}-{secrets.token_hex(8)}"
    own_object.write_bytes(owner_bytes(owner))

    def beat() -> None:
        # Its time stamp is the heartbeat. Who breaks the lock removes the object; written anew, it
        # would hide this from `check_lock_still_owned`.
        if own_object.exists():
            own_object.write_bytes(owner_bytes(owner))

    try:
        for rival in _other_locks(own_object, name, rivals):
            _check_rival(rival, own_object, break_lock)
        with lock_heartbeat(beat):
            yield
        check_lock_still_owned(place, owner, _read_owner(own_object))
    finally:
        # The error of the block itself must come through.
        with contextlib.suppress(OSError):
            own_object.unlink(missing_ok=True)


def _other_locks(own: epath.Path, name: str, rivals: str) -> list[epath.Path]:
    """The objects of other processes that this lock excludes."""
    patterns = [f"{name}-*"]
    if rivals:
        patterns.append(f"{rivals}-*")
    locks = []
    for path in sorted(own.parent.iterdir()):
        if path.name != own.name and any(fnmatch.fnmatch(path.name, item) for item in patterns):
            locks.append(path)
    return locks


def _check_rival(path: epath.Path, own: epath.Path, break_lock: bool) -> None:
    """Refuses a living owner; removes the object of a dead one, and of one whose lock is broken."""
    owner = _read_owner(path)
    # Both stamps are of the store's clock, and the own object was written just now.
    if owner is not None and not break_lock and is_owner_alive(owner, lambda: _age(path, own)):
        raise lock_refusal(path.parent, owner)
    path.unlink(missing_ok=True)


def _age(path: epath.Path, own: epath.Path) -> float:
    try:
        return own.stat().mtime - path.stat().mtime
    except FileNotFoundError:  # its process has just ended
        return float("inf")


def _read_owner(path: epath.Path) -> LockOwner | None:
    try:
        return parse_owner(path.read_bytes())
    except FileNotFoundError:
        return None
