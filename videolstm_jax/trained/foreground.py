"""The foreground of a feature store: its axis from the training list, its maps of any video."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from videolstm_jax.artifacts import Workdir
from videolstm_jax.errors import FileError
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.files import reading
from videolstm_jax.localize.foreground import ForegroundAxis, find_foreground, foreground_maps
from videolstm_jax.types import Dataset, Video

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray

FRAMES = 1000
"""Training frames that the axis is found in: 60 to 200 MB of features, a few seconds."""
CHUNK = 64
"""Frames that are read at a time, so that a long video is never in memory."""


def open_foreground(work: Workdir, stream: str, dataset: Dataset) -> Callable[[Video], NDArray]:
    """Finds the foreground axis of a work folder's feature maps.

    Args:
      work: the work folder.
      stream: rgb or flow, whose maps are read.
      dataset: its training list is used, without its labels.

    Returns:
      A function from a video to its foreground maps [L', N, N].

    Raises:
      FileError: the store is missing or damaged, has no maps, or its maps do not vary.
    """
    store = FeatureStore.open(work.features(stream, "pool5"))
    if len(store.shape) != 3:
        raise FileError(
            f"{store.folder}: features are {list(store.shape)}; localize.input 'foreground' needs "
            "maps [N, N, D]"
        )
    frames = [_read_frame(store, *place) for place in spaced_frames(store, dataset.part("train"))]
    with reading(store.folder, "", ValueError):
        axis = find_foreground(np.stack(frames))

    def maps_of(video: Video) -> NDArray:
        return _maps(store, video, axis)

    return maps_of


def spaced_frames(
    store: FeatureStore, videos: Sequence[Video], count: int = FRAMES
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


def _read_frame(store: FeatureStore, name: str, frame: int) -> NDArray:
    return store.read(name, frame, frame + 1)[0]


def _maps(store: FeatureStore, video: Video, axis: ForegroundAxis) -> NDArray:
    length = store.frames.get(video.name, 0)
    if not length:
        raise FileError(f"{store.folder}: has no features of {video.name}; run extract again")
    chunks = []
    for start in range(0, length, CHUNK):
        x = store.read(video.name, start, min(start + CHUNK, length))
        chunks.append(foreground_maps(x, axis))
    return np.concatenate(chunks)
