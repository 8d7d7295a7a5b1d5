"""Tables of the page as records: numbers as text, with the values they are sorted by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from videolstm_jax.report import charts

ABSENT = "–"
"""The text of a number that does not exist."""


class TableCell(NamedTuple):
    """A cell: text, sort value, whether it is the best of its column, and perhaps a drawing."""

    text: str
    value: float | None = None
    best: bool = False
    svg: str = ""


NONE = TableCell(ABSENT)
"""The cell of a number that does not exist."""


class Table(NamedTuple):
    """A table whose first column names the rows; `numeric` marks the columns of numbers."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[TableCell, ...], ...]
    numeric: tuple[bool, ...]
    note: str = ""


class Column(NamedTuple):
    """One column of a table before its rows are formed."""

    head: str
    cells: Sequence[TableCell]
    numeric: bool = True


class Result(NamedTuple):
    """The result of one model or fusion on the test list; None for what was not measured.

    `kind` is "ConvNet", "recurrent", "fusion" or "comparison"; `inputs` names the streams it reads.
    `low` and `high` bound the 95 % Wilson interval of the accuracy. `map_20` and `map_50` are
    video-mAP at IoU .2 and .5, `frame_iou` the mean over frames, `mass` the share of the attention
    inside the true box, `area` the share of the frame that the true box covers. `trained_on` counts
    the test videos that the model was trained on.
    """

    name: str
    kind: str
    inputs: str
    correct: int
    total: int
    low: float
    high: float
    mean_class: float
    map_20: float | None = None
    map_50: float | None = None
    frame_iou: float | None = None
    mass: float | None = None
    area: float | None = None
    trained_on: int = 0

    @property
    def accuracy(self) -> float:
        """The share of the test list that is right; 0 for an empty list."""
        if not self.total:
            return 0.0
        return self.correct / self.total


# ---- the table of results ------------------------------------------------------------------------

LOCALISATION_COLUMNS = (
    ("Video-mAP at .2", "map_20"),
    ("Video-mAP at .5", "map_50"),
    ("Mean frame IoU", "frame_iou"),
)
"""Heads of columns and the fields of `Result` they show, left out where no row has a value."""


def page_table(rows: Sequence[Result]) -> Table:
    """Makes the table of Sec. 5: accuracies with intervals, and localisation if measured."""
    # What a model is comes first, then how often it is right, then where it looks.
    columns = [
        _text_column("Model", rows, "name"),
        _text_column("Kind", rows, "kind"),
        _text_column("Reads", rows, "inputs"),
        Column("Right", list(map(_right, rows))),
        _measure("Accuracy", [row.accuracy for row in rows], percent_page_text),
        Column("95 % interval", list(map(_interval, rows))),
        _measure("Mean class accuracy", [row.mean_class for row in rows], percent_page_text),
    ]
    note = (
        "The interval is Wilson's for this number of test videos. Bold marks the best of a column."
    )
    if any(row.trained_on for row in rows):
        # Beside the number that it spoils.
        columns.insert(4, Column("Trained on", list(map(_trained_on, rows))))
        note += (
            " Rows with a number under Trained on were measured on videos that the model was "
            "trained on: they say nothing of new videos."
        )
    for head, field in LOCALISATION_COLUMNS:
        values = [getattr(row, field) for row in rows]
        if values.count(None) < len(values):
            columns.append(_measure(head, values, _fraction))
    masses = [row.mass for row in rows]
    if masses.count(None) < len(masses):
        texts = list(map(_mass, rows))
        columns.append(Column("Attention in the box (of the frame)", _cells(masses, texts)))
    return _table("On the test list", columns, note)


def _text_column(head: str, rows: Sequence[Result], field: str) -> Column:
    cells = [TableCell(getattr(row, field)) for row in rows]
    return Column(head, cells, numeric=False)


def _right(row: Result) -> TableCell:
    return TableCell(f"{row.correct} / {row.total}", row.correct)


def _trained_on(row: Result) -> TableCell:
    if not row.trained_on:
        return NONE
    return TableCell(f"{row.trained_on} / {row.total}", row.trained_on)


def percent_page_text(share: float | None) -> str:
    """Formats a share in [0, 1] as a percentage."""
    if share is None:
        return ABSENT
    return f"{100 * share:.1f} %"


def _fraction(value: float | None) -> str:
    if value is None:
        return ABSENT
    return f"{value:.3f}"


def _interval(row: Result) -> TableCell:
    text = f"{100 * row.low:.1f} to {100 * row.high:.1f}"
    return TableCell(text, row.low, svg=charts.interval_bar_chart(row.accuracy, row.low, row.high))


def _mass(row: Result) -> str:
    # The area of the box is what uniform attention would have in it.
    if row.mass is None or not row.area:
        return percent_page_text(row.mass)
    return f"{percent_page_text(row.mass)} (of {percent_page_text(row.area)})"


def _measure(
    head: str, values: Sequence[float | None], text: Callable[[float | None], str]
) -> Column:
    return Column(head, _cells(values, list(map(text, values))))


def _cells(values: Sequence[float | None], texts: Sequence[str]) -> list[TableCell]:
    """Cells of a column, the highest value marked as best unless all are equal."""
    numbers = []
    for value in values:
        if value is not None:
            numbers.append(value)
    # A mark on every row would say nothing.
    best = None
    if numbers and max(numbers) > min(numbers):
        best = max(numbers)
    cells = []
    for value, text in zip(values, texts, strict=True):
        cells.append(TableCell(text, value, best is not None and value == best))
    return cells


def _table(caption: str, columns: Sequence[Column], note: str = "") -> Table:
    heads, cells, numeric = [], [], []
    for column in columns:
        heads.append(column.head)
        cells.append(column.cells)
        numeric.append(column.numeric)
    # Columns are formed one by one, and a page is written row by row.
    rows = tuple(zip(*cells, strict=True))
    return Table(caption, tuple(heads), rows, tuple(numeric), note)


# ---- other tables --------------------------------------------------------------------------------


def plain_page_table(
    caption: str,
    head: Sequence[str],
    rows: Sequence[Sequence[TableCell | str | float | None]],
    note: str = "",
) -> Table:
    """Makes a table of text and numbers; a column with a number in it is numeric."""
    cells = []
    numeric = [False] * len(head)
    for row in rows:
        cells.append(tuple(map(_plain_cell, row)))
        for column, cell in enumerate(cells[-1]):
            if cell.value is not None:
                numeric[column] = True
    return Table(caption, tuple(head), tuple(cells), tuple(numeric), note)


def _plain_cell(value: TableCell | str | float | None) -> TableCell:
    """Fractions get three places, None a dash; cells stay as they are."""
    if isinstance(value, TableCell):
        return value
    # Text has no sort value: a page sorts it by its letters.
    if isinstance(value, str):
        return TableCell(value)
    if value is None:
        return TableCell(ABSENT)
    if isinstance(value, float):
        return TableCell(f"{value:.3f}", value)
    return TableCell(str(value), value)
