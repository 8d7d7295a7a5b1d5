"""Rewrites a store of float16 as one of uint8, half the size, and measures what that costs."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from videolstm_jax import files
from videolstm_jax.errors import FileError
from videolstm_jax.features import records
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.features.writer import FeatureWriter
from videolstm_jax.files import PathLike


class CompactionReport(NamedTuple):
    """What a smaller store saves, and how far its values are from the original ones.

    Attributes:
      bytes_before: of the original store.
      bytes_after: of the smaller one.
      rms_error: root mean square, in standard deviations of the features.
      largest_error: in standard deviations of the features.
      lost: the share of values above zero that became zero.
    """

    bytes_before: int
    bytes_after: int
    rms_error: float
    largest_error: float
    lost: float


def compact_store(source: PathLike, target: PathLike) -> CompactionReport:
    """Writes the features of a store once more, as uint8; a killed run goes on where it was.

    The new store keeps the old one's record of its origin, and its deviation over the training
    list.

    Args:
      source: the folder of a float16 store without values below zero.
      target: the folder of the new store.

    Raises:
      FileError: no such store, or the target holds other features.
    """
    store = FeatureStore.open(source)
    if store.dtype != "float16":
        raise FileError(f"{source}: is of {store.dtype} already; expected float16")
    # The digests of the new store would make damage of the old one look sound for ever.
    store.verify()
    # The same `about`: a model that was trained on the float16 store may read this one.
    writer = FeatureWriter(target, store.shape, store.about, dtype="uint8", source=store.source)
    # One video at a time: a store is larger than memory.
    for name in writer.missing(store.frames):
        writer.write(name, store.read(name))
    small = writer.finish(store.frames)
    # A model that was trained with features divided by `std` must go on dividing by the same.
    index = small.folder / "index.json"
    files.write_json(index, files.read_json_object(index) | {"std": store.std})
    return compare_stores(store, small)


def compare_stores(store: FeatureStore, small: FeatureStore) -> CompactionReport:
    """Compares a store with a smaller one of the same features, video by video."""
    square, largest, lost, positive = 0.0, 0.0, 0, 0
    for name in store.frames:
        original, reduced = store.read(name), small.read(name)
        # In float32, since float16 would round the small differences.
        error = original.astype(np.float32) - reduced.astype(np.float32)
        square += records.feature_moments(error).square  # block by block, in float64
        largest = max(largest, float(np.abs(error).max()))
        lost += int(((original > 0) & (reduced == 0)).sum())
        positive += int((original > 0).sum())
    frames = sum(store.frames.values())
    std = store.statistics(list(store.frames))[1] or 1.0  # features that are all alike have none
    return CompactionReport(
        bytes_before=frames * store.record_bytes,
        bytes_after=frames * small.record_bytes,
        rms_error=math.sqrt(square / (frames * math.prod(store.shape))) / std,
        largest_error=largest / std,
        lost=lost / max(1, positive),
    )
