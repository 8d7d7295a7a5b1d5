"""Ends a process that makes no step for too long, and prints where each thread is."""

from __future__ import annotations

import collections
import dataclasses
import statistics
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from videolstm_jax.cluster.team import Team

MEDIANS = 20
"""A step may take so many times the median of those before it."""
READING = "reading its inputs"
COMPILING = "compiling the first step"
SAVING = "saving a checkpoint"
SCORING = "scoring a video"
# A video of another length than those before it may be compiled for anew.
LIMITS = {READING: 1800.0, COMPILING: 1800.0, SAVING: 1200.0, SCORING: 1800.0}
"""Seconds that work of other kinds may take without a sign of progress."""
ALONE = 10
"""Limits of a process that is alone are so many times as long: no other one waits for it."""
# Steps whose median counts: a training may become slower or faster while it runs.
_STEPS = 100
# Seconds between two looks at what is expected.
_LOOK = 0.5
# Between two looks no more than this counts. The watchdog stood still, too, where more time has
# passed: the process was stopped, the machine slept, or a library was imported.
_LONGEST_LOOK = 2 * _LOOK
_DEBUGGERS = {"pdb", "bdb", "cmd", "debugpy", "pydevd", "_pydevd_bundle"}

T = TypeVar("T")


def watchdog_step_limit(seconds: Iterable[float], least: float) -> float:
    """Seconds that the next step may take, by those that the steps before it took."""
    seconds = list(seconds)
    if not seconds:
        return least
    return max(least, MEDIANS * statistics.median(seconds))


class Watchdog:
    """Watches the steps of one process. This class watches nothing, as in a library."""

    def step(self) -> None:
        """A step is done; the next one is expected."""

    def expect(self, work: str) -> None:
        """Work of another kind, one of LIMITS, comes before the next step."""
        del work

    def progress(self) -> None:
        """A part of the work is done; the next part may take as long again."""

    def rest(self) -> None:
        """No step is expected any more."""


@dataclasses.dataclass
class _Expected:
    """What must be done next.

    Attributes:
      work: for the message.
      limit: seconds that it may take.
      since: when it began.
      seconds: that it has taken, without those in which the whole process stood still.
    """

    work: str
    limit: float
    since: float
    seconds: float = 0.0


class ActiveWatchdog(Watchdog):
    """A watchdog with a thread of its own."""

    def __init__(self, team: Team, least: float):
        """Begins to look; nothing is expected yet.

        Args:
          team: whose processes all end; it may be that of a process that is alone.
          least: seconds that a step may take in any case, on several processes.
        """
        self._team = team
        self._factor = 1 if team.count > 1 else ALONE
        self._least = least
        self._times: collections.deque[float] = collections.deque(maxlen=_STEPS)
        self._last_step: float | None = None
        self._expected: _Expected | None = None
        threading.Thread(target=self._run, daemon=True, name="watchdog").start()

    def step(self) -> None:
        """See `Watchdog.step`."""
        now = time.monotonic()
        # The time of a step with a save in it says nothing of the others.
        if self._last_step is not None:
            self._times.append(now - self._last_step)
        self._last_step = now
        self._expect("a step", watchdog_step_limit(self._times, self._factor * self._least))

    def expect(self, work: str) -> None:
        """See `Watchdog.expect`."""
        self._last_step = None
        self._expect(work, self._factor * max(self._least, LIMITS[work]))

    def progress(self) -> None:
        """See `Watchdog.progress`."""
        # Threads that read side by side call this, too.
        expected = self._expected
        if expected is not None:
            self._expect(expected.work, expected.limit)

    def rest(self) -> None:
        """See `Watchdog.rest`."""
        self._last_step = self._expected = None

    def _expect(self, work: str, limit: float) -> None:
        self._expected = _Expected(work, limit, time.monotonic())
        self._team.note_progress()

    def _run(self) -> None:
        last_look = time.monotonic()
        while True:
            time.sleep(_LOOK)
            now = time.monotonic()
            self._look(last_look, now)
            last_look = now

    def _look(self, last_look: float, now: float) -> None:
        """Counts the time between two looks; ends the processes where it is too much."""
        # While it waits for another process, that one is looked at; see `ConnectedTeam`.
        if self._team.is_waiting:
            return
        expected = self._expected
        if expected is None:
            # Work that has no limit. Who waits for it goes on waiting.
            self._team.note_progress()
            return
        expected.seconds += min(now - max(last_look, expected.since), _LONGEST_LOOK)
        if expected.seconds > expected.limit and not _is_debugged():
            self._team.end_stalled(self._message(expected))

    def _message(self, expected: _Expected) -> str:
        """Why the processes end, and what a user can do."""
        message = (
            f"{self._team.name} has been at {expected.work} for {expected.seconds:.0f} s; the "
            f"limit is {expected.limit:.0f} s. Each process has printed where its threads are"
        )
        if self._team.count == 1:
            # Nobody may have asked for a watchdog here.
            message += "; the same command goes on, --cluster.watchdog=false without this limit"
        return message


def _is_debugged() -> bool:
    """Whether a thread is in a debugger, whose user may think for hours."""
    for frame in sys._current_frames().values():
        while frame is not None:
            module = frame.f_globals.get("__name__") or ""
            if module.partition(".")[0] in _DEBUGGERS:
                return True
            frame = frame.f_back
    return False


_current = Watchdog()
"""The watchdog of this process."""


def watchdog() -> Watchdog:
    """The watchdog of this process."""
    return _current


def watchdog_by_video(results: Iterable[T]) -> Iterator[T]:
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


def start_watchdog(team: Team, least: float) -> None:
    """Starts the watchdog of this process; `least` are seconds that a step may take."""
    global _current
    _current = ActiveWatchdog(team, least)
