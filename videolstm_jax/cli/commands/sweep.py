"""`videolstm sweep`: one pipeline for each seed (--seeds=0,1,2) or group (--leave_one_out)."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

from absl import flags

from videolstm_jax.cli import boot
from videolstm_jax.cli.commands import pipeline
from videolstm_jax.cli.commands.pipeline import short_flags
from videolstm_jax.config import RunConfig
from videolstm_jax.errors import ConfigError

__all__ = ["define_flags", "main", "seeds_of_flag", "short_flags"]


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines the flags of a pipeline and those of a sweep."""
    pipeline.define_flags(flag_values)
    flags.DEFINE_list(
        "seeds", [], "Run a pipeline with each of these seeds.", flag_values=flag_values
    )
    flags.DEFINE_boolean(
        "leave_one_out",
        False,
        "Run a pipeline with each group of videos as the test list.",
        flag_values=flag_values,
    )


def seeds_of_flag(numerals: Sequence[str]) -> tuple[int, ...]:
    """The seeds that a flag lists.

    Raises:
      ConfigError: they are not different whole numbers.
    """
    # Not by `int` alone, which takes "-1", " 1" and "1_0" too.
    seeds = []
    for numeral in numerals:
        if numeral.isdecimal():
            seeds.append(int(numeral))
    # "0" and "00" are one seed: its two pipelines would write the same folder.
    if len(set(seeds)) < len(numerals):
        raise ConfigError(
            f"--seeds is {','.join(numerals)}; expected different whole numbers, such as 0,1,2"
        )
    return tuple(seeds)


def main(cfg: RunConfig) -> None:
    """Runs every part and pools them, or prints the commands of all parts."""
    # Imported only now: pipelines import JAX and TensorFlow, which --help does not need.
    sweep = importlib.import_module("videolstm_jax.sweep")
    seeds = seeds_of_flag(flags.FLAGS["seeds"].value)
    parts = sweep.sweep_parts(cfg, seeds=seeds, leave_one_out=flags.FLAGS["leave_one_out"].value)
    if flags.FLAGS["dry_run"].value:
        print(sweep.sweep_commands(parts, boot.command_program_name()))
    else:
        sweep.run_sweep(cfg, parts)
