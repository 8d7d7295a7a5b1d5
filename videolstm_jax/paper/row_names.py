"""Which rows of the paper a name stands for."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from videolstm_jax.errors import ConfigError
from videolstm_jax.paper.rows import ROWS, Row


def find_paper_rows(names: Sequence[str]) -> list[Row]:
    """The rows that names stand for, in the order of the tables, each once.

    A name is that of a row, or its first word with any of the others: `table1` is all of Table 1,
    `table1/rgb` its half on RGB, `figure4` both figures. A cell may stand for its column:
    `table2/ucf101/videolstm` is `table2/ucf101/motion/convalstm`. Rows of a single split are only
    meant where the name has the split.

    Args:
      names: none stands for all rows.

    Raises:
      ConfigError: a name that fits no row.
    """
    # All names are looked up first: one that fits no row is an error, whatever the others are.
    chosen: set[str] = set()
    for name in names:
        fits_a_row = False
        for row in ROWS.values():
            if _fits(row, name):
                chosen.add(row.name)
                fits_a_row = True
        if not fits_a_row:
            raise ConfigError(_unknown(name))
    rows = []
    # In the order of the tables, whatever the order of the names.
    for row in ROWS.values():
        is_mean = row.name == row.mean_name
        if row.name in chosen or (is_mean and not names):
            rows.append(row)
    return rows


def _fits(row: Row, name: str) -> bool:
    table, *wanted_parts = name.strip("/").split("/")
    parts = row.name.split("/")
    # The first part is always a table or a figure; the others may come in any order.
    if table != row.table and not (table == "figure4" and row.table.startswith("figure4")):
        return False
    if row.name != row.mean_name and parts[-1] not in wanted_parts:
        return False
    return {*parts, row.cell}.issuperset(wanted_parts)


def _unknown(name: str) -> str:
    hint = ""
    for nearest in difflib.get_close_matches(name, ROWS, 1):
        hint = f" (did you mean {nearest}?)"
    return f"there is no row {name!r}{hint}; `videolstm paper --list` prints all names"
