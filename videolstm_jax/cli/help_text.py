"""The texts of `videolstm --help` and of `--help` after a command."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from types import ModuleType

from absl import flags

from videolstm_jax.cli import config_flags
from videolstm_jax.cli.command_table import COMMANDS, Command
from videolstm_jax.config import ClusterConfig, flat_settings, setting_text
from videolstm_jax.config.setting import setting_sentence
from videolstm_jax.presets import PRESETS, Settings

HELP = frozenset(("--help", "-help", "-h", "-?", "--helpshort", "-helpshort"))
"""The spellings of absl, all of which list the settings that are often changed."""
_COLUMN = 32
"""Characters before the text of a flag. Longer flags move their text to the right."""


def list_of_commands() -> str:
    """All commands with one line each."""
    width = max(map(len, COMMANDS))
    lines = ["videolstm COMMAND --preset=NAME --section.field=value ..", "", "Commands:"]
    for name, command in COMMANDS.items():
        lines.append(f"  {name:{width}s}  {command.summary}")
    lines += ["", "`videolstm COMMAND --help` lists the settings of a command."]
    return "\n".join(lines)


def help_of_command(name: str, arguments: Sequence[str]) -> str:
    """What a command does, its own flags, and the settings it reads with their values.

    Args:
      name: of the command.
      arguments: of the command line; `--preset` and `--model.cell` decide whose values are shown.
    """
    command = COMMANDS[name]
    lines = [command.summary, "", *_usage_lines(name, command)]
    lines += ["", "Flags of this command:", *_own_flags(module_of_command(command))]
    # Every command has it, so no module defines it.
    lines.append(_line("--[no]trace", "Show where an error was raised."))
    for flag in config_flags.record_flags(ClusterConfig):
        if command.processes != "one" and not flag.advanced:
            lines.append(_line(f"--{flag.name}={flag.default}", setting_sentence(flag.text)))
    if command.settings:
        lines += ["", *_settings_lines(command, arguments)]
    return "\n".join(lines)


def _usage_lines(name: str, command: Command) -> list[str]:
    """How a command is called; one line for each action, since actions take other arguments."""
    flag_usage = "--flag=value .."
    if command.settings:
        flag_usage = f"--preset=NAME --section.field=value {flag_usage}"
    if not command.positional:
        return [f"videolstm {name} {flag_usage}"]
    lines = []
    for action in command.positional.split(", "):
        lines.append(f"videolstm {name} {action} {flag_usage}")
    return lines


def module_of_command(command: Command) -> ModuleType | None:
    """The module that runs a command; None for a stage without flags of its own."""
    if not command.module:
        return None
    # By name: to import all commands for the help of one would take seconds.
    return importlib.import_module(f"videolstm_jax.cli.commands.{command.module}")


def _reads_setting(command: Command, name: str) -> bool:
    """Whether the command reads the setting "section.field" or "field", by its table."""
    return name in command.settings or name.partition(".")[0] in command.settings


def _own_flags(module: ModuleType | None) -> Iterator[str]:
    if module is None:
        return
    # A set of its own: the flags of the program itself are parsed only once.
    values = flags.FlagValues()
    module.define_flags(values)
    for name in values:
        flag = values[name]
        if flag.boolean:
            yield _line(f"--[no]{name}", flag.help)
            continue
        # absl puts the default of a text in quotation marks.
        default = (flag.default_as_str or "").strip("'")
        yield _line(f"--{name}={default}", flag.help)


def _settings_lines(command: Command, arguments: Sequence[str]) -> Iterator[str]:
    preset = _argument(arguments, "preset") or command.preset
    overrides = {}
    cell = _argument(arguments, "model.cell")
    # A preset may have other values for another cell, which training would use.
    if cell:
        overrides["model__cell"] = cell
    values = flat_settings(Settings(preset, overrides).config())
    yield f"Settings of this command, with the values of the preset {preset}:"
    presets = ", ".join(PRESETS)
    yield _line(f"--preset={preset}", f"Named settings, one of {presets}.")
    for flag in config_flags.setting_flags():
        if _reads_setting(command, flag.name) and not flag.advanced:
            value = setting_text(values[flag.path])
            yield _line(f"--{flag.name}={value}", setting_sentence(flag.text))
    yield ""
    yield "--helpfull lists all settings, also those that are rarely changed."


def _argument(arguments: Sequence[str], flag: str) -> str:
    """The value of a flag among the arguments, as --flag=value or --flag value; "" for none."""
    # Looked for by hand, since help must also be printed where other flags are wrong.
    for argument, following in zip(arguments, [*arguments[1:], ""], strict=True):
        name, _, value = argument.lstrip("-").partition("=")
        if name == flag:
            return value or following
    return ""


def _line(flag: str, text: str) -> str:
    return f"  {flag:{_COLUMN}s} {text}"
