"""Processes that wait for another one: it is named where it stands still, not where it is slow."""

import re

import pytest
from joined_scripts import ends_of

WAITS = """
# In `reading` the watchdog of another process must come first.
team.longest_wait = 60 if case == "reading" else 3
watching.LIMITS[watching.READING] = 3 if case == "reading" else 1000
watchdog().expect(watching.READING)
if index == 2 and case == "slow":
    # Longer than anyone may wait for a process that does nothing.
    for _ in range(25):
        time.sleep(0.2)
        watchdog().progress()
elif index > 0 and case in ("still", "reading"):
    time.sleep(60)
team.agree("the state", {})
watchdog().rest()
print("agreed", flush=True)
team.leave()
os._exit(0)
"""


# All of these wait for seconds.
pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "case, words",
    [
        # Two that stand still, and no watchdog that sees it.
        ("still", "process 0 of 3 has waited at 'the state' for processes 1, 2; no sign of "),
        # A busy machine looks up to a second late.
        ("reading", r" of 3 has been at reading its inputs for (3|4) s; the limit is 3 s\. "),
    ],
)
def test_who_stands_still_before_the_first_step_is_named(case, words):
    for status, out, errors in ends_of(WAITS, case):
        assert (status, out) == (75, "callback\n") and re.search(words, errors), errors
        assert "Thread 0x" in errors


def test_a_slow_process_is_waited_for():
    for status, out, errors in ends_of(WAITS, "slow"):
        assert (status, out) == (0, "agreed\n"), errors
