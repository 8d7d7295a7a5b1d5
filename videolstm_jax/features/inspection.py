"""Describes a folder of features in a few lines of text, finished or not."""

from __future__ import annotations

import json
import statistics
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from etils import epath

from videolstm_jax.features import records
from videolstm_jax.features.index import StoreHead
from videolstm_jax.features.notes import read_all_feature_notes
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.files import PathLike
from videolstm_jax.json_records import read_record

# Videos, evenly chosen, of which one frame is read for the share of zeros.
_SAMPLED_VIDEOS = 16


def inspect_store(folder: PathLike) -> list[str]:
    """Describes a store: shape, size, statistics and origin, or how far an unfinished one is.

    Raises:
      FileError: neither an index nor the beginnings of a store, or an index without videos.
    """
    folder = epath.Path(folder)
    if (folder / "index.json").exists():
        return _finished_lines(FeatureStore.open(folder))
    return _unfinished_lines(folder)


def _finished_lines(store: FeatureStore) -> list[str]:
    mean, std = store.statistics(list(store.frames))  # raises where there are no videos
    names = sorted(store.frames, key=store.frames.get)
    shortest, longest = names[0], names[-1]
    fewest, most = store.frames[shortest], store.frames[longest]
    total = sum(store.frames.values())
    median = statistics.median(store.frames.values())
    sides = " x ".join(map(str, store.shape))
    train_std = "unknown"
    if store.std is not None:
        train_std = f"{store.std:.6g}"
    return [
        f"{store.folder}: {len(names)} videos, {total:,} frames, "
        f"{total * store.record_bytes:,} bytes",
        f"  shape      {sides} {store.dtype}, {store.record_bytes:,} bytes a frame",
        f"  frames     {fewest} ({shortest}) to {most} ({longest}), median {median:g}",
        f"  values     mean {mean:.6g}, standard deviation {std:.6g}, of the training list "
        f"{train_std}",
        _zeros_line(store, names),
        *_about_lines(store.about),
    ]


def _zeros_line(store: FeatureStore, names: Sequence[str]) -> str:
    """Returns the share of zeros in the middle frames of some videos, and what uint8 would save."""
    sampled = names[:: max(1, len(names) // _SAMPLED_VIDEOS)]
    middle_frames = []
    for name in sampled:
        middle = store.frames[name] // 2
        middle_frames.append(store.read(name, middle, middle + 1))
    features = np.concatenate(middle_frames)
    zeros = 100 * float((features == 0).mean())
    line = f"  zeros      {zeros:.1f} % of {len(sampled)} frames"
    share = records.feature_record_bytes(store.shape, "uint8") / store.record_bytes
    # Of vectors of a few values the peak in front of each record may take more than is saved.
    if share < 1 and features.min() >= 0:
        line += f"; as uint8 it would take {share:.3f} of the bytes"
    return line


def _unfinished_lines(folder: epath.Path) -> list[str]:
    head = read_record(folder / "about.json", StoreHead, made_by="extract")
    frames_by_name = {}
    for row in read_all_feature_notes(folder):
        # By name, since several workers may have noted the same video.
        frames_by_name[row["name"]] = row["frames"]
    size = sum(frames_by_name.values()) * records.feature_record_bytes(head.shape, head.dtype)
    sides = " x ".join(map(str, head.shape))
    return [
        f"{folder}: not finished, {len(frames_by_name)} videos so far, {size:,} bytes",
        f"  shape      {sides} {head.dtype}",
        *_about_lines(head.about),
    ]


def _about_lines(about: Any) -> list[str]:
    text = json.dumps(about, indent=1, sort_keys=True)
    return textwrap.indent(text, "  ").splitlines()
