"""Training batches of clips: tf.data draws them, threads read them straight from the feature store."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from videolstm_jax.clips.prefetch import prefetch
from videolstm_jax.config import DataConfig
from videolstm_jax.errors import ConfigError, FileError
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.types import Batch, Clip, Inputs, Video


def map_shape(shape: Sequence[int]) -> tuple[int, ...]:
    """The shape of one frame's features as the cells read them: a vector (D,) is a 1 x 1 map (1, 1,
    D).
    """
    return tuple(shape) if len(shape) == 3 else (1,) * (3 - len(shape)) + tuple(shape)


def train_batches(
    x: FeatureStore,
    motion: FeatureStore | None,
    videos: Sequence[Video],
    cfg: DataConfig,
    *,
    seed: int,
    start_step: int = 0,
    host_index: int = 0,
    host_count: int = 1,
    x_scale: float = 1.0,
    motion_scale: float = 1.0,
    dtype: str = "float32",
) -> Iterator[Batch]:
    """Yields batches of `cfg.batch` clips of `cfg.frames` frames without end.

    Batch k is a pure function of (seed, k), so to resume is to say where. `cfg.order` `iid` draws
    every video from the whole list ("128 videos sampled at each iteration", Sec. 5.2); `epochs`
    goes through one random order of the list after another. The first frame is uniform over those
    that leave T frames. A video shorter than T repeats its last frame, which the mask says unless
    `cfg.short_clips` is `count`. Only the frames of the clip are read from disk, the same ones of
    both stores.

    Args:
      x: features the top LSTM reads.
      motion: features the motion LSTM reads, where there is one.
      videos: the training list.
      cfg: batch, frames, order, short_clips, workers.
      seed: of all draws.
      start_step: the first batch to yield.
      host_index: which part of each batch is wanted; the parts of all hosts, in order, are the
        batch.
      host_count: hosts that share a batch.
      x_scale: what x is multiplied by.
      motion_scale: what motion is multiplied by.
      dtype: of the features; `float16`, as they are stored, halves the memory where the model casts
        by itself.

    Returns:
      Batches of numpy arrays; x [B, T, N, N, D], motion [B, T, M, M, E] or None, B = cfg.batch /
      host_count.

    Raises:
      ConfigError: a batch that the hosts cannot share, no videos, or a host or step that does not
        exist.
      FileError: features that are missing, short, or not of the same frames in both stores.
    """
    if host_count < 1 or cfg.batch % host_count or not 0 <= host_index < host_count:
        raise ConfigError(
            f"data.batch is {cfg.batch} for host {host_index} of {host_count}; expected a multiple of "
            "the hosts"
        )
    if start_step < 0 or dtype not in ("float32", "float16"):
        raise ConfigError(
            f"start_step is {start_step}, dtype {dtype!r}; expected 0 or more, 'float32' or 'float16'"
        )
    if not videos:
        raise ConfigError("no videos to train on; expected at least one in the training list")
    lengths = common_lengths(x, motion, videos)
    draws = _draws(
        _tensorflow(), lengths, cfg, seed=seed, start_step=start_step, host=(host_index, host_count)
    )
    read = _reader([(x, x_scale), (motion, motion_scale)], videos, lengths, cfg, np.dtype(dtype))
    return _batches(draws, read, [video.label for video in videos], cfg)


def common_lengths(
    x: FeatureStore, motion: FeatureStore | None, videos: Sequence[Video]
) -> np.ndarray:
    """Frames L' of each video in the stores [V].

    Raises:
      FileError: a file is missing or short, or the two stores hold different frames of a video.
    """
    for store in (x, motion):
        if store is not None:
            store.check_sizes([video.name for video in videos])
    for video in videos:
        if motion is not None and motion.frames[video.name] != x.frames[video.name]:
            raise FileError(
                f"{video.name} has {x.frames[video.name]} frames in {x.folder} and "
                f"{motion.frames[video.name]} in {motion.folder}; expected as many"
            )
    return np.array([x.frames[video.name] for video in videos], np.int64)


def _tensorflow() -> Any:
    """Imports TensorFlow, which takes seconds, without its start-up lines and without touching an
    accelerator.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    import tensorflow as tf

    with contextlib.suppress(RuntimeError):  # too late to hide them once TensorFlow has run on one
        tf.config.set_visible_devices([], "GPU")
    return tf


def _draws(
    tf: Any,
    lengths: np.ndarray,
    cfg: DataConfig,
    *,
    seed: int,
    start_step: int,
    host: tuple[int, int],
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Which video and first frame [B] each batch of this host has; its element q is clip p of all
    hosts.
    """
    count, batch, frames = len(lengths), cfg.batch, cfg.frames
    share = batch // host[1]
    video_key, start_key = (int(key) for key in np.random.SeedSequence(seed).generate_state(2))
    lengths_of = tf.constant(lengths, tf.int64)

    def uniform(key: int, p: Any, below: Any) -> Any:
        return tf.random.stateless_uniform(
            [],
            seed=tf.stack([tf.constant(key, tf.int64), p]),
            minval=0,
            maxval=below,
            dtype=tf.int64,
        )

    def in_epochs(p: Any) -> Any:
        epoch = tf.stack([tf.constant(video_key, tf.int64), p // count])
        return tf.random.experimental.index_shuffle(
            p % count, seed=epoch, max_index=tf.constant(count - 1, tf.int64)
        )

    def independent(p: Any) -> Any:
        return uniform(video_key, p, count)

    video_of = {"epochs": in_epochs, "iid": independent}[cfg.order]

    def clip(q: Any) -> Any:
        p = q // share * batch + host[0] * share + q % share
        video = video_of(p)
        length = lengths_of[video]
        return video, uniform(start_key, p, length - tf.minimum(length, frames) + 1)

    clips = tf.data.Dataset.range(start_step * share, 2**62).map(
        clip, num_parallel_calls=2, deterministic=True
    )
    return clips.batch(share, drop_remainder=True).prefetch(2).as_numpy_iterator()


def _reader(
    sources: Sequence[tuple[FeatureStore | None, float]],
    videos: Sequence[Video],
    lengths: np.ndarray,
    cfg: DataConfig,
    dtype: np.dtype,
) -> Callable[..., tuple[Inputs, np.ndarray]]:
    """`read(each, video, start)`: clips and mask of a batch, by as many threads as `each`, a pool's
    map, has.

    A store's frames go where the batch wants them, so that memory is written once: a fifth of the
    processor time of tf.data's own reader of records, which copies each clip four times.
    """

    def read(
        each: Callable[..., Any], video: np.ndarray, start: np.ndarray
    ) -> tuple[Inputs, np.ndarray]:
        maps = [
            None
            if store is None
            else np.empty((len(video), cfg.frames, *map_shape(store.shape)), dtype)
            for store, _ in sources
        ]

        def fill(row: int) -> None:
            taken = min(cfg.frames, int(lengths[video[row]]))
            for values, (store, scale) in zip(maps, sources, strict=True):
                if store is not None:
                    store.fill(
                        values[row, :taken], videos[video[row]].name, int(start[row]), scale=scale
                    )
                    values[row, taken:] = values[row, taken - 1]

        for _ in each(fill, range(len(video))):
            pass
        there = np.arange(cfg.frames) < lengths[video][:, None]
        return Inputs(*maps), there | (cfg.short_clips == "count")

    return read


def _batches(
    draws: Iterator[tuple[np.ndarray, np.ndarray]],
    read: Callable[..., tuple[Inputs, np.ndarray]],
    labels: Sequence[int],
    cfg: DataConfig,
) -> Iterator[Batch]:
    """Batches made ahead of their use."""
    labels_of = np.array(labels, np.int32)

    def made() -> Iterator[Batch]:
        with ThreadPoolExecutor(max(2, cfg.workers)) as pool:
            for video, start in draws:
                inputs, mask = read(pool.map, video, start)
                yield Batch(Clip(inputs, mask), labels_of[video], np.ones(len(video), np.float32))

    return prefetch(made())
