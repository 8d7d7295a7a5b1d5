"""Every command has a short help that explains each flag, from a Python without heavy libraries."""

import re

import pytest
from command_line import ROOT, run
from forked_commands import python

from videolstm_jax.cli import config_flags
from videolstm_jax.cli.command_table import COMMANDS
from videolstm_jax.config import RunConfig


def helped(*arguments):
    """The help that a command prints, in a Python that cannot import what takes long."""
    barred = ("jax", "tensorflow", "flax", "optax", "orbax", "av", "matplotlib")
    code = "from videolstm_jax.cli.main import main; main()"
    done = python("-c", code, *arguments, barred=barred)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return done.stdout


def test_help_lists_all_commands():
    lines = helped("--help").splitlines()
    for name, row in COMMANDS.items():
        assert sum(line.split() == [name, *row.summary.split()] for line in lines) == 1
    assert helped() == helped("--help")


@pytest.mark.parametrize("name", COMMANDS)
def test_help(name):
    row, text = COMMANDS[name], helped(name, "--help")
    lines = [line for line in text.splitlines() if line.startswith("  --")]
    assert text.startswith(row.summary) and len(lines) >= 3 and len(text.splitlines()) <= 38
    if row.settings:
        assert text.splitlines()[-1].startswith("--helpfull lists all settings")
    shown = {line.split("=")[0].strip(" -") for line in lines}
    for flag in config_flags.setting_flags():
        asked = flag.name in row.settings or flag.name.split(".")[0] in row.settings
        assert (flag.name in shown) == (asked and not flag.advanced) or (name, flag.name) in {
            ("fetch_weights", "name"),  # own flags of the same name
        }


def test_every_setting_in_the_table_exists():
    names = {flag.name for flag in config_flags.setting_flags()}
    names |= {name.split(".")[0] for name in names}
    for row in COMMANDS.values():
        assert set(row.settings) <= names


@pytest.mark.parametrize("name", [name for name, row in COMMANDS.items() if row.settings])
def test_the_table_has_what_the_source_of_a_stage_reads(name):
    if name in ("pipeline", "sweep", "paper"):
        return
    source = (ROOT / "videolstm_jax" / "stages" / f"{name}.py").read_text()
    declared = COMMANDS[name].settings
    for section, field in set(re.findall(r"cfg\.([a-z]+)\.([a-z_]+)", source)):
        if hasattr(RunConfig(), section) and hasattr(getattr(RunConfig(), section), field):
            assert section in declared or f"{section}.{field}" in declared, f"{section}.{field}"


def test_help_shows_the_values_of_the_chosen_preset():
    assert "--model.hidden=512 " in helped("train", "--help")
    for preset in (["--preset=small"], ["--preset", "small"], ["-preset", "small"]):
        assert "--model.hidden=48 " in helped("train", "--help", *preset)
    assert "--preset=small " in helped("pipeline", "--help")


def test_help_shows_the_values_of_the_chosen_cell():
    authors = ("train", "--help", "--preset=authors")
    assert "--train.graft=convlstm-flow:cell.motion" in helped(*authors)
    text = helped(*authors, "--model.cell=convlstm")
    assert "--model.cell=convlstm " in text and "--train.graft= " in text


def test_helpfull_shows_every_setting():
    text = run("launch.train", "--helpfull").stdout
    for flag in config_flags.setting_flags():
        assert flag.name in text


def test_the_module_of_the_command_line_is_a_command_too():
    done = run("videolstm_jax.cli.main", "--help")
    assert done.stdout == run("videolstm_jax.cli", "--help").stdout and "Commands:" in done.stdout
