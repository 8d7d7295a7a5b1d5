"""`videolstm extract`: features of one stream, --shard=i/n for the i-th of n workers."""

from __future__ import annotations

import importlib

from absl import flags

from videolstm_jax.cli.commands.pipeline import define_backbone_flag, short_flags
from videolstm_jax.config import RunConfig

__all__ = ["define_flags", "main", "short_flags"]


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines `--backbone` and `--shard`."""
    define_backbone_flag(flag_values)
    flags.DEFINE_string(
        "shard",
        "1/1",
        "i/n: take every n-th video from the i-th on, beside n - 1 others that write to the same "
        "folder; the last to finish writes the index.",
        flag_values=flag_values,
    )


def main(cfg: RunConfig) -> None:
    """Runs the stage for one shard of the videos."""
    # Imported only now: the stage imports JAX, which --help does not need.
    shards = importlib.import_module("videolstm_jax.features.shards")
    stage = importlib.import_module("videolstm_jax.stages.extract")
    shard = shards.parse_shard(flags.FLAGS["shard"].value)
    print(f"extract: wrote {stage.run(cfg, shard=shard)}", flush=True)
