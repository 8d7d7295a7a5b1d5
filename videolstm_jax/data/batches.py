"""Training batches of clips, read by tf.data straight from the feature store."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from videolstm_jax.artifacts import ArtifactError
from videolstm_jax.config import ConfigError, DataConfig
from videolstm_jax.data.features import FeatureStore
from videolstm_jax.data.records import LEVELS, PEAK_BYTES
from videolstm_jax.types import Batch, Clip, Inputs, Video


class _Source(NamedTuple):
    """One store as tf.data reads it: a path for each video, its records, the shape of a map, the factor."""

    paths: list[str]
    record: int
    dtype: str
    shape: tuple[int, ...]
    scale: float


def map_shape(shape: Sequence[int]) -> tuple[int, ...]:
    """The shape of one frame's features as the cells read them: a vector (D,) is a 1 x 1 map (1, 1, D)."""
    return tuple(shape) if len(shape) == 3 else (1,) * (3 - len(shape)) + tuple(shape)


def train_batches(x: FeatureStore, motion: FeatureStore | None, videos: Sequence[Video], cfg: DataConfig, *, seed: int,
                  start_step: int = 0, host_index: int = 0, host_count: int = 1, x_scale: float = 1.0,
                  motion_scale: float = 1.0, dtype: str = "float32") -> Iterator[Batch]:
    """Yields batches of `cfg.batch` clips of `cfg.frames` frames without end.

    Batch k is a pure function of (seed, k), so to resume is to say where. `cfg.order` `iid` draws every video from the
    whole list ("128 videos sampled at each iteration", Sec. 5.2); `epochs` goes through one random order of the list
    after another. The first frame is uniform over those that leave T frames. A video shorter than T repeats its last
    frame, which the mask says unless `cfg.short_clips` is `count`. Only the frames of the clip are read from disk, the
    same ones of both stores.

    Args:
      x: features the top LSTM reads.
      motion: features the motion LSTM reads, where there is one.
      videos: the training list.
      cfg: batch, frames, order, short_clips, workers.
      seed: of all draws.
      start_step: the first batch to yield.
      host_index: which part of each batch is wanted; the parts of all hosts, in order, are the batch.
      host_count: hosts that share a batch.
      x_scale: what x is multiplied by.
      motion_scale: what motion is multiplied by.
      dtype: of the features; `float16`, as they are stored, halves the memory where the model casts by itself.

    Returns:
      Batches of numpy arrays; x [B, T, N, N, D], motion [B, T, M, M, E] or None, B = cfg.batch / host_count.

    Raises:
      ConfigError: a batch that the hosts cannot share, no videos, or a host or step that does not exist.
      ArtifactError: features that are missing, short, or not of the same frames in both stores.
    """
    if host_count < 1 or cfg.batch % host_count or not 0 <= host_index < host_count:
        raise ConfigError(f"data.batch is {cfg.batch} for host {host_index} of {host_count}; expected a multiple of "
                          "the hosts")
    if start_step < 0 or dtype not in ("float32", "float16"):
        raise ConfigError(f"start_step is {start_step}, dtype {dtype!r}; expected 0 or more, 'float32' or 'float16'")
    if not videos:
        raise ConfigError("no videos to train on; expected at least one in the training list")
    lengths = common_lengths(x, motion, videos)
    sources = [_Source([str(store.path(video.name)) for video in videos], store.record_bytes, store.dtype,
                       map_shape(store.shape), scale)
               for store, scale in ((x, x_scale), (motion, motion_scale)) if store is not None]
    dataset = _dataset(_tensorflow(), sources, lengths, [video.label for video in videos], cfg, dtype,
                       seed=seed, start_step=start_step, host=(host_index, host_count))
    return _batches(dataset, motion is not None)


def common_lengths(x: FeatureStore, motion: FeatureStore | None, videos: Sequence[Video]) -> np.ndarray:
    """Frames L' of each video in the stores [V].

    Raises:
      ArtifactError: a file is missing or short, or the two stores hold different frames of a video.
    """
    for store in (x, motion):
        if store is not None:
            store.check_sizes([video.name for video in videos])
    for video in videos:
        if motion is not None and motion.frames[video.name] != x.frames[video.name]:
            raise ArtifactError(f"{video.name} has {x.frames[video.name]} frames in {x.folder} and "
                                f"{motion.frames[video.name]} in {motion.folder}; expected as many")
    return np.array([x.frames[video.name] for video in videos], np.int64)


def _tensorflow() -> Any:
    """Imports TensorFlow, which takes seconds, without its start-up lines and without touching an accelerator."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    import tensorflow as tf

    with contextlib.suppress(RuntimeError):  # too late to hide them once TensorFlow has run on one
        tf.config.set_visible_devices([], "GPU")
    return tf


def _dataset(tf: Any, sources: Sequence[_Source], lengths: np.ndarray, labels: Sequence[int], cfg: DataConfig,
             dtype: str, *, seed: int, start_step: int, host: tuple[int, int]) -> Any:
    """Elements (features of each source, mask, label) in batches; element q of this host is clip p of all."""
    count, batch, frames = len(lengths), cfg.batch, cfg.frames
    share = batch // host[1]
    video_key, start_key = (int(key) for key in np.random.SeedSequence(seed).generate_state(2))
    lengths_of, labels_of = tf.constant(lengths, tf.int64), tf.constant(labels, tf.int32)
    paths_of = [tf.constant(source.paths) for source in sources]

    def uniform(key: int, p: Any, below: Any) -> Any:
        return tf.random.stateless_uniform([], seed=tf.stack([tf.constant(key, tf.int64), p]), minval=0,
                                           maxval=below, dtype=tf.int64)

    def in_epochs(p: Any) -> Any:
        epoch = tf.stack([tf.constant(video_key, tf.int64), p // count])
        return tf.random.experimental.index_shuffle(p % count, seed=epoch, max_index=tf.constant(count - 1, tf.int64))

    def independent(p: Any) -> Any:
        return uniform(video_key, p, count)

    video_of = {"epochs": in_epochs, "iid": independent}[cfg.order]

    def clip(q: Any) -> Any:
        p = q // share * batch + host[0] * share + q % share
        video = video_of(p)
        length = lengths_of[video]
        taken = tf.minimum(length, frames)
        start = uniform(start_key, p, length - taken + 1)
        records = [tf.data.FixedLengthRecordDataset(
            paths[video], record_bytes=taken * source.record, header_bytes=start * source.record,
            footer_bytes=(length - start - taken) * source.record) for paths, source in zip(paths_of, sources,
                                                                                            strict=True)]
        return tf.data.Dataset.zip(tuple(records)).map(lambda *raw: assembled(raw, taken, labels_of[video]))

    def assembled(raw: Sequence[Any], taken: Any, label: Any) -> tuple:
        at = tf.range(frames, dtype=tf.int64)
        maps = []
        for source, data in zip(sources, raw, strict=True):
            values = tf.reshape(_decoded(tf, data, source), (-1, *source.shape))
            values = tf.ensure_shape(tf.gather(values, tf.minimum(at, taken - 1)), (frames, *source.shape))
            if source.scale != 1.0:
                values = tf.cast(values, tf.float32) * source.scale
            maps.append(tf.cast(values, dtype))
        return (*maps, tf.logical_or(at < taken, cfg.short_clips == "count"), label)

    clips = tf.data.Dataset.range(start_step * share, 2**62).interleave(
        clip, cycle_length=max(2, cfg.workers), block_length=1, num_parallel_calls=max(2, cfg.workers),
        deterministic=True)
    return clips.batch(share, drop_remainder=True).prefetch(2)


def _decoded(tf: Any, data: Any, source: _Source) -> Any:
    """The values of some records, as `records.decode` gives them, bit for bit."""
    if source.dtype == "float16":
        return tf.io.decode_raw(data, tf.float16)
    rows = tf.reshape(tf.io.decode_raw(data, tf.uint8), (-1, source.record))
    peaks = tf.reshape(tf.bitcast(rows[:, :PEAK_BYTES], tf.float32), (-1, 1))
    return tf.cast(tf.square(tf.cast(rows[:, PEAK_BYTES:], tf.float32)) * (peaks / LEVELS**2), tf.float16)


def _batches(dataset: Any, with_motion: bool) -> Iterator[Batch]:
    for *maps, mask, label in dataset.as_numpy_iterator():
        inputs = Inputs(maps[0], maps[1] if with_motion else None)
        yield Batch(Clip(inputs, mask), label, np.ones(len(label), np.float32))
