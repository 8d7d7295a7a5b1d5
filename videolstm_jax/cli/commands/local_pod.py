"""`videolstm local_pod`: one command as several processes on this machine."""

from __future__ import annotations

import os
import shlex
import sys

from absl import flags

from videolstm_jax.cli.command_table import COMMANDS
from videolstm_jax.cluster.detect import visible_gpus
from videolstm_jax.cluster.local_pod import LocalPod
from videolstm_jax.errors import ConfigError


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines how many processes are started."""
    flags.DEFINE_integer(
        "processes",
        2,
        "How many processes to start. Each gets its share of the GPUs of this machine.",
        flag_values=flag_values,
    )
    flags.DEFINE_boolean(
        "dry_run",
        False,
        "Print the command of each process, and run nothing.",
        flag_values=flag_values,
    )
    # What stands behind the name of the command are its flags, not ours.
    flag_values.set_gnu_getopt(False)


def main(arguments: list[str]) -> None:
    """Runs the command behind the flags, and ends with the status of the first that failed.

    Raises:
      ConfigError: no command, or one that several processes cannot run.
    """
    count = flags.FLAGS["processes"].value
    if count < 1:
        raise ConfigError(f"--processes is {count}; expected 1 or more")
    # Refused here once, not by each process: several lines of the same error hide what is wrong.
    _check_command(arguments)
    pod = LocalPod(count, arguments, visible_gpus(os.environ))
    if flags.FLAGS["dry_run"].value:
        for index in range(count):
            print(shlex.join(pod.command(index)))
        return
    sys.exit(pod.run())


def _check_command(arguments: list[str]) -> None:
    """Raises ConfigError where the first argument is no command for several processes."""
    shared_commands = []
    for name, command in COMMANDS.items():
        if command.processes != "one":
            shared_commands.append(name)
    command_name = "nothing"
    if arguments:
        command_name = arguments[0]
    if command_name not in shared_commands:
        raise ConfigError(
            f"the command is {command_name}; expected one that several processes can run: "
            f"{', '.join(shared_commands)}"
        )
