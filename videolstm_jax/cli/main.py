"""The entry point of `videolstm`, and of the scripts in `launch/`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import NoReturn

from videolstm_jax.cli import stopping
from videolstm_jax.interrupts import handle_signals


def main(name: str | None = None) -> None:
    """Runs the command that the command line names, and ends the process.

    Args:
      name: the command, where a script stands for one; None reads it from the command line.
    """
    try:
        # Before all other modules are imported, which takes seconds: Ctrl-C may come at any time.
        handle_signals()
        _run_command(name, sys.argv[1:])
    except KeyboardInterrupt as stop:
        stopping.end_command_process(stop)
    except Exception:
        stopping.end_command_if_signalled()
        raise


def _run_command(name: str | None, arguments: list[str]) -> None:
    # Imported here, behind the handlers of signals; see `main`.
    from videolstm_jax.cli import ending, terminal

    with terminal.escaped_terminal_output(), ending.quiet_command_when_output_closes():
        _run_named(name, arguments)


def _run_named(name: str | None, arguments: list[str]) -> None:
    from videolstm_jax.cli import boot, help_text
    from videolstm_jax.cli.command_table import COMMANDS, DEPRECATED

    if name is None:
        # `--helpfull` without a command would have to list the settings of all of them.
        if not arguments or arguments[0] in (*help_text.HELP, "--helpfull"):
            print(help_text.list_of_commands())
            sys.exit(0)
        # The first word is the command, and absl must not see it.
        name, *arguments = arguments
    if name in DEPRECATED:
        print(f"{name} is now called {DEPRECATED[name]}", file=sys.stderr, flush=True)
        name = DEPRECATED[name]
    if name not in COMMANDS:
        _refuse_name(name, COMMANDS)
    boot.start_command(name, arguments)


def _refuse_name(name: str, commands: Iterable[str]) -> NoReturn:
    import difflib

    hint = ""
    for nearest in difflib.get_close_matches(name, commands, 1):
        hint = f" (did you mean {nearest}?)"
    print(
        f"error: there is no command {name!r}{hint}; `videolstm --help` lists the commands",
        file=sys.stderr,
    )
    sys.exit(1)


if __name__ == "__main__":
    main()
