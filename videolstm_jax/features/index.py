"""The index of a store: `index.json`, made of the notes of each video, taken apart and checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from etils import epath

from videolstm_jax.errors import FileError
from videolstm_jax.features import records

# What an index keeps of each video; every field is a table by the name of the video.
_FIELDS = ("frames", "sha256", "moments", "source")


def make_index(head: dict[str, Any], rows: Sequence[dict]) -> dict[str, Any]:
    """Makes an index of the notes of all videos.

    Args:
      head: shape, dtype and about of the store.
      rows: the note of each video; only moments and source may be absent.
    """
    index = dict(head)
    for field in _FIELDS:
        index[field] = {}
        for row in rows:
            if field in row:
                index[field][row["name"]] = row[field]
    return index


def rows_of_index(index: dict[str, Any]) -> list[dict]:
    """Returns what an index keeps of each video, in the form of notes."""
    rows = []
    for name in index["frames"]:
        row = {"name": name}
        for field in _FIELDS:
            if name in index.get(field, {}):
                row[field] = index[field][name]
        rows.append(row)
    return rows


def check_head(path: epath.Path, head: Any, *fields: str) -> None:
    """Checks the part that `index.json` and `about.json` share: shape, dtype and about.

    Args:
      path: of the file, for messages.
      head: what the file holds.
      *fields: that it must have besides.

    Raises:
      FileError: a field is missing, or shape or dtype cannot be used.
    """
    present = set()
    if isinstance(head, dict):
        present = head.keys()
    missing = {"shape", "dtype", "about", *fields} - present
    if missing:
        raise FileError(f"{path}: lacks {sorted(missing)}")
    shape, dtype = head["shape"], head["dtype"]
    shape_fits = isinstance(shape, list) and bool(shape) and all(map(_is_count, shape))
    if not shape_fits or dtype not in records.DTYPES:
        raise FileError(
            f"{path}: shape is {shape!r}, expected a list of sides of at least 1; dtype is "
            f"{dtype!r}, expected dtype {' or '.join(records.DTYPES)}"
        )


def check_index(path: epath.Path, index: Any) -> None:
    """Checks the index of a finished store.

    Raises:
      FileError: a field is missing or of another form, or its tables name other videos.
    """
    check_head(path, index, "frames", "sha256")
    frames, sha256 = index["frames"], index["sha256"]
    tables = [frames, sha256, index.get("moments", {}), index.get("source", {})]
    are_tables = all(isinstance(table, dict) for table in tables)
    # Every record is compared with its digest, so none may lack one. Moments can be computed again,
    # and a source is known only where this project made the features.
    if not are_tables or frames.keys() != sha256.keys():
        raise FileError(f"{path}: expected frames and sha256 by the names of the same videos")
    for name, length in frames.items():
        if not _is_count(length):
            raise FileError(f"{path}: {name} has {length!r} frames; expected at least one")


def _is_count(value: Any) -> bool:
    # `type`, not `isinstance`: true is a JSON value and an int of Python.
    return type(value) is int and value > 0
