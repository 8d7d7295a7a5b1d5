"""Commands turn flags into settings, and a mistake into one line."""

import os
import shlex
import subprocess
import sys

import pytest
from command_line import ROOT, parse, run

from videolstm_jax.cli import config_flags
from videolstm_jax.cli.command_table import COMMANDS
from videolstm_jax.config import RunConfig, flat_settings
from videolstm_jax.pipeline import pipeline_stage_command
from videolstm_jax.presets import configured
from videolstm_jax.types import Dataset
from videolstm_jax.workdir.dataset_json import save_dataset

SCRIPTS = sorted(path.stem for path in (ROOT / "launch").glob("[a-z]*.py"))


def test_every_command_has_a_script():
    assert sorted([*COMMANDS, "walk"]) == SCRIPTS
    for name in SCRIPTS:
        assert f'main("{name}")' in (ROOT / "launch" / f"{name}.py").read_text()


@pytest.mark.parametrize(
    "words, message",
    [
        (["trian"], "no command 'trian' (did you mean train?); `videolstm --help`"),
        (["xyz"], "no command 'xyz'; `videolstm --help` lists the commands"),
    ],
)
def test_an_unknown_command(words, message):
    done = run("videolstm_jax.cli", *words)
    assert done.returncode == 1 and message in done.stderr and "Traceback" not in done.stderr


@pytest.mark.slow
def test_the_old_name_of_the_pipeline_still_works():
    flag = "--preset=demo", "--dry_run"
    old, new = run("launch.walk", *flag), run("launch.pipeline", *flag)
    assert old.stderr == "walk is now called pipeline\n" and old.returncode == 0
    assert old.stdout == new.stdout and new.stderr == ""
    assert "python -m launch.train --preset=demo" in new.stdout
    assert "videolstm train --preset=demo" in run("videolstm_jax.cli", "pipeline", *flag).stdout


def test_the_short_flags_are_printed_and_reach_every_command():
    done = run("launch.pipeline", "--videos=~/x", "--cells=alstm,lstm", "--dry_run")
    home = os.path.expanduser("~/x")
    assert f" *videos={home} " in done.stdout and " *cells=alstm,lstm " in done.stdout
    lines = [line for line in done.stdout.splitlines() if line.startswith("python -m")]
    assert len(lines) == 16 and all("'--data.videos=~/x'" in line for line in lines)


def test_a_cell_in_the_current_folder(tmp_path):
    (tmp_path / "my_cells.py").write_text("from videolstm_jax import CELLS\nGRU = CELLS['alstm']\n")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    words = ["--cells=my_cells:GRU", "--pipeline.flow_cell=my_cells:GRU", "--dry_run"]
    done = subprocess.run(
        [sys.executable, "-m", "videolstm_jax.cli", "pipeline", *words],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "--model.cell=my_cells:GRU --data.stream=flow" in done.stdout
    assert (
        "localize --preset=small" in done.stdout and "--fuse.name=gru-rgb+gru-flow" in done.stdout
    )


@pytest.mark.parametrize(
    "words, message",
    [
        (["--preset=demmo"], "did you mean demo"),
        (["--modle.cell=lstm"], "Did you mean: model.cell"),
        (["--qqq=1"], "flag 'qqq'; `python -m launch.train --help` lists the flags"),
        (["--train.steps=many"], "'many'; `python -m launch.train --help` lists the flags"),
        (["--model.cell=lstmm"], "no cell 'lstmm'; expected one of"),
        (["--videos=x"], "there is no flag --videos here; did you mean --data.videos?"),
        (["stray"], "unexpected words"),
        (["--train.steps=many"], "train.steps"),
        (["--fuse.weights=1,x"], "fuse.weights"),
    ],
)
def test_a_slip_is_one_line(words, message):
    done = run("launch.train", *words)
    assert (
        done.returncode != 0
        and message in done.stderr + done.stdout
        and "Traceback" not in done.stderr
        and "--helpshort" not in done.stderr
    )


@pytest.mark.parametrize(
    "words",
    [
        ["-m", "launch.pipeline", "--preset=demo", "--dry_run"],
        ["-m", "videolstm_jax.cli", "--help"],
        ["tools/code_style.py", "launch"],
    ],
)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_ends_first_ends_the_command_quietly(words, unbuffered):
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    reading, writing = os.pipe()
    os.close(reading)  # as if `head` had ended before the first line
    done = subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        env=environment,
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


def test_flags_become_the_configuration():
    cfg = parse(
        "--preset=small",
        "--data.videos=x",
        "--convnet.widths=8,8,8",
        "--noconvnet.flip",
        "--optim.clip=2",
        "--fuse.runs=a,b",
        "--model.cell=alstm",
    )
    assert cfg == configured(
        "small",
        "alstm",
        data__videos="x",
        convnet__widths=(8, 8, 8),
        convnet__flip=False,
        optim__clip=2.0,
        fuse__runs=("a", "b"),
    )


@pytest.mark.parametrize(
    "cfg",
    [
        configured("authors", "alstm", data__stream="flow", seed=4),
        configured("demo", data__videos="a folder/it's"),
        configured(
            "small",
            "lstm",
            fuse__runs=("a", "b"),
            fuse__weights=(1.0, 0.5),
            model__remat=True,
            name="n",
        ),
    ],
)
def test_a_command_says_the_configuration(cfg):
    assert parse(*shlex.split(pipeline_stage_command("train", cfg))[2:]) == cfg


def test_every_setting_has_a_flag():
    assert [flag.path for flag in config_flags.setting_flags()] == list(flat_settings(RunConfig()))
    assert len(flat_settings(RunConfig())) > 80


def test_a_setting_that_only_prepare_reads_is_refused_later(tmp_path):
    settings = {"split": 1, "classes": []}
    save_dataset(tmp_path / "dataset.json", Dataset((), ()), settings=settings)
    done = run("launch.evaluate", f"--workdir={tmp_path}", "--data.split=2")
    assert done.returncode == 1
    assert f"data.split is 2, but {tmp_path}/dataset.json was made with 1" in done.stderr
    for words in (["--data.split=1"], ["--data.classes="], []):
        done = run("launch.evaluate", f"--workdir={tmp_path}", *words)
        assert "was made with" not in done.stderr
