"""Says which process holds a lock, and whether that process still runs."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import pathlib
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from typing import NamedTuple

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


def this_lock_owner(stage: str) -> LockOwner:
    """This process as the owner of a lock, from now on."""
    now = datetime.datetime.now(datetime.UTC).isoformat(sep=" ", timespec="seconds")
    pid = os.getpid()
    return LockOwner(stage, socket.gethostname(), _machine(), pid, start_of_lock_owner(pid), now)


def owner_bytes(owner: LockOwner) -> bytes:
    """The content of a lock's file."""
    return json.dumps(owner._asdict()).encode()


def parse_owner(data: bytes) -> LockOwner | None:
    """The owner; None for a new file, and for one whose writer was killed before it was written."""
    try:
        return LockOwner(**json.loads(data))
    except (ValueError, TypeError, RecursionError):
        return None


def is_owner_alive(owner: LockOwner, silence: Callable[[], float]) -> bool:
    """Whether the process of a lock still runs.

    On this machine the process is looked up: it must have begun when the lock has it, since numbers
    of processes are used again. That of another machine lives as long as its heartbeat is heard.

    Args:
      owner: from the lock's file.
      silence: seconds since the last heartbeat, by the clock that stamps the files.
    """
    if owner.machine == _machine() and owner.started:
        return start_of_lock_owner(owner.pid) == owner.started
    return silence() < SILENCE


# Stages that go on from what lies in their folder. All others write their results anew, in folders
# that also hold the results of other stages.
_WHOLE_FOLDER = ("prepare", "fit_convnet", "extract", "train")


class FolderInUse(FileError):
    """A lock has a living `owner`; `is_elsewhere` says whether on another machine."""

    def __init__(self, message: str, owner: LockOwner):
        """Takes the message, and the owner that it names."""
        super().__init__(message)
        self.owner = owner
        # Then only the heartbeat tells that it lives.
        self.is_elsewhere = owner.machine != _machine()


def lock_refusal(folder: object, owner: LockOwner) -> FolderInUse:
    """The error of a process that finds a living owner."""
    return FolderInUse(
        f"{folder}: {owner.stage} runs here already: process {owner.pid} on {owner.host}, "
        f"since {owner.since}; wait for it or stop it. If it no longer runs, --break_lock takes "
        "its place",
        owner,
    )


def check_lock_still_owned(folder: object, owner: LockOwner, now: LockOwner | None) -> None:
    """Raises FileError where the lock was taken from its owner while it wrote."""
    if now != owner:
        other_owner = "someone" if now is None else f"process {now.pid} on {now.host}"
        repair = f"run `{owner.stage}` again"
        if owner.stage in _WHOLE_FOLDER:
            repair = "remove the folder and begin again"
        raise FileError(
            f"{folder}: {other_owner} took over the lock of this {owner.stage}, so both have "
            f"written here: {repair}"
        )


@contextlib.contextmanager
def lock_heartbeat(beat: Callable[[], None]) -> Iterator[None]:
    """Calls `beat` from a thread of its own as long as the block lasts; it renews a time stamp."""
    over = threading.Event()

    def run() -> None:
        while not over.wait(HEARTBEAT):
            # A store that does not answer once may answer the next time.
            with contextlib.suppress(OSError):
                beat()

    thread = threading.Thread(target=run, daemon=True, name="lock")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


# ---- processes -----------------------------------------------------------------------------------


def _machine(namespace: str = "/proc/self/ns/pid") -> str:
    """What process numbers belong to: a host, or a container on it."""
    # Two containers may share the name of their host and still count processes on their own.
    with contextlib.suppress(OSError):
        return f"{socket.gethostname()} {os.readlink(namespace)}"
    return socket.gethostname()


def start_of_lock_owner(pid: int) -> str:
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
