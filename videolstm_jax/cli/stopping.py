"""How Ctrl-C and SIGTERM end a process: with one line, and without tearing Python down."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

from videolstm_jax.interrupts import (
    Interrupted,
    end_decoding_at_signal,
    ignore_signals,
    last_signal,
)

STOPPED = "stopped; the same command goes on"
"""What a command prints that a signal ended."""

# A shell adds the number of the signal to this: 130 after Ctrl-C, 143 after SIGTERM.
_STATUS_OF_SIGNAL = 128


def end_command_if_signalled() -> None:
    """Ends the process where a signal has come, whatever error a library made of `Interrupted`.

    Modules in C that are interrupted while they are imported raise errors of other kinds.
    """
    number = last_signal()
    if number:
        end_command_process(Interrupted(number))


def end_command_process(stop: BaseException) -> NoReturn:
    """Prints one line and ends the process with the status of the signal behind `stop`.

    Locks and temporary files are gone by now: `with` and `finally` have removed them on the way of
    the exception to here.
    """
    ignore_signals()
    number = getattr(stop, "number", signal.SIGINT)
    status = _STATUS_OF_SIGNAL + number
    for callback in _before_end:
        status = callback(stop) or status
    message = stop.args[0] if stop.args else STOPPED
    end_decoding_at_signal()
    # Whoever read the output may be gone, too.
    with contextlib.suppress(OSError, ValueError):
        print(message, file=sys.stderr)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    # Not `sys.exit`: Python would tear its modules down while threads of XLA still compile, load or
    # save, and these crash then.
    os._exit(status)


def call_before_command_ends(callback: Callable[[BaseException], int | None]) -> None:
    """Has a function called when a signal ends the command; it may return another exit status."""
    _before_end.append(callback)


_before_end: list[Callable[[BaseException], int | None]] = []
"""What is called before the process ends; see `call_before_command_ends`."""
