"""Reads files of trajectories: the output of DenseTrackStab as text or float32, packed or not."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from etils import epath

from videolstm_jax import files
from videolstm_jax.errors import FileError
from videolstm_jax.files import PathLike
from videolstm_jax.trajectories.layout import (
    LENGTH,
    Trajectories,
    check_trajectory_rows,
    join_trajectories,
    trajectories_from_rows,
    trajectory_column_name,
    trajectory_width,
)

SUFFIXES = ("", ".txt", ".bin", ".features", ".gz", ".txt.gz", ".bin.gz", ".features.gz")
"""What files of trajectories are called behind the name of their video."""
_ROWS = 4096
"""Rows that are read at a time: 7 MB."""
_GZIP = b"\x1f\x8b"
# The characters of a file that printf writes, and of words such as "nan", which are refused later
# with their field. A float32 of a frame number has a zero byte, so no binary file begins so.
_TEXT = frozenset(b"0123456789+-.eE \t\r\nnaNAifIF")
_LONGEST_LINE = 2**20
"""Bytes; a line of 15 displacements has about 5,000."""


def trajectory_file(folder: PathLike, name: str) -> epath.Path:
    """The file of a video's trajectories in a folder: `<folder>/<name>` with a known suffix.

    Raises:
      FileError: there is none, or more than one.
    """
    paths = []
    for suffix in SUFFIXES:
        path = epath.Path(folder) / f"{name}{suffix}"
        if path.exists() and not path.is_dir():
            paths.append(path)
    if len(paths) != 1:
        names = ", ".join(path.name for path in paths) or "none"
        raise FileError(
            f"{folder}: of the trajectories of {name} there is {names}; expected one file, such as "
            f"{name}.txt, {name}.bin or {name}.bin.gz"
        )
    return paths[0]


def read_trajectories(path: PathLike, length: int = LENGTH) -> Trajectories:
    """Reads all trajectories of a video; see `trajectory_blocks`."""
    return join_trajectories(list(trajectory_blocks(path, length)), length)


def trajectory_blocks(path: PathLike, length: int = LENGTH) -> Iterator[Trajectories]:
    """Reads the trajectories of a video, some thousand at a time.

    The form is read from the content: gzip by its first bytes, text by its characters; everything
    else is float32, little-endian, one row after another. An empty file has no trajectories.

    Args:
      path: of the file.
      length: L, which a binary file does not contain.

    Yields:
      Blocks of at least one row.

    Raises:
      FileError: the file is missing, cut or damaged, or has rows of another length; the message
        names the file, the line or record, and the field.
    """
    path = epath.Path(path)
    if not path.exists():
        raise FileError(f"{path} is missing; expected a file of trajectories")
    with (
        files.reading(path, "damaged, cannot be unpacked", OSError, EOFError, zlib.error),
        path.open("rb") as packed,
    ):
        start = packed.read(len(_GZIP))
        # Looked at by the first bytes and not by the suffix: `.features` is used for both.
        packed.seek(0)
        content: BinaryIO = packed
        if start == _GZIP:
            content = gzip.GzipFile(fileobj=packed)
        # All of the first row that a text file could have: one byte of it may be enough to see
        # that it is binary.
        beginning = content.read(64)
        content.seek(0)
        blocks = _binary_blocks(content, length)
        if _TEXT.issuperset(beginning):
            blocks = _text_blocks(content, length)
        for block in blocks:
            yield trajectories_from_rows(block, length)


def _binary_blocks(content: BinaryIO, length: int) -> Iterator[np.ndarray]:
    width, first = trajectory_width(length), 1
    record_bytes = 4 * width
    while data := content.read(_ROWS * record_bytes):
        rows, rest = divmod(len(data), record_bytes)
        if rest:
            raise FileError(
                f"record {first + rows} ends after {rest} bytes; expected {record_bytes}, "
                f"{width} float32 for trajectories of length {length}"
            )
        block = np.frombuffer(data, "<f4").reshape(rows, width)
        check_trajectory_rows(block, length, "record", first)
        yield block
        first += rows


def _text_blocks(content: BinaryIO, length: int) -> Iterator[np.ndarray]:
    first, rows = 1, []
    while line := content.readline(_LONGEST_LINE):
        rows.append(_parsed(line, length, first + len(rows)))
        if len(rows) == _ROWS:
            yield _checked(rows, length, first)
            first, rows = first + len(rows), []
    if rows:
        yield _checked(rows, length, first)


def _checked(rows: list[list[float]], length: int, first: int) -> np.ndarray:
    # A text such as 1e99 is a float, but no float32.
    with np.errstate(over="ignore"):
        block = np.array(rows, np.float32)
    check_trajectory_rows(block, length, "line", first)
    return block


def _parsed(line: bytes, length: int, number: int) -> list[float]:
    """The numbers of a line."""
    if not line.endswith(b"\n"):
        # Its last number may have lost digits, which nothing else would show.
        raise FileError(f"line {number} has no end; the file was cut")
    numerals, expected = line.split(), trajectory_width(length)
    if len(numerals) != expected:
        raise FileError(
            f"line {number} has {len(numerals)} fields; expected {expected} for trajectories of "
            f"length {length}{_fitting_length(len(numerals))}"
        )
    values = []
    for column, numeral in enumerate(numerals):
        try:
            # Python takes 1_0 for 10, which no program prints.
            values.append(float(numeral.replace(b"_", b"?")))
        except ValueError as error:
            raise FileError(
                f"line {number}: {trajectory_column_name(column, length)} is {numeral[:20]!r}; "
                "expected a number"
            ) from error
    return values


def _fitting_length(fields: int) -> str:
    """Which length would give so many fields, for the message; empty where none would."""
    twice = fields - trajectory_width(0)
    if twice > 0 and twice % 2 == 0:
        return f"; so many are of length {twice // 2}"
    return ""
