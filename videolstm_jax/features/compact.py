"""Rewrites a store of float16 as one of uint8, half the size, and says what that costs."""

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


class Cost(NamedTuple):
    """Bytes before and after, and the error of what is read back: its root mean square and its
    largest, in the standard deviations of the features, and the share of values above zero that
    became zero.
    """

    before: int
    after: int
    rms: float
    largest: float
    lost: float


def compact(source: PathLike, target: PathLike) -> Cost:
    """Writes the same features once more, as uint8; goes on where it was killed.

    What made them, and their deviation over the training list, is said as before.

    Raises:
      FileError: no store, or one that is compact already or has values below zero; others are in
        the way.
    """
    store = FeatureStore.open(source)
    if store.dtype != "float16":
        raise FileError(f"{source}: is of {store.dtype} already; expected float16")
    writer = FeatureWriter(target, store.shape, store.about, dtype="uint8", source=store.source)
    for name in writer.missing(store.frames):
        writer.write(name, store.read(name))
    small = writer.finish(store.frames)
    index = small.folder / "index.json"
    files.write_json(index, files.read_json(index) | {"std": store.std})
    return cost(store, small)


def cost(store: FeatureStore, small: FeatureStore) -> Cost:
    """Compares the two, video by video."""
    square, largest, lost, there = 0.0, 0.0, 0, 0
    for name in store.frames:
        was, now = store.read(name), small.read(name)
        error = was.astype(np.float32) - now.astype(np.float32)
        square, largest = (
            square + records.moments(error).square,
            max(largest, float(np.abs(error).max())),
        )
        lost, there = lost + int(((was > 0) & (now == 0)).sum()), there + int((was > 0).sum())
    frames = sum(store.frames.values())
    std = store.statistics(list(store.frames))[1] or 1.0
    return Cost(
        frames * store.record_bytes,
        frames * small.record_bytes,
        math.sqrt(square / (frames * math.prod(store.shape))) / std,
        largest / std,
        lost / max(1, there),
    )
