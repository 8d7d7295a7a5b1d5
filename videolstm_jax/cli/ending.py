"""How a command ends: one line for an error that a user can mend, Ctrl-C, and closed output."""

from __future__ import annotations

import contextlib
import os
import select
import sys
from collections.abc import Callable, Iterator
from typing import Any

from absl import flags, logging

from videolstm_jax import files
from videolstm_jax.cli import processes, stopping
from videolstm_jax.cli.terminal import one_terminal_line
from videolstm_jax.errors import ConfigError, FileError
from videolstm_jax.interrupts import handle_signals

OUTPUT_CLOSED = 141
"""Exit status where the reader of our output ended first, as `head` does; SIGPIPE is 13."""


def guarded_command(run: Callable[[list[str]], None]) -> Callable[[list[str]], None]:
    """`run`, which prints an error that a user can mend in one line and exits with status 1.

    Ctrl-C and SIGTERM end it with one line and status 130 or 143.
    """

    def inner(argv: list[str]) -> None:
        handle_signals()
        try:
            run(argv)
        except (KeyboardInterrupt, SystemExit) as stop:
            # A stage that stops itself, with its state saved, raises a SystemExit of its own.
            if isinstance(stop, SystemExit) and not _is_ours(stop):
                raise
            stopping.end_command_process(stop)
        except (ConfigError, FileError, ValueError, OSError) as error:
            if isinstance(error, BrokenPipeError) and _is_output_closed():
                raise  # `quiet_command_when_output_closes` ends the process
            traced = "trace" in flags.FLAGS and flags.FLAGS["trace"].value
            message = _one_line(error)
            if not _is_ours(error):
                stopping.end_command_if_signalled()
            processes.end_failed_command(None if traced else message)
            if traced or message is None:
                raise
            print(f"error: {one_terminal_line(message)}", file=sys.stderr)
            sys.exit(1)
        except Exception:
            stopping.end_command_if_signalled()
            processes.end_failed_command(None)
            raise

    return inner


@contextlib.contextmanager
def quiet_command_when_output_closes() -> Iterator[None]:
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


def hide_orbax_tracebacks_of_command() -> None:
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


def _is_ours(error: BaseException) -> bool:
    return type(error).__module__.startswith("videolstm_jax")
