"""Real processes that do not fit together are named before the first step, two or four of them."""

import shutil
import time

import pytest
from pod_trainings import words
from running_pod import start_pod
from training_workdir import write_work

pytestmark = pytest.mark.slow

COUNTS = pytest.mark.parametrize("count", [2, 4])
STARTING = 60
"""Seconds that the imports of a process may take on a busy machine."""


@pytest.fixture
def work(tmp_path):
    write_work(tmp_path / "work")
    return tmp_path / "work"


@COUNTS
def test_processes_with_other_settings_are_named(work, tmp_path, count):
    last = count - 1
    other = [(last, "--optim.learning_rate=0.5")]
    pod = start_pod(tmp_path / "pod", words("train", work), count=count, extra=other)
    assert pod.statuses() == [1] * count
    message = (
        f"error: process {last} of {count} has optim.learning_rate 0.5; process 0 has 0.01; "
        "expected the same everywhere\n"
    )
    assert [pod.errors(index) for index in range(count)] == [message] * count
    assert not (work / "runs").exists()


@COUNTS
def test_processes_with_other_features_are_named(work, tmp_path, count):
    other, last = tmp_path / "other", count - 1
    write_work(other, draw=1)
    # As if process 0 had made it on a shared disk, which shows an old state of the features.
    (other / "runs" / "lstm-rgb" / "ckpt").mkdir(parents=True)
    flag = [(last, f"--workdir={other}")]
    pod = start_pod(tmp_path / "pod", words("train", work), count=count, extra=flag)
    assert pod.statuses() == [1] * count
    (message,) = {pod.errors(index) for index in range(count)}
    assert message.startswith(f"error: process {last} of {count} has features.x ")
    assert not list(work.rglob("*.lock"))


def test_a_folder_that_is_not_shared_is_named(work, tmp_path):
    other = shutil.copytree(work, tmp_path / "other")
    flag = [(1, f"--workdir={other}")]
    pod = start_pod(tmp_path / "pod", words("train", work), extra=flag)
    assert pod.statuses() == [1, 1]
    assert pod.errors(0) == pod.errors(1)
    assert "/ckpt is missing on process 1 of 2, and process 0 has made it" in pod.errors(0)


@COUNTS
def test_a_missing_process_is_named(work, tmp_path, count):
    # Two of four must have the time to come before the last one is missed.
    wait = 4 if count == 2 else 40
    present, last = range(count - 1), count - 1
    command = words("train", work, f"--cluster.wait={wait}")
    pod = start_pod(tmp_path / "pod", command, count=count, only=present)
    began = time.monotonic()
    assert pod.statuses() == [1] * len(present)
    for index in present:
        line = f"error: of {count} processes, {last} did not come to 127.0.0.1:"
        assert pod.errors(index).startswith(line)
    assert time.monotonic() - began < wait + STARTING
