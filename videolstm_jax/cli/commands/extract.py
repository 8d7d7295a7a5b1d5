"""`videolstm extract`: features of one stream, --shard=i/n for the i-th of n workers."""

from __future__ import annotations

import importlib

from absl import flags

from videolstm_jax.cli.commands.pipeline import define_backbone_flag, short_flags
from videolstm_jax.cluster.detect import Processes
from videolstm_jax.config import RunConfig
from videolstm_jax.errors import ConfigError

__all__ = ["define_flags", "main_of_processes", "short_flags"]


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


def main_of_processes(cfg: RunConfig, processes: Processes) -> None:
    """Runs the stage for one shard of the videos: of several processes, that of this one.

    Raises:
      ConfigError: a shard is given beside several processes.
    """
    # Imported only now: the stage imports JAX, which --help does not need.
    shards = importlib.import_module("videolstm_jax.features.shards")
    stage = importlib.import_module("videolstm_jax.stages.extract")
    shard = shards.parse_feature_shard(flags.FLAGS["shard"].value)
    # Each of several processes gets the command line of all, and takes its part by its number.
    if processes.count > 1:
        if flags.FLAGS["shard"].present:
            raise ConfigError(
                f"--shard={flags.FLAGS['shard'].value}, and {processes.source} shows "
                f"{processes.count} processes, which would all take it; expected "
                "--distributed=off, or no --shard"
            )
        shard = shards.Shard(processes.index + 1, processes.count)
        print(f"process {processes.index} of {processes.count}, by {processes.source}", flush=True)
    print(f"extract: wrote {stage.run(cfg, shard=shard)}", flush=True)
