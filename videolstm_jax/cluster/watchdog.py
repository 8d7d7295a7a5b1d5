"""Ends a process of several that makes no step for too long, and prints where each thread is."""

from __future__ import annotations

import collections
import statistics
import threading
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from videolstm_jax.cluster.team import ConnectedTeam

MEDIANS = 20
"""A step may take so many times the median of those before it."""
COMPILING = "compiling the first step"
SAVING = "saving a checkpoint"
SCORING = "scoring a video"
# A video of another length than those before it may be compiled for anew.
LIMITS = {COMPILING: 1800.0, SAVING: 1200.0, SCORING: 1800.0}
"""Seconds that work of other kinds may take."""
_STEPS = 100
_LOOK = 0.5

T = TypeVar("T")


class Watchdog:
    """Watches the steps of one process. This class watches nothing: the process is alone."""

    def step(self) -> None:
        """A step is done; the next one is expected."""

    def expect(self, work: str) -> None:
        """Work of another kind, one of LIMITS, comes before the next step."""
        del work

    def rest(self) -> None:
        """No step is expected any more."""


class TeamWatchdog(Watchdog):
    """The watchdog of one process of several, with a thread of its own."""

    def __init__(self, team: ConnectedTeam, least: float):
        """Begins to look; nothing is expected yet.

        Args:
          team: whose processes all end.
          least: seconds that a step may take in any case.
        """
        self._team, self._least = team, least
        self._times: collections.deque[float] = collections.deque(maxlen=_STEPS)
        self._last_step: float | None = None
        self._expected: tuple[str, float, float] | None = None
        threading.Thread(target=self._run, daemon=True, name="watchdog").start()

    def step(self) -> None:
        """See `Watchdog.step`."""
        now = time.monotonic()
        # The time of a step with a save in it says nothing of the others.
        if self._last_step is not None:
            self._times.append(now - self._last_step)
        self._last_step = now
        limit = self._least
        if self._times:
            limit = max(limit, MEDIANS * statistics.median(self._times))
        self._expected = ("a step", limit, now)

    def expect(self, work: str) -> None:
        """See `Watchdog.expect`."""
        self._last_step = None
        self._expected = (work, max(self._least, LIMITS[work]), time.monotonic())

    def rest(self) -> None:
        """See `Watchdog.rest`."""
        self._last_step = self._expected = None

    def problem(self) -> str:
        """Which work takes longer than its limit; empty where none does."""
        # Once, since the other thread may change it at any time.
        expected = self._expected
        if expected is None:
            return ""
        work, limit, since = expected
        seconds = time.monotonic() - since
        if seconds <= limit:
            return ""
        lasts = f"{self._team.name} has been at {work} for {seconds:.0f} s"
        return f"{lasts}; the limit is {limit:.0f} s"

    def _run(self) -> None:
        while True:
            time.sleep(_LOOK)
            problem = self.problem()
            if problem:
                self._team.end_stalled(f"{problem}. Each process has printed where its threads are")


_current = Watchdog()
"""The watchdog of this process."""


def watchdog() -> Watchdog:
    """The watchdog of this process."""
    return _current


def by_video(results: Iterable[T]) -> Iterator[T]:
    """Yields the result of each video, for each of which the limit of `SCORING` begins anew.

    Some videos are a hundred times as long as others, and test lists have two to many thousands, so
    no limit fits a whole list.
    """
    watchdog().expect(SCORING)
    for result in results:
        yield result
        watchdog().expect(SCORING)
    # The share of another process may take longer. Who stands still there is noticed there.
    watchdog().rest()


def start_watchdog(team: ConnectedTeam, least: float) -> None:
    """Starts the watchdog of a process of several; `least` are seconds that a step may take."""
    global _current
    _current = TeamWatchdog(team, least)
