"""How a command starts: its flags, and its configuration."""

from __future__ import annotations

import importlib
import os
import sys
import types
from collections.abc import Sequence

from absl import app, flags, logging

from videolstm_jax.cli import config_flags, ending, help_text, processes
from videolstm_jax.cli.command_table import COMMANDS, Command
from videolstm_jax.cli.terminal import one_terminal_line
from videolstm_jax.cluster.detect import Processes
from videolstm_jax.config import RunConfig
from videolstm_jax.errors import ConfigError

_LISTING_COMMANDS = ("prepare", "pipeline", "sweep", "paper")
"""The commands that list the videos; all others read the list of an earlier one."""


def start_command(name: str, arguments: Sequence[str]) -> None:
    """Runs a command, and ends the process.

    Args:
      name: of the command, one of COMMANDS.
      arguments: what stands behind it on the command line.
    """
    if not help_text.HELP.isdisjoint(arguments):
        app.run(
            ending.guarded_command(lambda _: print(help_text.help_of_command(name, arguments))),
            argv=[name],
        )
    prepare_command_imports()
    command = COMMANDS[name]
    module = help_text.module_of_command(command)
    flags.DEFINE_boolean("trace", False, "Show where an error was raised, not only its message.")
    if command.settings:
        config_flags.define_all_flags(flags.FLAGS, preset=command.preset)
        processes.define_cluster_flags(flags.FLAGS)
        arguments = processes.complete_distributed_flags(arguments)
    if module is not None:
        module.define_flags(flags.FLAGS)

    def main(argv: list[str]) -> None:
        positional = argv[1:]
        if positional and not command.positional:
            raise ConfigError(f"unexpected words {positional}; settings are given as --name=value")
        if not flags.FLAGS["verbosity"].present:
            # orbax writes a message for every file.
            logging.set_verbosity(logging.WARNING)
        if not flags.FLAGS["trace"].value:
            ending.hide_orbax_tracebacks_of_command()
        if command.settings:
            _run_with_settings(name, command, module, positional)
        else:
            module.main(positional)

    def parse(argv: list[str]) -> list[str]:
        return _parse_flags(name, argv)

    app.run(
        ending.guarded_command(main), argv=[f"videolstm {name}", *arguments], flags_parser=parse
    )


def prepare_command_imports() -> None:
    """Sets what TensorFlow reads when it is imported, and where modules of the user are found."""
    # TensorFlow reads these when it is imported. It only decodes and batches here, and its messages
    # about processors would hide ours.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    # Its client of buckets keeps the size of an object for five seconds, and reads no more bytes
    # than that: lines that another process has just added would be missing.
    os.environ.setdefault("GCS_STAT_CACHE_MAX_AGE", "0")
    # The user's own cells lie in the current folder. It comes last, so that no file there replaces
    # an installed module.
    sys.path.append(os.getcwd())


def _parse_flags(name: str, arguments: list[str]) -> list[str]:
    """The positional arguments; a setting without its section is answered with the whole name.

    `--videos`, which is short for a setting in some commands, is `--data.videos` in all.
    """
    try:
        return flags.FLAGS(arguments)
    except flags.UnrecognizedFlagError as error:
        message = _full_names_message(error.flagname) or _with_help(name, error)
    except flags.Error as error:
        message = _with_help(name, error)
    print(f"error: {one_terminal_line(message)}", file=sys.stderr)
    sys.exit(1)


def _full_names_message(setting: str) -> str:
    """The message about a setting that is given without its section; empty where none fits."""
    names = [f"--{name}" for name in flags.FLAGS if name.endswith(f".{setting}")]
    if not names:
        return ""
    return f"there is no flag --{setting} here; did you mean {' or '.join(names)}?"


def _with_help(name: str, error: flags.Error) -> str:
    """The message of absl about a flag, and the command that explains the flags."""
    return f"{str(error).strip()}; `{command_program_name()}{name} --help` lists the flags"


def _run_with_settings(
    name: str, command: Command, module: types.ModuleType | None, positional: list[str]
) -> None:
    """Prints the resolved configuration, and runs the command with it."""
    more = {}
    if hasattr(module, "short_flags"):
        more = module.short_flags(flags.FLAGS)
    cfg = config_flags.config_of_flags(flags.FLAGS, more)
    with processes.processes_of_command(name, command, cfg, flags.FLAGS) as of_command:
        if command.positional:
            # Names decide which configurations there are, so the module prints those itself.
            module.main(cfg, positional)
        else:
            _run_joined(name, module, cfg, of_command)


def _run_joined(
    name: str, module: types.ModuleType | None, cfg: RunConfig, of_command: Processes
) -> None:
    """Runs the command in this process, which may be one of several."""
    print(config_flags.command_config_text(cfg), flush=True)
    _check_cells(cfg)
    if name not in _LISTING_COMMANDS:
        _check_listing(cfg)
    if hasattr(module, "main_of_processes"):
        module.main_of_processes(cfg, of_command)
    elif module is not None:
        module.main(cfg)
    else:
        # Imported only now: a stage imports JAX or TensorFlow, which --help does not need.
        path = importlib.import_module(f"videolstm_jax.stages.{name}").run(cfg)
        print(f"{name}: wrote {path}", flush=True)


def _check_listing(cfg: RunConfig) -> None:
    """Raises ConfigError where the user gives a setting that only `prepare` could have used."""
    if any(name.startswith("data__") for name in cfg.overrides):
        importlib.import_module("videolstm_jax.dataset.prepared").check_dataset_listing(cfg)


def _check_cells(cfg: RunConfig) -> None:
    """Raises ConfigError where a cell does not exist, before any stage has read a file."""
    names = {cfg.model.cell, *cfg.pipeline.cells, cfg.pipeline.flow_cell}
    # The module of the cells imports JAX, which takes longer than some of the commands.
    if names == {RunConfig().model.cell}:
        return
    cells = importlib.import_module("videolstm_jax.core.cells")
    for name in sorted(names):
        cells.find_cell(name)


def command_program_name() -> str:
    """What stands before the name of a command, as the user typed it."""
    folder = os.path.basename(os.path.dirname(sys.argv[0]))
    return "python -m launch." if folder == "launch" else "videolstm "
