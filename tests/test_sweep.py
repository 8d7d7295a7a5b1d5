"""What a sweep walks, what it would walk, and what it refuses."""

import subprocess
import sys

import numpy as np
import pytest
from absl import flags
from absl.testing import flagsaver
from test_launch import ROOT

from launch import pipeline, sweep
from videolstm_jax.config import change
from videolstm_jax.errors import ConfigError, FileError
from videolstm_jax.presets import configured
from videolstm_jax.video import encode


@pytest.fixture
def given():
    """Sets flags for one test."""
    flags.FLAGS(["sweep"])
    with flagsaver.flagsaver():
        yield lambda **values: [setattr(flags.FLAGS, name, value) for name, value in values.items()]


@pytest.fixture
def cfg(tmp_path):
    return configured(
        "small", workdir=str(tmp_path / "work"), data__videos=str(tmp_path / "videos")
    )


def write_videos(folder, *groups):
    for name in ("bend", "jack"):
        for group in groups:
            encode.write(
                folder / name / f"v_{name}_{group}_c01.mp4", np.zeros((4, 16, 16, 3), np.uint8)
            )


def test_a_walk_a_seed(given, cfg):
    given(seeds=["0", "10"])
    assert sweep.parts(cfg) == {
        name: change(cfg, seed=seed, workdir=f"{cfg.workdir}/{name}")
        for name, seed in (("seed-0", 0), ("seed-10", 10))
    }


def test_a_walk_a_group(given, cfg, tmp_path):
    write_videos(tmp_path / "videos", "g01", "g02")
    given(leave_one_out=True)
    found = sweep.parts(cfg)
    assert {name: part.data.hold_out for name, part in found.items()} == {
        "without-g01": "g01",
        "without-g02": "g02",
    }


def test_one_group_cannot_be_left_out(given, cfg, tmp_path):
    write_videos(tmp_path / "videos", "g01")
    given(leave_one_out=True)
    with pytest.raises(FileError, match="group"):
        sweep.parts(cfg)


@pytest.mark.parametrize(
    "values, settings, words",
    [
        ({"seeds": ["x"]}, {}, r"--seeds is x; expected different whole numbers"),
        ({"seeds": ["0", "-1"]}, {}, r"--seeds is 0,-1; expected"),
        ({"seeds": ["0", "1", "00"]}, {}, r"--seeds is 0,1,00; expected different"),
        ({}, {}, "either --seeds=0,1,2 or --leave_one_out"),
        ({"seeds": ["0"], "leave_one_out": True}, {}, "either --seeds=0,1,2 or --leave_one_out"),
        (
            {"leave_one_out": True},
            {"data__source": "stick_actions"},
            "groups of a folder, and data.source is stick_act",
        ),
    ],
)
def test_what_is_no_sweep_is_refused(given, cfg, values, settings, words):
    given(**values)
    with pytest.raises(ConfigError, match=words):
        sweep.parts(change(cfg, **settings))


def test_a_dry_run_says_every_command_and_runs_none(given, cfg, tmp_path, capsys):
    given(seeds=["0", "1"], dry_run=True)
    sweep.main(cfg)
    parts = sweep.parts(cfg)
    assert capsys.readouterr().out == "".join(
        f"# {name}\n{pipeline.commands(part)}\n" for name, part in parts.items()
    )
    assert not list(tmp_path.iterdir())


def test_help_shows_the_flags_of_a_walk_too():
    done = subprocess.run(
        [sys.executable, "-m", "launch.sweep", "--help"], cwd=ROOT, capture_output=True, text=True
    )
    for name in (
        "--videos",
        "--cells",
        "--[no]dry_run",
        "--seeds",
        "--[no]leave_one_out",
        "--data.videos",
    ):
        assert f"  {name}:" in done.stdout
