"""Two real processes train and evaluate one model, and survive what happens to them."""

import os
import shutil
import signal
import time

import jax
import numpy as np
import pytest
from pod_trainings import (
    ENDLESS,
    HEARTBEAT,
    SLOWER,
    SOON,
    assert_same_evaluation,
    assert_same_training,
    names_of_files,
    rows,
    words,
)
from running_pod import start_pod
from training_workdir import config, write_work

from videolstm_jax.lock.sole_writer import sole_writer
from videolstm_jax.stages import evaluate, train
from videolstm_jax.trained.model import TrainedModel
from videolstm_jax.workdir.layout import Workdir


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    """A work folder in which one process has trained 12 steps."""
    work = tmp_path_factory.mktemp("single") / "work"
    write_work(work)
    train.run(config(work))
    return work


@pytest.fixture
def work(single, tmp_path):
    """The same features, with nothing trained."""
    shutil.copytree(single, tmp_path / "work")
    shutil.rmtree(tmp_path / "work" / "runs")
    return tmp_path / "work"


@pytest.mark.slow
def test_two_processes_train_what_one_trains(single, work, tmp_path):
    pod = start_pod(tmp_path / "pod", words("train", work, "--train.steps=12"))
    assert pod.statuses() == [0, 0], pod.errors(0) + pod.errors(1)
    assert_same_training(work, single)
    assert names_of_files(work / "runs") == names_of_files(single / "runs")
    assert "process 0 of 2, 1 device here, 2 in all (cpu, by the settings)" in pod.output(0)
    assert "220 parameters, on 2 devices of 2 processes: " in pod.output(0)
    lines = [line for line in pod.output(1).splitlines() if not line.startswith("[Gloo]")]
    assert lines == ["process 1 of 2, 1 device here, 2 in all (cpu, by the settings)"]
    assert not pod.errors(0) and not pod.errors(1)


@pytest.mark.slow
def test_it_goes_on_with_another_number_of_processes(single, work, tmp_path):
    for count, steps in ((2, 4), (1, 8), (2, 12)):
        pod = start_pod(
            tmp_path / str(steps), words("train", work, f"--train.steps={steps}"), count=count
        )
        assert pod.statuses() == [0] * count, pod.errors(0)
        assert steps == 4 or f"goes on from step {steps - 4}" in pod.output(0)
    # The last step of each call is logged, so there are more lines than in an unbroken run.
    losses = {row["step"]: row["loss"] for row in rows(work)}
    assert losses[12] == pytest.approx({r["step"]: r["loss"] for r in rows(single)}[12], abs=1e-6)
    models = [TrainedModel.of_run(Workdir(str(folder)), "lstm-rgb") for folder in (work, single)]
    for ours, theirs in zip(*(jax.tree.leaves(model.params) for model in models), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)


@pytest.mark.slow
def test_two_processes_evaluate_what_one_evaluates(single, work, tmp_path):
    shutil.copytree(single / "runs", work / "runs")
    shutil.copytree(work, tmp_path / "evaluated")
    evaluate.run(config(tmp_path / "evaluated"))
    pod = start_pod(tmp_path / "pod", words("evaluate", work))
    assert pod.statuses() == [0, 0], pod.errors(0)
    assert_same_evaluation(work, tmp_path / "evaluated")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_one_stops_all_with_a_checkpoint(work, tmp_path, number):
    pod = start_pod(tmp_path / "pod", words("train", work, *ENDLESS))
    pod.wait_for("\nstep 3/")
    began = time.monotonic()
    pod.send(1, number)
    # 75 asks schedulers to start the command again.
    assert pod.statuses() == [75, 75], pod.errors(0)
    assert time.monotonic() - began < 10 + SLOWER
    for index in (0, 1):
        assert pod.errors(index).startswith("stopped after step ")
        assert len(pod.errors(index).splitlines()) == 1
    step = int(pod.errors(0).split()[3].rstrip(";"))
    run = work / "runs" / "lstm-rgb"
    assert (run / "ckpt" / str(step)).is_dir() and not (run / ".lock").exists()
    done = start_pod(tmp_path / "on", words("train", work, f"--train.steps={step + 1}"), count=1)
    assert done.statuses() == [0] and f"goes on from step {step}" in done.output(0)


@pytest.mark.slow
@pytest.mark.parametrize("index", [0, 1])
def test_a_killed_process_ends_the_other_one(work, tmp_path, index):
    pod = start_pod(tmp_path / "pod", words("train", work, *ENDLESS))
    pod.wait_for("\nstep 3/")
    began = time.monotonic()
    pod.send(index, signal.SIGKILL)
    statuses = pod.statuses()
    assert time.monotonic() - began < HEARTBEAT + SOON + SLOWER
    other = 1 - index
    assert statuses[index] == -signal.SIGKILL
    message = f"error: process {index} of 2 has ended without a word\n"
    if other == 0:
        assert statuses[other] == 75 and pod.errors(other) == message
        assert not (work / "runs" / "lstm-rgb" / ".lock").exists()
    else:
        # JAX's own service dies with process 0. It may abort the others before our line comes.
        assert statuses[other] in (75, -signal.SIGABRT)
        assert message in pod.errors(other) or "distributed service" in pod.errors(other)


@pytest.mark.slow
def test_a_silent_process_ends_the_other_one(work, tmp_path):
    pod = start_pod(tmp_path / "pod", words("train", work, *ENDLESS))
    pod.wait_for("\nstep 3/")
    began = time.monotonic()
    pod.send(1, signal.SIGSTOP)
    assert pod.running[0].wait(60) == 75
    assert time.monotonic() - began < 6 * HEARTBEAT + SOON + SLOWER
    assert pod.errors(0) == "error: process 1 of 2 has given no sign of life for 30 s\n"
    pod.end()


@pytest.mark.slow
def test_a_folder_that_is_in_use_is_refused_everywhere(work, tmp_path):
    with sole_writer(work / "runs" / "lstm-rgb", "train"):
        pod = start_pod(tmp_path / "pod", words("train", work))
        assert pod.statuses() == [1, 1]
    assert f"train runs here already: process {os.getpid()} on " in pod.errors(0)
    assert pod.errors(0) == pod.errors(1)


@pytest.mark.slow
def test_tasks_of_slurm_find_each_other(single, work, tmp_path):
    environs = []
    for index in range(2):
        environs.append(
            {
                "SLURM_JOB_ID": str(os.getpid()),
                "SLURM_STEP_ID": "0",
                "SLURM_STEP_NUM_TASKS": "2",
                "SLURM_STEP_NODELIST": "localhost",
                "SLURM_STEP_TASKS_PER_NODE": "2",
                "SLURM_NODEID": "0",
                "SLURM_PROCID": str(index),
                "SLURM_LOCALID": str(index),
            }
        )
    pod = start_pod(tmp_path / "pod", words("train", work, "--train.steps=12"), environs=environs)
    assert pod.statuses() == [0, 0], pod.errors(0)
    assert "process 1 of 2, 1 device here, 2 in all (cpu, by SLURM)" in pod.output(1)
    assert_same_training(work, single)
    report = start_pod(tmp_path / "report", ["report", f"--workdir={work}"], environs=environs)
    assert report.statuses() == [1, 1]
    assert report.errors(1) == (
        "error: report runs in one process, and SLURM shows 2; expected one, or --distributed=off "
        "where each process has a work folder of its own\n"
    )
