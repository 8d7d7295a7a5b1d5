"""The published layout of a trajectory: information, shape and four histograms in one row."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from videolstm_jax.errors import FileError

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray

LENGTH = 15
"""L, the displacements of a trajectory by default (Wang and Schmid 2013)."""
INFORMATION = (
    "end frame",
    "mean x",
    "mean y",
    "deviation of x",
    "deviation of y",
    "path length",
    "scale",
    "relative x",
    "relative y",
    "relative time",
)
"""The ten numbers before the descriptors, in the order of DenseTrackStab."""
# A volume has 2 x 2 x 3 cells; HOF has nine bins a cell, the others eight.
_HISTOGRAMS = {"HOG": 96, "HOF": 108, "MBHx": 96, "MBHy": 96}


class Trajectories(NamedTuple):
    """n trajectories of L displacements.

    Attributes:
      information: [n, 10] the values that `INFORMATION` names.
      displacements: [n, 2L], x and y of each step, as shares of the length of the path.
      hog: [n, 96] histograms of the gradients of the frame.
      hof: [n, 108] histograms of the flow.
      mbh_x: [n, 96] histograms of the gradients of the flow's x.
      mbh_y: [n, 96] histograms of the gradients of the flow's y.
    """

    information: NDArray
    displacements: NDArray
    hog: NDArray
    hof: NDArray
    mbh_x: NDArray
    mbh_y: NDArray


DESCRIPTORS = Trajectories._fields[1:]
"""The fields of `Trajectories` that describe one; `information` says only where it is."""


class Columns(NamedTuple):
    """Consecutive columns of a row: their name in messages, the first, and the one behind."""

    name: str
    start: int
    stop: int


def _trajectory_columns(length: int) -> tuple[Columns, ...]:
    """The parts of a row, in the order of the fields of `Trajectories`."""
    widths = {"information": len(INFORMATION), "trajectory": 2 * length, **_HISTOGRAMS}
    columns, start = [], 0
    for name, width in widths.items():
        columns.append(Columns(name, start, start + width))
        start += width
    return tuple(columns)


def trajectory_width(length: int) -> int:
    """The numbers of a row: 10 + 2L + 96 + 108 + 96 + 96, which is 436 for L = 15."""
    return _trajectory_columns(length)[-1].stop


def trajectories_from_rows(rows: NDArray, length: int) -> Trajectories:
    """Divides rows [n, `trajectory_width`] into their parts."""
    # Views, not copies: the rows of a video may fill much of the memory.
    return Trajectories(*(rows[:, part.start : part.stop] for part in _trajectory_columns(length)))


def trajectory_rows(trajectories: Trajectories) -> NDArray:
    """Joins the parts to rows [n, `trajectory_width`] float32."""
    return np.concatenate(trajectories, axis=1).astype(np.float32, copy=False)


def no_trajectories(length: int) -> Trajectories:
    """What a video without trajectories has: arrays of no rows."""
    return trajectories_from_rows(np.zeros((0, trajectory_width(length)), np.float32), length)


def join_trajectories(blocks: list[Trajectories], length: int) -> Trajectories:
    """The trajectories of several blocks as one record; the list may be empty."""
    # The empty one first, since `np.concatenate` refuses an empty list.
    return Trajectories(*map(np.concatenate, zip(no_trajectories(length), *blocks, strict=True)))


def trajectory_column_name(column: int, length: int) -> str:
    """The name of a column counted from 0, such as "field 12 (trajectory)"."""
    name = "beyond the last"
    for part in _trajectory_columns(length):
        if part.start <= column < part.stop:
            name = part.name
    if column < len(INFORMATION):
        name = INFORMATION[column]
    return f"field {column + 1} ({name})"


def check_trajectory_rows(rows: NDArray, length: int, place: str, first: int) -> None:
    """Refuses numbers that no trajectory has; a damaged or shifted row nearly always has some.

    Args:
      rows: [n, `trajectory_width`].
      length: L.
      place: what a row is called in the message, "line" or "record".
      first: the number of the first row, counted from 1.

    Raises:
      FileError: a number is not finite or not in its range; it names the row and the field.
    """
    parts = _trajectory_columns(length)
    low, high = np.full(rows.shape[1], -np.inf), np.full(rows.shape[1], np.inf)
    # Steps may be negative, and no other number is.
    low[: len(INFORMATION)] = 0
    # Positions in the frame and in time are shares.
    high[INFORMATION.index("relative x") : len(INFORMATION)] = 1
    low[parts[2].start :] = 0  # histograms
    is_wrong = ~np.isfinite(rows) | (rows < low) | (rows > high)
    frame, scale = INFORMATION.index("end frame"), INFORMATION.index("scale")
    is_wrong[:, frame] |= rows[:, frame] != np.floor(rows[:, frame])
    is_wrong[:, scale] |= rows[:, scale] == 0
    if is_wrong.any():
        # `argwhere` goes row by row, so this is the first wrong number of the file.
        row, column = np.argwhere(is_wrong)[0]
        raise FileError(
            f"{place} {first + row}: {trajectory_column_name(int(column), length)} is "
            f"{rows[row, column]:g}; expected {_expected(int(column), length)}"
        )


def _expected(column: int, length: int) -> str:
    """The values that a column may have."""
    if column >= len(INFORMATION):
        is_histogram = column >= _trajectory_columns(length)[2].start
        return "0 or more" if is_histogram else "a finite number"
    return {
        "end frame": "a whole number from 0",
        "scale": "more than 0",
        "relative x": "0 to 1",
        "relative y": "0 to 1",
        "relative time": "0 to 1",
    }.get(INFORMATION[column], "0 or more")
