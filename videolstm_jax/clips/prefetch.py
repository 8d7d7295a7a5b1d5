"""Runs an iterator ahead of its use, in a thread of its own."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import TypeVar

T = TypeVar("T")


def prefetched_batches(elements: Iterator[T], depth: int = 2) -> Iterator[T]:
    """Yields the same elements, computed up to `depth` ahead of their use.

    The thread starts when the first element is wanted, and ends when the iterator is closed or
    dropped. An error of `elements` is raised here, behind the elements that came before it.
    """
    # Each entry is an element and None, or None and the error that ended the elements.
    prefetched: queue.Queue = queue.Queue(depth)
    reader_gone = threading.Event()
    thread = threading.Thread(target=_fill, args=(elements, prefetched, reader_gone), daemon=True)
    thread.start()
    try:
        while True:
            element, error = prefetched.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield element
    finally:
        reader_gone.set()
        # A thread that is still reading would hold files open that the caller is about to remove.
        thread.join()


def _fill(elements: Iterator, prefetched: queue.Queue, reader_gone: threading.Event) -> None:
    """Puts every element, and then the reason of the end, into the queue."""
    error: BaseException = StopIteration()
    try:
        for element in elements:
            _put(prefetched, (element, None), reader_gone)
            if reader_gone.is_set():
                return
    # Also KeyboardInterrupt and SystemExit: a thread that dies silently leaves its reader waiting.
    except BaseException as raised:
        error = raised
    _put(prefetched, (None, error), reader_gone)


def _put(prefetched: queue.Queue, element_or_error: tuple, reader_gone: threading.Event) -> None:
    """Waits for a free place in the queue, until the reader has gone: none would come then."""
    # In pieces of time: a queue cannot wait for a place and for an event at once.
    while not reader_gone.is_set():
        try:
            return prefetched.put(element_or_error, timeout=0.1)
        except queue.Full:
            continue
