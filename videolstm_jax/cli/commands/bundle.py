"""`videolstm bundle`: a model as a folder that needs no work folder, --run=FOLDER --to=NEW."""

from __future__ import annotations

import importlib

from absl import flags

from videolstm_jax.cli import config_flags
from videolstm_jax.config import BundleConfig


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines a flag for every setting of `BundleConfig`."""
    for flag in config_flags.record_flags(BundleConfig):
        config_flags.define_flag(flag_values, flag)


def main(arguments: list[str]) -> None:
    """Runs the stage with the settings that the flags give."""
    cfg = config_flags.record_of_flags(flags.FLAGS, BundleConfig)
    # Imported only now: the stage imports JAX, which --help does not need.
    path = importlib.import_module("videolstm_jax.stages.bundle").run(cfg)
    print(f"bundle: wrote {path}", flush=True)
