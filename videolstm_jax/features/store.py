"""Reads a feature store: a clip from the middle of a video costs one read of its own bytes."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import numpy as np
from etils import epath

from videolstm_jax import files
from videolstm_jax.cluster.watchdog import watchdog
from videolstm_jax.errors import FileError
from videolstm_jax.features import records
from videolstm_jax.features.index import StoreIndex
from videolstm_jax.features.records import Moments
from videolstm_jax.files import call_in_threads, reading
from videolstm_jax.folders import file_size, leads_out, leads_out_by_link
from videolstm_jax.json_records import read_record
from videolstm_jax.progress_lines import ProgressLines

# Bytes that a digest reads at once, so that files of any size fit in memory.
_BLOCK_BYTES = 1 << 22

# Damaged files that one message names.
_NAMED_FILES = 10


class FeatureStore:
    """A finished store.

    Attributes:
      folder: where it lies.
      shape: of one frame's features, [N, N, D] or [D].
      dtype: of the records, `float16` or `uint8`.
      frames: records of each video, by name.
      about: what made the features, and with which preprocessing.
      sha256: by name, the digest of each video's file.
      source: by name, the fingerprint of the video that the features were made from, where known.
      std: the standard deviation over the training list; None where unknown.
      record_bytes: of one frame.
    """

    def __init__(self, folder: epath.Path, index: StoreIndex):
        """Takes the folder and the index that lies, or will lie, in it."""
        self.folder = folder
        self.shape = index.shape
        self.dtype: str = index.dtype
        self.frames = index.frames
        self.about: dict = index.about
        self.source = index.source
        self.std = index.std
        self.record_bytes = records.feature_record_bytes(self.shape, self.dtype)
        self.sha256 = index.sha256
        self._moments = index.moments
        # Videos whose file has been found to have its full size; checked once each.
        self._checked: set[str] = set()

    @classmethod
    def open(cls, folder: files.PathLike) -> FeatureStore:
        """Opens a store by its index.

        Raises:
          FileError: no index (the store is not finished), or one that does not fit this format.
        """
        path = epath.Path(folder) / "index.json"
        return cls(path.parent, read_record(path, StoreIndex, made_by="extract"))

    def path(self, name: str) -> epath.Path:
        """Returns the file of one video.

        Raises:
          FileError: the store does not have the video.
        """
        if name not in self.frames:
            raise FileError(f"{self.folder}: has no features of {name}")
        return feature_record_path(self.folder, name, self.dtype)

    def read(self, name: str, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Returns the features of the frames start <= t < stop, float16 [n, *shape], read-only.

        Raises:
          FileError: an unknown video, frames outside it, or a file that is missing or short.
        """
        if stop is None:
            stop = self.frames.get(name, 0)
        path = self._checked_path(name, start, stop)
        encoded = self._read_records(path, start, stop - start)
        return records.decode_features(encoded, self.shape, self.dtype)

    def fill(self, target: np.ndarray, name: str, start: int, *, scale: float = 1.0) -> None:
        """Reads as many frames from `start` on as `target` has, and multiplies them by `scale`.

        Args:
          target: [n, ..] float16 or float32, contiguous; each frame of as many values as `shape`
            has.
          name: of the video.
          start: the first frame.
          scale: in float32.

        Raises:
          FileError: as `read`.
        """
        path = self._checked_path(name, start, start + len(target))
        if self.dtype == "float16" and target.dtype == np.dtype("<f2") and scale == 1.0:
            # The records are the values: they go from the file to their place without a copy.
            self._read_records_into(target.reshape(-1).view(np.uint8), path, start, len(target))
        else:
            encoded = self._read_records(path, start, len(target))
            records.decode_features_into(target, encoded, self.dtype, scale)

    def _checked_path(self, name: str, start: int, stop: int) -> epath.Path:
        """Returns the file of a video, which must have its full size and the frames."""
        path, length = self.path(name), self.frames[name]
        if not 0 <= start <= stop <= length:
            raise FileError(f"{path}: frames {start} to {stop} asked for; it has {length}")
        # A file that was cut short by a full disk would otherwise be noticed only at its last clip.
        if name not in self._checked:
            self.check_sizes([name])
        return path

    def _read_records(self, path: epath.Path, start: int, frames: int) -> bytes:
        # All records have one size, so the place of a frame is known without an index of frames.
        with path.open("rb") as file:
            file.seek(start * self.record_bytes)
            encoded = file.read(frames * self.record_bytes)
        self._check_read(path, frames, len(encoded))
        return encoded

    def _read_records_into(
        self, target: np.ndarray, path: epath.Path, start: int, frames: int
    ) -> None:
        """Reads records into `target`, uint8 [bytes]."""
        with path.open("rb") as file:
            file.seek(start * self.record_bytes)
            if hasattr(file, "readinto"):
                size = file.readinto(target)
            else:  # the file of a bucket cannot read into an array
                encoded = file.read(len(target))
                size = len(encoded)
                if size == len(target):
                    target[:] = np.frombuffer(encoded, np.uint8)
        self._check_read(path, frames, size)

    def _check_read(self, path: epath.Path, frames: int, size: int) -> None:
        expected = frames * self.record_bytes
        if size != expected:
            raise FileError(
                f"{path}: gave {size} bytes for {frames} frames; expected {expected}; it has been "
                "cut short"
            )

    def check_sizes(self, names: Sequence[str]) -> None:
        """Compares the sizes of the videos' files with the index.

        Raises:
          FileError: a file is missing, has another size, or lies elsewhere.
        """
        sizes = call_in_threads(file_size, list(map(self.path, names)))
        for name, size in zip(names, sizes, strict=True):
            # The index names the files, and may be a stranger's with a link beside it.
            if leads_out_by_link(self.folder, self.path(name)):
                raise FileError(
                    f"{self.path(name)}: a symbolic link leads out of {self.folder}; expected the "
                    "file itself"
                )
            expected = self.frames[name] * self.record_bytes
            if size != expected:
                state = "missing"
                if size is not None:
                    state = f"{size} bytes long"
                raise FileError(
                    f"{self.path(name)}: is {state}; expected {expected} bytes; the stage extract "
                    "writes it"
                )
        self._checked.update(names)

    def verify(self, names: Sequence[str] | None = None) -> None:
        """Reads files to their end, several side by side, and compares digests with the index.

        Args:
          names: of the videos; None takes all.

        Raises:
          FileError: naming the files that are missing or damaged.
        """
        if names is None:
            names = list(self.frames)
        size = self._frames_of(names) * self.record_bytes
        compared = 0

        def is_damaged(name: str) -> bool:
            nonlocal compared
            digest = feature_sha256_if_exists(self.path(name))
            watchdog().progress()
            compared += 1  # a thread may miss the count of another; the line is only progress
            return digest != self.sha256[name]

        def progress(_: float) -> str:
            return f"{self.folder}: compared {compared} of {len(names)} files, {size:,} bytes"

        with ProgressLines(progress):
            are_damaged = call_in_threads(is_damaged, names)
        damaged = []
        for name, damage in zip(names, are_damaged, strict=True):
            if damage:
                damaged.append(f"{name}{records.feature_file_suffix(self.dtype)}")
        if damaged:
            raise FileError(
                f"{self.folder}: {len(damaged)} of {len(names)} files are missing or damaged: "
                f"{', '.join(damaged[:_NAMED_FILES])}; {self._remedy()}"
            )

    def _remedy(self) -> str:
        """How damaged files are made again."""
        if isinstance(self.about, dict) and "imported" in self.about:
            return "remove the store and import the features again"
        return "remove them and run the stage extract again, which makes only these"

    def statistics(self, names: Sequence[str]) -> tuple[float, float]:
        """Returns the mean and the standard deviation over all values of the named videos.

        Raises:
          FileError: no videos, or one that the store does not have.
        """
        # Where the index has no moments, files are read, several at a time.
        parts = call_in_threads(self._moments_of, names)
        frames = self._frames_of(names)
        with reading(self.folder / "index.json"):
            return records.feature_mean_and_deviation(parts, frames * math.prod(self.shape))

    def _frames_of(self, names: Sequence[str]) -> int:
        """The records of the named videos together."""
        return sum(map(self.frames.__getitem__, names))

    def _moments_of(self, name: str) -> Moments:
        self.path(name)  # raises where the store does not have the video
        if name in self._moments:
            return Moments(*self._moments[name])
        moments = records.feature_moments(self.read(name))
        watchdog().progress()
        return moments


def feature_record_path(folder: epath.Path, name: str, dtype: str = "float16") -> epath.Path:
    """Returns the file of one video in a store.

    Raises:
      FileError: a name that would leave the folder.
    """
    # Names come from lists that somebody else may have written.
    if leads_out(name):
        raise FileError(f"{folder}: a video is called {name!r}; expected Class/stem")
    return folder / f"{name}{records.feature_file_suffix(dtype)}"


def feature_sha256_if_exists(path: epath.Path) -> str | None:
    """Returns the sha256 of a file; None where there is none."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                digest.update(block)
    except FileNotFoundError:
        return None
    return digest.hexdigest()
