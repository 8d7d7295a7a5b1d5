"""The processes of one command, and what they exchange: verdicts, facts to compare, and results.

All messages go through process 0. They are few and small; gradients go through JAX.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NoReturn

from videolstm_jax.cluster.wire import Connection, Message
from videolstm_jax.errors import ConfigError

TRY_AGAIN = 75
"""Exit status of a command that should be started again: EX_TEMPFAIL of sysexits.h."""
_SILENT_BEATS = 6
"""A process that stands still counts as lost after so many heartbeats without a sign of life.

More than one: an import of TensorFlow from a slow disk keeps all threads of a process waiting.
"""
_LONGEST_WAIT = 3600.0
"""Seconds that a process waits for another one that shows no progress.

Longer than any limit of the watchdog: a process that stands still ends all itself, and names its
work. This limit ends two processes that wait for each other.
"""
_FAREWELL = 3.0
"""Seconds that process 0 waits at an end for the others to have read why."""


class Team:
    """All processes of a command, seen from one of them. This class is a process that is alone."""

    index = 0
    count = 1
    is_waiting = False
    """Whether this process waits for another one."""

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
        every = self.gather(label, json.dumps(dict(facts)).encode())
        problem = ""
        if every is not None:
            problem = difference([json.loads(text) for text in every])
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
        # Not `sys.exit`: this is no main thread, and that one stands still.
        os._exit(TRY_AGAIN)

    def note_progress(self) -> None:
        """Notes that this process has done something, for those that wait for it."""

    def await_reason(self, seconds: float) -> None:
        """Waits for the news that another process is gone, which ends this one."""

    def leave(self) -> None:
        """Waits until all processes are done, so that none ends while another still needs it."""

    def _print_end(self, message: str, *, stacks: bool) -> None:
        """Prints why the process ends, and calls what must be called before."""
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            if stacks:
                # Which one waits for which is seen only with the stacks of all processes.
                faulthandler.dump_traceback(file=sys.__stderr__, all_threads=True)
            print(f"error: {message}", file=sys.stderr, flush=True)
        for callback in self._callbacks:
            with contextlib.suppress(Exception):
                callback()


ALONE = Team()


def difference(facts: Sequence[Mapping[str, str]]) -> str:
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


class ConnectedTeam(Team):
    """Several processes. Process 0 has a connection to each other one, which has one to it."""

    def __init__(
        self, index: int, count: int, connections: Mapping[int, Connection], heartbeat: float
    ):
        """Begins to listen.

        Args:
          index: of this process.
          count: of all processes.
          connections: by the number of the other process.
          heartbeat: seconds after which a machine that does not answer counts as lost.
        """
        super().__init__()
        self.index, self.count = index, count
        self._connections = dict(connections)
        self._heartbeat = heartbeat
        self._inbox: dict[int, queue.SimpleQueue[Message]] = {}
        self._left: set[int] = set()
        # One thread ends the process. It may take the lock twice, see `begin_end`.
        self._ending = threading.RLock()
        self.longest_wait = _LONGEST_WAIT
        self._progress = 0
        # The number of each peer when it last changed, and when that was.
        self._progress_of: dict[int, tuple[int, float]] = {}
        for peer, connection in connections.items():
            connection.keep_alive(heartbeat)
            self._inbox[peer] = queue.SimpleQueue()
            threading.Thread(target=self._listen, args=(peer,), daemon=True).start()
        threading.Thread(target=self._beat, daemon=True).start()

    # ---- what is exchanged -----------------------------------------------------------------------

    def gather(self, label: str, payload: bytes) -> list[bytes] | None:
        """See `Team.gather`."""
        if not self.is_first:
            self._send(0, "data", payload, label=label)
            return None
        peers = range(1, self.count)
        payloads = [payload]
        for peer in peers:
            payloads.append(self._take(peer, label, peers[peer - 1 :]))
        return payloads

    def broadcast(self, label: str, payload: bytes) -> bytes:
        """See `Team.broadcast`."""
        if not self.is_first:
            return self._take(0, label, [0])
        for peer in self._connections:
            self._send(peer, "data", payload, label=label)
        return payload

    def _send(self, peer: int, kind: str, payload: bytes = b"", **fields: object) -> None:
        # Of a process that is gone the listener learns, and ends this one.
        with contextlib.suppress(OSError):
            self._connections[peer].send(kind, payload, **fields)

    def _take(self, peer: int, label: str, awaited: Sequence[int]) -> bytes:
        """The next bytes of a process; `awaited` are all from which some must come."""
        began = time.monotonic()
        self.is_waiting = True
        try:
            # In pieces, so that Ctrl-C is not kept waiting.
            while True:
                with contextlib.suppress(queue.Empty):
                    message = self._inbox[peer].get(timeout=0.2)
                    break
                self._check_wait(peer, label, awaited, began)
        finally:
            self.is_waiting = False
        if message.fields["label"] != label:
            raise ConfigError(
                f"process {peer} is at {message.fields['label']!r} and {self.name} at {label!r}; "
                "expected the same command with the same settings everywhere"
            )
        return message.payload

    def _check_wait(self, peer: int, label: str, awaited: Sequence[int], began: float) -> None:
        """Ends all processes where one has shown no progress for too long."""
        since = began
        if peer in self._progress_of:
            since = max(began, self._progress_of[peer][1])
        seconds = time.monotonic() - since
        if seconds <= self.longest_wait:
            return
        missing = [str(other) for other in awaited if self._inbox[other].empty()]
        listed = f"process {missing[0]}"
        if len(missing) > 1:
            listed = f"processes {', '.join(missing[:8])}"
        if len(missing) > 8:
            listed += f" and {len(missing) - 8} more"
        self.end_stalled(
            f"{self.name} has waited at {label!r} for {listed}; no sign of progress came for "
            f"{seconds:.0f} s. Each process has printed where its threads are"
        )

    # ---- life and death --------------------------------------------------------------------------

    def begin_end(self) -> None:
        """See `Team.begin_end`."""
        # The first reason counts. Who waits here for ever waits for the end of the process.
        self._ending.acquire()

    def fail(self, message: str, status: int = 1) -> None:
        """See `Team.fail`."""
        self.begin_end()
        for peer in self._connections:
            self._send(peer, "end", message=message, status=status, stacks=False)
        self._say_farewell()

    def end_stalled(self, message: str) -> NoReturn:
        """See `Team.end_stalled`."""
        self._end(message, TRY_AGAIN, stacks=True)

    def note_progress(self) -> None:
        """See `Team.note_progress`."""
        # Two threads may count the same number. Only that it changes is looked at.
        self._progress += 1

    def await_reason(self, seconds: float) -> None:
        """Waits for the news that another process is gone, which ends this one.

        Where a process is killed, the collectives of the others fail at about the same time.
        """
        time.sleep(seconds)

    def leave(self) -> None:
        """See `Team.leave`."""
        self.meet("the end")
        self._left.update(self._connections)
        for peer in self._connections:
            self._send(peer, "bye")

    def _beat(self) -> None:
        while True:
            time.sleep(self._heartbeat)
            for peer in self._connections:
                self._send(peer, "beat", progress=self._progress)

    def _listen(self, peer: int) -> None:
        reason = "has ended without a word"
        silence = _SILENT_BEATS * self._heartbeat
        try:
            while True:
                message = self._connections[peer].receive(timeout=silence)
                if message is None:
                    break
                if message.kind == "bye":
                    self._left.add(peer)
                    return
                if message.kind == "end":
                    self._end(**message.fields, sender=peer)
                if message.kind == "beat":
                    self._note_beat(peer, message.fields["progress"])
                if message.kind == "data":
                    self._inbox[peer].put(message)
        except TimeoutError:
            reason = f"has given no sign of life for {silence:g} s"
        except ValueError as error:
            reason = f"sends what no process of this command sends ({error})"
        if peer not in self._left:
            self._end(f"process {peer} of {self.count} {reason}", TRY_AGAIN)

    def _note_beat(self, peer: int, progress: int) -> None:
        """Notes when the number of another process has changed."""
        if self._progress_of.get(peer, (None, 0.0))[0] == progress:
            return
        self._progress_of[peer] = progress, time.monotonic()
        # All others are connected to process 0 alone. Where that one waits for a process that goes
        # on, they must see that it does.
        if self.is_first:
            self.note_progress()

    def _end(
        self, message: str, status: int, *, stacks: bool = False, sender: int | None = None
    ) -> NoReturn:
        """Ends this process, in whatever native code its main thread waits."""
        self.begin_end()
        for peer in self._connections:
            if peer != sender:
                self._send(peer, "end", message=message, status=status, stacks=stacks)
        self._print_end(message, stacks=stacks)
        self._say_farewell()
        # Not `sys.exit`: this is no main thread, and that one may wait for a process that is gone.
        os._exit(status)

    def _say_farewell(self) -> None:
        """Lets the others read the last message before the socket is gone with this process."""
        if not self.is_first:
            return
        # JAX's own service runs in process 0. Where it goes first, JAX aborts the others.
        deadline = time.monotonic() + _FAREWELL
        while time.monotonic() < deadline and any(self._alive()):
            time.sleep(0.05)

    def _alive(self) -> Iterator[bool]:
        """For each other process, whether it has not closed its connection yet."""
        for connection in self._connections.values():
            yield not connection.is_closed()


_current: Team = ALONE
"""The processes of this command; it is set once, before the stage begins."""


def current() -> Team:
    """The processes of the command that this one runs."""
    return _current


def join(team: Team) -> None:
    """Makes a team the current one."""
    global _current
    _current = team
