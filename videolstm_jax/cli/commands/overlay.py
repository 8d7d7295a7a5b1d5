"""`videolstm overlay`: films and strips of what a run predicted in videos of its pipeline."""

from __future__ import annotations

import importlib

from absl import flags

from videolstm_jax.cli import config_flags
from videolstm_jax.config import OverlayConfig

_FIELDS = {"video": "videos"}
"""Flags with another name than their setting: one video is the usual case."""


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines a flag for every setting of `OverlayConfig`."""
    for flag in _flags():
        config_flags.define_flag(flag_values, flag)


def main(arguments: list[str]) -> None:
    """Runs the stage with the settings that the flags give."""
    settings = {}
    # Only flags that are given: the others keep the defaults of the record.
    for flag, setting in config_flags.present_flags(flags.FLAGS, _flags()):
        settings[_FIELDS.get(flag.name, flag.name)] = setting
    # Imported only now: the stage imports JAX, which --help does not need.
    path = importlib.import_module("videolstm_jax.stages.overlay").run(OverlayConfig(**settings))
    print(f"overlay: wrote {path}", flush=True)


def _flags() -> list[config_flags.Flag]:
    flag_of_field = {field: name for name, field in _FIELDS.items()}
    renamed = []
    for flag in config_flags.record_flags(OverlayConfig):
        renamed.append(flag._replace(name=flag_of_field.get(flag.name, flag.name)))
    return renamed
