"""Lines of progress that come every few seconds, however long a single piece of work takes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

SECONDS = 5.0
"""The time between two lines."""
CLEAR_LINE = "\r\x1b[2K"
"""Returns to the first column and clears the line of a terminal, to write it anew."""


class ProgressLines:
    """Prints a line every few seconds while a block runs; one that is over sooner prints nothing.

    A thread prints. The first batch of a stage may compile for minutes, and the loop around it
    cannot print then.
    """

    def __init__(self, text: Callable[[float], str], seconds: float | None = None) -> None:
        """Sets what is printed.

        Args:
          text: the line, from the seconds since the block began.
          seconds: between two lines; None takes `SECONDS`.
        """
        self._text = text
        # Read now, not in the signature: tests shorten the time.
        if seconds is None:
            seconds = SECONDS
        self._seconds = seconds
        self._over = threading.Event()
        # A daemon: it never keeps an interrupted program alive.
        self._thread = threading.Thread(target=self._print, daemon=True)

    def __enter__(self) -> ProgressLines:
        """Starts the clock."""
        self._began = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Ends the lines."""
        self._over.set()
        self._thread.join()

    def _print(self) -> None:
        # `wait` returns at once when the block ends, so the end is never delayed by a line.
        while not self._over.wait(self._seconds):
            print(self._text(time.monotonic() - self._began), flush=True)


def counted(items: Iterable[T], total: int, label: str) -> Iterator[T]:
    """Yields the items, and prints `label: 12 of 48` every few seconds in between."""
    # The lambda below reads it anew for each line.
    done = 0
    with ProgressLines(lambda _: f"{label}: {done} of {total}"):
        for item in items:
            yield item
            done += 1
