"""Writes files of trajectories in the layout of DenseTrackStab, as text or float32."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from typing import IO

import numpy as np
from etils import epath

from videolstm_jax import files
from videolstm_jax.files import PathLike
from videolstm_jax.trajectories.layout import Trajectories, as_rows

_LEVEL = 1
"""Of gzip. Higher ones take several times as long for a few per cent."""


def write_trajectories(path: PathLike, blocks: Iterable[Trajectories]) -> int:
    """Writes the trajectories of a video, whole or not at all.

    Args:
      path: packed by gzip where it ends in `.gz`; text where `.txt` is before that or at the end,
        float32 otherwise.
      blocks: the trajectories in order, which may be computed while they are written.

    Returns:
      The number of trajectories.
    """
    suffixes = epath.Path(path).suffixes
    count = 0
    with files.replacing(path) as beside, beside.open("wb") as packed:
        content: IO[bytes] = packed
        if ".gz" in suffixes[-1:]:
            # Without a time and a name, so that equal trajectories are equal files.
            content = gzip.GzipFile("", "wb", _LEVEL, packed, mtime=0)
        for block in blocks:
            rows = as_rows(block)
            content.write(_text(rows) if ".txt" in suffixes[-2:] else rows.astype("<f4").tobytes())
            count += len(rows)
        if content is not packed:
            content.close()
    return count


def _text(rows: np.ndarray) -> bytes:
    lines = []
    for row in rows.tolist():
        # Nine digits give every float32 back.
        lines.append("\t".join(f"{value:.9g}" for value in row) + "\n")
    return "".join(lines).encode()
