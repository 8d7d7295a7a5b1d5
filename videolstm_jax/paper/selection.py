"""Which of the rows that names stand for can be planned with the data that were given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from videolstm_jax.errors import ConfigError
from videolstm_jax.paper.request import (
    Request,
    lacks_paper_weights,
    missing_paper_flags,
    require_paper_data,
)
from videolstm_jax.paper.row_names import find_paper_rows
from videolstm_jax.paper.rows import Row
from videolstm_jax.presets import convnet_of

_RANDOM = "random"
"""The value of `convnet.weights` for a start from random numbers."""
_WEIGHTS_TEXT = (
    "needs --convnet.weights=FILE, ImageNet weights as the paper's backbones had: `videolstm "
    "fetch_weights` downloads them (docs/convnets.md); --convnet.weights=random goes without them"
)


class Selection(NamedTuple):
    """The rows whose data were given, and the others by the flags that would bring them."""

    rows: list[Row]
    left_out: Mapping[str, list[Row]]


def select_paper_rows(names: Sequence[str], request: Request) -> Selection:
    """Chooses the rows that can be planned.

    A name such as `table1` stands for rows of both data sets. Where only UCF101 was given, its rows
    are worth a plan without those of HMDB51.

    Args:
      names: as for `find_paper_rows`; none stands for all rows.
      request: what was given.

    Raises:
      ConfigError: a name fits no row; it means one row alone, and the data of that row were not
        given; or no row is left.
    """
    for name in names:
        meant = find_paper_rows([name])
        # Who names one row wants it: without its data that is an error, and no row to leave out.
        if len(meant) == 1:
            require_paper_data(meant[0], request)
    rows, left_out = [], {}
    candidates = find_paper_rows(names)
    for row in candidates:
        flags = " ".join(missing_paper_flags(row, request))
        if flags:
            left_out.setdefault(flags, []).append(row)
        else:
            rows.append(row)
    # With no row left the first one that was meant says which flag is missing.
    if not rows:
        require_paper_data(candidates[0], request)
    return Selection(rows, left_out)


def require_paper_weights(rows: Sequence[Row], request: Request) -> None:
    """Raises ConfigError where a backbone would start from random numbers that nobody chose."""
    for row in rows:
        if lacks_paper_weights(row, request):
            raise ConfigError(f"{row.name} {_WEIGHTS_TEXT}")


def paper_selection_notes(selection: Selection, request: Request) -> list[str]:
    """What a reader of a plan must know: rows that are left out, and where backbones start.

    Args:
      selection: of `select_paper_rows`.
      request: what was given.

    Returns:
      Sentences, each for a line of its own.
    """
    notes = []
    for flags, rows in selection.left_out.items():
        count = f"{len(rows)} rows"
        if len(rows) == 1:
            count = "1 row"
        notes.append(f"left out: {count} ({', '.join(_groups(rows))}); {flags} adds them")
    backbones = False
    for row in selection.rows:
        if lacks_paper_weights(row, request):
            notes.append(f"before it runs: {row.name} {_WEIGHTS_TEXT}")
            return notes
        backbones = backbones or bool(row.backbones)
    weights = convnet_of(request.settings.config(), "rgb").weights
    if backbones and weights == _RANDOM:
        notes.append(
            "The backbones start from random numbers, unlike the paper's; --show marks the results."
        )
    return notes


def _groups(rows: Sequence[Row]) -> list[str]:
    """Short names of rows that are left out: that of a row, or of its table and data set."""
    by_group: dict[str, list[str]] = {}
    for row in rows:
        # A figure is of one data set, and its names have none.
        group = f"{row.table}/{row.dataset}"
        if row.table.startswith("figure"):
            group = row.table
        by_group.setdefault(group, []).append(row.name)
    short_names = []
    for group, names in by_group.items():
        # The name of a group would say more than is left out where it is a single row.
        if len(names) == 1:
            group = names[0]
        short_names.append(group)
    return short_names
