"""Runs one command as several processes on this machine, as a scheduler would on several."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from videolstm_jax.cluster.detect import Processes, devices_of_process
from videolstm_jax.cluster.ports import port_of, reserve_port
from videolstm_jax.interrupts import mark_signal_handled

# Seconds between two looks at the processes; a user does not notice so short a delay.
_LOOK = 0.05
_GRACE = 60.0
"""Seconds that the others have to end by themselves when one has failed."""
# As a shell counts: the status of a process that SIGTERM (15) ended is 143.
_STATUS_OF_SIGNAL = 128


class LocalPod:
    """Several processes of one command on this machine."""

    def __init__(self, count: int, arguments: Sequence[str], gpus: Sequence[str] = ()):
        """Sets what is run.

        Args:
          count: processes to start.
          arguments: of the command line behind `videolstm`.
          gpus: names of the GPUs that the processes share, as CUDA_VISIBLE_DEVICES has them.
        """
        self._count, self._arguments, self._gpus = count, list(arguments), list(gpus)
        # As long as the pod: process 0 listens after a second or more.
        self._reservation = reserve_port()
        self._coordinator = f"127.0.0.1:{port_of(self._reservation)}"

    def command(self, index: int) -> list[str]:
        """The command line of one process."""
        flags = [
            f"--cluster.coordinator={self._coordinator}",
            f"--cluster.processes={self._count}",
            f"--cluster.process={index}",
        ]
        return [sys.executable, "-m", "videolstm_jax.cli", *self._arguments, *flags]

    def start(self, **options: Any) -> list[subprocess.Popen]:
        """Starts all processes; `options` are those of `Popen`."""
        running = []
        environ = options.pop("env", os.environ)
        for index in range(self._count):
            own_environ = {**environ, **_own_gpus(index, self._count, self._gpus)}
            # A session of its own: Ctrl-C on the terminal would reach a process twice, once from
            # `run`, and the second one interrupts without saving.
            process = subprocess.Popen(
                self.command(index), env=own_environ, start_new_session=True, **options
            )
            running.append(process)
        return running

    def run(self) -> int:
        """Runs all processes to their ends; the status of the first that failed, or 0.

        SIGINT and SIGTERM are sent on to all. Where one fails the others end by themselves, since
        they lose it; what does not is killed after a while.
        """
        # Before they start: nobody would end those that have started when a signal ends this one.
        with _forwarded_signals() as begin_forwarding:
            running = self.start()
            begin_forwarding(running)
            return _wait(running)


def _own_gpus(index: int, count: int, gpus: Sequence[str]) -> dict[str, str]:
    numbers = devices_of_process(Processes(local_index=index, local_count=count), len(gpus))
    # Fewer GPUs than processes, or none: all see what this process sees.
    if numbers is None:
        return {}
    return {"CUDA_VISIBLE_DEVICES": ",".join(gpus[number] for number in numbers)}


def _wait(running: Sequence[subprocess.Popen]) -> int:
    """Waits until all have ended; the first status other than 0."""
    status, deadline = 0, float("inf")
    while True:
        statuses = [process.poll() for process in running]
        # The first that failed is the cause; the others end because they have lost it.
        for process_status in statuses:
            if process_status and not status:
                status = process_status
                # Popen has the negative number of the signal that ended a process.
                if process_status < 0:
                    status = _STATUS_OF_SIGNAL - process_status
                deadline = time.monotonic() + _GRACE
        if None not in statuses:
            return status
        if time.monotonic() > deadline:
            for process in running:
                process.kill()
        time.sleep(_LOOK)


@contextlib.contextmanager
def _forwarded_signals() -> Iterator[Callable[[Sequence[subprocess.Popen]], None]]:
    """Yields a function that takes the processes to which signals are sent on.

    Signals that come before it is called are sent on when it is.
    """
    running: list[subprocess.Popen] = []
    early: list[int] = []

    def forward(number: int, _: object) -> None:
        # A command would send the signal to its own handler as soon as that one counts again.
        mark_signal_handled()
        if not running:
            early.append(number)
        for process in running:
            process.send_signal(number)

    def begin(started: Sequence[subprocess.Popen]) -> None:
        running.extend(started)
        for number in early:
            for process in started:
                process.send_signal(number)

    previous = {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            previous[number] = signal.signal(number, forward)
        yield begin
    finally:
        # The caller goes on, and its own handlers count again.
        for number, handler in previous.items():
            signal.signal(number, handler)
