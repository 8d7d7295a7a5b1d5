"""Several processes of one command: their connections, and how one ends all."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from typing import NoReturn

from videolstm_jax.cluster.team import TRY_AGAIN, Team, process_numbers_text
from videolstm_jax.cluster.wire import Connection, Message
from videolstm_jax.errors import ConfigError

_SILENT_BEATS = 6
"""A process that stands still counts as lost after so many heartbeats without a sign of life.

More than one: an import of TensorFlow from a slow disk keeps all threads of a process waiting.
"""
_LONGEST_WAIT = 3600.0
"""Seconds that a process waits for another one that shows no progress.

Longer than any limit of the watchdog: a process that stands still ends all itself, and names its
work. This limit ends two processes that wait for each other.
"""
# A message takes milliseconds. A process that has not read it by then stands still.
_WAIT_FOR_OTHERS = 3.0
"""Seconds that process 0 waits at an end for the others to have read why."""


class ConnectedTeam(Team):
    """Several processes. Process 0 has a connection to each other one, which has one to it."""

    def __init__(self, index: int, count: int, heartbeat: float):
        """Begins without a connection; see `connect` and `listen`.

        Args:
          index: of this process.
          count: of all processes.
          heartbeat: seconds after which a machine that does not answer counts as lost.
        """
        super().__init__()
        self.index, self.count = index, count
        # By the number of the other process.
        self._connections: dict[int, Connection] = {}
        self._heartbeat = heartbeat
        self._inbox: dict[int, queue.SimpleQueue[Message]] = {}
        self._left: set[int] = set()
        # One thread ends the process. It may take the lock twice, see `begin_end`.
        self._ending = threading.RLock()
        self.longest_wait = _LONGEST_WAIT
        self._progress = 0
        # The number of each peer when it last changed, and when that was.
        self._progress_of: dict[int, tuple[int, float]] = {}

    def connect(self, peer: int, connection: Connection) -> None:
        """Takes the connection to another process, which is told from now on of an end here."""
        self._connections[peer] = connection

    def listen(self) -> None:
        """Begins to listen to the other processes; all connections are there."""
        for peer, connection in self._connections.items():
            connection.keep_alive(self._heartbeat)
            self._inbox[peer] = queue.SimpleQueue()
            threading.Thread(target=self._listen, args=(peer,), daemon=True).start()
        threading.Thread(target=self._beat, daemon=True).start()

    # ---- what is exchanged -----------------------------------------------------------------------

    def gather(self, label: str, payload: bytes) -> list[bytes] | None:
        """See `Team.gather`."""
        if not self.is_first:
            self._send(0, "data", payload, label=label)
            return None
        # In the order of the result; what comes early waits in the inbox of its process.
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

    def _take(self, peer: int, label: str, expected_peers: Sequence[int]) -> bytes:
        """The next bytes of a process; `expected_peers` are all from which some must come."""
        wait_start = time.monotonic()
        self.is_waiting = True
        try:
            # In pieces, so that Ctrl-C is not kept waiting.
            while True:
                with contextlib.suppress(queue.Empty):
                    message = self._inbox[peer].get(timeout=0.2)
                    break
                self._check_wait(peer, label, expected_peers, wait_start)
        finally:
            self.is_waiting = False
        # Processes whose settings part would otherwise read the bytes of another exchange.
        if message.fields["label"] != label:
            raise ConfigError(
                f"process {peer} is at {message.fields['label']!r} and {self.name} at {label!r}; "
                "expected the same command with the same settings everywhere"
            )
        return message.payload

    def _check_wait(
        self, peer: int, label: str, expected_peers: Sequence[int], wait_start: float
    ) -> None:
        """Ends all processes where one has shown no progress for too long."""
        last_progress = wait_start
        if peer in self._progress_of:
            last_progress = max(wait_start, self._progress_of[peer][1])
        seconds = time.monotonic() - last_progress
        if seconds <= self.longest_wait:
            return
        missing = []
        for expected_peer in expected_peers:
            if self._inbox[expected_peer].empty():
                missing.append(expected_peer)
        missing_text = f"process {missing[0]}"
        if len(missing) > 1:
            missing_text = f"processes {process_numbers_text(missing)}"
        self.end_stalled(
            f"{self.name} has waited at {label!r} for {missing_text}; no sign of progress came for "
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
        self._wait_for_the_others()

    def end_as_told(self, peer: int, message: Message) -> NoReturn:
        """Ends this process, since another one ends; `message` is of the kind `end`."""
        self._end(**message.fields, sender=peer)

    def end_lost(self, peer: int, reason: str) -> NoReturn:
        """Ends all processes because one is lost."""
        self._end(f"process {peer} of {self.count} {reason}", TRY_AGAIN)

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
        # From here on a closed connection is no lost process, whether its closing message arrives
        # or not.
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
                # Closed without its closing message: the process was killed, or has aborted.
                if message is None:
                    break
                if message.kind == "bye":
                    self._left.add(peer)
                    return
                if message.kind == "end":
                    self.end_as_told(peer, message)
                if message.kind == "beat":
                    self._note_beat(peer, message.fields["progress"])
                # Whoever waits for it is another thread, see `_take`.
                if message.kind == "data":
                    self._inbox[peer].put(message)
        except TimeoutError:
            reason = f"has given no sign of life for {silence:g} s"
        except ValueError as error:
            reason = f"sends what no process of this command sends ({error})"
        if peer not in self._left:
            self.end_lost(peer, reason)

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
        self._wait_for_the_others()
        # Last: the main thread still writes what the locks protect.
        self._call_before_end()
        # Not `sys.exit`: this is no main thread, and that one may wait for a process that is gone.
        os._exit(status)

    def _wait_for_the_others(self) -> None:
        """Lets the others read the last message before the socket is gone with this process."""
        if not self.is_first:
            return
        # JAX's own service runs in process 0. Where it goes first, JAX aborts the others.
        deadline = time.monotonic() + _WAIT_FOR_OTHERS
        while time.monotonic() < deadline and any(self._alive()):
            time.sleep(0.05)

    def _alive(self) -> Iterator[bool]:
        """For each other process, whether it has not closed its connection yet."""
        for connection in self._connections.values():
            yield not connection.is_closed()
