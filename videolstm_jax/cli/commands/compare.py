"""`videolstm compare --run=FOLDER --other=FOLDER`: the step at which two trainings part."""

from __future__ import annotations

import sys

from absl import flags

from videolstm_jax.errors import ConfigError
from videolstm_jax.train.numerics.compare import compare_trainings


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines `--run` and `--other`."""
    flags.DEFINE_string(
        "run",
        "",
        "The folder of a run or of a backbone, <work>/runs/<name>.",
        flag_values=flag_values,
    )
    flags.DEFINE_string("other", "", "The folder to compare it with.", flag_values=flag_values)


def main(arguments: list[str]) -> None:
    """Prints where the trainings part; the status is 1 where they do, as that of `cmp`."""
    folders = []
    for name in ("run", "other"):
        folder = flags.FLAGS[name].value
        if not folder:
            raise ConfigError(f"--{name} is empty; expected the folder of a training")
        folders.append(folder)
    agree, lines = compare_trainings(*folders)
    print("\n".join(lines), flush=True)
    if not agree:
        sys.exit(1)
