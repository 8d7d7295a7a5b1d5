"""Deals a list out to several processes, and puts their results together again."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from videolstm_jax.cluster import team
from videolstm_jax.errors import FileError

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray

T = TypeVar("T")
Result = TypeVar("Result")


def share_of(items: Sequence[T], index: int, count: int) -> Sequence[T]:
    """Every count-th item from `index` on; the shares of all processes have each item once."""
    # Not runs of neighbours: those are of one class, and classes differ in length.
    return items[index::count]


def gathered_rows_in_order(
    names: Sequence[str], parts: Sequence[Mapping[str, Result]]
) -> list[Result]:
    """The results of all processes in the order of a list.

    Args:
      names: of the list, each once.
      parts: of each process, its results by name.

    Raises:
      FileError: a name has no result, or several, or is not in the list.
    """
    merged: dict[str, Result] = {}
    for index, part in enumerate(parts):
        for name, result in part.items():
            if name in merged:
                raise FileError(f"{name} was scored by two processes, the second is {index}")
            merged[name] = result
    for name in names:
        if name not in merged:
            raise FileError(f"{name} was scored by no process; expected one")
    # Every name has its result by now, so a difference can only be results of other names.
    if len(merged) != len(names):
        unlisted = sorted(set(merged) - set(names))
        raise FileError(f"{unlisted[0]} was scored, and is not in the list")
    return [merged[name] for name in names]


def gather_rows(
    label: str, names: Sequence[str], own: Mapping[str, NDArray]
) -> list[NDArray] | None:
    """Hands one array for each video to process 0.

    Args:
      label: of the exchange.
      names: of all videos, in the order of the result.
      own: the arrays of this process by name, all of one shape.

    Returns:
      The arrays of all videos in process 0, None in the others.

    Raises:
      FileError: a video has no array, or several.
    """
    processes = team.current_team()
    if processes.count == 1:
        return gathered_rows_in_order(names, [own])
    payloads = processes.gather(label, _packed(own))
    if payloads is None:
        return None
    return gathered_rows_in_order(names, [_unpacked(payload) for payload in payloads])


def _packed(rows: Mapping[str, NDArray]) -> bytes:
    """Names and rows as the bytes of an archive of arrays."""
    file = io.BytesIO()
    # A process without a video has rows of no known length; none of them is read.
    values = np.zeros((0, 0))
    if rows:
        values = np.stack(list(rows.values()))
    np.savez(file, names=np.array(list(rows), str), rows=values)
    return file.getvalue()


def _unpacked(payload: bytes) -> dict[str, NDArray]:
    # Without pickles: the bytes come from another machine.
    with np.load(io.BytesIO(payload), allow_pickle=False) as arrays:
        return dict(zip(arrays["names"].tolist(), arrays["rows"], strict=True))
