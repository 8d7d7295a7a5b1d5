"""SIGINT and SIGTERM raise `Interrupted` in the main thread, and none of them is lost."""

from __future__ import annotations

import contextlib
import signal
import socket
import sys
import threading
import time
import types
from importlib.machinery import ExtensionFileLoader
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""What stops a command."""

# Long enough for the callback that dropped the signal to end, too short to be noticed.
_SECONDS_TO_REPEAT = 0.02
_LONGEST_PAUSE = 0.25
# Read at a time; more than one means that somebody presses Ctrl-C again and again.
_MOST_SIGNALS = 256


class Interrupted(KeyboardInterrupt):
    """A signal asks the command to end; `number` is the signal's."""

    def __init__(self, number: int):
        """Takes the number of the signal."""
        super().__init__()
        self.number = number


def handle_signals() -> None:
    """Lets SIGINT and SIGTERM raise `Interrupted` in the main thread, wherever it is.

    Python drops what is raised within callbacks of weak references, of the collector of garbage,
    and in `__del__`; libraries have thousands of these. Such a signal is sent once more, and so is
    one that the main thread does not notice, see `_RepeatingHook`.
    """
    global _hook
    for number in SIGNALS:
        signal.signal(number, _raise)
    if _hook is None:
        sys.unraisablehook = _hook = _RepeatingHook(sys.unraisablehook)


def ignore_signals() -> None:
    """Lets the command end in peace: a second signal would interrupt what the first one ends."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def mark_signal_handled() -> None:
    """Notes that another handler than ours has taken the signals that have come.

    They would be sent once more as soon as that handler is gone.
    """
    if _hook is not None:
        _hook.handled()


def last_signal() -> int:
    """The number of the last signal for which `Interrupted` was raised; 0 where none has come."""
    return _received[-1] if _received else 0


def _raise(number: int, frame: types.FrameType | None) -> None:
    """Ends the processes that decode videos, then raises Interrupted."""
    if _hook is not None:
        if _must_wait(frame):
            return  # It counts as not handled, and is sent once more.
        _hook.handled()
    _received.append(number)
    # Some thread may wait for such a process as long as decoding one video may take.
    end_decoding_at_signal()
    raise Interrupted(number)


def _must_wait(frame: types.FrameType | None) -> bool:
    """Whether nothing may be raised in a frame now, since it is or was called from one of these.

    Within the hook of dropped exceptions it would be dropped for good. Modules in C, as those of
    JAX, may crash where Python code that they call raises while they are loaded.
    """
    codes = {
        _RepeatingHook.__call__.__code__,
        # Another hook may have been put before ours, as `hide_orbax_tracebacks_of_command` does.
        getattr(sys.unraisablehook, "__code__", None),
        ExtensionFileLoader.create_module.__code__,
        ExtensionFileLoader.exec_module.__code__,
    }
    while frame is not None:
        if frame.f_code in codes:
            return True
        frame = frame.f_back
    return False


def end_decoding_at_signal() -> None:
    """Ends the processes that decode videos, where there are any."""
    # Taken from the modules that are imported already: it is heavy, and not all commands read
    # videos. While it is being imported, it has no functions and no processes yet.
    guard = sys.modules.get("videolstm_jax.video.guard")
    end_processes = getattr(guard, "interrupt_video_decoding", None)
    if end_processes is not None:
        end_processes()


class _RepeatingHook:
    """Sends a signal once more until it has been handled; also the hook of dropped exceptions.

    A signal can be lost in two ways. Python drops an Interrupted that is raised in a callback. And
    a signal that comes just before the main thread begins to wait for a lock does not end the
    waiting: its handler in Python would run only after it.
    """

    def __init__(self, report: Any):
        """Starts the thread that sends.

        Args:
          report: the hook for all other exceptions.
        """
        self._report = report
        # The numbers of the signals that have come and are not handled. Python's handler in C
        # writes them, before any code in Python runs.
        self._unhandled, self._arrived = socket.socketpair()
        self._arrived.setblocking(False)
        signal.set_wakeup_fd(self._arrived.fileno(), warn_on_full_buffer=False)
        # Started now: a thread that a signal handler starts could be interrupted half-way.
        threading.Thread(target=self._send, daemon=True, name="signals").start()

    def __call__(self, unraisable: Any) -> None:
        """Takes an exception that nobody can catch; called by Python."""
        if isinstance(unraisable.exc_value, KeyboardInterrupt):
            number = getattr(unraisable.exc_value, "number", signal.SIGINT)
            # Where the socket is full, others wait in it.
            with contextlib.suppress(BlockingIOError):
                self._arrived.send(bytes([number]))
        else:
            self._report(unraisable)

    def handled(self) -> None:
        """Notes that all signals that have come are handled."""
        with contextlib.suppress(BlockingIOError):
            while self._unhandled.recv(_MOST_SIGNALS, socket.MSG_DONTWAIT):
                pass

    def _send(self) -> None:
        main = threading.main_thread().ident
        pause = _SECONDS_TO_REPEAT
        while True:
            # Waits for a signal, and leaves it there.
            self._unhandled.recv(1, socket.MSG_PEEK)
            time.sleep(pause)
            try:
                waiting = self._unhandled.recv(_MOST_SIGNALS, socket.MSG_PEEK | socket.MSG_DONTWAIT)
            except BlockingIOError:
                pause = _SECONDS_TO_REPEAT
                continue
            number = waiting[-1]
            # A training has a handler of its own, which does not raise.
            if signal.getsignal(number) is not _raise:
                self.handled()
                continue
            # To the main thread: `os.kill` may interrupt the waiting of another one.
            signal.pthread_kill(main, number)
            # Compiling may take minutes, in which no handler runs.
            pause = min(2 * pause, _LONGEST_PAUSE)


_hook: _RepeatingHook | None = None
"""The one hook of the process: its thread must not be started twice."""
_received: list[int] = []
"""The signals for which `Interrupted` was raised."""
