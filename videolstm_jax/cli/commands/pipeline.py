"""`videolstm pipeline`: all stages, from a folder of videos to a page of pictures."""

from __future__ import annotations

import importlib
from typing import Any

from absl import flags

from videolstm_jax.cli import boot
from videolstm_jax.config import RunConfig

_SHORT = {"videos": "data__videos", "cells": "pipeline__cells", "backbone": "convnet__backbone"}
"""The settings that the short flags stand for."""


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines the short flags for settings, and `--dry_run`."""
    flags.DEFINE_string(
        "videos",
        None,
        "Short for --data.videos: the folder that holds the class folders.",
        flag_values=flag_values,
    )
    flags.DEFINE_list(
        "cells",
        None,
        "Short for --pipeline.cells: cells to train on RGB; the last one is fused.",
        flag_values=flag_values,
    )
    define_backbone_flag(flag_values)
    flags.DEFINE_boolean(
        "dry_run",
        False,
        "Print the single commands that this stands for, and run nothing.",
        flag_values=flag_values,
    )


def define_backbone_flag(flag_values: flags.FlagValues) -> None:
    """Defines `--backbone`, the short flag of several commands."""
    flags.DEFINE_string(
        "backbone",
        None,
        "Short for --convnet.backbone: vgg, lite0, or package.module:FUNCTION.",
        flag_values=flag_values,
    )


def short_flags(flag_values: flags.FlagValues) -> dict[str, Any]:
    """The settings that the short flags give."""
    settings: dict[str, Any] = {}
    for name, setting in _SHORT.items():
        # A command may define only some of them.
        if name in flag_values and flag_values[name].present:
            settings[setting] = flag_values[name].value
    # absl's lists are lists; settings are compared and hashed, so theirs are tuples.
    if "pipeline__cells" in settings:
        settings["pipeline__cells"] = tuple(settings["pipeline__cells"])
    return settings


def main(cfg: RunConfig) -> None:
    """Runs the pipeline, or prints its commands."""
    # Imported only now: the stages import JAX and TensorFlow, which --help does not need.
    pipeline = importlib.import_module("videolstm_jax.pipeline")
    if flags.FLAGS["dry_run"].value:
        print(pipeline.pipeline_commands(cfg, boot.command_program_name()))
    else:
        pipeline.run(cfg)
