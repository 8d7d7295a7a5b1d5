"""Reads score files: .npz, .csv, .json, .mat and .pkl, none of which is executed or unpickled."""

from __future__ import annotations

import csv
import dataclasses
import io
import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from etils import epath

from videolstm_jax.dataset.lists.list_files import read_list_text
from videolstm_jax.errors import FileError
from videolstm_jax.files import read_existing, reading
from videolstm_jax.json_records import json_record, parse_record, value_text
from videolstm_jax.numpy_files import open_numpy
from videolstm_jax.safe_readers.matlab import read_matlab
from videolstm_jax.safe_readers.pickles import read_pickle
from videolstm_jax.score_files.layout import ScoreFile, score_file_of_fields
from videolstm_jax.score_files.values import score_file_has_control_character
from videolstm_jax.sealed_json import parse_json

# Columns of a table that are not classes, with their other names.
_COLUMNS = {
    "video": "video",
    "videos": "video",
    "name": "video",
    "names": "video",
    "label": "label",
    "labels": "label",
    "part": "part",
}


def read_score_file(path: str, *, stream: str = "") -> ScoreFile:
    """Reads one stream of a score file.

    Args:
      path: of the file; its suffix says how it is encoded.
      stream: the field with the scores, where the file has several.

    Raises:
      FileError: an unknown suffix, or a file that is damaged or of another layout.
    """
    # A table has columns and not fields, so it has a reader of its own.
    suffix = epath.Path(path).suffix.lower()
    is_table = suffix == ".csv"
    problem = ""
    if is_table and stream:
        problem = "a table has the scores of one stream; leave out --stream"
    elif not is_table and suffix not in _READERS:
        listed = ", ".join((*_READERS, ".csv"))
        problem = f"the suffix is {suffix!r}; expected one of {listed}"
    if problem:
        raise FileError(f"{path}: {problem}")
    if is_table:
        return _read_csv(path)
    return score_file_of_fields(path, _READERS[suffix](path), stream)


# ---- fields --------------------------------------------------------------------------------------


def _npz_fields(path: str) -> dict[str, Any]:
    encoded = read_existing(path)
    # zipfile and numpy raise errors of many kinds for one cause: the bytes are not an .npz.
    with (
        reading(path, "cannot be read as arrays without pickles", Exception),
        open_numpy(io.BytesIO(encoded)) as file,
    ):
        return {name: file.read(name) for name in file.headers}


def _mat_fields(path: str) -> dict[str, Any]:
    if not epath.Path(path).exists():
        raise FileError(f"{path} is missing")
    with reading(path):
        return read_matlab(path)


def _pickle_fields(path: str) -> dict[str, Any]:
    encoded = read_existing(path)
    with reading(path):
        fields = read_pickle(encoded)
        problem = ""
        if not isinstance(fields, dict):
            problem = f"holds a {type(fields).__name__}; expected a dict of fields"
        if problem:
            raise FileError(problem)
        # Pickles have keys of any kind. JSON and MATLAB have texts only.
        for name in fields:
            if not isinstance(name, str):
                raise FileError(f"has the key {name!r}; expected texts")
    return fields


@json_record(unknown="forbid")
@dataclasses.dataclass(frozen=True)
class _JsonScores:
    """A score file in JSON: the scores of one stream, or `streams` by name."""

    videos: tuple[str, ...]
    scores: tuple[tuple[float, ...], ...] | None = None
    streams: dict[str, tuple[tuple[float, ...], ...]] | None = None
    # Numbers or names; `layout` checks them, since a union would make two messages of one mistake.
    label: tuple[Any, ...] | None = None
    classes: tuple[str, ...] | None = None
    part: str = ""
    kind: str = ""

    def __post_init__(self) -> None:
        """Raises ValueError where there is not exactly one field of scores."""
        if (self.scores is None) == (self.streams is None):
            raise ValueError("expected one of the fields scores and streams")


def _json_fields(path: str) -> dict[str, Any]:
    encoded = read_existing(path)
    fields = parse_json(encoded, path)
    if not isinstance(fields, dict):
        raise FileError(f"{path}: the content is a {type(fields).__name__}; expected an object")
    # Of the two forms without `videos`, the first row says which it is; all others must agree.
    if "videos" not in fields and fields:
        kind: Any = dict[str, tuple[float, ...]]
        if isinstance(next(iter(fields.values())), dict):
            kind = dict[str, dict[str, float]]
        return parse_record(encoded, kind, path)
    record = parse_record(encoded, _JsonScores, path)
    fields = {"videos": record.videos, "part": record.part, "kind": record.kind}
    fields |= record.streams or {"scores": record.scores}
    # Left out where they are null, as a file of another form lacks them.
    if record.label is not None:
        fields["label"] = record.label
    if record.classes is not None:
        fields["classes"] = record.classes
    return fields


_READERS: Mapping[str, Callable[[str], dict[str, Any]]] = MappingProxyType(
    {
        ".npz": _npz_fields,
        ".json": _json_fields,
        ".mat": _mat_fields,
        ".pkl": _pickle_fields,
        ".pickle": _pickle_fields,
    }
)


# ---- tables --------------------------------------------------------------------------------------


def _read_csv(path: str) -> ScoreFile:
    """Reads a table: a column `video`, perhaps `label` and `part`, then a column for each class."""
    records = _csv_records(path)
    header_line, header = records[0]
    columns, classes = _csv_columns(f"{path}:{header_line}", header)
    videos, labels, rows, lines = [], [], [], []
    part = ""
    for line, cells in records[1:]:
        where = f"{path}:{line}"
        if len(cells) != len(header):
            raise FileError(f"{where}: {len(cells)} fields; expected {len(header)}, as columns")
        video = cells[columns["video"]]
        _check_csv_name(where, "video", video, "a name")
        videos.append(video)
        lines.append(line)
        if "label" in columns:
            labels.append(_csv_label(where, cells[columns["label"]], classes))
        if "part" in columns:
            part = _csv_part(where, cells[columns["part"]], part)
        row = []
        for name, at in classes.items():
            row.append(_csv_number(where, name, cells[at]))
        rows.append(row)
    scores = np.array(rows, float).reshape(len(rows), len(classes))
    return ScoreFile(
        path,
        tuple(videos),
        scores,
        tuple(labels),
        tuple(classes),
        part,
        "",
        "scores",
        lines=tuple(lines),
    )


def _csv_records(path: str) -> list[tuple[int, list[str]]]:
    """The records that are not blank, at least one, each with the line it begins on."""
    # One kind of line break for all: `csv` refuses a lone carriage return in a cell.
    text = io.StringIO("\n".join(read_list_text(epath.Path(path)).splitlines()))
    # `strict` refuses a quote that is not closed, which would swallow the lines behind it.
    reader = csv.reader(text, strict=True, skipinitialspace=True)
    records, line = [], 1
    try:
        for cells in reader:
            if any(cells):
                records.append((line, list(map(str.strip, cells))))
            # A quoted cell may go over several lines, so lines are not counted here.
            line = reader.line_num + 1
    except csv.Error as error:
        raise FileError(f"{path}:{line}: {error}") from error
    if not records:
        raise FileError(f"{path}: is empty; expected a line of columns")
    return records


def _csv_columns(where: str, header: Sequence[str]) -> tuple[dict[str, int], dict[str, int]]:
    """The places of the columns that are not classes, and of the classes, in order."""
    columns: dict[str, int] = {}
    classes: dict[str, int] = {}
    for at, name in enumerate(header):
        column = _COLUMNS.get(name.lower())
        # Any other column is a class, whose name keeps its case.
        places, key = classes, name
        if column is not None:
            places, key = columns, column
        _check_csv_name(where, f"column {at + 1}", name, "the name of a class")
        if key in places:
            raise FileError(f"{where}: the column {name} is there twice")
        places[key] = at
    if "video" not in columns or not classes:
        raise FileError(
            f"{where}: columns {list(header)[:5]}; expected video[,label][,part] and one for each "
            "class, separated by commas"
        )
    return columns, classes


def _check_csv_name(where: str, field: str, cell: str, expected: str) -> None:
    """Raises FileError for a cell that cannot name a video or a class."""
    if not cell or score_file_has_control_character(cell):
        raise FileError(f"{where}: {field} is {value_text(cell)}; expected {expected}")


def _csv_label(where: str, cell: str, classes: Mapping[str, int]) -> int | str:
    # A class may be called "7"; then its name goes before its number.
    if cell in classes:
        return cell
    if re.fullmatch("[0-9]{1,9}", cell):
        return int(cell)
    raise FileError(f"{where}: label is {cell!r}; expected a class of the columns, or its number")


def _csv_part(where: str, cell: str, part: str) -> str:
    if not cell or part not in ("", cell):
        raise FileError(f"{where}: part is {cell!r}; expected one part for all videos")
    return cell


def _csv_number(where: str, name: str, cell: str) -> float:
    # Python reads 1_000 as a number, which is more likely a typing mistake here.
    try:
        return float(cell.replace("_", "?"))
    except ValueError as error:
        raise FileError(f"{where}: {name} is {cell!r}; expected a number") from error
