"""Reads a feature store: clips from the middle of a video at the price of their own bytes."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from etils import epath

from videolstm_jax import files
from videolstm_jax.errors import FileError
from videolstm_jax.features import records
from videolstm_jax.features.records import Moments
from videolstm_jax.files import file_size, side_by_side

_BLOCK = 1 << 24


class FeatureStore:
    """A finished store: `folder`, `shape`, `dtype`, `frames` (L' of each video), `about`, `std`
    (None if unknown).

    `source` tells the file that each video's features were made from, where that was known.
    """

    def __init__(self, folder: epath.Path, index: dict):
        """Takes an index that `open` has checked."""
        self.folder = folder
        self.shape: tuple[int, ...] = tuple(index["shape"])
        self.dtype: str = index["dtype"]
        self.frames: dict[str, int] = index["frames"]
        self.about: dict = index["about"]
        self.source: dict[str, str] = index.get("source", {})
        self.std: float | None = index.get("std")
        self.record_bytes = records.record_bytes(self.shape, self.dtype)
        self._sha256: dict[str, str] = index["sha256"]
        self._moments: dict[str, list[float]] = index.get("moments", {})
        self._checked: set[str] = set()

    @classmethod
    def open(cls, folder: files.PathLike) -> FeatureStore:
        """Opens a store by its index.

        Raises:
          FileError: no index (the store is not finished), or one that does not fit this format.
        """
        path = epath.Path(folder) / "index.json"
        index = files.read_json(path, made_by="extract")
        check_head(path, index, "frames", "sha256")
        frames, sha256, *beside = (
            index["frames"],
            index["sha256"],
            index.get("moments", {}),
            index.get("source", {}),
        )
        if (
            not all(isinstance(one, dict) for one in (frames, sha256, *beside))
            or frames.keys() != sha256.keys()
        ):
            raise FileError(f"{path}: expected frames and sha256 by the names of the same videos")
        if bad := [name for name, length in frames.items() if not _counts(length)]:
            raise FileError(
                f"{path}: {bad[0]} has {frames[bad[0]]!r} frames; expected at least one"
            )
        return cls(path.parent, index)

    def path(self, name: str) -> epath.Path:
        """The file of one video.

        Raises:
          FileError: the store does not have the video.
        """
        if name not in self.frames:
            raise FileError(f"{self.folder}: has no features of {name}")
        return record_path(self.folder, name, self.dtype)

    def read(self, name: str, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Features of the frames start <= t < stop, float16 [n, *shape], not to be written to.

        Raises:
          FileError: an unknown video, frames outside it, or a file that is missing or short.
        """
        stop = self.frames.get(name, 0) if stop is None else stop
        path = self._checked_path(name, start, stop)
        return records.decode(self._bytes(path, start, stop - start), self.shape, self.dtype)

    def fill(self, out: np.ndarray, name: str, start: int, *, scale: float = 1.0) -> None:
        """Reads as many frames from `start` on as `out` has, and multiplies them by `scale`.

        Float16 goes from the file straight to where it is wanted, without a copy in between.

        Args:
          out: [n, ..] float16 or float32, contiguous; each frame of as many values as `shape` has.
          name: of the video.
          start: the first frame.
          scale: in float32.

        Raises:
          FileError: as `read`.
        """
        path = self._checked_path(name, start, start + len(out))
        if self.dtype == "float16" and out.dtype == np.dtype("<f2") and scale == 1.0:
            self._bytes(path, start, len(out), out.reshape(-1).view(np.uint8))
        else:
            records.decode_into(out, self._bytes(path, start, len(out)), self.dtype, scale)

    def _checked_path(self, name: str, start: int, stop: int) -> epath.Path:
        path, length = self.path(name), self.frames[name]
        if not 0 <= start <= stop <= length:
            raise FileError(f"{path}: frames {start} to {stop} asked for; it has {length}")
        if name not in self._checked:
            self.check_sizes([name])
        return path

    def _bytes(
        self, path: epath.Path, start: int, frames: int, out: np.ndarray | None = None
    ) -> bytes | np.ndarray:
        """The records of some frames, written to `out` [bytes] where it is given."""
        wanted = frames * self.record_bytes
        with path.open("rb") as file:
            file.seek(start * self.record_bytes)
            if out is not None and hasattr(file, "readinto"):
                taken, data = file.readinto(out), out
            else:  # a bucket's file cannot read to a place
                data = file.read(wanted)
                taken = len(data)
        if taken != wanted:
            raise FileError(
                f"{path}: gave {taken} bytes for {frames} frames; expected {wanted}; it has been cut "
                "short"
            )
        if out is not None and data is not out:
            out[:] = np.frombuffer(data, np.uint8)
        return data

    def check_sizes(self, names: Sequence[str]) -> None:
        """Raises FileError where a video's file is missing or has another size than the index says."""
        for name, found in zip(
            names, side_by_side(file_size, [self.path(name) for name in names]), strict=True
        ):
            expected = self.frames[name] * self.record_bytes
            if found != expected:
                words = "missing" if found is None else f"{found} bytes long"
                raise FileError(
                    f"{self.path(name)}: is {words}; expected {expected} bytes; the stage extract writes it"
                )
        self._checked.update(names)

    def verify(self) -> None:
        """Reads every file, several side by side, and compares it with the index.

        Raises:
          FileError: naming the files that are missing or damaged.
        """
        found = side_by_side(digest, [self.path(name) for name in self.frames])
        damaged = [
            name for name, one in zip(self.frames, found, strict=True) if one != self._sha256[name]
        ]
        if damaged:
            raise FileError(
                f"{self.folder}: {len(damaged)} of {len(self.frames)} files are missing or damaged: "
                + ", ".join(f"{name}{records.suffix(self.dtype)}" for name in damaged[:10])
            )

    def statistics(self, names: Sequence[str]) -> tuple[float, float]:
        """Mean and standard deviation over all values of the named videos.

        Raises:
          FileError: no videos, or one that the store does not have.
        """
        if not names:
            raise FileError(
                f"{self.folder / 'index.json'}: no features to take statistics of; expected a video"
            )
        parts = side_by_side(self._moments_of, names)
        return records.deviation(
            parts, sum(self.frames[name] for name in names) * math.prod(self.shape)
        )

    def _moments_of(self, name: str) -> Moments:
        self.path(name)
        found = self._moments.get(name)  # absent where the store was written before they were kept
        return Moments(*found) if found else records.moments(self.read(name))


def check_head(path: epath.Path, head: Any, *fields: str) -> None:
    """Raises FileError where what opens an index lacks shape, dtype, about or one of `fields`, or
    is no such.
    """
    missing = {"shape", "dtype", "about", *fields} - (
        head.keys() if isinstance(head, dict) else set()
    )
    if missing:
        raise FileError(f"{path}: lacks {sorted(missing)}")
    shape, dtype = head["shape"], head["dtype"]
    if (
        not isinstance(shape, list)
        or not shape
        or not all(map(_counts, shape))
        or dtype not in records.DTYPES
    ):
        raise FileError(
            f"{path}: shape is {shape!r}, expected a list of sides of at least 1; dtype is {dtype!r}, "
            f"expected dtype {' or '.join(records.DTYPES)}"
        )


def _counts(value: Any) -> bool:
    return type(value) is int and value > 0


def record_path(folder: epath.Path, name: str, dtype: str = "float16") -> epath.Path:
    """Where a store keeps one video.

    Raises:
      FileError: a name that would leave the folder.
    """
    if not name or name.startswith("/") or ".." in name.split("/"):
        raise FileError(f"{folder}: a video is called {name!r}; expected Class/stem")
    return folder / f"{name}{records.suffix(dtype)}"


def digest(path: epath.Path) -> str | None:
    """The sha256 of a file; None where there is none."""
    found = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                found.update(block)
    except FileNotFoundError:
        return None
    return found.hexdigest()
