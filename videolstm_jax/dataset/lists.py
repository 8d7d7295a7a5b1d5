"""Reads the lists that come with a set of videos: labels.csv, or those of UCF101 and HMDB51."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from typing import NamedTuple

from etils import epath

from videolstm_jax.errors import FileError

EXTENSIONS = (".avi", ".mp4", ".mkv", ".webm", ".mov", ".m4v", ".mpg", ".mpeg", ".wmv")
TABLES = ("labels.csv", "manifest.csv")
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


class ListWarning(UserWarning):
    """Something in a list that is usable, but rarely meant."""


class Row(NamedTuple):
    """A line of a train or test list: `name` "Class/stem", `number` the 1-based class or None,
    `where` "file:line".
    """

    name: str
    number: int | None
    where: str


class TableRow(NamedTuple):
    """A line of labels.csv: `path` below the folder; `group` and `part` are empty where the table
    does not say.
    """

    path: str
    label: str
    group: str
    part: str
    where: str


def without_extension(path: str) -> str:
    """The path without the extension, where that is one of a video."""
    return path[: -len(suffix)] if (suffix := video_extension(path)) else path


def video_extension(path: str) -> str:
    """The extension as it is written, empty where it is not one of a video."""
    return next(
        (path[-len(suffix) :] for suffix in EXTENSIONS if path.lower().endswith(suffix)), ""
    )


def read_classes(path: epath.Path) -> tuple[str, ...]:
    """Reads classInd.txt, lines "1 ApplyEyeMakeup" that count from 1.

    Raises:
      FileError: another form, numbers that skip or repeat, or a name twice.
    """
    names: list[str] = []
    for where, line in _lines(path):
        number, *name = line.split(maxsplit=1)
        if number != str(len(names) + 1) or not name:
            raise FileError(
                f'{where}: {line!r}; expected class {len(names) + 1} as "{len(names) + 1} Name"'
                + (", since classes count from 1" if number == "0" else "")
            )
        if name[0] in names:
            raise FileError(f"{where}: class {name[0]} is there twice")
        names += name
    if not names:
        raise FileError(f'{path}: names no class; expected lines "1 Name"')
    return tuple(names)


def read_list(path: epath.Path) -> list[Row]:
    """Reads trainlist0N.txt or testlist0N.txt, lines "Class/file.avi" with or without a class
    number behind.

    Raises:
      FileError: a line of another form, an empty list, or a video twice.
    """
    rows: dict[str, Row] = {}
    for where, line in _lines(path):
        found = re.fullmatch(r"(.*\S)\s+(\d+)", line)
        file, number = (found[1], int(found[2])) if found else (line, None)
        parts = [part for part in file.replace("\\", "/").split("/") if part not in ("", ".")]
        if len(parts) < 2:
            raise FileError(f'{where}: {line!r}; expected "Class/file"')
        row = Row(without_extension("/".join(parts[-2:])), number, where)
        if row.name in rows:
            raise FileError(f"{where}: {row.name} is listed twice, first at {rows[row.name].where}")
        rows[row.name] = row
    if not rows:
        raise FileError(f"{path}: lists no video")
    return list(rows.values())


def read_table(path: epath.Path) -> list[TableRow]:
    """Reads labels.csv, whose first line names its columns.

    `path` (below the table's folder) and `label` are required; `group` or `source_video` says which
    clips belong together, `part` or `split` is train, valid, test or unused; other columns are
    ignored.

    Raises:
      FileError: a missing column, an empty field, an unknown part, a part in some lines only, a
        path twice, or a file that is no table.
    """
    reader = csv.DictReader(io.StringIO("\n".join(_text(path).splitlines())))
    try:
        columns = reader.fieldnames = [str(name).strip() for name in reader.fieldnames or ()]
        table = [(f"{path}:{reader.line_num}", cells) for cells in reader]
    except csv.Error as error:
        raise FileError(f"{path}:{reader.reader.line_num}: {error}") from error
    missing = [name for name in ("path", "label") if name not in columns]
    if missing:
        raise FileError(
            f"{path}:1: columns {columns}; expected path,label[,group][,part], lacks {missing}"
        )
    rows: dict[str, TableRow] = {}
    for where, cells in table:
        row = TableRow(
            *(
                _cell(cells, *names)
                for names in (("path",), ("label",), ("group", "source_video"), ("part", "split"))
            ),
            where,
        )
        if not row.path or not row.label or "/" in row.label:
            raise FileError(
                f"{where}: path {row.path!r}, label {row.label!r}; expected both, without / in the label"
            )
        if row.part and row.part.lower() not in PARTS:
            raise FileError(
                f"{where}: part {row.part!r}; expected one of {', '.join(sorted(set(PARTS.values())))}"
            )
        if row.path in rows:
            raise FileError(f"{where}: {row.path} is listed twice, first at {rows[row.path].where}")
        rows[row.path] = row._replace(part=PARTS.get(row.part.lower(), ""))
    _all_or_none(path, list(rows.values()))
    return list(rows.values())


def find_table(root: epath.Path) -> epath.Path | None:
    """The table of a folder of videos, labels.csv or else manifest.csv, where there is one."""
    return next((root / name for name in TABLES if (root / name).exists()), None)


def read_official(root: epath.Path, split: int) -> tuple[list[Row], list[Row]] | None:
    """Reads train and test list of the asked split as UCF101 or HMDB51 have them; None where there
    are no such lists.

    UCF101 has trainlist0N.txt and testlist0N.txt, HMDB51 a file <class>_test_splitN.txt for each
    class.

    Raises:
      FileError: other splits are there but not this one, one list without the other, or a line of
        another form.
    """
    found = {path.name: path for path in root.glob("*.txt") if is_official(path.name)}
    if not found:
        return None
    train, test, classes = (
        f"trainlist{split:02}.txt",
        f"testlist{split:02}.txt",
        f"_test_split{split}.txt",
    )
    if any(name.endswith(classes) for name in found):
        return _read_class_lists(root, split, 1), _read_class_lists(root, split, 2)
    missing = [name for name in (train, test) if name not in found]
    if missing:
        raise FileError(
            f"{root}: lacks {' and '.join(missing)}; it has {', '.join(sorted(found)[:8])}"
        )
    return read_list(found[train]), read_list(found[test])


def read_unused(root: epath.Path, split: int) -> list[Row]:
    """The videos that HMDB51's lists name as neither for training nor for testing; none of other
    lists.

    Raises:
      FileError: a line of another form.
    """
    return _read_class_lists(root, split, 0)


def is_official(name: str) -> bool:
    """Whether a file is called as the lists of UCF101 or HMDB51 are."""
    return bool(re.fullmatch(r"(train|test)list\d+\.txt|.+_test_split\d+\.txt", name))


def _read_class_lists(root: epath.Path, split: int, part: int) -> list[Row]:
    """The videos of one part in the lists of all classes of HMDB51."""
    ending = f"_test_split{split}.txt"
    paths = sorted(
        (path for path in root.glob("*.txt") if path.name.endswith(ending)),
        key=lambda path: path.name,
    )
    return [
        row._replace(number=None)
        for path in paths
        for row in _read_class_list(path, path.name.removesuffix(ending))
        if row.number == part
    ]


def _read_class_list(path: epath.Path, label: str) -> list[Row]:
    """Lines "file.avi K" of one class of HMDB51: K is 1 for training, 2 for testing, 0 for neither."""
    rows: dict[str, Row] = {}
    for where, line in _lines(path):
        file, _, part = line.rpartition(" ")
        if part not in ("0", "1", "2") or not file:
            raise FileError(f'{where}: {line!r}; expected "file" and 0, 1 or 2')
        row = Row(f"{label}/{without_extension(file.strip())}", int(part), where)
        if row.name in rows:
            raise FileError(f"{where}: {row.name} is listed twice, first at {rows[row.name].where}")
        rows[row.name] = row
    return list(rows.values())


def _cell(cells: dict, *names: str) -> str:
    return next((str(cells[name]).strip() for name in names if cells.get(name)), "")


def _all_or_none(path: epath.Path, rows: Sequence[TableRow]) -> None:
    if not rows:
        raise FileError(f"{path}: lists no video")
    for field in ("group", "part"):
        empty = [row.where for row in rows if not getattr(row, field)]
        if 0 < len(empty) < len(rows):
            raise FileError(f"{empty[0]}: no {field}; expected one in every line, or in none")


def _text(path: epath.Path) -> str:
    if not path.is_file():
        raise FileError(f"{path} is missing; expected a list")
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileError(f"{path}: not UTF-8 text: {error}") from error


def _lines(path: epath.Path) -> list[tuple[str, str]]:
    """Lines that hold anything, each with its "file:line"."""
    return [
        (f"{path}:{number}", line.strip())
        for number, line in enumerate(_text(path).splitlines(), 1)
        if line.strip()
    ]
