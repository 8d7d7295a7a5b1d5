"""The watchdog of one process: which work has which limit."""

import time
import types

import pytest

from videolstm_jax.cluster import watchdog
from videolstm_jax.cluster.watchdog import (
    COMPILING,
    LIMITS,
    SAVING,
    SCORING,
    TeamWatchdog,
    by_video,
)

TEAM = types.SimpleNamespace(name="process 1 of 2")


@pytest.fixture
def clock(monkeypatch):
    """Seconds that a test sets, in place of the time."""
    clock = types.SimpleNamespace(seconds=0.0, sleep=time.sleep)
    clock.monotonic = lambda: clock.seconds
    monkeypatch.setattr(watchdog, "time", clock)
    # The thread never looks: a test asks for the problem itself.
    monkeypatch.setattr(watchdog, "_LOOK", 1e6)
    monkeypatch.setattr(watchdog, "_current", TeamWatchdog(TEAM, least=60.0))
    return clock


def problem():
    return watchdog.watchdog().problem()


@pytest.mark.parametrize("work", [COMPILING, SAVING, SCORING])
def test_each_kind_of_work_has_a_limit_of_its_own(clock, work):
    watchdog.watchdog().expect(work)
    clock.seconds = LIMITS[work]
    assert not problem()
    clock.seconds += 1
    times = f"for {clock.seconds:.0f} s; the limit is {LIMITS[work]:.0f} s"
    assert problem() == f"process 1 of 2 has been at {work} {times}"
    watchdog.watchdog().rest()
    assert not problem()


def test_a_step_may_take_twenty_of_those_before(clock):
    dog = watchdog.watchdog()
    for seconds in (0, 10, 20, 30, 40):
        clock.seconds = seconds
        dog.step()
    clock.seconds = 40 + 200
    assert not problem()
    clock.seconds += 1
    assert problem() == "process 1 of 2 has been at a step for 201 s; the limit is 200 s"


def test_the_limit_of_scoring_is_that_of_a_video(clock):
    for _ in by_video(range(6)):
        clock.seconds += LIMITS[SCORING] - 1
        assert not problem()
    # After the last one nothing is expected: other processes may take longer.
    clock.seconds += 10 * LIMITS[SCORING]
    assert not problem()
    for _ in by_video(range(2)):
        clock.seconds += LIMITS[SCORING] + 1
        assert SCORING in problem()


def test_a_save_may_take_ten_to_thirty_minutes():
    assert 600 <= LIMITS[SAVING] <= 1800
