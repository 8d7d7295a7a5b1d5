"""What every launcher does first: flags, one line for an error the user can mend, and the stage
itself.
"""

from __future__ import annotations

import gc
import importlib
import os
import signal
import sys
import threading
import types
from collections.abc import Callable

from absl import app, flags, logging

from launch import config_flags
from videolstm_jax.config import RunConfig
from videolstm_jax.errors import ConfigError, FileError

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

_VERBOSE = flags.DEFINE_boolean(
    "trace", False, "Show where an error was raised, not only what it says."
)


def stage(name: str) -> None:
    """Runs `videolstm_jax.stages.<name>.run` with the configuration that the flags ask for."""

    def main(cfg: RunConfig) -> None:
        path = importlib.import_module(f"videolstm_jax.stages.{name}").run(cfg)
        print(f"{name}: wrote {path}", flush=True)

    launch(main)


def launch(main: Callable[[RunConfig], None], *, preset: str = "paper") -> None:
    """Parses the flags, prints the resolved configuration and calls `main`; an error ends the
    process with status 1.
    """
    config_flags.define(preset=preset)

    def run(argv: list[str]) -> None:
        if len(argv) > 1:
            raise app.UsageError(
                f"unexpected words {argv[1:]}; settings are given as --section.field=value"
            )
        cfg = config_flags.config()
        if not flags.FLAGS["verbosity"].present:
            logging.set_verbosity(logging.WARNING)  # orbax tells of every file it writes
        print(config_flags.pretty(cfg), flush=True)
        _check_cells(cfg)
        main(cfg)

    app.run(guarded(run))


def _check_cells(cfg: RunConfig) -> None:
    """Raises ConfigError where a cell does not exist, before any stage has read a file."""
    names = {cfg.model.cell, *cfg.pipeline.cells, cfg.pipeline.flow_cell}
    # The module of the cells imports JAX, which takes longer than some of the commands.
    if names == {RunConfig().model.cell}:
        return
    from videolstm_jax.core.cells import find_cell

    for name in sorted(names):
        find_cell(name)


def guarded(run: Callable[[list[str]], None]) -> Callable[[list[str]], None]:
    """`run`, with the errors a user can mend said in one line on stderr and status 1, and Ctrl-C
    with status 130.
    """

    def inner(argv: list[str]) -> None:
        signal.signal(signal.SIGINT, _interrupted)
        try:
            run(argv)
        except (KeyboardInterrupt, SystemExit) as stop:
            if isinstance(stop, SystemExit) and not _is_ours(stop):
                raise
            print(
                stop.args[0] if stop.args else "stopped; the same command goes on", file=sys.stderr
            )
            sys.exit(130)
        except (ConfigError, FileError, ValueError, OSError) as error:
            if _VERBOSE.value or not _is_ours(error):
                raise
            print(f"error: {error}", file=sys.stderr)
            sys.exit(1)

    return inner


def _interrupted(_: int, frame: types.FrameType | None) -> None:
    """Ends what decodes videos, for which some thread may wait as long as one may take, and then
    stops as ever.
    """
    if frame and frame.f_code in [getattr(callback, "__code__", None) for callback in gc.callbacks]:
        threading.Timer(
            0.01, os.kill, (os.getpid(), signal.SIGINT)
        ).start()  # what is raised in one is lost
        return
    if guard := sys.modules.get(
        "videolstm_jax.video.guard"
    ):  # heavy, and not all launchers read videos
        guard.interrupt()
    raise KeyboardInterrupt


def _is_ours(error: BaseException) -> bool:
    return type(error).__module__.startswith("videolstm_jax")
