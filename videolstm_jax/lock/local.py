"""The lock of a folder on a disk: one file, which only one process can claim at a time."""

from __future__ import annotations

import contextlib
import os
import pathlib
import secrets
import time
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from videolstm_jax.lock.owner import (
    LockOwner,
    check_lock_still_owned,
    is_owner_alive,
    lock_heartbeat,
    lock_refusal,
    owner_bytes,
    parse_owner,
)

_ATTEMPTS = 50
"""How often a folder is made again that other processes remove."""


@contextlib.contextmanager
def local_writer(
    place: pathlib.Path, owner: LockOwner, *, name: str, rivals: str, break_lock: bool
) -> Iterator[None]:
    """Holds the lock of a folder on a disk; see `sole_writer.sole_writer`."""
    path = place / name
    new_folders: list[pathlib.Path] = []
    try:
        _make_and_claim(path, owner, break_lock, new_folders)
    except OSError:
        # Not the file: where this process has the lock already, it is that lock's.
        _remove_empty(new_folders)
        raise
    except KeyboardInterrupt:
        # The signal may have come just behind the claim.
        release_lock(path, owner)
        _remove_empty(new_folders)
        raise
    try:
        # After the own claim: of two rivals that begin at the same time both may be refused, but
        # never none.
        for rival in sorted(place.glob(rivals)) if rivals else []:
            _check_rival(rival, break_lock)
        with lock_heartbeat(lambda: os.utime(path)):
            yield
        check_lock_still_owned(place, owner, read_owner(path))
    finally:
        release_lock(path, owner)
        # A stage that failed before its first file leaves no empty folder behind.
        _remove_empty(new_folders)


def _make_and_claim(
    path: pathlib.Path, owner: LockOwner, break_lock: bool, new_folders: list[pathlib.Path]
) -> None:
    """Makes the folder of a lock and claims it; adds to `new_folders` those that were missing."""
    place = path.parent
    for attempt in range(_ATTEMPTS):
        for folder in (place, *place.parents):
            if not folder.exists() and folder not in new_folders:
                new_folders.append(folder)
        # Another process may end at any moment here, and remove the folder while it is empty. Its
        # removal cannot succeed once the lock is in the folder.
        try:
            place.mkdir(parents=True, exist_ok=True)
            _claim(path, owner, break_lock)
            return
        except (FileNotFoundError, FileExistsError):
            if attempt == _ATTEMPTS - 1:
                raise


def _remove_empty(folders: Sequence[pathlib.Path]) -> None:
    """Removes folders from the innermost on; those that are not empty stay."""
    with contextlib.suppress(OSError):
        for folder in folders:
            folder.rmdir()


def read_owner(path: pathlib.Path) -> LockOwner | None:
    """The owner that the file of a lock names; None where there is no file, or half of one."""
    try:
        return parse_owner(path.read_bytes())
    except FileNotFoundError:
        return None


def _claim(path: pathlib.Path, owner: LockOwner, break_lock: bool) -> None:
    """Writes the owner into the file, unless a living process stands there."""
    with _opened(path) as file:
        earlier_owner = parse_owner(file.read())
        if earlier_owner is not None and not break_lock and _is_alive(earlier_owner, path):
            raise lock_refusal(path.parent, earlier_owner)
        try:
            file.seek(0)
            file.truncate()
            file.write(owner_bytes(owner))
        except OSError as error:
            # A full disk. Half of an owner is nobody's lock, and this error names no file.
            with contextlib.suppress(OSError):
                path.unlink()
            raise OSError(error.errno, os.strerror(error.errno), str(path)) from error


def _check_rival(path: pathlib.Path, break_lock: bool) -> None:
    rival = read_owner(path)
    if rival is not None and not break_lock and _is_alive(rival, path):
        raise lock_refusal(path.parent, rival)


def _is_alive(owner: LockOwner, path: pathlib.Path) -> bool:
    return is_owner_alive(owner, lambda: _clock_of(path.parent) - path.stat().st_mtime)


def release_lock(path: pathlib.Path, owner: LockOwner) -> None:
    """Removes the file of a lock, if it is still this process's."""
    # The folder may be gone, or its disk; the error of the block itself must come through.
    # It is not made anew either: two threads of a process that ends may both come here.
    with contextlib.suppress(OSError), _opened(path, create=False) as file:
        if parse_owner(file.read()) == owner:
            path.unlink()


@contextlib.contextmanager
def _opened(path: pathlib.Path, *, create: bool = True) -> Iterator[BinaryIO]:
    """Opens the file, which no other process has open like this; makes it where it is missing."""
    flags = os.O_RDWR
    if create:
        flags |= os.O_CREAT
    while True:
        descriptor = os.open(path, flags, 0o666)
        # Without a buffer, which would be written once more, and fail once more, at the end.
        with os.fdopen(descriptor, "r+b", buffering=0) as file:
            # Reading who owns the lock and writing oneself must be one action. Some network file
            # systems do not know flock; there two processes that begin within a millisecond of
            # each other are not distinguished.
            with contextlib.suppress(OSError, ImportError):
                import fcntl  # absent on Windows

                fcntl.flock(file, fcntl.LOCK_EX)
            # While this process waited, the owner may have removed the file it waits for.
            if _is_at(path, os.fstat(file.fileno())):
                yield file
                return


def _is_at(path: pathlib.Path, opened: os.stat_result) -> bool:
    try:
        return os.path.samestat(path.stat(), opened)
    except FileNotFoundError:
        return False


def _clock_of(folder: pathlib.Path) -> float:
    """The time by the clock that stamps the files of a folder, which may be a file server's."""
    probe = folder / f".clock-{secrets.token_hex(8)}"
    try:
        probe.touch()
    except OSError:
        # A full or read-only disk takes no new file; its own clock is the best there is.
        return time.time()
    try:
        return probe.stat().st_mtime
    finally:
        probe.unlink()
