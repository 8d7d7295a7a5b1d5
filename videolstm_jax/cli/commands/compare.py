"""`videolstm compare RUN RUN`: the step at which two trainings part."""

from __future__ import annotations

import sys

from absl import flags

from videolstm_jax.errors import ConfigError
from videolstm_jax.train.compare import compare_trainings


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines none: the two folders are all that is needed."""


def main(arguments: list[str]) -> None:
    """Prints where the trainings part; the status is 1 where they do, as that of `cmp`."""
    if len(arguments) != 2:
        raise ConfigError(f"the folders to compare are {arguments}; expected two, RUN RUN")
    agree, lines = compare_trainings(*arguments)
    print("\n".join(lines), flush=True)
    if not agree:
        sys.exit(1)
