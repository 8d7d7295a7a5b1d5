"""Reads labels.csv, the table that gives each video its class, and perhaps its group and part."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import NamedTuple

from etils import epath

from videolstm_jax.dataset.lists import read_list_text
from videolstm_jax.errors import FileError

FILE_NAMES = ("labels.csv", "manifest.csv")

# Names that tables and data sets use for the parts, and the part that each of them is.
PARTS = {
    "train": "train",
    "training": "train",
    "test": "test",
    "testing": "test",
    "valid": "valid",
    "validation": "valid",
    "val": "valid",
    "unused": "unused",
}


class LabelsRow(NamedTuple):
    """A line of labels.csv.

    `path` is below the folder of the table; `group` and `part` are empty where the table has none;
    `where` is "file:line".
    """

    path: str
    label: str
    group: str
    part: str
    where: str


def find_labels_csv(root: epath.Path) -> epath.Path | None:
    """The table of a folder, labels.csv or else manifest.csv; None where there is none."""
    for name in FILE_NAMES:
        if (root / name).exists():
            return root / name
    return None


def read_labels_csv(path: epath.Path) -> list[LabelsRow]:
    """Reads a table whose first line names its columns.

    `path` (below the table's folder) and `label` are required. `group` or `source_video` says which
    clips belong together; `part` or `split` is train, valid, test or unused. Other columns are
    ignored.

    Raises:
      FileError: a missing column, an empty field, an unknown part, a part in some lines only, a
        path twice, or a file that is no table.
    """
    rows: dict[str, LabelsRow] = {}
    for row in _read_rows(path):
        _check_row(row)
        if row.path in rows:
            first = rows[row.path].where
            raise FileError(f"{row.where}: {row.path} is listed twice, first at {first}")
        rows[row.path] = row._replace(part=PARTS.get(row.part.lower(), ""))
    if not rows:
        raise FileError(f"{path}: lists no video")
    _check_all_or_none("group", list(rows.values()))
    _check_all_or_none("part", list(rows.values()))
    return list(rows.values())


def _read_rows(path: epath.Path) -> list[LabelsRow]:
    """The rows as they are written, after a check of the columns."""
    # `splitlines` also takes the line ends of old Macintosh files, which csv refuses.
    reader = csv.DictReader(io.StringIO("\n".join(read_list_text(path).splitlines())))
    rows = []
    try:
        columns = [str(name).strip() for name in reader.fieldnames or ()]
        reader.fieldnames = columns
        for cells in reader:
            group = _cell(cells, "group", "source_video")
            part = _cell(cells, "part", "split")
            where = f"{path}:{reader.line_num}"
            rows.append(LabelsRow(_cell(cells, "path"), _cell(cells, "label"), group, part, where))
    except csv.Error as error:
        raise FileError(f"{path}:{reader.reader.line_num}: {error}") from error
    missing = [name for name in ("path", "label") if name not in columns]
    if missing:
        raise FileError(
            f"{path}:1: columns {columns}; expected path,label[,group][,part], lacks {missing}"
        )
    return rows


def _cell(cells: dict, *names: str) -> str:
    """The first of these columns that is not empty."""
    for name in names:
        if cells.get(name):
            return str(cells[name]).strip()
    return ""


def _check_row(row: LabelsRow) -> None:
    if not row.path or not row.label or "/" in row.label:
        raise FileError(
            f"{row.where}: path {row.path!r}, label {row.label!r}; expected both, without / in the "
            "label"
        )
    if row.part and row.part.lower() not in PARTS:
        parts = ", ".join(sorted(set(PARTS.values())))
        raise FileError(f"{row.where}: part {row.part!r}; expected one of {parts}")


def _check_all_or_none(field: str, rows: Sequence[LabelsRow]) -> None:
    """Refuses a column that is filled in some rows only, which would split by halves."""
    empty = [row.where for row in rows if not getattr(row, field)]
    if 0 < len(empty) < len(rows):
        raise FileError(f"{empty[0]}: no {field}; expected one in every line, or in none")
