"""The feature store: one file of float16 frame records a video, described by an index that is written last."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
from collections.abc import Iterable, Sequence

import numpy as np
from etils import epath

from videolstm_jax import artifacts
from videolstm_jax.artifacts import ArtifactError

DTYPE = np.dtype("<f2")
LARGEST = float(np.finfo(DTYPE).max)
_BLOCK = 1 << 24


class FeatureWriter:
    """Writes a store video by video; what a killed run finished is not made again.

    Files of finished videos are noted in `done.jsonl`, one line a video, until `finish` writes `index.json`. A folder
    that holds features of another extractor, preprocessing or shape is refused.
    """

    def __init__(self, folder: artifacts.PathLike, shape: Sequence[int], about: dict):
        """Opens a folder to write to.

        Args:
          folder: where the store lies, or will lie.
          shape: of one frame's features, [N, N, D] or [D].
          about: what made the features and with which preprocessing; anything JSON can hold.

        Raises:
          ArtifactError: the folder holds features of another shape or about.
        """
        self._folder = epath.Path(folder)
        self._shape = tuple(int(side) for side in shape)
        if not self._shape or min(self._shape) < 1:
            raise ArtifactError(f"{folder}: features of shape {tuple(shape)}; expected sides of at least 1")
        self._about = json.loads(json.dumps(about, allow_nan=False))
        self._done: dict[str, dict] = {}
        self._refuse_others()
        self._folder.mkdir(parents=True, exist_ok=True)
        artifacts.write_json(self._folder / "about.json", self._head())
        artifacts.write_jsonl(self._folder / "done.jsonl", self._done.values())

    def _head(self) -> dict:
        return {"shape": list(self._shape), "dtype": "float16", "about": self._about}

    def _refuse_others(self) -> None:
        index, about = self._folder / "index.json", self._folder / "about.json"
        for path in (index, about):
            if path.exists():
                found = artifacts.read_json(path)
                for field, ours in self._head().items():
                    if found.get(field) != ours:
                        raise ArtifactError(f"{path}: {field} is {found.get(field)}; these features have {ours}; "
                                            "remove the folder or give another")
        if index.exists():
            found = artifacts.read_json(index)
            self._done = {name: {"name": name, "frames": frames, "sha256": found["sha256"][name]}
                          for name, frames in found["frames"].items()}
        notes = self._folder / "done.jsonl"
        for line in notes.read_text().splitlines() if notes.exists() else ():
            with contextlib.suppress(ValueError, KeyError, TypeError):  # torn where a run was killed while it wrote
                row = json.loads(line)
                self._done[row["name"]] = row

    def done(self, name: str) -> bool:
        """Whether the video is finished, and its file still there at its full size."""
        row = self._done.get(name)
        return row is not None and _size(record_path(self._folder, name)) == row["frames"] * record_bytes(self._shape)

    def write(self, name: str, array: np.ndarray) -> None:
        """Writes one video's features, whole or not at all.

        Args:
          name: "Class/stem".
          array: [L', *shape], any float.

        Raises:
          ArtifactError: another shape, no frames, or values that are not finite or beyond float16.
        """
        path = record_path(self._folder, name)
        array = np.asarray(array)
        if array.shape[1:] != self._shape or not len(array):
            raise ArtifactError(
                f"{path}: features of {name} are {list(array.shape)}; expected [frames, {str(list(self._shape))[1:]}")
        peak = float(np.max(np.abs(array)))
        if not peak <= LARGEST:  # also true of NaN
            raise ArtifactError(f"{path}: features of {name} reach {peak}; float16 holds at most {LARGEST:.0f}")
        data = np.ascontiguousarray(array, DTYPE).tobytes()
        artifacts.write_bytes(path, data)
        row = {"name": name, "frames": len(array), "sha256": hashlib.sha256(data).hexdigest()}
        with (self._folder / "done.jsonl").open("a") as notes:
            notes.write(json.dumps(row) + "\n")
        self._done[name] = row

    def finish(self, names: Iterable[str], *, train: Sequence[str] = ()) -> FeatureStore:
        """Writes the index, which makes the store whole.

        Args:
          names: every video of the store.
          train: where given, `std` of the index is the standard deviation over all values of these videos.

        Raises:
          ArtifactError: naming the videos that were not written.
        """
        names = sorted(names)
        missing = [name for name in names if not self.done(name)]
        if missing:
            raise ArtifactError(f"{self._folder}: {len(missing)} of {len(names)} videos have no features: "
                                + ", ".join(missing[:5]))
        std = deviation([record_path(self._folder, name) for name in train])[1] if train else None
        artifacts.write_json(self._folder / "index.json", self._head() | {
            "frames": {name: self._done[name]["frames"] for name in names},
            "sha256": {name: self._done[name]["sha256"] for name in names}, "std": std})
        for leftover in ("done.jsonl", "about.json"):
            (self._folder / leftover).unlink(missing_ok=True)
        return FeatureStore.open(self._folder)


class FeatureStore:
    """A finished store: `folder`, `shape`, `frames` (L' of each video), `about`, `std` (None where not computed)."""

    def __init__(self, folder: epath.Path, index: dict):
        """Takes an index that `open` has checked."""
        self.folder = folder
        self.shape: tuple[int, ...] = tuple(index["shape"])
        self.frames: dict[str, int] = index["frames"]
        self.about: dict = index["about"]
        self.std: float | None = index.get("std")
        self._sha256: dict[str, str] = index["sha256"]

    @classmethod
    def open(cls, folder: artifacts.PathLike) -> FeatureStore:
        """Opens a store by its index.

        Raises:
          ArtifactError: no index (the store is not finished), or one that does not fit this format.
        """
        path = epath.Path(folder) / "index.json"
        index = artifacts.read_json(path, made_by="extract")
        missing = {"shape", "dtype", "frames", "sha256", "about"} - (index.keys() if isinstance(index, dict) else set())
        if missing:
            raise ArtifactError(f"{path}: lacks {sorted(missing)}")
        if index["dtype"] != "float16" or index["frames"].keys() != index["sha256"].keys():
            raise ArtifactError(f"{path}: expected dtype float16, and frames and sha256 of the same videos")
        return cls(path.parent, index)

    @property
    def record_bytes(self) -> int:
        """Bytes of one frame's record."""
        return record_bytes(self.shape)

    def path(self, name: str) -> epath.Path:
        """The file of one video.

        Raises:
          ArtifactError: the store does not have the video.
        """
        if name not in self.frames:
            raise ArtifactError(f"{self.folder}: has no features of {name}")
        return record_path(self.folder, name)

    def read(self, name: str, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Features of the frames start <= t < stop, float16 [n, *shape], not to be written to.

        Raises:
          ArtifactError: an unknown video, frames outside it, or a file that is missing or short.
        """
        path, length = self.path(name), self.frames[name]
        stop = length if stop is None else stop
        if not 0 <= start <= stop <= length:
            raise ArtifactError(f"{path}: frames {start} to {stop} asked for; it has {length}")
        self.check_size(name)
        with path.open("rb") as file:
            file.seek(start * self.record_bytes)
            data = file.read((stop - start) * self.record_bytes)
        return np.frombuffer(data, DTYPE).reshape(stop - start, *self.shape)

    def check_size(self, name: str) -> None:
        """Raises ArtifactError where the video's file is missing or has another size than the index says."""
        path, expected = self.path(name), self.frames[name] * self.record_bytes
        if _size(path) != expected:
            found = "missing" if _size(path) is None else f"{_size(path)} bytes long"
            raise ArtifactError(f"{path}: is {found}; expected {expected} bytes; the stage extract writes it")

    def verify(self) -> None:
        """Reads every file and compares it with the index.

        Raises:
          ArtifactError: naming the files that are missing or damaged.
        """
        damaged = [name for name in self.frames
                   if _size(self.path(name)) is None or _sha256(self.path(name)) != self._sha256[name]]
        if damaged:
            raise ArtifactError(f"{self.folder}: {len(damaged)} of {len(self.frames)} files are missing or damaged: "
                                + ", ".join(f"{name}.f16" for name in damaged[:10]))

    def statistics(self, names: Sequence[str]) -> tuple[float, float]:
        """Mean and standard deviation over all values of the named videos."""
        return deviation([self.path(name) for name in names])


def record_bytes(shape: Sequence[int]) -> int:
    """Bytes of one frame's record of this shape."""
    return math.prod(shape) * DTYPE.itemsize


def record_path(folder: epath.Path, name: str) -> epath.Path:
    """Where a store keeps one video.

    Raises:
      ArtifactError: a name that would leave the folder.
    """
    if not name or name.startswith("/") or ".." in name.split("/"):
        raise ArtifactError(f"{folder}: a video is called {name!r}; expected Class/stem")
    return folder / f"{name}.f16"


def deviation(paths: Sequence[epath.Path]) -> tuple[float, float]:
    """Mean and standard deviation over all values of some files of records, in float64.

    Raises:
      ArtifactError: no files, or no values.
    """
    count, total, square = 0, 0.0, 0.0
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                values = np.frombuffer(block, DTYPE).astype(np.float64)
                count, total, square = count + values.size, total + values.sum(), square + np.square(values).sum()
    if not count:
        raise ArtifactError(f"no features to take statistics of, in {len(paths)} files")
    mean = total / count
    return float(mean), float(math.sqrt(max(0.0, square / count - mean * mean)))


def _sha256(path: epath.Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _size(path: epath.Path) -> int | None:
    return path.stat().length if path.is_file() else None
