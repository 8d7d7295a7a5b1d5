"""A signal to one process, or its death, ends all processes of a command in time."""

import shutil
import signal
import time

import pytest
from command_line import ROOT
from pod_trainings import ENDLESS, HEARTBEAT, SLOWER, SOON, words
from running_pod import start_pod
from short_pipeline import tiny, write_videos
from signalled_cell import STEP
from training_workdir import config, write_work

from videolstm_jax.config import change
from videolstm_jax.presets import Settings
from videolstm_jax.stages import train

pytestmark = pytest.mark.slow

COMPILES = 60
"""Seconds that TV-L1 compiles on a busy machine; no signal ends a compilation."""
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


def test_a_signal_behind_the_last_step_stops_all(tmp_path):
    """No step tells it to the others any more; a pipeline would go on with its next stage."""
    write_work(tmp_path / "work")
    environ = {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "SIGNAL_COMES": "after a step"}
    flags = [f"--train.steps={STEP}", "--model.cell=signalled_cell:CELL"]
    command = words("train", tmp_path / "work", *flags)
    pod = start_pod(tmp_path / "pod", command, more_environ=environ)
    assert pod.statuses() == [75, 75], pod.errors(0) + pod.errors(1)
    assert pod.errors(0) == "error: process 1 of 2 was stopped; the same command goes on\n"


SIGNAL_AT_A_PLACE = """
import os
import signal
import sys
import time

import jax
from videolstm_jax.cluster.wire import Connection

place, number = os.environ["SIGNAL_COMES"], int(os.environ["SIGNAL"])
is_signalled = "--cluster.process=" + os.environ["SIGNALLED"] in sys.argv
initialize, shutdown, send = jax.distributed.initialize, jax.distributed.shutdown, Connection.send


def signal_self(here):
    if is_signalled and place == here:
        os.kill(os.getpid(), number)


def initialize_and_signal(service, count, index, **settings):
    initialize(service, count, index, **settings)
    signal_self("while JAX starts")


def signal_and_shutdown():
    signal_self("at the end")
    shutdown()


def signalled_send(self, kind, *arguments, **fields):
    # Just before the answer of process 0, and just behind the greeting of another one.
    if kind == "verdict":
        signal_self("while all meet")
    send(self, kind, *arguments, **fields)
    if kind == "hello":
        signal_self("while all meet")


jax.distributed.initialize, jax.distributed.shutdown = initialize_and_signal, signal_and_shutdown
Connection.send = signalled_send
"""
"""Python runs a module of the name sitecustomize before the command."""


def signalled_pod(tmp_path, place, signalled, number):
    """Two processes that train two steps; one gets a signal at a certain place."""
    write_work(tmp_path / "work")
    (tmp_path / "sitecustomize.py").write_text(SIGNAL_AT_A_PLACE)
    environ = {"PYTHONPATH": f"{tmp_path}:{ROOT}", "SIGNAL_COMES": place}
    environ |= {"SIGNALLED": str(signalled), "SIGNAL": str(int(number))}
    command = words("train", tmp_path / "work", "--train.steps=2")
    return start_pod(tmp_path / "pod", command, more_environ=environ)


@pytest.mark.parametrize("place", ["while all meet", "while JAX starts"])
@pytest.mark.parametrize("signalled", [0, 1])
def test_a_signal_at_the_start_is_told_to_all(tmp_path, place, signalled):
    pod = signalled_pod(tmp_path, place, signalled, signal.SIGTERM)
    other = 1 - signalled
    assert pod.statuses() == [75, 75], pod.errors(0) + pod.errors(1)
    stopped = "stopped; the same command goes on\n"
    assert pod.errors(other) == f"error: process {signalled} of 2 was {stopped}"
    assert pod.errors(signalled).endswith(stopped)


@pytest.mark.parametrize("killed", [0, 1])
def test_a_kill_while_all_meet_ends_the_other_one(tmp_path, killed):
    pod = signalled_pod(tmp_path, "while all meet", killed, signal.SIGKILL)
    statuses, other = pod.statuses(), 1 - killed
    assert (statuses[killed], statuses[other]) == (-signal.SIGKILL, 75), pod.errors(other)
    assert pod.errors(other).startswith(f"error: process {killed} of 2 has ended without a word")


@pytest.mark.parametrize("signalled", [0, 1])
def test_a_signal_behind_the_work_changes_nothing(tmp_path, signalled):
    pod = signalled_pod(tmp_path, "at the end", signalled, signal.SIGTERM)
    assert pod.statuses() == [0, 0], pod.errors(0) + pod.errors(1)
    assert pod.errors(0) == pod.errors(1) == ""


@pytest.mark.parametrize("number", ENDS)
def test_all_processes_of_prepare_end(tmp_path, number):
    cfg = tiny(write_videos(tmp_path / "videos"), data__mirrored=False)
    arguments = Settings.of(change(cfg, workdir=str(tmp_path / "work"))).arguments()
    pod = start_pod(tmp_path / "pod", ["prepare", *arguments])
    # Process 0 has measured all videos, and process 1 waits for it or begins with its share. The
    # first flow file would not do: it may be the last one, too, if one process is slower.
    pod.wait_for("prepare: flow is bounded by ")
    assert_all_end(pod, number, more_seconds=COMPILES)
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


def assert_all_end(pod, number, more_seconds=0):
    """Sends a signal to process 1 of two; both must end in time, process 0 with status 75."""
    began = time.monotonic()
    pod.send(1, number)
    assert pod.statuses() == [75, ENDS[number]], pod.errors(0) + pod.errors(1)
    assert time.monotonic() - began < HEARTBEAT + SOON + SLOWER + more_seconds
    message = "error: process 1 of 2 has ended without a word\n"
    if number == signal.SIGTERM:
        message = "error: process 1 of 2 was stopped; the same command goes on\n"
        assert "stopped; the same command goes on" in pod.errors(1)
    assert pod.errors(0) == message
