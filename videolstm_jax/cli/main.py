"""The entry point of `videolstm`, and of the scripts in `launch/`."""

from __future__ import annotations

import difflib
import sys

from videolstm_jax.cli import boot, ending, help_text
from videolstm_jax.cli.command_table import COMMANDS, DEPRECATED


def main(name: str | None = None) -> None:
    """Runs the command that the command line names, and ends the process.

    Args:
      name: the command, where a script stands for one; None reads it from the command line.
    """
    with ending.quiet_when_output_closes():
        _run_command(name, sys.argv[1:])


def _run_command(name: str | None, arguments: list[str]) -> None:
    if name is None:
        # `--helpfull` without a command would have to list the settings of all of them.
        if not arguments or arguments[0] in (*help_text.HELP, "--helpfull"):
            print(help_text.list_of_commands())
            sys.exit(0)
        name, *arguments = arguments
    if name in DEPRECATED:
        print(f"{name} is now called {DEPRECATED[name]}", file=sys.stderr, flush=True)
        name = DEPRECATED[name]
    if name not in COMMANDS:
        hint = ""
        for nearest in difflib.get_close_matches(name, COMMANDS, 1):
            hint = f" (did you mean {nearest}?)"
        print(
            f"error: there is no command {name!r}{hint}; `videolstm --help` lists the commands",
            file=sys.stderr,
        )
        sys.exit(1)
    boot.start(name, arguments)


if __name__ == "__main__":
    main()
