"""The index of a store: `index.json`, made of the notes of each video, as a typed record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeVar

from annotated_types import Ge, MinLen
from etils import epath

from videolstm_jax.errors import FileError
from videolstm_jax.json_records import json_record, read_record

T = TypeVar("T")

_Count = Annotated[int, Ge(1)]
# What an index keeps of each video; every field is a table by the name of the video.
_TABLES = ("frames", "sha256", "moments", "source")


@json_record()
@dataclass(frozen=True)
class StoreHead:
    """What `index.json` and `about.json` share.

    `shape` is that of one frame's features, `dtype` one of `records.DTYPES`, `about` says what made
    the features.
    """

    shape: Annotated[tuple[_Count, ...], MinLen(1)]
    dtype: Literal["float16", "uint8"]
    about: dict[str, Any]


@json_record()
@dataclass(frozen=True)
class StoreIndex(StoreHead):
    """The index of a finished store: tables by the names of videos.

    Attributes:
      frames: L', the records of each video.
      sha256: of each video's file.
      moments: of each video's values, see `records.Moments`; absent in stores of an early version.
      source: the fingerprint of the video file, known only where this project made the features.
      std: the standard deviation over the training list, None where it is not known.
    """

    frames: dict[str, _Count]
    sha256: dict[str, str]
    moments: dict[str, tuple[float, float]] = field(default_factory=dict)
    source: dict[str, str] = field(default_factory=dict)
    std: float | None = None

    def __post_init__(self) -> None:
        """Raises ValueError where `frames` and `sha256` name other videos."""
        # Every record is compared with its digest, so none may lack one.
        if self.frames.keys() != self.sha256.keys():
            raise ValueError("expected frames and sha256 by the names of the same videos")


def make_store_index(head: StoreHead, rows: Sequence[dict]) -> StoreIndex:
    """Makes an index of the notes of all videos.

    Args:
      head: shape, dtype and about of the store.
      rows: the note of each video; only moments and source may be absent.
    """
    tables: dict[str, dict[str, Any]] = {name: {} for name in _TABLES}
    for row in rows:
        for name, table in tables.items():
            if name in row:
                table[row["name"]] = row[name]
    return StoreIndex(head.shape, head.dtype, head.about, **tables)


def rows_of_store_index(index: StoreIndex) -> list[dict]:
    """Returns what an index keeps of each video, in the form of notes."""
    rows = []
    for video in index.frames:
        row = {"name": video}
        for name in _TABLES:
            table = getattr(index, name)
            if video in table:
                row[name] = table[video]
        rows.append(row)
    return rows


def read_feature_file_if_exists(path: epath.Path, kind: type[T]) -> T | None:
    """Returns the record of a JSON file; None where there is none.

    Another worker may finish the store, and remove the file, while it is being read.
    """
    try:
        return read_record(path, kind)
    except (FileError, FileNotFoundError):
        if path.exists():
            raise
        return None
