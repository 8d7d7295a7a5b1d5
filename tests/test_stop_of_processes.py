"""A signal to one process, or its death, ends all processes of a command in time."""

import shutil
import signal
import time

import pytest
from command_line import ROOT
from pod_trainings import ENDLESS, HEARTBEAT, SOON, words
from running_pod import PATIENCE, start_pod
from short_pipeline import tiny, write_videos
from signalled_cell import STEP
from training_workdir import config, write_work

from videolstm_jax.config import change
from videolstm_jax.presets import Settings
from videolstm_jax.stages import train

pytestmark = pytest.mark.slow

SLOWER = 10
"""Seconds more for processes that share a busy machine."""
ENDS = {signal.SIGTERM: 75, signal.SIGKILL: -signal.SIGKILL}


@pytest.mark.parametrize("place", ["before a step", "after a step"])
@pytest.mark.parametrize("count", [2, 4])
def test_all_stop_within_one_step_of_a_signal(tmp_path, place, count):
    work = tmp_path / "work"
    write_work(work)
    environ = {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "SIGNAL_COMES": place}
    command = words("train", work, *ENDLESS, "--model.cell=signalled_cell:CELL")
    pod = start_pod(tmp_path / "pod", command, count=count, more_environ=environ)
    assert pod.statuses() == [75] * count, pod.errors(0) + pod.errors(1)
    run = work / "runs" / "signalled_cell-rgb"
    # One step more than were done when the signal came.
    for index in range(count):
        assert pod.errors(index).startswith(f"stopped after step {STEP + 1}; ")
    # The newest, beside those of every fifth step.
    assert {path.name for path in (run / "ckpt").iterdir()} == {"5", str(STEP + 1)}


SIGNAL_AT_START = """
import os
import signal
import time

import jax

initialize = jax.distributed.initialize


def signalled(service, count, index, **settings):
    initialize(service, count, index, **settings)
    if index == 1:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)


jax.distributed.initialize = signalled
"""
"""Python runs a module of the name sitecustomize before the command."""


def test_a_signal_while_jax_starts_is_told_to_all(tmp_path):
    work = tmp_path / "work"
    write_work(work)
    (tmp_path / "sitecustomize.py").write_text(SIGNAL_AT_START)
    environ = {"PYTHONPATH": f"{tmp_path}:{ROOT}"}
    pod = start_pod(tmp_path / "pod", words("train", work), more_environ=environ)
    assert pod.statuses() == [75, 75], pod.errors(0) + pod.errors(1)
    assert pod.errors(0) == "error: process 1 of 2 was stopped; the same command goes on\n"
    assert pod.errors(1).endswith("stopped; the same command goes on\n")


@pytest.mark.parametrize("number", ENDS)
def test_all_processes_of_prepare_end(tmp_path, number):
    cfg = tiny(write_videos(tmp_path / "videos"), data__mirrored=False)
    arguments = Settings.of(change(cfg, workdir=str(tmp_path / "work"))).arguments()
    pod = start_pod(tmp_path / "pod", ["prepare", *arguments])
    # The first of six videos has its flow.
    deadline = time.monotonic() + PATIENCE
    while not list((tmp_path / "work").rglob("*.zip")) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert_all_end(pod, number)
    assert not (tmp_path / "work" / "flow" / "index.json").exists()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A work folder in which one process has trained 12 steps."""
    work = tmp_path_factory.mktemp("trained") / "work"
    write_work(work)
    train.run(config(work))
    return work


@pytest.mark.parametrize("number", ENDS)
def test_all_processes_of_evaluate_end(trained, tmp_path, number):
    work = shutil.copytree(trained, tmp_path / "work")
    pod = start_pod(tmp_path / "pod", words("evaluate", work))
    # The settings are printed, and the libraries are imported.
    pod.wait_for("preset ")
    assert_all_end(pod, number)
    assert not (work / "runs" / "lstm-rgb" / "scores.npz").exists()


def assert_all_end(pod, number):
    """Sends a signal to process 1 of two; both must end in time, process 0 with status 75."""
    began = time.monotonic()
    pod.send(1, number)
    assert pod.statuses() == [75, ENDS[number]], pod.errors(0) + pod.errors(1)
    assert time.monotonic() - began < HEARTBEAT + SOON + SLOWER
    message = "error: process 1 of 2 has ended without a word\n"
    if number == signal.SIGTERM:
        message = "error: process 1 of 2 was stopped; the same command goes on\n"
        assert "stopped; the same command goes on" in pod.errors(1)
    assert pod.errors(0) == message
