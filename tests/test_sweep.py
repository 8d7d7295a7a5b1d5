"""The pipelines of a sweep, their commands, and what is refused."""

import numpy as np
import pytest
from command_line import run
from locked_folders import owner_file

from videolstm_jax import pipeline, sweep
from videolstm_jax.cli.commands.sweep import seeds_of_flag
from videolstm_jax.config import change
from videolstm_jax.errors import ConfigError, FileError
from videolstm_jax.presets import Settings, configured
from videolstm_jax.stages import localize, pool, report
from videolstm_jax.video import encode


@pytest.fixture
def cfg(tmp_path):
    return configured(
        "small", workdir=str(tmp_path / "work"), data__videos=str(tmp_path / "videos")
    )


def write_videos(folder, *groups):
    for name in ("bend", "jack"):
        for group in groups:
            encode.write_video(
                folder / name / f"v_{name}_{group}_c01.mp4", np.zeros((4, 16, 16, 3), np.uint8)
            )


def test_a_pipeline_for_each_seed(cfg):
    assert sweep.sweep_parts(cfg, seeds=(0, 10)) == {
        name: change(cfg, seed=seed, workdir=f"{cfg.workdir}/{name}")
        for name, seed in (("seed-0", 0), ("seed-10", 10))
    }


def test_a_pipeline_for_each_group(cfg, tmp_path):
    write_videos(tmp_path / "videos", "g01", "g02")
    parts = sweep.sweep_parts(cfg, leave_one_out=True)
    assert {name: part.data.hold_out for name, part in parts.items()} == {
        "without-g01": "g01",
        "without-g02": "g02",
    }


def test_one_group_cannot_be_left_out(cfg, tmp_path):
    write_videos(tmp_path / "videos", "g01")
    with pytest.raises(FileError, match="group"):
        sweep.sweep_parts(cfg, leave_one_out=True)


@pytest.mark.parametrize(
    "texts, message",
    [
        (["x"], r"--seeds is x; expected different whole numbers"),
        (["0", "-1"], r"--seeds is 0,-1; expected"),
        (["0", "1", "00"], r"--seeds is 0,1,00; expected different"),
    ],
)
def test_seeds_that_are_not_different_whole_numbers_are_refused(texts, message):
    with pytest.raises(ConfigError, match=message):
        seeds_of_flag(texts)


@pytest.mark.parametrize(
    "options, settings, message",
    [
        ({}, {}, "either --seeds=0,1,2 or --leave_one_out"),
        ({"seeds": (0,), "leave_one_out": True}, {}, "either --seeds=0,1,2 or --leave_one_out"),
        (
            {"leave_one_out": True},
            {"data__source": "stick_actions"},
            "groups of a folder, and data.source is stick_act",
        ),
    ],
)
def test_what_is_no_sweep_is_refused(cfg, options, settings, message):
    with pytest.raises(ConfigError, match=message):
        sweep.sweep_parts(change(cfg, **settings), **options)


def test_an_override_reaches_every_part(cfg):
    parts = sweep.sweep_parts(change(cfg, model__dropout=0.7), seeds=(1, 2))
    for number, part in enumerate(parts.values(), 1):
        for step in pipeline.plan(part):
            assert (step.cfg.seed, step.cfg.model.dropout) == (number, 0.7)


def sweep_command(*arguments):
    return run("launch.sweep", *arguments)


def test_a_dry_run_prints_every_command_and_runs_none(cfg, tmp_path):
    arguments = Settings.of(cfg).arguments()
    done = sweep_command(*arguments, "--seeds=0,1", "--dry_run")
    expected = sweep.sweep_commands(sweep.sweep_parts(cfg, seeds=(0, 1)), "python -m launch.")
    assert done.returncode == 0 and done.stdout.endswith(f"\n{expected}\n")
    assert expected.startswith("# seed-0\npython -m launch.prepare --preset=small")
    assert not list(tmp_path.iterdir())


def test_a_slip_in_the_seeds_is_one_line():
    done = sweep_command("--seeds=0,x", "--dry_run")
    assert done.returncode == 1 and done.stderr.startswith("error: --seeds is 0,x; expected")


def test_a_seed_beside_seeds_is_refused(cfg, tmp_path):
    with pytest.raises(ConfigError, match=r"--seed=7 and --seeds=0,1; expected only --seeds"):
        sweep.sweep_parts(change(cfg, seed=7), seeds=(0, 1))
    # Every fold of leave-one-out has the same seed, so that may be given.
    write_videos(tmp_path / "videos", "g01", "g02")
    parts = sweep.sweep_parts(change(cfg, seed=7), leave_one_out=True)
    assert {part.seed for part in parts.values()} == {7}
    assert "--seed=" not in sweep_command("--help").stdout


def test_the_pool_is_locked_until_its_page_is_written(cfg, tmp_path, monkeypatch):
    lock = tmp_path / "work" / ".pool.lock"
    is_locked = {}

    def noted(name):
        def run(*_):
            is_locked[name] = lock.exists()
            return tmp_path / "work" / "pooled"

        return run

    monkeypatch.setattr(pipeline, "run", noted("pipeline"))
    monkeypatch.setattr(pool, "run", noted("pool"))
    monkeypatch.setattr(localize, "run", noted("localize"))
    monkeypatch.setattr(pool, "pool_summary", noted("summary"))
    monkeypatch.setattr(report, "run", noted("report"))
    sweep.run_sweep(cfg, {"one": cfg})
    assert is_locked.pop("pipeline") is False
    assert is_locked == dict.fromkeys(("pool", "localize", "summary", "report"), True)
    assert not lock.exists()


def test_two_sweeps_do_not_pool_one_folder(cfg, tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "run", lambda part: None)
    owner_file(tmp_path / "work", ".pool.lock")
    with pytest.raises(FileError, match="runs here already"):
        sweep.run_sweep(cfg, {"one": cfg})


def test_help_shows_the_flags_of_a_pipeline_too():
    text = sweep_command("--help").stdout
    for name in (
        "--videos=",
        "--cells=",
        "--[no]dry_run",
        "--seeds=",
        "--[no]leave_one_out",
        "--data.videos=",
    ):
        assert f"  {name} " in text
