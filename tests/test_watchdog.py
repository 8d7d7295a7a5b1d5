"""The watchdog ends a process that stands still, and none that works, waits or is debugged."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from command_line import ROOT

from videolstm_jax.cluster import watchdog as watching
from videolstm_jax.cluster.team import Team
from videolstm_jax.cluster.watchdog import (
    ALONE,
    COMPILING,
    LIMITS,
    READING,
    SAVING,
    SCORING,
    ActiveWatchdog,
    watchdog_by_video,
    watchdog_step_limit,
)


class NotingTeam(Team):
    """Notes why it should end."""

    def __init__(self, count):
        super().__init__()
        self.count, self.messages, self.progress = count, [], 0

    def end_stalled(self, message):
        self.messages.append(message)

    def note_progress(self):
        self.progress += 1


@pytest.fixture(autouse=True)
def no_looks_of_the_thread(monkeypatch):
    """Only a test looks."""
    monkeypatch.setattr(watching, "_LOOK", 1e6)


def look(watchdog, seconds, pause=1.0):
    """Looks as the thread does, with time that passes only here."""
    began = time.monotonic() + 1000
    for second in range(seconds):
        watchdog._look(began + pause * second, began + pause * (second + 1))


def test_a_step_may_take_twenty_medians_or_the_least():
    assert watchdog_step_limit([], 60) == 60
    assert watchdog_step_limit([1, 2, 100], 60) == 60
    # The median: one slow step says nothing of the others.
    assert watchdog_step_limit([4, 5, 1000], 60) == 100


@pytest.mark.parametrize("count, limit", [(2, 60), (1, 60 * ALONE)])
def test_no_step_for_too_long(count, limit):
    team = NotingTeam(count)
    watchdog = ActiveWatchdog(team, 60.0)
    watchdog.step()
    look(watchdog, limit - 5)
    assert not team.messages
    look(watchdog, 10)
    name = "process 0 of 2" if count == 2 else "this process"
    assert team.messages[0].startswith(f"{name} has been at a step for {limit + 1} s; the limit is")
    assert ("--cluster.watchdog=false" in team.messages[0]) == (count == 1)


@pytest.mark.parametrize("work", [READING, COMPILING, SAVING, SCORING])
def test_each_kind_of_work_has_a_limit_of_its_own(work):
    team = NotingTeam(2)
    watchdog = ActiveWatchdog(team, 60.0)
    watchdog.expect(work)
    limit = int(LIMITS[work])
    look(watchdog, limit)
    assert not team.messages
    look(watchdog, 1)
    times = f"for {limit + 1} s; the limit is {limit} s. Each process has printed"
    assert team.messages[0].startswith(f"process 0 of 2 has been at {work} {times}")


def test_the_limit_of_scoring_is_that_of_a_video(monkeypatch):
    team = NotingTeam(2)
    watchdog = ActiveWatchdog(team, 60.0)
    monkeypatch.setattr(watching, "_current", watchdog)
    for _ in watchdog_by_video(range(6)):
        look(watchdog, int(LIMITS[SCORING]) - 10)
    # After the last one nothing is expected: other processes may take longer.
    look(watchdog, 10 * int(LIMITS[SCORING]))
    assert not team.messages
    for _ in watchdog_by_video(range(1)):
        look(watchdog, int(LIMITS[SCORING]) + 1)
    assert SCORING in team.messages[0]


def test_a_save_may_take_ten_to_thirty_minutes():
    assert 600 <= LIMITS[SAVING] <= 1800


def test_progress_begins_a_limit_anew():
    team = NotingTeam(2)
    watchdog = ActiveWatchdog(team, 60.0)
    for _ in range(3):
        watchdog.expect(SAVING)
        look(watchdog, int(LIMITS[SAVING]) - 10)
        watchdog.progress()
        look(watchdog, int(LIMITS[SAVING]) - 10)
    watchdog.rest()
    # There is nothing to begin anew.
    watchdog.progress()
    before = team.progress
    look(watchdog, 10_000)
    # Who waits for this process learns that it works on.
    assert not team.messages and team.progress >= before + 10_000


def test_time_in_which_the_whole_process_stood_still_does_not_count():
    team = NotingTeam(2)
    watchdog = ActiveWatchdog(team, 60.0)
    watchdog.step()
    # A laptop that slept for an hour, again and again.
    look(watchdog, 50, pause=3600.0)
    assert not team.messages


def test_waiting_for_another_process_does_not_count():
    team = NotingTeam(2)
    watchdog = ActiveWatchdog(team, 60.0)
    watchdog.step()
    team.is_waiting = True
    look(watchdog, 1000)
    assert not team.messages


def test_a_debugger_may_take_its_time():
    team = NotingTeam(2)
    watchdog = ActiveWatchdog(team, 60.0)
    watchdog.step()
    leave, entered = threading.Event(), threading.Event()
    names = {"__name__": "pdb", "entered": entered, "leave": leave}
    exec("def prompt():\n    entered.set()\n    leave.wait()", names)
    thread = threading.Thread(target=names["prompt"])
    thread.start()
    entered.wait()
    look(watchdog, 100)
    assert not team.messages
    leave.set()
    thread.join()
    look(watchdog, 1)
    assert team.messages


ALONE_SCRIPT = """
import time
from videolstm_jax.cluster.team import ALONE
from videolstm_jax.cluster.watchdog import start_watchdog, watchdog
ALONE.before_end(lambda: print("callback", flush=True))
start_watchdog(ALONE, 0.3)
def wait_for_a_batch():
    time.sleep(120)
print("begins", flush=True)
for _ in range(20):
    time.sleep(0.1)
    watchdog().step()
print("stepped", flush=True)
wait_for_a_batch()
"""


@pytest.mark.slow
def test_one_process_survives_a_stop_and_ends_where_it_stands_still():
    process = subprocess.Popen(
        [sys.executable, "-c", ALONE_SCRIPT],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == "begins\n"
        # Longer than the limit, which is three seconds.
        os.kill(process.pid, signal.SIGSTOP)
        time.sleep(4)
        os.kill(process.pid, signal.SIGCONT)
        out, errors = process.communicate(timeout=90)
    finally:
        process.kill()
    assert process.returncode == 75 and out == "stepped\ncallback\n"
    assert "in wait_for_a_batch" in errors
    assert "\nerror: this process has been at a step for " in errors
