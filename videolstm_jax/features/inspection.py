"""Says in words what a folder of features holds, finished or not."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence

import numpy as np
from etils import epath

from videolstm_jax import files
from videolstm_jax.features import records
from videolstm_jax.features.store import FeatureStore, check_head
from videolstm_jax.features.writer import notes_of
from videolstm_jax.files import PathLike

_SAMPLED = 16
"""Videos, evenly taken, of which a frame is read for the share of zeros."""


def inspect(folder: PathLike) -> list[str]:
    """Lines on the shape, the size, what made the features, and how far an unfinished store has
    come.

    Raises:
      FileError: neither an index nor the beginnings of a store, or an index without videos.
    """
    if not (epath.Path(folder) / "index.json").exists():
        return _unfinished(epath.Path(folder))
    store = FeatureStore.open(folder)
    frames = sorted(store.frames.items(), key=lambda item: item[1])
    total = sum(store.frames.values())
    mean, std = store.statistics(list(store.frames))
    lines = [
        f"{folder}: {len(frames)} videos, {total:,} frames, {total * store.record_bytes:,} bytes",
        f"  shape      {' x '.join(map(str, store.shape))} {store.dtype}, {store.record_bytes:,} bytes a frame",
    ]
    lines += [
        f"  frames     {frames[0][1]} ({frames[0][0]}) to {frames[-1][1]} ({frames[-1][0]}), median "
        f"{statistics.median(store.frames.values()):g}"
    ]
    known = "unknown" if store.std is None else f"{store.std:.6g}"
    lines += [
        f"  values     mean {mean:.6g}, standard deviation {std:.6g}, of the training list {known}",
        *_zeros(store, [name for name, _ in frames]),
    ]
    return lines + [
        f"  {line}" for line in json.dumps(store.about, indent=1, sort_keys=True).splitlines()
    ]


def _zeros(store: FeatureStore, names: Sequence[str]) -> list[str]:
    taken = names[:: max(1, len(names) // _SAMPLED)]
    values = np.concatenate(
        [store.read(name, store.frames[name] // 2, store.frames[name] // 2 + 1) for name in taken]
    )
    small = records.record_bytes(store.shape, "uint8") / store.record_bytes
    words = (
        f"; as uint8 it would take {small:.3f} of the bytes"
        if small < 1 and values.min() >= 0
        else ""
    )
    return [f"  zeros      {100 * float((values == 0).mean()):.1f} % of {len(taken)} frames{words}"]


def _unfinished(folder: epath.Path) -> list[str]:
    head = files.read_json(folder / "about.json", made_by="extract")
    check_head(folder / "about.json", head)
    done = notes_of(folder)
    size = sum(row["frames"] for row in done.values()) * records.record_bytes(
        head["shape"], head["dtype"]
    )
    return [
        f"{folder}: not finished, {len(done)} videos so far, {size:,} bytes",
        f"  shape      {' x '.join(map(str, head['shape']))} {head['dtype']}",
        *(f"  {line}" for line in json.dumps(head["about"], indent=1, sort_keys=True).splitlines()),
    ]
