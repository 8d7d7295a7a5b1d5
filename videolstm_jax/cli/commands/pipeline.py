"""`videolstm pipeline`: all stages, from a folder of videos to a page of pictures."""

from __future__ import annotations

import importlib
from typing import Any

from absl import flags

from videolstm_jax.cli import boot
from videolstm_jax.config import RunConfig


def define_flags(values: flags.FlagValues) -> None:
    """Defines the short flags for settings, and `--dry_run`."""
    flags.DEFINE_string(
        "videos",
        None,
        "Short for --data.videos: the folder that holds the class folders.",
        flag_values=values,
    )
    flags.DEFINE_list(
        "cells",
        None,
        "Short for --pipeline.cells: cells to train on RGB; the last one is fused.",
        flag_values=values,
    )
    flags.DEFINE_boolean(
        "dry_run",
        False,
        "Print the single commands that this stands for, and run nothing.",
        flag_values=values,
    )


def short_flags(values: flags.FlagValues) -> dict[str, Any]:
    """The settings that the short flags give."""
    settings: dict[str, Any] = {}
    if values["videos"].present:
        settings["data__videos"] = values["videos"].value
    if values["cells"].present:
        settings["pipeline__cells"] = tuple(values["cells"].value)
    return settings


def main(cfg: RunConfig) -> None:
    """Runs the pipeline, or prints its commands."""
    # Imported only now: the stages import JAX and TensorFlow, which --help does not need.
    pipeline = importlib.import_module("videolstm_jax.pipeline")
    if flags.FLAGS["dry_run"].value:
        print(pipeline.commands(cfg, boot.program()))
    else:
        pipeline.run(cfg)
