"""Four real processes train and evaluate what one does, and survive the same faults as two."""

import shutil
import signal
import time

import pytest
from pod_trainings import (
    ENDLESS,
    HEARTBEAT,
    SLOWER,
    SOON,
    assert_same_evaluation,
    assert_same_training,
    words,
)
from running_pod import start_pod
from training_workdir import config, write_work

from videolstm_jax.stages import evaluate, train

pytestmark = pytest.mark.slow
# Two validation and two test videos: two of the four processes have none.
BEST = {"data__validation": 0.2, "train__keep": "best"}
BEST_FLAGS = ("--data.validation=0.2", "--train.keep=best", "--train.steps=12")


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    """A work folder in which one process has trained and evaluated."""
    work = tmp_path_factory.mktemp("single") / "work"
    write_work(work)
    shutil.copytree(work, work.parent / "fresh")
    train.run(config(work, **BEST))
    shutil.copytree(work, work.parent / "trained")
    evaluate.run(config(work, **BEST))
    return work


@pytest.fixture
def work(single, tmp_path):
    """The same features, with nothing trained."""
    return shutil.copytree(single.parent / "fresh", tmp_path / "work")


def test_four_processes_train_validate_and_evaluate_as_one_does(single, work, tmp_path):
    for stage, expected in (("train", single.parent / "trained"), ("evaluate", single)):
        pod = start_pod(tmp_path / stage, words(stage, work, *BEST_FLAGS), count=4)
        assert pod.statuses() == [0] * 4, [pod.errors(index) for index in range(4)]
        assert_same_training(work, expected)
        if stage == "evaluate":
            assert_same_evaluation(work, expected)


def test_a_signal_to_one_of_four_stops_all_with_a_checkpoint(work, tmp_path):
    pod = start_pod(tmp_path / "pod", words("train", work, *ENDLESS), count=4)
    pod.wait_for("\nstep 3/")
    began = time.monotonic()
    pod.send(2, signal.SIGTERM)
    assert pod.statuses() == [75] * 4, pod.errors(0)
    assert time.monotonic() - began < 10 + SLOWER
    (line,) = {pod.errors(index) for index in range(4)}
    step = line.split()[3].rstrip(";")
    assert (work / "runs" / "lstm-rgb" / "ckpt" / step).is_dir()


def test_a_killed_process_ends_the_other_three(work, tmp_path):
    pod = start_pod(tmp_path / "pod", words("train", work, *ENDLESS), count=4)
    pod.wait_for("\nstep 3/")
    began = time.monotonic()
    pod.send(3, signal.SIGKILL)
    assert pod.statuses() == [75, 75, 75, -signal.SIGKILL]
    assert time.monotonic() - began < HEARTBEAT + SOON + SLOWER
    for index in range(3):
        assert pod.errors(index) == "error: process 3 of 4 has ended without a word\n"


def test_a_silent_process_ends_the_other_three(work, tmp_path):
    pod = start_pod(tmp_path / "pod", words("train", work, *ENDLESS), count=4)
    pod.wait_for("\nstep 3/")
    began = time.monotonic()
    pod.send(1, signal.SIGSTOP)
    others = [pod.running[index].wait(60) for index in (0, 2, 3)]
    assert others == [75] * 3 and time.monotonic() - began < 6 * HEARTBEAT + SOON + SLOWER
    for index in (0, 2, 3):
        assert pod.errors(index) == "error: process 1 of 4 has given no sign of life for 30 s\n"
    pod.end()
