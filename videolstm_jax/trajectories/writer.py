"""Writes files of trajectories in the layout of DenseTrackStab, as text or float32."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from typing import IO

import numpy as np
from etils import epath

from videolstm_jax import files
from videolstm_jax.files import PathLike
from videolstm_jax.trajectories.layout import Trajectories, trajectory_rows

_LEVEL = 1
"""Of gzip. Higher ones take several times as long for a few per cent."""

_HEADER_BYTES = 256


def write_trajectories(path: PathLike, blocks: Iterable[Trajectories], note: str = "") -> int:
    """Writes the trajectories of a video, whole or not at all.

    Args:
      path: packed by gzip where it ends in `.gz`; text where `.txt` is before that or at the end,
        float32 otherwise.
      blocks: the trajectories in order, which may be computed while they are written.
      note: kept in the header of a packed file, where gzip has the name of the original. Such as
        "1234 bytes", the size of the video: ASCII without slashes.

    Returns:
      The number of trajectories.
    """
    suffixes = epath.Path(path).suffixes
    count = 0
    with files.replacing(path) as beside, beside.open("wb") as packed:
        content: IO[bytes] = packed
        if ".gz" in suffixes[-1:]:
            # Without a time, so that equal trajectories are equal files.
            content = gzip.GzipFile(note, "wb", _LEVEL, packed, mtime=0)
        for block in blocks:
            rows = trajectory_rows(block)
            content.write(_text(rows) if ".txt" in suffixes[-2:] else rows.astype("<f4").tobytes())
            count += len(rows)
        if content is not packed:
            # It writes what is left and the check sum, and leaves the file below open.
            content.close()
    return count


def trajectory_note(path: PathLike) -> str:
    """The note of a packed file; empty where there is no such file, or it has none."""
    path = epath.Path(path)
    if not path.exists():
        return ""
    with path.open("rb") as packed:
        header = packed.read(_HEADER_BYTES)
    # The fourth byte has the flags, of which 8 says that a name follows ten bytes of header.
    if header[:2] != b"\x1f\x8b" or header[3:4] != b"\x08":
        return ""
    return header[10:].partition(b"\0")[0].decode("latin-1")


def _text(rows: np.ndarray) -> bytes:
    lines = []
    for row in rows.tolist():
        # Nine digits give every float32 back.
        lines.append("\t".join(f"{value:.9g}" for value in row) + "\n")
    return "".join(lines).encode()
