"""Features as scoring reads them: segments of every video, and whole videos chunk by chunk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from videolstm_jax.clips import snippets
from videolstm_jax.clips.batches import common_lengths, map_shape
from videolstm_jax.clips.prefetch import prefetch
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.types import Batch, Clip, Inputs, Video

if TYPE_CHECKING:
    from videolstm_jax.config import DataConfig, EvalConfig


class Segments(NamedTuple):
    """A batch of segments.

    `video` [B] is the index in the list, `start` [B] the first frame, and `count` [B] says how many
    equal segments the row stands for. Rows that only fill the batch have weight 0, count 0 and
    video -1.
    """

    batch: Batch
    video: np.ndarray
    start: np.ndarray
    count: np.ndarray


class Chunk(NamedTuple):
    """The frames from `start` on of B videos.

    `last` is true where these videos end, so that the carry starts anew behind it. `video` [B] is
    the index in the list, -1 for rows that only fill the batch; the mask is false there and behind
    the end of a video.
    """

    clip: Clip
    video: np.ndarray
    start: int
    last: bool


class _SegmentRow(NamedTuple):
    """One segment of a video: its index in the list, the first frame, and how often it is drawn."""

    video: int
    start: int
    count: int


def eval_segments(
    x: FeatureStore,
    motion: FeatureStore | None,
    videos: Sequence[Video],
    data: DataConfig,
    settings: EvalConfig,
) -> Iterator[Segments]:
    """Yields every different segment of every video once (Sec. 5.2), video after video.

    Args:
      x: features the top LSTM reads.
      motion: features the motion LSTM reads, where there is one.
      videos: the list to score.
      data: `frames` T of a segment; a shorter video repeats its last frame, which the mask says
        unless `short_clips` is `count`.
      settings: `segments` S, their `segment_rule`, and `batch` B, segments in each batch; the last
        one is filled up.

    Returns:
      Batches of float32 features, [B, T, ..].

    Raises:
      FileError: features that are missing, short, or not of the same frames in both stores.
    """
    lengths = common_lengths(x, motion, videos)
    stores, batch, frames = (x, motion), settings.batch, data.frames
    rows = []
    for index, length in enumerate(lengths):
        starts = snippets.segment_starts(
            int(length), settings.segments, frames, rule=settings.segment_rule
        )
        for start, count in zip(*snippets.unique_segments(starts), strict=True):
            rows.append(_SegmentRow(index, int(start), int(count)))

    def filled(group: Sequence[_SegmentRow]) -> Segments:
        video, start, count = np.full(batch, -1), np.zeros(batch, int), np.zeros(batch, int)
        inputs = [_zeros(store, batch, frames) for store in stores]
        mask, label = np.zeros((batch, frames), bool), np.zeros(batch, np.int32)
        for at, row in enumerate(group):
            video[at], start[at], count[at] = row
            index, exists = snippets.clip_indices(int(lengths[row.video]), row.start, frames)
            mask[at] = exists | (data.short_clips == "count")
            label[at] = videos[row.video].label
            stop = int(index[-1]) + 1
            for values, store in zip(inputs, stores, strict=True):
                if values is not None:
                    taken = stop - row.start
                    store.fill(values[at, :taken], videos[row.video].name, row.start)
                    values[at, taken:] = values[at, taken - 1]  # repeats the last frame
        weight = (video >= 0).astype(np.float32)
        return Segments(Batch(Clip(Inputs(*inputs), mask), label, weight), video, start, count)

    return prefetch(filled(rows[at : at + batch]) for at in range(0, len(rows), batch))


def whole_videos(
    x: FeatureStore,
    motion: FeatureStore | None,
    videos: Sequence[Video],
    *,
    batch: int,
    chunk: int,
) -> Iterator[Chunk]:
    """Yields whole videos in chunks of one fixed length, videos of similar length side by side.

    The longest videos come first. The carry is kept from chunk to chunk and starts anew where
    `start` is 0.

    Args:
      x: features the top LSTM reads.
      motion: features the motion LSTM reads, where there is one.
      videos: the list to read.
      batch: B, videos side by side.
      chunk: T, frames of a chunk.

    Returns:
      Chunks of float32 features, [B, T, ..]; zeros where the mask is false.

    Raises:
      FileError: features that are missing, short, or not of the same frames in both stores.
    """
    lengths = common_lengths(x, motion, videos)
    order = np.argsort(-lengths, kind="stable")
    stores = (x, motion)

    def filled(group: np.ndarray, start: int) -> Chunk:
        video = np.full(batch, -1)
        video[: len(group)] = group
        inputs = [_zeros(store, batch, chunk) for store in stores]
        mask = np.zeros((batch, chunk), bool)
        for at, index in enumerate(group):
            taken = min(chunk, int(lengths[index]) - start)
            if taken <= 0:
                continue  # this video ended in a chunk before
            mask[at, :taken] = True
            for values, store in zip(inputs, stores, strict=True):
                if values is not None:
                    store.fill(values[at, :taken], videos[index].name, start)
        last = start + chunk >= lengths[group[0]]
        return Chunk(Clip(Inputs(*inputs), mask), video, start, bool(last))

    def chunks() -> Iterator[Chunk]:
        for at in range(0, len(order), batch):
            group = order[at : at + batch]
            for start in range(0, int(lengths[group[0]]), chunk):
                yield filled(group, start)

    return prefetch(chunks())


def _zeros(store: FeatureStore | None, rows: int, frames: int) -> np.ndarray | None:
    return None if store is None else np.zeros((rows, frames, *map_shape(store.shape)), np.float32)
