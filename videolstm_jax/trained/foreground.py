"""The foreground axis of a model: found in the training features, stored, and read again."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from annotated_types import MinLen

from videolstm_jax.errors import FileError
from videolstm_jax.json_records import json_record, parse_record
from videolstm_jax.localize.foreground import ForegroundAxis, find_foreground

if TYPE_CHECKING:
    from videolstm_jax.features.store import FeatureStore
    from videolstm_jax.types import Video

KEY = "foreground"
"""The key of config.json and model.json that has the axis."""
FRAMES = 1000
"""Training frames that the axis is found in, at most."""
MOST_BYTES = 1 << 28
"""Features in memory at a time, at most. Large maps have many places, so fewer frames suffice."""


@json_record()
@dataclass(frozen=True)
class ForegroundRecord:
    """A `ForegroundAxis` as JSON: one number for each channel of the features, and the offset."""

    axis: Annotated[tuple[float, ...], MinLen(1)]
    offset: float


def foreground_of_store(store: FeatureStore, videos: Sequence[Video]) -> ForegroundAxis | None:
    """Finds the foreground axis of feature maps; None for vectors, and where no place differs.

    Args:
      store: of the features.
      videos: the training list, whose labels are not used.

    Raises:
      FileError: a file of the store is missing or short.
    """
    # Vectors have no places, so that none of them could differ from the others.
    if len(store.shape) != 3:
        return None
    # Frames from all over the list: the features of all frames may not fit in memory.
    frame_bytes = np.dtype(np.float16).itemsize * math.prod(store.shape)
    places = foreground_frames(store, videos, min(FRAMES, max(1, MOST_BYTES // frame_bytes)))
    maps = np.empty((len(places), *store.shape), np.float16)
    for frame, (name, number) in zip(maps, places, strict=True):
        frame[:] = store.read(name, number, number + 1)[0]
    try:
        return find_foreground(maps)
    # Such features are of no use, but they are no reason to lose a training that has ended.
    except ValueError as error:
        print(f"{store.folder}: no foreground axis: {error}", flush=True)
        return None


def foreground_frames(
    store: FeatureStore, videos: Sequence[Video], count: int
) -> list[tuple[str, int]]:
    """Names and numbers of evenly spaced frames of all videos, `count` at most."""
    lengths = [store.frames.get(video.name, 0) for video in videos]
    ends = np.cumsum(lengths)
    total = int(ends[-1])
    places = []
    # Over all frames in a row, so that long videos have more of them, and short ones some.
    for position in np.linspace(0, total - 1, min(count, total)).round().astype(int):
        number = int(np.searchsorted(ends, position, side="right"))
        places.append((videos[number].name, int(position - ends[number] + lengths[number])))
    return places


# ---- in JSON -------------------------------------------------------------------------------------


def foreground_entry(foreground: ForegroundAxis | None) -> dict[str, Any]:
    """The entry of config.json and model.json; nothing for a model without an axis."""
    if foreground is None:
        return {}
    # Python writes floats so that they are read back to the bit.
    return {KEY: {"axis": foreground.axis.tolist(), "offset": foreground.offset}}


def foreground_of_record(
    record: Mapping[str, Any], depth: int, path: object
) -> ForegroundAxis | None:
    """Reads the axis from the content of a config.json; None where it has none.

    Args:
      record: the content of the file.
      depth: D, the channels of the features.
      path: of the file, for the message.

    Raises:
      FileError: the entry is damaged, or not of as many channels.
    """
    row = record.get(KEY)
    # Runs of earlier versions have none, nor do those of vectors or of a trained backbone.
    if row is None:
        return None
    stored = parse_record(json.dumps(row).encode(), ForegroundRecord, f"{path}: {KEY}")
    problem = foreground_problem(stored, depth)
    if problem:
        raise FileError(f"{path}: {problem}")
    return foreground_axis_of(stored)


def foreground_problem(stored: ForegroundRecord, depth: int) -> str:
    """Why an axis is not of features with `depth` channels; empty where it is."""
    if len(stored.axis) == depth:
        return ""
    return f"{KEY}.axis has {len(stored.axis)} numbers; expected {depth}, the channels of x"


def foreground_axis_of(stored: ForegroundRecord) -> ForegroundAxis:
    """The axis that a record holds."""
    return ForegroundAxis(np.array(stored.axis), stored.offset)
