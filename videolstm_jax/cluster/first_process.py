"""Work of one process among several: process 0 does it, and the others wait."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TypeVar

from videolstm_jax.cluster import team

T = TypeVar("T")


def run_in_first_process(label: str, work: Callable[[], T]) -> T | None:
    """Runs a function in process 0; the others wait for its end, however long it takes.

    They notice all the same where process 0 is lost: heartbeats come from threads of their own.

    Args:
      label: of the work, the same in all processes.
      work: what a process does that is alone.

    Returns:
      What the function returns in process 0, None in the others.
    """
    processes = team.current_team()
    result = None
    with processes.first_goes_first(label):
        if processes.is_first:
            with _as_if_alone():
                result = work()
    return result


@contextlib.contextmanager
def _as_if_alone() -> Iterator[None]:
    """Hides the other processes: they would not answer a gather, since they wait for an end."""
    processes = team.current_team()
    try:
        # Within: a signal that comes behind it must find the others again, too.
        team.join_team(team.FIRST_ALONE)
        yield
    finally:
        # Also after an error: the others still need the message of it.
        team.join_team(processes)
