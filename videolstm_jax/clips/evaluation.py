"""The two ways in which scoring reads features: segments of every video, and whole videos chunk by
chunk.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from videolstm_jax.clips import snippets
from videolstm_jax.clips.batches import common_lengths, map_shape
from videolstm_jax.clips.prefetch import prefetch
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.types import Batch, Clip, Inputs, Video


class Segments(NamedTuple):
    """A batch of segments: `video` [B] index in the list, `start` [B] first frame, `count` [B]
    equal segments it is.

    Rows that only fill the batch have weight 0, count 0 and video -1.
    """

    batch: Batch
    video: np.ndarray
    start: np.ndarray
    count: np.ndarray


class Chunk(NamedTuple):
    """The frames from `start` on of B videos; `last` where these videos end, so that the carry
    starts anew behind it.

    `video` [B] is the index in the list, -1 for rows that only fill the batch; the mask is false
    there and behind the end of a video.
    """

    clip: Clip
    video: np.ndarray
    start: int
    last: bool


def eval_segments(
    x: FeatureStore,
    motion: FeatureStore | None,
    videos: Sequence[Video],
    *,
    segments: int,
    frames: int,
    batch: int,
    rule: str = "paper",
    short_clips: str = "mask",
    x_scale: float = 1.0,
    motion_scale: float = 1.0,
) -> Iterator[Segments]:
    """Yields every different segment of every video once (Sec. 5.2), video after video.

    Args:
      x: features the top LSTM reads.
      motion: features the motion LSTM reads, where there is one.
      videos: the list to score.
      segments: S.
      frames: T, frames of a segment; a shorter video repeats its last frame.
      batch: B, segments in each batch; the last one is filled up.
      rule: of `snippets.segment_starts`.
      short_clips: `mask` marks the repeats as not there, `count` does not.
      x_scale: what x is multiplied by.
      motion_scale: what motion is multiplied by.

    Returns:
      Batches of float32 features with what they are.

    Raises:
      FileError: features that are missing, short, or not of the same frames in both stores.
    """
    lengths = common_lengths(x, motion, videos)
    rows = [
        (at, int(start), int(count))
        for at, length in enumerate(lengths)
        for start, count in zip(
            *snippets.unique_segments(
                snippets.segment_starts(int(length), segments, frames, rule=rule)
            ),
            strict=True,
        )
    ]
    scaled = [(x, x_scale), (motion, motion_scale)]

    def filled(group: Sequence[tuple[int, int, int]]) -> Segments:
        video, start, count = np.zeros((3, batch), np.int64)
        video[:] = -1
        maps = [_zeros(store, batch, frames) for store, _ in scaled]
        mask, label = np.zeros((batch, frames), bool), np.zeros(batch, np.int32)
        for at, row in enumerate(group):
            video[at], start[at], count[at] = row
            index, there = snippets.clip_indices(int(lengths[row[0]]), row[1], frames)
            mask[at] = there | (short_clips == "count")
            label[at] = videos[row[0]].label
            for values, (store, scale) in zip(maps, scaled, strict=True):
                _fill(
                    values,
                    at,
                    store,
                    videos[row[0]].name,
                    row[1],
                    int(index[-1]) + 1,
                    scale,
                    repeat=True,
                )
        weight = (video >= 0).astype(np.float32)
        return Segments(Batch(Clip(Inputs(*maps), mask), label, weight), video, start, count)

    return prefetch(filled(rows[at : at + batch]) for at in range(0, len(rows), batch))


def whole_videos(
    x: FeatureStore,
    motion: FeatureStore | None,
    videos: Sequence[Video],
    *,
    batch: int,
    chunk: int,
    x_scale: float = 1.0,
    motion_scale: float = 1.0,
) -> Iterator[Chunk]:
    """Yields whole videos in chunks of one fixed length, `batch` videos of similar length side by
    side.

    The longest videos come first. The carry is kept from chunk to chunk and starts anew where
    `start` is 0.

    Args:
      x: features the top LSTM reads.
      motion: features the motion LSTM reads, where there is one.
      videos: the list to read.
      batch: B, videos side by side.
      chunk: frames of a chunk.
      x_scale: what x is multiplied by.
      motion_scale: what motion is multiplied by.

    Returns:
      Chunks of float32 features; zeros where the mask is false.

    Raises:
      FileError: features that are missing, short, or not of the same frames in both stores.
    """
    lengths = common_lengths(x, motion, videos)
    order = np.argsort(-lengths, kind="stable")
    scaled = [(x, x_scale), (motion, motion_scale)]

    def filled(group: np.ndarray, start: int) -> Chunk:
        video = np.full(batch, -1, np.int64)
        video[: len(group)] = group
        maps = [_zeros(store, batch, chunk) for store, _ in scaled]
        mask = np.zeros((batch, chunk), bool)
        for at, index in enumerate(group):
            stop = min(start + chunk, int(lengths[index]))
            mask[at, : max(0, stop - start)] = True
            for values, (store, scale) in zip(maps, scaled, strict=True):
                _fill(values, at, store, videos[index].name, start, stop, scale, repeat=False)
        return Chunk(
            Clip(Inputs(*maps), mask), video, start, bool(start + chunk >= lengths[group[0]])
        )

    groups = (order[at : at + batch] for at in range(0, len(order), batch))
    return prefetch(
        filled(group, start)
        for group in groups
        for start in range(0, int(lengths[group[0]]), chunk)
    )


def _zeros(store: FeatureStore | None, rows: int, frames: int) -> np.ndarray | None:
    return None if store is None else np.zeros((rows, frames, *map_shape(store.shape)), np.float32)


def _fill(
    values: np.ndarray | None,
    at: int,
    store: FeatureStore | None,
    name: str,
    start: int,
    stop: int,
    scale: float,
    *,
    repeat: bool,
) -> None:
    """Writes the frames start <= t < stop of a video to one row, and its last frame to what is left
    of the row.
    """
    if values is None or store is None or start >= stop:
        return
    count = stop - start
    store.fill(values[at, :count], name, start, scale=scale)
    if repeat:
        values[at, count:] = values[at, count - 1]
