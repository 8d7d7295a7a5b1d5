"""Features as scoring reads them: segments of every video, and whole videos chunk by chunk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from videolstm_jax.clips import snippets
from videolstm_jax.clips.batches import clip_map_shape, common_clip_lengths
from videolstm_jax.clips.prefetch import prefetched_batches
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.types import Batch, Clip, Inputs, Video

if TYPE_CHECKING:
    from videolstm_jax.config import DataConfig, EvalConfig


class Segments(NamedTuple):
    """A batch of segments.

    `video` [B] is the index in the list, `start` [B] the first frame, and `count` [B] is how many
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


class _VideoList(NamedTuple):
    """The V videos to read, the stores of both inputs (None without motion), and lengths L' [V]."""

    videos: Sequence[Video]
    stores: tuple[FeatureStore | None, FeatureStore | None]
    lengths: np.ndarray


class _SegmentRow(NamedTuple):
    """A segment of a video: its index in the list, the first frame, and how often it is drawn."""

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
      data: `frames` T of a segment; a shorter video repeats its last frame, which the mask marks
        unless `short_clips` is `count`.
      settings: `segments` S, their `segment_rule`, and `batch` B, segments in each batch; the last
        one is filled up.

    Returns:
      Batches of float32 features, [B, T, ..].

    Raises:
      FileError: features that are missing, short, or not of the same frames in both stores.
    """
    video_list = _VideoList(videos, (x, motion), common_clip_lengths(x, motion, videos))
    rows = _segment_rows(video_list, data, settings)

    def batches() -> Iterator[Segments]:
        for start in range(0, len(rows), settings.batch):
            group = rows[start : start + settings.batch]
            yield _segment_batch(video_list, group, data, settings.batch)

    # Reads ahead in a thread, so that the next batch is ready when the device has done one.
    return prefetched_batches(batches())


def _segment_rows(
    video_list: _VideoList, data: DataConfig, settings: EvalConfig
) -> list[_SegmentRow]:
    """Every different segment; a short video has fewer than S of them, so some count twice."""
    rows = []
    for video, length in enumerate(video_list.lengths):
        starts = snippets.segment_starts(
            int(length), settings.segments, data.frames, rule=settings.segment_rule
        )
        for start, count in zip(*snippets.unique_segment_starts(starts), strict=True):
            # Equal segments run once and count as often as they are drawn.
            rows.append(_SegmentRow(video, int(start), int(count)))
    return rows


def _segment_batch(
    video_list: _VideoList, group: Sequence[_SegmentRow], data: DataConfig, batch: int
) -> Segments:
    """Reads at most `batch` segments; the rows behind them keep zeros and video -1."""
    video = np.full(batch, -1)
    start = np.zeros(batch, int)
    count = np.zeros(batch, int)
    label = np.zeros(batch, np.int32)
    mask = np.zeros((batch, data.frames), bool)
    # Always full batches: another size would be compiled anew.
    inputs = [_zeros(store, batch, data.frames) for store in video_list.stores]
    for index, row in enumerate(group):
        video[index], start[index], count[index] = row
        length = int(video_list.lengths[row.video])
        _, exists = snippets.clip_indices(length, row.start, data.frames)
        mask[index] = exists | (data.short_clips == "count")
        label[index] = video_list.videos[row.video].label
        frame_count = int(exists.sum())
        for values, store in zip(inputs, video_list.stores, strict=True):
            if values is not None:
                store.fill(
                    values[index, :frame_count], video_list.videos[row.video].name, row.start
                )
                # The last frame is repeated, as the mask says.
                values[index, frame_count:] = values[index, frame_count - 1]
    weight = (video >= 0).astype(np.float32)
    return Segments(Batch(Clip(Inputs(*inputs), mask), label, weight), video, start, count)


def video_chunks(
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
    video_list = _VideoList(videos, (x, motion), common_clip_lengths(x, motion, videos))
    return prefetched_batches(_chunks(video_list, batch, chunk))


def _chunks(video_list: _VideoList, batch: int, frames: int) -> Iterator[Chunk]:
    """The chunks of all groups of at most `batch` videos, one group after another."""
    # Videos of similar length are side by side, since a group takes as long as its longest one.
    order = np.argsort(-video_list.lengths, kind="stable")
    for first in range(0, len(order), batch):
        group = order[first : first + batch]
        longest = int(video_list.lengths[group[0]])
        for start in range(0, longest, frames):
            clip = _chunk_clip(video_list, group, batch, start, frames)
            video = np.full(batch, -1)
            # Rows behind the group keep -1: the batch has one size, so that one program serves all.
            video[: len(group)] = group
            yield Chunk(clip, video, start, last=start + frames >= longest)


def _chunk_clip(
    video_list: _VideoList, group: np.ndarray, batch: int, start: int, frames: int
) -> Clip:
    """The frames from `start` on of the videos of a group."""
    inputs = [_zeros(store, batch, frames) for store in video_list.stores]
    mask = np.zeros((batch, frames), bool)
    for row, video in enumerate(group):
        frame_count = min(frames, int(video_list.lengths[video]) - start)
        if frame_count <= 0:
            continue  # this video ended in a chunk before
        mask[row, :frame_count] = True
        for values, store in zip(inputs, video_list.stores, strict=True):
            if values is not None:
                store.fill(values[row, :frame_count], video_list.videos[video].name, start)
    return Clip(Inputs(*inputs), mask)


def _zeros(store: FeatureStore | None, rows: int, frames: int) -> np.ndarray | None:
    if store is None:
        return None
    return np.zeros((rows, frames, *clip_map_shape(store.shape)), np.float32)
