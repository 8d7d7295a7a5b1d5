"""`videolstm predict`: a trained model reads a video, a camera or a pipe frame by frame."""

from __future__ import annotations

import importlib

from absl import flags

from videolstm_jax.cli import config_flags
from videolstm_jax.config import PredictConfig


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines a flag for every setting of `PredictConfig`."""
    for flag in config_flags.record_flags(PredictConfig):
        config_flags.define_flag(flag_values, flag)


def main(arguments: list[str]) -> None:
    """Runs the stage with the settings that the flags give."""
    cfg = config_flags.record_of_flags(flags.FLAGS, PredictConfig)
    # Imported only now: the stage imports JAX, which --help does not need.
    path = importlib.import_module("videolstm_jax.stages.predict").run(cfg)
    if path is None:
        print("predict: wrote no film", flush=True)
    else:
        print(f"predict: wrote {path} and {path.with_suffix('.png').name}", flush=True)
