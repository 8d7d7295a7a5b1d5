"""Notes the signals that ask a training to stop, so that it can save before it ends."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator

from videolstm_jax.interrupts import mark_signal_handled


@contextlib.contextmanager
def training_stop_signals() -> Iterator[Callable[[], int]]:
    """Yields a function that returns the number of the signal that has come, SIGINT or SIGTERM.

    It returns 0 while none has come.

    The first signal is only noted, so that the loop can save and leave. A second SIGINT interrupts
    at once, as it would without this function. A signal of which nobody has asked is sent once more
    at the end: several processes ask before each step, so one may come behind the last question.
    """
    # Python lets only the main thread set handlers.
    if threading.current_thread() is not threading.main_thread():
        yield lambda: 0
        return
    received: list[int] = []
    is_told = False
    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, _: object) -> None:
        received.append(number)
        # Before the next line: behind it, a command would send the signal to its own handler.
        mark_signal_handled()
        # SIGINT is ignored, not handled, in a script that another one started in the background.
        handler = previous[signal.SIGINT]
        if not callable(handler):
            handler = signal.default_int_handler
        signal.signal(signal.SIGINT, handler)

    def first_signal() -> int:
        nonlocal is_told
        if not received:
            return 0
        is_told = True
        # The first one: a SIGTERM behind a Ctrl-C does not change the exit status.
        return received[0]

    try:
        for number in previous:
            signal.signal(number, note)
        yield first_signal
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    if received and not is_told:
        signal.raise_signal(received[0])
