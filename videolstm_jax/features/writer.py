"""Writes a feature store: one file of frame records a video, and an index that is written last."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from etils import epath

from videolstm_jax import files, folders
from videolstm_jax.errors import FileError
from videolstm_jax.features import notes, records
from videolstm_jax.features.index import (
    StoreHead,
    StoreIndex,
    make_store_index,
    read_feature_file_if_exists,
    rows_of_store_index,
)
from videolstm_jax.features.store import FeatureStore, feature_record_path, feature_sha256_if_exists
from videolstm_jax.files import call_in_threads
from videolstm_jax.folders import file_size

# Missing videos that one message names.
_NAMED_VIDEOS = 5


class FeatureWriter:
    """Writes a store video by video; a video that a killed run finished is not made again.

    Finished videos are noted (see `notes`) until `finish` writes `index.json`. Several workers may
    write to one folder, each with notes of its own. All read the notes of all, and the worker that
    finds every video done finishes the store.

    A folder with features of another extractor, preprocessing, shape or dtype is refused. Features
    of a video whose `source` has changed are made again.
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
          folder: of the store; it may lie in a bucket.
          shape: of one frame's features, [N, N, D] or [D].
          about: what made the features and with which preprocessing; anything that JSON can hold.
          dtype: `float16`, or `uint8` for maps after a ReLU at half the size (see
            `records.encode_features`).
          worker: name of this worker's notes, where several write to one folder.
          source: by video, a fingerprint of the file that its features are made from, where known;
            kept in the index.

        Raises:
          FileError: the folder holds features of another shape, dtype or about.
        """
        self._folder = epath.Path(folder)
        self._shape = tuple(map(int, shape))
        if not self._shape or min(self._shape) < 1:
            raise FileError(
                f"{folder}: features of shape {tuple(shape)}; expected sides of at least 1"
            )
        self._dtype = records.check_feature_dtype(dtype)
        # Through JSON and back, so that it compares equal to what a file holds (tuples, for one).
        self._about = json.loads(json.dumps(about, allow_nan=False))
        self._source = source
        self._notes = notes.feature_notes_path(self._folder, worker)
        self._index = self._folder / "index.json"
        self._check_same_features()
        self._folder.mkdir(parents=True, exist_ok=True)
        head = dataclasses.asdict(self._head())
        # Not durable, as the features are not: after a loss of power the digests tell what is lost.
        files.write_json(self._folder / "about.json", head, durable=False)
        if self._notes.exists():
            # Writes whole lines only, so that a torn last line does not swallow the next one.
            files.write_jsonl(self._notes, notes.read_feature_notes(self._notes))
        self._done = self._finished_rows()
        self._reopen()

    def _head(self) -> StoreHead:
        return StoreHead(self._shape, self._dtype, self._about)

    def _check_same_features(self) -> None:
        """Raises FileError where the folder holds features of another shape, dtype or about."""
        for path in (self._index, self._folder / "about.json"):
            head = read_feature_file_if_exists(path, StoreHead) or self._head()
            for field, expected in dataclasses.asdict(self._head()).items():
                stored = getattr(head, field)
                if stored != expected:
                    raise FileError(
                        f"{path}: {field} is {stored}; these features have {expected}; remove the "
                        "folder or give another"
                    )

    def _finished_rows(self) -> dict[str, dict]:
        """Returns what all workers have noted of videos of these sources, by name."""
        rows = notes.read_all_feature_notes(self._folder)
        # The index is read after the notes: a worker that finishes the store writes the index first
        # and removes the notes then. In the other order both could be missed.
        index = read_feature_file_if_exists(self._index, StoreIndex)
        if index:
            rows = rows_of_store_index(index) + rows
        rows_by_name, outdated = {}, set()
        for row in rows:
            name = row["name"]
            if row.get("source") == self._source.get(name):
                rows_by_name[name] = row
            else:
                outdated.add(name)
        # Where there are notes of another source too, the file itself shows which came last.
        for name in outdated & rows_by_name.keys():
            if feature_sha256_if_exists(self._path(name)) != rows_by_name[name]["sha256"]:
                del rows_by_name[name]
        return rows_by_name

    def _reopen(self) -> None:
        """Makes a finished store unfinished where it holds features of other sources."""
        index = read_feature_file_if_exists(self._index, StoreIndex)
        if index and not index.frames.keys() <= self._done.keys():
            # Notes before the index goes: a run that is killed in between loses nothing.
            files.write_jsonl(self._notes, self._done.values())
            self._index.unlink(missing_ok=True)

    @property
    def record_bytes(self) -> int:
        """Bytes of one frame on disk."""
        return records.feature_record_bytes(self._shape, self._dtype)

    def _path(self, name: str) -> epath.Path:
        return feature_record_path(self._folder, name, self._dtype)

    def done(self, name: str) -> bool:
        """Returns whether the video is noted as finished and its file has its full size."""
        row = self._done.get(name)
        if row is None:
            return False
        expected = row["frames"] * self.record_bytes
        return file_size(self._path(name)) == expected

    def missing(self, names: Iterable[str]) -> list[str]:
        """Returns those of the videos that no worker has finished, in their order.

        The notes of all workers are read again.
        """
        folders.refresh_list(self._folder)
        self._done = self._finished_rows()
        names = list(names)
        # Each check asks for the size of a file, which in a bucket takes as long as a small read.
        are_done = call_in_threads(self.done, names)
        missing = []
        for name, done in zip(names, are_done, strict=True):
            if not done:
                missing.append(name)
        return missing

    def noted(self, field: str) -> dict[str, Any]:
        """Returns a field that was given to `write` beside the features, by video.

        Notes of other workers count as of the last call of `missing`.
        """
        field_by_name = {}
        for name, row in self._done.items():
            if field in row:
                field_by_name[name] = row[field]
        return field_by_name

    def write(self, name: str, array: np.ndarray, **beside: Any) -> None:
        """Writes one video's features, whole or not at all.

        Args:
          name: "Class/stem".
          array: [L', *shape], any float.
          **beside: more to note of the video until the store is finished; JSON values.

        Raises:
          FileError: another shape, no frames, or values that are not finite, beyond float16, or
            below zero where the store is of uint8.
        """
        path = self._path(name)
        array = np.asarray(array)
        if array.shape[1:] != self._shape or not len(array):
            expected = ", ".join(["frames", *map(str, self._shape)])
            raise FileError(
                f"{path}: features of {name} are {list(array.shape)}; expected [{expected}]"
            )
        encoded = records.encode_features(array, self._dtype, f"{path}: features of {name}")
        # First the file, then its note: a noted video is there.
        files.write_bytes(path, encoded)
        # Statistics are those of the values that are read back, not of the original ones.
        moments = records.feature_moments(
            records.decode_features(encoded, self._shape, self._dtype)
        )
        row = {
            "name": name,
            "frames": len(array),
            "sha256": files.bytes_sha256(encoded),
            "moments": list(moments),
            **beside,
        }
        if name in self._source:
            row["source"] = self._source[name]
        files.append_bytes(self._notes, f"{json.dumps(row)}\n".encode())
        self._done[name] = row

    def finish(self, names: Iterable[str], *, train: Sequence[str] = ()) -> FeatureStore:
        """Writes the index, with which the store is finished, and removes the notes.

        Two workers that finish at the same time write the same bytes.

        Args:
          names: every video of the store.
          train: where given, `std` of the index is the standard deviation over all values of these
            videos.

        Raises:
          FileError: naming the videos that were not written.
        """
        names = sorted(names)  # any order of writing gives the same index
        missing = self.missing(names)
        if missing:
            raise FileError(
                f"{self._folder}: {len(missing)} of {len(names)} videos have no features: "
                + ", ".join(missing[:_NAMED_VIDEOS])
            )
        index = make_store_index(self._head(), list(map(self._done.__getitem__, names)))
        if train:
            # Training divides by it, so test videos must have no part in it.
            _, deviation = FeatureStore(self._folder, index).statistics(train)
            index = dataclasses.replace(index, std=deviation)
        files.write_json(self._index, dataclasses.asdict(index), sealed=True, durable=False)
        # The index is there; whoever is killed now leaves only files that nobody reads.
        self._remove_leftovers(names)
        return FeatureStore.open(self._folder)

    def _remove_leftovers(self, names: Sequence[str]) -> None:
        """Removes what only an unfinished store needs, and torn files of killed writers."""
        leftovers = [self._folder / "about.json", *notes.feature_notes_paths(self._folder)]
        torn = f"{records.feature_file_suffix(self._dtype)}.part-"
        for parent in sorted({self._path(name).parent for name in names}):
            for path in parent.iterdir():
                if path.name.startswith(".") and torn in path.name:
                    leftovers.append(path)
        for path in leftovers:
            path.unlink(missing_ok=True)  # another worker may be removing them as well
