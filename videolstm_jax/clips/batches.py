"""Training batches of clips: drawn by `draws`, and read from the feature store by threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from videolstm_jax.clips.balance import labels_of_clip_videos
from videolstm_jax.clips.draws import (
    ONLY_HOST,
    ClipDraws,
    ClipList,
    DrawnClips,
    Host,
    draw_clips,
)
from videolstm_jax.clips.prefetch import prefetched_batches
from videolstm_jax.config import DataConfig
from videolstm_jax.errors import ConfigError, FileError
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.types import Batch, Clip, Inputs, Video, names_of


def clip_map_shape(shape: Sequence[int]) -> tuple[int, ...]:
    """The shape of one frame's features as cells read them; a vector (D,) is a map (1, 1, D)."""
    return (1,) * (3 - len(shape)) + tuple(shape)


class MirroredStores(NamedTuple):
    """The stores of the mirrored training list: of the top LSTM's input, and of the motion LSTM's.

    `motion` is None for a cell that reads no motion.
    """

    x: FeatureStore
    motion: FeatureStore | None = None


def common_clip_lengths(
    x: FeatureStore,
    motion: FeatureStore | None,
    videos: Sequence[Video],
    mirrored: MirroredStores | None = None,
) -> np.ndarray:
    """Frames of each video in the stores [V].

    Raises:
      FileError: a file is missing or short, or the stores hold different frames of a video.
    """
    names = names_of(videos)
    other_stores = [motion]
    if mirrored is not None:
        other_stores += mirrored
    # Before the first step: a file that is missing must not end a training after hours.
    x.check_sizes(names)
    for store in other_stores:
        if store is None:
            continue
        store.check_sizes(names)
        for name in names:
            if store.frames[name] != x.frames[name]:
                raise FileError(
                    f"{name} has {x.frames[name]} frames in {x.folder} and {store.frames[name]} "
                    f"in {store.folder}; expected as many"
                )
    return _frame_counts(x, names)


def _frame_counts(store: FeatureStore, names: Sequence[str]) -> np.ndarray:
    """Frames of each video in a store, [V] int64."""
    return np.array([store.frames[name] for name in names], np.int64)


def train_batches(
    x: FeatureStore,
    motion: FeatureStore | None,
    videos: Sequence[Video],
    cfg: DataConfig,
    draws: ClipDraws,
    *,
    mirrored: MirroredStores | None = None,
    start_step: int = 0,
    dtype: str = "float32",
) -> Iterator[Batch]:
    """Yields batches of `cfg.batch` clips of `cfg.frames` frames without end.

    Batch k is a pure function of (seed, k), so training resumes from the number of its next batch.
    `cfg.order` `iid` draws every video from the whole list ("128 videos sampled at each iteration",
    Sec. 5.2); `epochs` goes through one random order of the list after another. The first frame is
    uniform over those that leave T frames. A video shorter than T repeats its last frame; the mask
    is false there unless `cfg.short_clips` is `count`. Only the frames of the clip are read from
    disk, the same ones of both stores. A clip that is drawn mirrored is mirrored in both.

    Args:
      x: features the top LSTM reads.
      motion: features the motion LSTM reads, where there is one.
      videos: the training list.
      cfg: batch, frames, order, short_clips, workers.
      draws: the seed, balance and views of the draws, and the part of each batch that is yielded.
      mirrored: the stores of the second view, where clips are drawn in two.
      start_step: the first batch to yield.
      dtype: of the features; `float16`, as they are stored, halves the memory where the model casts
        by itself.

    Returns:
      Batches of numpy arrays; x [B, T, N, N, D], motion [B, T, M, M, E] or None, B = cfg.batch /
      host.count.

    Raises:
      ConfigError: no videos, a batch that the hosts cannot share, or no such host or step.
      FileError: features that are missing, short, or not of the same frames in both stores.
    """
    problem = _problem(videos, cfg, draws.host, start_step, dtype)
    if problem:
        raise ConfigError(problem)
    lengths = common_clip_lengths(x, motion, videos, mirrored)
    clips = ClipList(lengths, labels_of_clip_videos(videos).astype(np.int32))
    # By the number of the view: 0 as filmed, 1 mirrored.
    views = [(x, motion)]
    if mirrored is not None:
        views.append(mirrored)
    reader = _ClipReader(views, videos, clips, cfg, np.dtype(dtype))
    return prefetched_batches(
        _read_batches(draw_clips(clips, cfg, draws, start_step), reader, cfg.workers)
    )


def videos_of_clip_batch(
    x: FeatureStore, videos: Sequence[Video], cfg: DataConfig, draws: ClipDraws, number: int
) -> list[str]:
    """The names of the videos of one training batch of all hosts, in the order of its rows.

    Args:
      x: the features that `train_batches` reads.
      videos: the training list.
      cfg: as of `train_batches`.
      draws: as of `train_batches`; its host does not matter.
      number: of the batch.
    """
    names = names_of(videos)
    clips = ClipList(_frame_counts(x, names), labels_of_clip_videos(videos).astype(np.int32))
    batch_draws = next(draw_clips(clips, cfg, draws._replace(host=ONLY_HOST), number))
    return [names[video] for video in batch_draws.video]


def _problem(
    videos: Sequence[Video], cfg: DataConfig, host: Host, start_step: int, dtype: str
) -> str:
    """Why this part of the stream of batches does not exist; empty where it does."""
    if host.count < 1 or cfg.batch % host.count or not 0 <= host.index < host.count:
        return (
            f"data.batch is {cfg.batch} for host {host.index} of {host.count}; expected a multiple "
            "of the hosts"
        )
    if start_step < 0 or dtype not in ("float32", "float16"):
        return (
            f"start_step is {start_step}, dtype {dtype!r}; expected 0 or more, 'float32' or "
            "'float16'"
        )
    if not videos:
        return "no videos to train on; expected at least one in the training list"
    return ""


class _ClipReader:
    """Reads the clips of a batch from one or two stores of each view, several clips at a time.

    A store's frames go straight to their place in the batch, so memory is written once. This takes
    a fifth of the processor time of tf.data's own reader of records, which copies a clip four
    times.
    """

    def __init__(
        self,
        views: Sequence[tuple[FeatureStore, FeatureStore | None]],
        videos: Sequence[Video],
        clips: ClipList,
        cfg: DataConfig,
        dtype: np.dtype,
    ):
        self._views = views
        self._names = names_of(videos)
        self._clips = clips
        self._frames = cfg.frames
        self._count_repeats = cfg.short_clips == "count"
        self._dtype = dtype

    def read(self, batch_draws: DrawnClips, map_rows: Callable[..., Any]) -> Batch:
        """Reads the drawn clips.

        `map_rows` is `map` of a pool, whose threads share the rows of the batch.
        """
        video = batch_draws.video
        # The maps have one shape in all views.
        maps = [self._empty(store, len(video)) for store in self._views[0]]

        def fill_row(row: int) -> None:
            # One view for both inputs: motion must stay that of the picture.
            stores = self._views[int(batch_draws.mirrored[row])]
            for values, store in zip(maps, stores, strict=True):
                if store is not None:
                    self._fill(values[row], store, int(video[row]), int(batch_draws.start[row]))

        # Waits for every row, and raises here what a thread raised.
        for _ in map_rows(fill_row, range(len(video))):
            pass
        exists = np.arange(self._frames) < self._clips.length[video][:, None]
        clip = Clip(Inputs(*maps), exists | self._count_repeats)
        return Batch(clip, self._clips.label[video], np.ones(len(video), np.float32))

    def _empty(self, store: FeatureStore | None, rows: int) -> np.ndarray | None:
        if store is None:
            return None
        # Not zeros: every row is filled, and a second pass over the memory would cost as much as
        # reading.
        return np.empty((rows, self._frames, *clip_map_shape(store.shape)), self._dtype)

    def _fill(self, clip: np.ndarray, store: FeatureStore, index: int, start: int) -> None:
        """Reads one clip [T, N, N, D]; a short video repeats its last frame."""
        length = min(self._frames, int(self._clips.length[index]))
        store.fill(clip[:length], self._names[index], start)
        clip[length:] = clip[length - 1]


def _read_batches(
    draws: Iterator[DrawnClips], reader: _ClipReader, workers: int
) -> Iterator[Batch]:
    # At least two threads: one waits for the disk while the other converts what it has read.
    with ThreadPoolExecutor(max(2, workers)) as pool:
        for batch_draws in draws:
            yield reader.read(batch_draws, pool.map)
