"""The processes of one command, and what they exchange: verdicts, facts to compare, and results.

All messages go through process 0. They are few and small; gradients go through JAX.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NoReturn

from videolstm_jax.errors import ConfigError

TRY_AGAIN = 75
"""Exit status of a command that should be started again: EX_TEMPFAIL of sysexits.h."""
_NAMED = 8
"""Processes that a message names at most."""


class Team:
    """All processes of a command, seen from one of them. This class is a process that is alone."""

    index = 0
    count = 1
    is_waiting = False
    """Whether this process waits for another one."""
    others_wait = False
    """Whether other processes of the command wait for the end of what this one does alone."""

    def __init__(self) -> None:
        """Starts without callbacks."""
        self._callbacks: list[Callable[[], None]] = []

    @property
    def is_first(self) -> bool:
        """Whether this is process 0, which writes files and prints progress."""
        return self.index == 0

    @property
    def name(self) -> str:
        """This process in messages."""
        if self.count == 1:
            return "this process"
        return f"process {self.index} of {self.count}"

    def gather(self, label: str, payload: bytes) -> list[bytes] | None:
        """Hands bytes to process 0, which gets those of all in order; the others get None."""
        del label
        return [payload]

    def broadcast(self, label: str, payload: bytes) -> bytes:
        """Hands bytes of process 0 to all; what the others give is not used."""
        del label
        return payload

    def meet(self, label: str) -> None:
        """Waits until all processes have come to this place."""
        self.gather(label, b"")
        self.broadcast(label, b"")

    @contextlib.contextmanager
    def first_goes_first(self, label: str) -> Iterator[None]:
        """The others run the block when process 0 has left it; if it fails there, all end."""
        if not self.is_first:
            self.broadcast(label, b"")
        yield
        if self.is_first:
            self.broadcast(label, b"")

    def agree(self, label: str, facts: Mapping[str, str]) -> None:
        """Compares facts by name with those of process 0.

        Raises:
          ConfigError: one process differs; the message names it and the first fact that does.
        """
        payloads = self.gather(label, json.dumps(dict(facts)).encode())
        problem = ""
        if payloads is not None:
            problem = difference_of_processes([json.loads(payload) for payload in payloads])
        # The verdict goes to all, so that none begins what another one refuses.
        problem = self.broadcast(label, problem.encode()).decode()
        if problem:
            raise ConfigError(problem)

    def begin_end(self) -> None:
        """Lets this thread end the process; waits for ever where another one does so already."""

    def fail(self, message: str, status: int = 1) -> None:
        """Tells the others that this process ends, and why, so that they end too."""

    def before_end(self, callback: Callable[[], None]) -> None:
        """Has a function called before another process, or the watchdog, ends this one."""
        self._callbacks.append(callback)

    def end_stalled(self, message: str) -> NoReturn:
        """Ends all processes because this one makes no progress; each prints its stacks."""
        self._print_end(message, stacks=True)
        self._call_before_end()
        # Not `sys.exit`: this is no main thread, and that one stands still.
        os._exit(TRY_AGAIN)

    def note_progress(self) -> None:
        """Notes that this process has done something, for those that wait for it."""

    def await_reason(self, seconds: float) -> None:
        """Waits for the news that another process is gone, which ends this one."""

    def leave(self) -> None:
        """Waits until all processes are done, so that none ends while another still needs it."""

    def _print_end(self, message: str, *, stacks: bool) -> None:
        """Prints why the process ends."""
        # A terminal or pipe that is gone must not keep the process from its end.
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            if stacks:
                # Which one waits for which is seen only with the stacks of all processes.
                faulthandler.dump_traceback(file=sys.__stderr__, all_threads=True)
            print(f"error: {message}", file=sys.stderr, flush=True)

    def _call_before_end(self) -> None:
        """Calls what must be called before the process ends."""
        # One that fails must not keep the others from being called, nor the process from its end.
        for callback in self._callbacks:
            with contextlib.suppress(Exception):
                callback()


ALONE = Team()

FIRST_ALONE = Team()
"""Process 0 of several, at work that the others wait for."""
FIRST_ALONE.others_wait = True


def difference_of_processes(facts: Sequence[Mapping[str, str]]) -> str:
    """How the first process that differs from process 0 does; empty where all are equal."""
    for index, other in enumerate(facts):
        for name in sorted({*facts[0], *other}):
            first, second = facts[0].get(name, "none"), other.get(name, "none")
            if first != second:
                return (
                    f"process {index} of {len(facts)} has {name} {second}; process 0 has {first}; "
                    "expected the same everywhere"
                )
    return ""


def process_numbers_text(numbers: Sequence[int]) -> str:
    """Numbers of processes in a message: the first ones, and how many more there are."""
    # Of thousands of processes a few numbers are enough to find the machine.
    text = ", ".join(map(str, numbers[:_NAMED]))
    if len(numbers) > _NAMED:
        text += f" and {len(numbers) - _NAMED} more"
    return text


_current: Team = ALONE
"""The processes of this command; it is set once, before the stage begins."""


def current_team() -> Team:
    """The processes of the command that this one runs."""
    return _current


def join_team(team: Team) -> None:
    """Makes a team the current one."""
    global _current
    _current = team
