"""`videolstm paper`: the numbers of the paper by name; --list prints the names."""

from __future__ import annotations

import shutil

from absl import flags

from videolstm_jax.config import RunConfig
from videolstm_jax.errors import ConfigError
from videolstm_jax.paper import listing, rows


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines what is done with the rows that the names stand for."""
    flags.DEFINE_boolean(
        "list",
        False,
        "Print the rows and the paper's numbers; one row in full.",
        flag_values=flag_values,
    )


def main(cfg: RunConfig, names: list[str]) -> None:
    """Lists the rows."""
    chosen = rows.find_rows(names)
    width = shutil.get_terminal_size().columns
    if flags.FLAGS["list"].value:
        if len(chosen) == 1:
            print(listing.row_text(chosen[0], cfg.preset, width=width))
        else:
            print(listing.list_text(chosen, width=width))
        return
    raise ConfigError("expected --list")
