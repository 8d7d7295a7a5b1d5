"""How a command starts: its flags, one line for an error that a user can mend, and Ctrl-C."""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import select
import signal
import sys
import threading
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from absl import app, flags, logging

from videolstm_jax import files
from videolstm_jax.cli import config_flags, help_text
from videolstm_jax.cli.command_table import COMMANDS, Command
from videolstm_jax.config import RunConfig
from videolstm_jax.errors import ConfigError, FileError

INTERRUPTED = 130
"""Exit status after Ctrl-C, as that of a shell: 128 and the number of the signal."""
OUTPUT_CLOSED = 141
"""Exit status where the reader of our output ended first, as `head` does; SIGPIPE is 13."""
_LISTING_COMMANDS = ("prepare", "pipeline", "sweep")
"""The commands that list the videos; all others read the list of an earlier one."""


def start(name: str, arguments: Sequence[str]) -> None:
    """Runs a command, and ends the process.

    Args:
      name: of the command, one of COMMANDS.
      arguments: what stands behind it on the command line.
    """
    if any(argument in help_text.HELP for argument in arguments):
        app.run(guarded(lambda _: print(help_text.of_command(name, arguments))), argv=[name])
    # TensorFlow reads these when it is imported. It only decodes and batches here, and its messages
    # about processors would hide ours.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    # The user's own cells lie in the current folder. It comes last, so that no file there replaces
    # an installed module.
    sys.path.append(os.getcwd())
    command = COMMANDS[name]
    module = help_text.module_of(command)
    flags.DEFINE_boolean("trace", False, "Show where an error was raised, not only its message.")
    if command.settings:
        config_flags.define(flags.FLAGS, preset=command.preset)
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
            _hide_orbax_tracebacks()
        if command.settings:
            _run_with_settings(name, command, module)
        else:
            module.main(positional)

    def parse(argv: list[str]) -> list[str]:
        return _parse_flags(name, argv)

    app.run(guarded(main), argv=[f"videolstm {name}", *arguments], flags_parser=parse)


def _parse_flags(name: str, arguments: list[str]) -> list[str]:
    """The positional arguments; a setting without its section is answered with the whole name.

    `--videos`, which is short for a setting in some commands, is `--data.videos` in all.
    """
    try:
        return flags.FLAGS(arguments)
    except flags.UnrecognizedFlagError as error:
        names = [f"--{name}" for name in flags.FLAGS if name.endswith(f".{error.flagname}")]
        if names:
            message = f"there is no flag --{error.flagname} here; did you mean "
            message += f"{' or '.join(names)}?"
        else:
            message = _with_help(name, error)
    except flags.Error as error:
        message = _with_help(name, error)
    print(f"error: {message}", file=sys.stderr)
    sys.exit(1)


def _with_help(name: str, error: flags.Error) -> str:
    """The message of absl about a flag, and the command that explains the flags."""
    return f"{str(error).strip()}; `{program()}{name} --help` lists the flags"


def _run_with_settings(name: str, command: Command, module: types.ModuleType | None) -> None:
    """Prints the resolved configuration, and runs the command with it."""
    more = module.short_flags(flags.FLAGS) if hasattr(module, "short_flags") else {}
    cfg = config_flags.config(flags.FLAGS, more)
    print(config_flags.pretty(cfg), flush=True)
    _check_cells(cfg)
    if name not in _LISTING_COMMANDS:
        _check_listing(cfg)
    if module is not None:
        module.main(cfg)
    else:
        # Imported only now: a stage imports JAX or TensorFlow, which --help does not need.
        path = importlib.import_module(f"videolstm_jax.stages.{name}").run(cfg)
        print(f"{name}: wrote {path}", flush=True)


def _check_listing(cfg: RunConfig) -> None:
    """Raises ConfigError where the user gives a setting that only `prepare` could have used."""
    if any(name.startswith("data__") for name in cfg.overrides):
        importlib.import_module("videolstm_jax.dataset.prepared").check_listing(cfg)


def _check_cells(cfg: RunConfig) -> None:
    """Raises ConfigError where a cell does not exist, before any stage has read a file."""
    names = {cfg.model.cell, *cfg.pipeline.cells, cfg.pipeline.flow_cell}
    # The module of the cells imports JAX, which takes longer than some of the commands.
    if names == {RunConfig().model.cell}:
        return
    cells = importlib.import_module("videolstm_jax.core.cells")
    for name in sorted(names):
        cells.find_cell(name)


def program() -> str:
    """What stands before the name of a command, as the user typed it."""
    folder = os.path.basename(os.path.dirname(sys.argv[0]))
    return "python -m launch." if folder == "launch" else "videolstm "


# ---- errors and Ctrl-C ---------------------------------------------------------------------------


def guarded(run: Callable[[list[str]], None]) -> Callable[[list[str]], None]:
    """`run`, which prints an error that a user can mend in one line and exits with status 1.

    Ctrl-C ends it with one line and status 130.
    """

    def inner(argv: list[str]) -> None:
        signal.signal(signal.SIGINT, _interrupted)
        try:
            run(argv)
        except (KeyboardInterrupt, SystemExit) as stop:
            # A stage that stops itself, with its state saved, raises a SystemExit of its own.
            if isinstance(stop, SystemExit) and not _is_ours(stop):
                raise
            # A second Ctrl-C would end the interpreter in the middle of its own end.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            message = stop.args[0] if stop.args else "stopped; the same command goes on"
            print(message, file=sys.stderr)
            sys.exit(INTERRUPTED)
        except (ConfigError, FileError, ValueError, OSError) as error:
            if isinstance(error, BrokenPipeError) and _is_output_closed():
                raise  # `quiet_when_output_closes` ends the process
            traced = "trace" in flags.FLAGS and flags.FLAGS["trace"].value
            message = _one_line(error)
            if traced or message is None:
                raise
            print(f"error: {message}", file=sys.stderr)
            sys.exit(1)

    return inner


@contextlib.contextmanager
def quiet_when_output_closes() -> Iterator[None]:
    """Ends the process without a message where nobody reads its output any more.

    `videolstm pipeline --dry_run | head -1` closes our output as soon as it has its line.
    """
    try:
        try:
            yield
        finally:
            # What is still in the buffer is written now, where the error can be caught. Python
            # would write it at its end, and print the error.
            sys.stdout.flush()
    except BrokenPipeError:
        if not _is_output_closed():
            raise
        # Python writes the buffer once more at its end; it goes nowhere then.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(OUTPUT_CLOSED)


def _is_output_closed() -> bool:
    """Whether a BrokenPipeError is of our own output, not of a process that decodes videos."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)  # 0: of all events, only errors and a closed other end
    return bool(poll.poll(0))


def _one_line(error: BaseException) -> str | None:
    """The message of an error that a user can mend; None where the program is wrong."""
    if _is_ours(error):
        return str(error)
    # A full disk, a folder that is read-only, a file where a folder should be: errors of the
    # system have a number. Libraries raise OSErrors without one for mistakes of other kinds.
    if isinstance(error, OSError) and error.errno is not None:
        return files.system_error_text(error)
    return None


def _hide_orbax_tracebacks() -> None:
    """Leaves a checkpoint that cannot be written to our own error, which names folder and cause.

    Orbax logs the same error from each of its threads, with a traceback. The writes that are still
    running then find its asyncio loop closed, and Python prints that of each as an error that
    nobody can catch. A full disk gives hundreds of such lines.
    """

    def is_wanted(record: Any) -> bool:
        # asyncio prints an error that nobody fetched when its task is collected, which may be
        # after our own line: "Task exception was never retrieved".
        is_of_a_write = "orbax" in record.pathname or record.name == "asyncio"
        return not (is_of_a_write and record.exc_info)

    logging.get_absl_handler().addFilter(is_wanted)
    report = sys.unraisablehook

    def report_wanted(unraisable: Any) -> None:
        if str(unraisable.exc_value) != "Event loop is closed":
            report(unraisable)

    sys.unraisablehook = report_wanted


def _interrupted(_: int, frame: types.FrameType | None) -> None:
    """Ends the processes that decode videos, then raises KeyboardInterrupt.

    Some thread may wait for such a process as long as decoding one video may take.
    """
    callbacks = [getattr(callback, "__code__", None) for callback in gc.callbacks]
    if frame and frame.f_code in callbacks:
        # Python drops what is raised within a callback of the collector of garbage. The signal is
        # sent once more, when the callback is over.
        threading.Timer(0.01, os.kill, (os.getpid(), signal.SIGINT)).start()
        return
    # Taken from the modules that are imported already: it is heavy, and not all commands read
    # videos.
    guard = sys.modules.get("videolstm_jax.video.guard")
    # While the module itself is being imported, it has no functions and no processes yet.
    end_processes = getattr(guard, "interrupt", None)
    if end_processes is not None:
        end_processes()
    raise KeyboardInterrupt


def _is_ours(error: BaseException) -> bool:
    return type(error).__module__.startswith("videolstm_jax")
