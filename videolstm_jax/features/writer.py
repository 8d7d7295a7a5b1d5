"""Writes a feature store: one file of fixed-size frame records a video, and an index that is
written last.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from etils import epath

from videolstm_jax import files
from videolstm_jax.errors import FileError
from videolstm_jax.features import records
from videolstm_jax.features.store import FeatureStore, digest, record_path
from videolstm_jax.files import file_size, side_by_side

_FIELDS = ("frames", "sha256", "moments", "source")
"""What an index keeps of each video."""


class FeatureWriter:
    """Writes a store video by video; what a killed run finished is not made again.

    Finished videos are noted in `done.jsonl`, one line a video, until `finish` writes `index.json`.
    Several workers may write to one folder, each with notes of its own: all read the notes of all,
    and whoever finds every video done finishes the store. A folder that holds features of another
    extractor, preprocessing, shape or dtype is refused; features of a video whose `source` was
    another one are made again.
    """

    def __init__(
        self,
        folder: files.PathLike,
        shape: Sequence[int],
        about: dict,
        *,
        dtype: str = "float16",
        worker: str = "",
        source: Mapping[str, str] = MappingProxyType({}),
    ):
        """Opens a folder to write to.

        Args:
          folder: where the store lies, or will lie; a bucket will do.
          shape: of one frame's features, [N, N, D] or [D].
          about: what made the features and with which preprocessing; anything JSON can hold.
          dtype: `float16`, or `uint8` for maps after a ReLU at half the size (see
            `records.encode`).
          worker: the name of this worker's notes, where several write to one folder.
          source: what tells the file of each video from others, where that is known; kept in the
            index.

        Raises:
          FileError: the folder holds features of another shape, dtype or about.
        """
        self._folder = epath.Path(folder)
        self._shape = tuple(int(side) for side in shape)
        if not self._shape or min(self._shape) < 1:
            raise FileError(
                f"{folder}: features of shape {tuple(shape)}; expected sides of at least 1"
            )
        self._dtype = records.check_dtype(dtype)
        self._about = json.loads(json.dumps(about, allow_nan=False))
        self._source = source
        self._notes = self._folder / (f"done-{worker}.jsonl" if worker else "done.jsonl")
        self._refuse_others()
        self._folder.mkdir(parents=True, exist_ok=True)
        files.write_json(self._folder / "about.json", self._head())
        if self._notes.exists():  # whole lines only, where a run was killed while it wrote one
            files.write_jsonl(self._notes, _noted(self._notes).values())
        self._done = self._found()
        self._reopen()

    def _head(self) -> dict:
        return {"shape": list(self._shape), "dtype": self._dtype, "about": self._about}

    def _refuse_others(self) -> None:
        for path in (self._folder / "index.json", self._folder / "about.json"):
            found = _json(path) or self._head()
            for field, ours in self._head().items():
                if found.get(field) != ours:
                    raise FileError(
                        f"{path}: {field} is {found.get(field)}; these features have {ours}; "
                        "remove the folder or give another"
                    )

    def _found(self) -> dict[str, dict]:
        """What all workers have noted of these sources. The index is read last: its writer removes
        the notes behind it.

        Where there are notes of another source too, the file itself tells which was written last.
        """
        rows = list(_rows(self._folder))
        if index := _json(self._folder / "index.json"):
            rows = [_row(index, name) for name in index["frames"]] + rows
        ours = {
            row["name"]: row for row in rows if row.get("source") == self._source.get(row["name"])
        }
        doubted = {
            row["name"] for row in rows if row.get("source") != self._source.get(row["name"])
        } & ours.keys()
        return {
            name: row
            for name, row in ours.items()
            if name not in doubted or digest(self._path(name)) == row["sha256"]
        }

    def _reopen(self) -> None:
        """Makes a store unfinished, with notes for its index, where it holds features of other
        sources.
        """
        index = _json(self._folder / "index.json")
        if index and not index["frames"].keys() <= self._done.keys():
            files.write_jsonl(self._notes, self._done.values())
            (self._folder / "index.json").unlink(missing_ok=True)

    def _path(self, name: str) -> epath.Path:
        return record_path(self._folder, name, self._dtype)

    def done(self, name: str) -> bool:
        """Whether the video is finished, as far as this writer has read, and its file still there
        at its full size.
        """
        row = self._done.get(name)
        return row is not None and (
            file_size(self._path(name))
            == row["frames"] * records.record_bytes(self._shape, self._dtype)
        )

    def missing(self, names: Iterable[str]) -> list[str]:
        """Those of the videos that no worker has finished, in their order; reads the notes of all
        workers again.
        """
        self._done = self._found()
        names = list(names)
        return [
            name
            for name, done in zip(names, side_by_side(self.done, names), strict=True)
            if not done
        ]

    def noted(self, field: str) -> dict[str, Any]:
        """What `write` was told beside the features, by video, as far as this writer has read."""
        return {name: row[field] for name, row in self._done.items() if field in row}

    def write(self, name: str, array: np.ndarray, **beside: Any) -> None:
        """Writes one video's features, whole or not at all.

        Args:
          name: "Class/stem".
          array: [L', *shape], any float.
          beside: what else to note of the video until the store is finished; JSON values.

        Raises:
          FileError: another shape, no frames, or values that are not finite, beyond float16, or
            below zero where the store is of uint8.
        """
        path = self._path(name)
        array = np.asarray(array)
        if array.shape[1:] != self._shape or not len(array):
            raise FileError(
                f"{path}: features of {name} are {list(array.shape)}; expected [frames, {str(list(self._shape))[1:]}"
            )
        data = records.encode(array, self._dtype, f"{path}: features of {name}")
        files.write_bytes(path, data)
        found = records.moments(records.decode(data, self._shape, self._dtype))
        row = {
            "name": name,
            "frames": len(array),
            "sha256": hashlib.sha256(data).hexdigest(),
            "moments": list(found),
            **beside,
        }
        if name in self._source:
            row["source"] = self._source[name]
        with self._notes.open("a") as notes:
            notes.write(json.dumps(row) + "\n")
        self._done[name] = row

    def finish(self, names: Iterable[str], *, train: Sequence[str] = ()) -> FeatureStore:
        """Writes the index, which makes the store whole. Two workers that finish at once write the
        same bytes.

        Args:
          names: every video of the store.
          train: where given, `std` of the index is the standard deviation over all values of these
            videos.

        Raises:
          FileError: naming the videos that were not written.
        """
        names = sorted(names)
        missing = self.missing(names)
        if missing:
            raise FileError(
                f"{self._folder}: {len(missing)} of {len(names)} videos have no features: "
                + ", ".join(missing[:5])
            )
        index = self._head() | {
            field: {name: self._done[name][field] for name in names if field in self._done[name]}
            for field in _FIELDS
        }
        std = FeatureStore(self._folder, index).statistics(train)[1] if train else None
        files.write_json(self._folder / "index.json", index | {"std": std})
        torn = [
            path
            for parent in sorted({self._path(name).parent for name in names})
            for path in parent.iterdir()
            if path.name.startswith(".") and f"{records.suffix(self._dtype)}.part-" in path.name
        ]
        for leftover in (
            self._folder / "about.json",
            *_notes(self._folder),
            *torn,
        ):  # torn by writers that were killed
            leftover.unlink(missing_ok=True)
        return FeatureStore.open(self._folder)


def notes_of(folder: epath.Path) -> dict[str, dict]:
    """What the workers of an unfinished store have noted, by video."""
    return {row["name"]: row for row in _rows(folder)}


def _rows(folder: epath.Path) -> Iterator[dict]:
    for notes in _notes(folder):
        yield from _noted(notes).values()


def _notes(folder: epath.Path) -> list[epath.Path]:
    return sorted(
        path for path in folder.iterdir() if re.fullmatch(r"done(-.+)?\.jsonl", path.name)
    )


def _noted(path: epath.Path) -> dict[str, dict]:
    """The whole lines of one worker's notes."""
    rows = {}
    with contextlib.suppress(FileNotFoundError):
        for line in path.read_text().splitlines():
            with contextlib.suppress(
                ValueError, KeyError, TypeError
            ):  # torn where a run was killed while it wrote
                row = json.loads(line)
                rows[row["name"]] = row
    return rows


def _row(index: dict[str, Any], name: str) -> dict:
    return {"name": name} | {
        field: index[field][name] for field in _FIELDS if name in index.get(field, {})
    }


def _json(path: epath.Path) -> dict | None:
    """What a file holds; None where there is none, or no more: another worker may finish in this
    moment.
    """
    try:
        return files.read_json(path)
    except (FileError, FileNotFoundError):
        if path.exists():
            raise
        return None
