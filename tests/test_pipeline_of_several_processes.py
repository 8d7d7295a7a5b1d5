"""Two real processes run a whole pipeline, are stopped, go on, and give what one process gives."""

import signal

import numpy as np
import pytest
from running_pod import start_pod
from short_pipeline import contents, tiny, write_videos

from videolstm_jax import pipeline
from videolstm_jax.cli.command_table import COMMANDS
from videolstm_jax.cluster import team
from videolstm_jax.cluster.first_process import run_in_first_process
from videolstm_jax.config import change
from videolstm_jax.errors import ConfigError
from videolstm_jax.interrupts import Interrupted
from videolstm_jax.pipeline import runner
from videolstm_jax.presets import Settings
from videolstm_jax.workdir.layout import Workdir
from videolstm_jax.workdir.scores_npz import load_scores


def test_a_pipeline_runs_each_stage_as_its_command_does():
    for step in pipeline.plan(tiny("videos")):
        kinds = dict.fromkeys(runner.TOGETHER, "together")
        kinds |= dict.fromkeys(runner.SHARDED, "shards")
        assert COMMANDS[step.stage].processes == kinds.get(step.stage, "one")


def test_a_batch_that_devices_cannot_share_is_refused_before_the_videos_are_read():
    with pytest.raises(ConfigError, match=r"train\.shards is 3; expected a divisor of the batch"):
        pipeline.run(change(tiny("no such folder"), train__shards=3))


class FirstOfTwo(team.Team):
    """Process 0 of two; it notes what it tells the other."""

    count = 2

    def __init__(self):
        self.labels = []

    def broadcast(self, label, payload):
        self.labels.append(label)
        return payload


def test_the_first_process_works_as_if_it_were_alone():
    first = FirstOfTwo()
    team.join_team(first)
    try:
        assert run_in_first_process("fuse", team.current_team) is team.FIRST_ALONE
        assert team.current_team() is first and first.labels == ["fuse"]
        with pytest.raises(ZeroDivisionError):
            run_in_first_process("fuse", lambda: 1 / 0)
        # The others are told of the error in place of the end.
        assert team.current_team() is first and first.labels == ["fuse"]
    finally:
        team.join_team(team.ALONE)


def test_a_signal_that_comes_as_the_work_begins_is_told_to_the_others(monkeypatch):
    honest, teams = team.join_team, []

    def join_and_signal(joined):
        honest(joined)
        teams.append(joined)
        if joined is team.FIRST_ALONE:
            raise Interrupted(signal.SIGTERM)

    monkeypatch.setattr(team, "join_team", join_and_signal)
    with pytest.raises(Interrupted):
        run_in_first_process("fuse", team.current_team)
    assert teams == [team.FIRST_ALONE, team.ALONE]


@pytest.mark.slow
def test_two_processes_run_what_one_runs(tmp_path, monkeypatch, quick_pictures):
    monkeypatch.chdir(tmp_path)
    # Cells that compile fast.
    cells = {"pipeline__cells": ("lstm",), "pipeline__flow_cell": "lstm"}
    cfg = tiny(write_videos(tmp_path / "videos"), data__mirrored=False, **cells)
    pipeline.run(cfg)
    words = ["pipeline", *Settings.of(change(cfg, workdir=str(tmp_path / "pod"))).arguments()]

    # Stopped by a signal to one of them in the first training of the plan.
    pod = start_pod(tmp_path / "first", words)
    pod.wait_for("fits the rgb backbone")
    pod.send(1, signal.SIGTERM)
    assert pod.statuses() == [75, 75], pod.errors(0) + pod.errors(1)

    pod = start_pod(tmp_path / "second", words)
    assert pod.statuses() == [0, 0], pod.errors(0) + pod.errors(1)
    assert "the page of pictures: " in pod.output(0) and "process 1 of 2, " in pod.output(1)
    # The same files, and none that a lock or a kill has left.
    assert contents(tmp_path / "pod").keys() == contents(tmp_path / "work").keys()
    work, expected = Workdir(str(tmp_path / "pod")), Workdir(str(tmp_path / "work"))
    for name in ("nearest-motion", "convnet-rgb", "convnet-flow", "lstm-rgb", "lstm-rgb+lstm-flow"):
        ours, theirs = (load_scores(folder.scores(name)) for folder in (work, expected))
        assert ours.videos == theirs.videos
        # The gradients of two devices are added in another order, and features are float16.
        np.testing.assert_allclose(ours.scores, theirs.scores, rtol=0, atol=5e-3)
