"""Two real processes prepare videos, fit a backbone and extract features, as one process does."""

import os
import shlex
import subprocess
import sys

import numpy as np
import pytest
from command_line import ROOT
from running_pod import start_pod
from short_pipeline import tiny, write_videos

from videolstm_jax.pipeline import pipeline_stage_command
from videolstm_jax.presets import Settings

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    """The work folder of one process after three stages, and the command of each."""
    folder = tmp_path_factory.mktemp("single")
    cfg = tiny(write_videos(folder / "videos"), data__mirrored=False)
    rgb = Settings.of(cfg).for_stream("rgb").config()
    lines = {
        "prepare": pipeline_stage_command("prepare", cfg),
        "fit_convnet": pipeline_stage_command("fit_convnet", rgb),
        "extract": pipeline_stage_command("extract", rgb),
    }
    words = {stage: shlex.split(line)[1:] for stage, line in lines.items()}
    for stage in words.values():
        run = [sys.executable, "-m", "videolstm_jax.cli", *stage]
        environ = {**os.environ, "PYTHONPATH": str(ROOT)}
        subprocess.run(run, cwd=folder, env=environ, check=True, capture_output=True)
    return folder / "work", words


def test_two_processes_do_what_one_does(single, tmp_path):
    expected, words = single
    for stage, own in words.items():
        own = [*own, f"--workdir={tmp_path / 'work'}"]
        pod = start_pod(tmp_path / stage, own)
        assert pod.statuses() == [0, 0], pod.errors(0) + pod.errors(1)
        assert "process 1 of 2, " in pod.output(1)
    # Flow is the same to the byte, whoever computed it; so is the list of the videos.
    flow = sorted((expected / "flow").rglob("*.zip"))
    assert len(flow) == 6
    for path in [*flow, expected / "dataset.json", expected / "flow" / "index.json"]:
        ours = tmp_path / "work" / path.relative_to(expected)
        assert ours.read_bytes() == path.read_bytes(), path
    # The gradients of two devices are added in another order, and features are float16.
    records = sorted((expected / "features" / "rgb").rglob("*.f16"))
    assert len(records) == 18
    for path in records:
        ours = np.fromfile(tmp_path / "work" / path.relative_to(expected), np.float16)
        theirs = np.fromfile(path, np.float16)
        np.testing.assert_allclose(
            ours.astype(np.float32), theirs.astype(np.float32), rtol=5e-3, atol=5e-3
        )


def test_a_shard_beside_several_processes_is_refused(single, tmp_path):
    expected, words = single
    own = [*words["extract"], f"--workdir={expected}", "--shard=1/2"]
    pod = start_pod(tmp_path / "pod", own)
    assert pod.statuses() == [1, 1]
    assert "which would all take it; expected --distributed=off, or no --shard" in pod.errors(0)
