"""Lets one process at a time write a folder: a small file in it names the process that does.

The file contains the machine of the process, its number, and when it began. A process that ends
in any way but SIGKILL or loss of power removes its file. Of one that could not, the file is taken
over by the next process, see `_is_alive`.

Folders in a bucket are not locked: a bucket has no file that only one of two writers can make, as
etils shows it. Two trainings there must have different names.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import pathlib
import secrets
import socket
import subprocess
import threading
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from videolstm_jax.errors import FileError

HEARTBEAT = 20.0
"""Seconds after which the owner shows again that it runs, by the time stamp of its file."""
SILENCE = 120.0
"""Seconds without a heartbeat after which a process on another machine counts as dead."""


class LockOwner(NamedTuple):
    """The process that writes a folder.

    `machine` separates host and process numbers, `started` separates two processes of one number
    apart, and `since` is the time when it took the lock.
    """

    stage: str
    host: str
    machine: str
    pid: int
    started: str
    since: str


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
      folder: on a disk; it is made where it does not exist. Nothing is locked in a bucket.
      stage: what writes, for the message to others.
      name: of the file. Locks of different names do not exclude each other.
      rivals: a pattern of the names of other locks that exclude this one too, such as
        `.extract-*.lock`; empty for none.
      break_lock: take the lock from whoever has it.

    Raises:
      FileError: another process has the lock; or it was taken from this one, so that both have
        written.
    """
    if "://" in os.fspath(folder):
        yield
        return
    place = pathlib.Path(folder)
    new_folders = [parent for parent in (place, *place.parents) if not parent.exists()]
    place.mkdir(parents=True, exist_ok=True)
    path = place / name
    owner = _this_process(stage)
    _claim(path, owner, break_lock)
    try:
        # After the own claim: of two rivals that begin at the same time both may be refused, but
        # never none.
        for rival in sorted(place.glob(rivals)) if rivals else []:
            _check_rival(rival, break_lock)
        with _heartbeat(path):
            yield
        _check_still_owned(path, owner)
    finally:
        _release(path, owner)
        # A stage that failed before its first file leaves no empty folder behind. Those that are
        # not empty cannot be removed.
        with contextlib.suppress(OSError):
            for parent in new_folders:
                parent.rmdir()


# ---- the file ------------------------------------------------------------------------------------


def _claim(path: pathlib.Path, owner: LockOwner, break_lock: bool) -> None:
    """Writes the owner into the file, unless a living process stands there."""
    with _opened(path) as file:
        before = _parsed(file.read())
        if before is not None and not break_lock and _is_alive(before, path):
            raise _refusal(path, before)
        file.seek(0)
        file.truncate()
        file.write(json.dumps(owner._asdict()).encode())


def _check_rival(path: pathlib.Path, break_lock: bool) -> None:
    rival = _read(path)
    if rival is not None and not break_lock and _is_alive(rival, path):
        raise _refusal(path, rival)


def _check_still_owned(path: pathlib.Path, owner: LockOwner) -> None:
    now = _read(path)
    if now != owner:
        other = "someone" if now is None else f"process {now.pid} on {now.host}"
        raise FileError(
            f"{path.parent}: {other} took over the lock of this {owner.stage}, so both have "
            "written here: remove the folder and begin again"
        )


def _release(path: pathlib.Path, owner: LockOwner) -> None:
    """Removes the file, if it is still this process's."""
    # The folder may be gone, or its disk; the error of the block itself must come through.
    with contextlib.suppress(OSError):
        if not path.exists():
            return
        with _opened(path) as file:
            if _parsed(file.read()) == owner:
                path.unlink()


@contextlib.contextmanager
def _opened(path: pathlib.Path) -> Iterator[BinaryIO]:
    """Opens the file, made where it is missing; no other process has it open like this."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        with os.fdopen(descriptor, "r+b") as file:
            # Reading who owns the lock and writing oneself must be one action. Some network file
            # systems do not know flock; there two processes that begin within a millisecond of
            # each other are not told apart.
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


def _read(path: pathlib.Path) -> LockOwner | None:
    try:
        return _parsed(path.read_bytes())
    except FileNotFoundError:
        return None


def _parsed(data: bytes) -> LockOwner | None:
    """The owner; None for a new file, and for one whose writer was killed before it was written."""
    try:
        return LockOwner(**json.loads(data))
    except (ValueError, TypeError):
        return None


def _refusal(path: pathlib.Path, owner: LockOwner) -> FileError:
    return FileError(
        f"{path.parent}: {owner.stage} runs here already: process {owner.pid} on {owner.host}, "
        f"since {owner.since}; wait for it or stop it. If it no longer runs, --break_lock takes "
        "its place"
    )


# ---- the owner -----------------------------------------------------------------------------------


def _this_process(stage: str) -> LockOwner:
    now = datetime.datetime.now(datetime.UTC).isoformat(sep=" ", timespec="seconds")
    pid = os.getpid()
    return LockOwner(stage, socket.gethostname(), _machine(), pid, _start_of(pid), now)


def _machine(namespace: str = "/proc/self/ns/pid") -> str:
    """What process numbers belong to: a host, or a container on it."""
    # Two containers may share the name of their host and still count processes on their own.
    with contextlib.suppress(OSError):
        return f"{socket.gethostname()} {os.readlink(namespace)}"
    return socket.gethostname()


def _is_alive(owner: LockOwner, path: pathlib.Path) -> bool:
    """Whether the process of a lock still runs.

    On this machine the process is looked up: it must have begun when the lock has it, since numbers
    of processes are used again. That of another machine lives as long as its heartbeat is heard.
    """
    if owner.machine == _machine() and owner.started:
        return _start_of(owner.pid) == owner.started
    return _clock_of(path.parent) - path.stat().st_mtime < SILENCE


def _clock_of(folder: pathlib.Path) -> float:
    """The time by the clock that stamps the files of a folder, which may be a file server's."""
    probe = folder / f".clock-{secrets.token_hex(8)}"
    probe.touch()
    try:
        return probe.stat().st_mtime
    finally:
        probe.unlink()


def _start_of(pid: int) -> str:
    """When a process began, as text that is compared and nothing else; empty for one that ended."""
    try:
        boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:  # no Linux
        return _start_by_ps(pid)
    try:
        # The name in parentheses may hold blanks and parentheses itself.
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    # A killed process whose parent has not asked for its status is listed, but writes no more.
    if fields[0] in "ZX":
        return ""
    return f"{boot} {fields[19]}"  # field 22 of proc(5), in clock ticks since the machine began


def _start_by_ps(pid: int) -> str:
    command = ["ps", "-o", "lstart=", "-p", str(pid)]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except FileNotFoundError:  # neither Linux nor macOS: only the heartbeat is left
        return ""


@contextlib.contextmanager
def _heartbeat(path: pathlib.Path) -> Iterator[None]:
    """Renews the time stamp of the file from a thread of its own."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(HEARTBEAT):
            with contextlib.suppress(OSError):
                os.utime(path)

    thread = threading.Thread(target=beat, daemon=True, name="lock")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
