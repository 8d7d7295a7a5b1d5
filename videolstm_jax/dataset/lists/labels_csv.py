"""Reads labels.csv, the table that gives each video its class, and perhaps its group and part."""

from __future__ import annotations

import csv
import io
import os
import posixpath
import re
from collections.abc import Sequence
from typing import NamedTuple

from etils import epath

from videolstm_jax.dataset.folders.video_names import check_class_label
from videolstm_jax.dataset.lists.list_files import read_list_text
from videolstm_jax.errors import FileError

FILE_NAMES = ("labels.csv", "manifest.csv")

# Names that tables and data sets use for the parts, and the part that each of them is.
PART_SPELLINGS = {
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
    """Reads a table whose first line names its columns, in any case.

    `path` (below the table's folder) and `label` are required. `group` or `source_video` says which
    clips belong together; `part` or `split` is train, valid, test or unused. Other columns and
    blank lines are ignored.

    Raises:
      FileError: a missing column, an empty field, more fields than columns, a path outside the
        folder, a label that cannot be a folder or is spelled in two ways, an unknown part, a part
        in some lines only, a path twice, or a file that is no table.
    """
    rows: dict[str, LabelsRow] = {}
    for row in _read_rows(path):
        _check_row(row)
        part = PART_SPELLINGS.get(row.part.lower(), "")
        row = row._replace(path=_path_in_folder(row, path.parent), part=part)
        if row.path in rows:
            first = rows[row.path].where
            raise FileError(f"{row.where}: {row.path} is listed twice, first at {first}")
        rows[row.path] = row
    if not rows:
        raise FileError(f"{path}: lists no video")
    _check_spellings(list(rows.values()))
    _check_all_or_none("group", list(rows.values()))
    _check_all_or_none("part", list(rows.values()))
    return list(rows.values())


def _read_rows(path: epath.Path) -> list[LabelsRow]:
    """The rows as they are written, after a check of the columns."""
    # `splitlines` also takes the line ends of old Macintosh files, which csv refuses. `strict`
    # refuses a quote that is not closed, which would swallow the lines behind it.
    lines = read_list_text(path).splitlines()
    table = io.StringIO("\n".join(lines))
    # A blank behind a comma is no part of a field: csv would not see the quote behind it.
    reader = csv.reader(table, strict=True, skipinitialspace=True)
    columns: list[str] | None = None
    rows = []
    line = 1
    try:
        for cells in reader:
            # A record may have several lines; it is named by its first one.
            where, line = f"{path}:{line}", reader.line_num + 1
            cells = list(map(str.strip, cells))
            if not any(cells):
                continue
            if columns is None:
                columns = list(map(str.lower, cells))
                _check_columns(columns, where)
                continue
            fields = _fields(cells, columns, where)
            group = fields.get("group") or fields.get("source_video") or ""
            part = fields.get("part") or fields.get("split") or ""
            rows.append(
                LabelsRow(fields.get("path", ""), fields.get("label", ""), group, part, where)
            )
    except csv.Error as error:
        if columns is None and "expected after" in str(error):
            # Quotes of a file that has other separators than commas.
            _check_columns([lines[line - 1].lower()], f"{path}:{line}")
        cause = "a quote is not closed" if "end of data" in str(error) else error
        raise FileError(f"{path}:{line}: {cause}") from error
    if columns is None:
        _check_columns([], f"{path}:1")
    return rows


def _check_columns(columns: Sequence[str], where: str) -> None:
    fault = _missing_columns(columns) or _repeated_columns(columns)
    if fault:
        raise FileError(f"{where}: {fault}")


def _missing_columns(columns: Sequence[str]) -> str:
    """Which required columns are not there, and perhaps why; empty where both are."""
    missing = [name for name in ("path", "label") if name not in columns]
    if not missing:
        return ""
    # Spreadsheets of many countries write semicolons, since the comma divides decimals there.
    for separator, name in (("\t", "tabs"), (";", "semicolons"), ("|", "bars")):
        cells = set()
        for cell in ",".join(columns).split(separator):
            cells.add(cell.strip(' "'))
        if {"path", "label"} <= cells:
            return f"the columns are separated by {name}; use commas"
    return f"columns {list(columns)}; expected path,label[,group][,part], lacks {missing}"


def _repeated_columns(columns: Sequence[str]) -> str:
    """Which column is there twice, also by its other name; empty where none is."""
    for name in columns:
        if name and columns.count(name) > 1:
            return f"the column {name} is there twice"
    for name, synonym in (("part", "split"), ("group", "source_video")):
        if name in columns and synonym in columns:
            return f"the columns {name} and {synonym} mean the same; expected one of them"
    return ""


def _fields(cells: Sequence[str], columns: Sequence[str], where: str) -> dict[str, str]:
    """The cells of a line by their columns.

    A cell without a column is usually the rest of a label that has a comma, so it is never dropped.
    A first column without a name is the row number that table programs write.
    """
    named = len(columns) - columns.count("")
    nameless = []
    for at, (cell, name) in enumerate(zip(cells, columns, strict=False)):
        if not name and at > 0:
            nameless.append(cell)
    if any(nameless) or any(cells[len(columns) :]):
        raise FileError(
            f"{where}: {len(cells)} fields, but {named} columns; expected as many. A field "
            'that has a comma needs quotes, such as "walk, slowly"'
        )
    return dict(zip(columns, cells, strict=False))


def _check_row(row: LabelsRow) -> None:
    """Raises FileError for a row without a path or a label, or with an unknown part."""
    problem = ""
    if not row.path or not row.label:
        problem = f"path {row.path!r}, label {row.label!r}; expected both"
    elif row.part and row.part.lower() not in PART_SPELLINGS:
        parts = ", ".join(sorted(set(PART_SPELLINGS.values())))
        problem = f"part {row.part!r}; expected one of {parts}, or val"
    if problem:
        raise FileError(f"{row.where}: {problem}")
    # The label becomes the folder of the results of its videos.
    check_class_label(row.label, row.where)


def _path_in_folder(row: LabelsRow, folder: epath.Path) -> str:
    """The path of a row below the folder of the table, with / between the names.

    Raises:
      FileError: it leads out of the folder, or has a NUL.
    """
    path = row.path.replace("\\", "/")
    if path.startswith("~/"):
        path = os.path.expanduser(path)
    if "://" not in path:
        path = posixpath.normpath(path)
    # Tables that a program made may have absolute paths, also of the folder that a link leads to.
    # A folder in a bucket has only the name that it is given by.
    places = [str(folder)]
    if "://" not in str(folder):
        places = [os.path.abspath(folder), os.path.realpath(folder)]
    for place in places:
        path = path.removeprefix(f"{place}/")
    # A drive of Windows and the address of a bucket begin with no slash, but lead out as well.
    has_root = re.match(r"[A-Za-z]:/|\w+://", path)
    problem = ""
    # The file system would raise a ValueError at a NUL, without the name of the table.
    if "\0" in path:
        problem = "has a NUL; expected the name of a file"
    elif path.startswith(("/", "../")) or path == ".." or has_root:
        problem = f"leads out of {folder}; expected a path below it"
    if problem:
        raise FileError(f"{row.where}: path {row.path!r} {problem}")
    return path


def _check_all_or_none(field: str, rows: Sequence[LabelsRow]) -> None:
    """Refuses a column that is filled in some rows only, which would split by halves."""
    empty = []
    for row in rows:
        if not getattr(row, field):
            empty.append(row.where)
    if 0 < len(empty) < len(rows):
        raise FileError(f"{empty[0]}: no {field}; expected one in every line, or in none")


def _check_spellings(rows: Sequence[LabelsRow]) -> None:
    """Refuses labels that differ in case only; they are one class, spelled in two ways."""
    first_of: dict[str, LabelsRow] = {}
    for row in rows:
        first = first_of.setdefault(row.label.casefold(), row)
        if first.label != row.label:
            raise FileError(
                f"{row.where}: label {row.label!r} is {first.label!r} at {first.where}; expected "
                "one spelling"
            )
