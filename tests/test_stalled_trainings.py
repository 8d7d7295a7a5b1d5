"""A training that stands still ends with its stacks, in one process and in several."""

import os
import re
import subprocess
import sys
import time

import pytest
from command_line import ROOT
from pod_trainings import ENDLESS, words
from running_pod import PATIENCE, start_pod
from training_workdir import write_work

pytestmark = pytest.mark.slow

SLOWER = 30
"""Seconds more for processes that share a busy machine.

There a watchdog looks late, and counts up to a second more than the limit.
"""
TESTS = {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
CELL = "--model.cell=hanging_cell:CELL"


@pytest.fixture
def work(tmp_path):
    write_work(tmp_path / "work")
    return tmp_path / "work"


def test_a_step_that_hangs_ends_all_with_their_stacks(work, tmp_path):
    command = words("train", work, *ENDLESS, CELL, "--cluster.stall=8")
    pod = start_pod(tmp_path / "pod", command, more_environ=TESTS)
    pod.wait_for("\nstep 3/")
    began = time.monotonic()
    assert pod.statuses() == [75, 75], pod.errors(0)
    assert time.monotonic() - began < 8 + SLOWER
    message = r" of 2 has been at a step for (8|9) s; the limit is 8 s\. Each"
    for index in (0, 1):
        assert re.search(message, pod.errors(index))
        assert "in _run_steps" in pod.errors(index)
    assert "in fill_or_stand_still" in pod.errors(1)
    assert not (work / "runs" / "hanging_cell-rgb" / ".lock").exists()


def test_a_process_that_hangs_before_the_first_step_is_named(work, tmp_path):
    environ = {**TESTS, "HANGS_IN": "check"}
    command = words("train", work, *ENDLESS, CELL, "--cluster.stall=8")
    pod = start_pod(tmp_path / "pod", command, more_environ=environ)
    # Process 0 waits for the other one meanwhile, and is not the one that is named.
    assert pod.statuses() == [75, 75], pod.errors(0) + pod.errors(1)
    for index in (0, 1):
        message = r"error: process 1 of 2 has been at reading its inputs for (10|11) s"
        assert re.search(message, pod.errors(index))
    assert "in never_checked" in pod.errors(1)


def test_one_process_that_hangs_ends_with_its_stacks(work):
    # The limit is ten times as long where no other process waits.
    command = words("train", work, *ENDLESS, CELL, "--cluster.stall=1")
    ended = subprocess.run(
        [sys.executable, "-m", "videolstm_jax.cli", *command],
        env={**os.environ, **TESTS, "HANGING_PROCESS": "0"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert ended.returncode == 75, ended.stderr
    assert "error: this process has been at a step for 1" in ended.stderr
    assert "in fill_or_stand_still" in ended.stderr
    assert not (work / "runs" / "hanging_cell-rgb" / ".lock").exists()
