"""Commands that several processes run together: their flags, their start, and how they end."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from typing import Any

from absl import flags

from videolstm_jax.cli import config_flags, stopping
from videolstm_jax.cli.command_table import Command
from videolstm_jax.cli.terminal import one_terminal_line
from videolstm_jax.cluster import detect, start, team
from videolstm_jax.cluster.detect import Processes
from videolstm_jax.cluster.watchdog import start_watchdog
from videolstm_jax.config import ClusterConfig, RunConfig
from videolstm_jax.errors import ConfigError
from videolstm_jax.interrupts import end_decoding_at_signal
from videolstm_jax.lock.sole_writer import release_held_locks

# What may follow `--distributed` as a word of its own.
_VALUES = (["auto"], ["on"], ["off"])
# A collective that fails because another process was killed fails at once; the news of the death
# may come a moment later.
_SECONDS_FOR_NEWS = 3.0


# ---- flags ---------------------------------------------------------------------------------------


def define_cluster_flags(values: flags.FlagValues) -> None:
    """Defines `--distributed` and `--cluster.*`."""
    for flag in _cluster_flags():
        config_flags.define_flag(values, flag)


def _cluster_flags() -> Iterator[config_flags.Flag]:
    """The flags of `ClusterConfig`."""
    for flag in config_flags.record_flags(ClusterConfig):
        # The short name: it is the only one that most users need.
        name = flag.name if flag.name == "distributed" else f"cluster.{flag.name}"
        yield flag._replace(name=name)


def complete_distributed_flags(arguments: Sequence[str]) -> list[str]:
    """The arguments with a bare `--distributed` as `--distributed=on`.

    absl would take the next argument as its value, whatever that is.
    """
    completed = list(arguments)
    for number, argument in enumerate(arguments):
        following = arguments[number + 1 : number + 2]
        if argument in ("--distributed", "-distributed") and following not in _VALUES:
            completed[number] = "--distributed=on"
    return completed


def _config(values: flags.FlagValues) -> ClusterConfig:
    settings: dict[str, Any] = {}
    for flag, value in config_flags.present_flags(values, _cluster_flags()):
        settings[flag.name.removeprefix("cluster.")] = value
    return ClusterConfig(**settings)


# ---- start and end -------------------------------------------------------------------------------


@contextlib.contextmanager
def processes_of_command(
    name: str, command: Command, cfg: RunConfig, values: flags.FlagValues
) -> Iterator[Processes]:
    """Joins the other processes of the command for as long as the block lasts.

    Args:
      name: of the command.
      command: whether it can run on several processes.
      cfg: its settings.
      values: the parsed flags.

    Yields:
      The processes of the command, as this one sees them.

    Raises:
      ConfigError: the command runs in one process and there are several; or some are missing or
        differ.
    """
    config = _config(values)
    processes = detect.find_processes(config, os.environ)
    if processes.count > 1 and command.processes == "one":
        raise ConfigError(
            f"{name} runs in one process, and {processes.source} shows {processes.count}; expected "
            "one, or --distributed=off where each process has a work folder of its own"
        )
    if processes.count == 1 or command.processes == "shards":
        _start_lone_watchdog(config)
        yield processes
        return
    # A signal may come as soon as the processes have met.
    stopping.call_before_command_ends(_status_of_stop)
    line = start.join_processes(processes, config, name, cfg)
    print(line, flush=True)
    team.current_team().before_end(release_held_locks)
    team.current_team().before_end(end_decoding_at_signal)
    with _output_of_first():
        yield processes
    start.leave_processes()


def _start_lone_watchdog(config: ClusterConfig) -> None:
    """Starts the watchdog of a process that no other one waits for."""
    if config.watchdog:
        team.current_team().before_end(release_held_locks)
        team.current_team().before_end(end_decoding_at_signal)
        start_watchdog(team.current_team(), config.stall)


@contextlib.contextmanager
def _output_of_first() -> Iterator[None]:
    """Hides what all processes but the first print: it is the same. Errors are not hidden."""
    if team.current_team().is_first:
        yield
        return
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        yield


def _status_of_stop(stop: BaseException) -> int | None:
    """Tells the others that a signal ends this process; returns the status it ends with."""
    processes = team.current_team()
    if processes.count == 1:
        return None
    if isinstance(stop, SystemExit):
        # A training that has saved. All processes come here after the same step.
        start.leave_processes()
    else:
        processes.fail(f"{processes.name} was stopped; the same command goes on", team.TRY_AGAIN)
    return team.TRY_AGAIN


def end_failed_command(line: str | None) -> None:
    """Ends this process of several with an error, and all others with the same line.

    Does nothing in a process that is alone. It is called while the error is handled.

    Args:
      line: the message; None where the program is wrong, so that a traceback is printed.
    """
    processes = team.current_team()
    if processes.count == 1:
        return
    if line is None:
        processes.await_reason(_SECONDS_FOR_NEWS)
    # The news of the same error may come from another process, and must not be printed twice.
    processes.begin_end()
    if line is None:
        traceback.print_exc()
        kind, error, _ = sys.exc_info()
        line = f"{processes.name} has failed: {getattr(kind, '__name__', kind)}: {error}"
    else:
        print(f"error: {one_terminal_line(line)}", file=sys.stderr)
    processes.fail(one_terminal_line(line))
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    # Python's own end would wait for the other processes in JAX's.
    os._exit(1)
