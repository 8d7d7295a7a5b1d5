"""Runs an iterator ahead of its use, in a thread of its own."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import TypeVar

T = TypeVar("T")


def prefetch(items: Iterator[T], depth: int = 2) -> Iterator[T]:
    """Yields the same items, computed up to `depth` ahead of their use.

    The thread starts when the first item is wanted, and ends when the iterator is closed or
    dropped. An error of `items` is raised here, behind the items that came before it.
    """
    # Each entry is an item and None, or None and the error that ended the items.
    ready: queue.Queue = queue.Queue(depth)
    stop = threading.Event()
    thread = threading.Thread(target=_fill, args=(items, ready, stop), daemon=True)
    thread.start()
    try:
        while True:
            item, error = ready.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield item
    finally:
        stop.set()
        # A thread that is still reading would hold files open that the caller is about to remove.
        thread.join()


def _fill(items: Iterator, ready: queue.Queue, stop: threading.Event) -> None:
    """Puts every item, and then the reason of the end, into the queue."""
    error: BaseException = StopIteration()
    try:
        for item in items:
            _put(ready, (item, None), stop)
            if stop.is_set():
                return
    # Also KeyboardInterrupt and SystemExit: a thread that dies silently leaves its reader waiting.
    except BaseException as raised:
        error = raised
    _put(ready, (None, error), stop)


def _put(ready: queue.Queue, entry: tuple, stop: threading.Event) -> None:
    """Waits for room in the queue, but not where the reader has gone: it would be for ever."""
    while not stop.is_set():
        try:
            return ready.put(entry, timeout=0.1)
        except queue.Full:
            continue
