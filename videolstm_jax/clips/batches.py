"""Training batches of clips: tf.data draws them, and threads read them from the feature store."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from videolstm_jax.clips.balance import ClassOrder, class_order
from videolstm_jax.clips.prefetch import prefetch
from videolstm_jax.config import DataConfig
from videolstm_jax.errors import ConfigError, FileError
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.types import Batch, Clip, Inputs, Video


class Host(NamedTuple):
    """The part of each batch that this machine reads; the parts in order are the batch."""

    index: int
    count: int


ONLY_HOST = Host(0, 1)


def map_shape(shape: Sequence[int]) -> tuple[int, ...]:
    """The shape of one frame's features as cells read them; a vector (D,) is a map (1, 1, D)."""
    return (1,) * (3 - len(shape)) + tuple(shape)


def common_lengths(
    x: FeatureStore, motion: FeatureStore | None, videos: Sequence[Video]
) -> np.ndarray:
    """Frames of each video in the stores [V].

    Raises:
      FileError: a file is missing or short, or the two stores hold different frames of a video.
    """
    names = [video.name for video in videos]
    x.check_sizes(names)
    if motion is not None:
        motion.check_sizes(names)
        for name in names:
            if motion.frames[name] != x.frames[name]:
                raise FileError(
                    f"{name} has {x.frames[name]} frames in {x.folder} and {motion.frames[name]} "
                    f"in {motion.folder}; expected as many"
                )
    return np.array([x.frames[name] for name in names], np.int64)


def train_batches(  # noqa: PLR0913 - what is read, how it is drawn, and which part of it
    x: FeatureStore,
    motion: FeatureStore | None,
    videos: Sequence[Video],
    cfg: DataConfig,
    *,
    seed: int,
    start_step: int = 0,
    host: Host = ONLY_HOST,
    dtype: str = "float32",
    balanced: bool = False,
) -> Iterator[Batch]:
    """Yields batches of `cfg.batch` clips of `cfg.frames` frames without end.

    Batch k is a pure function of (seed, k), so training resumes from the number of its next batch.
    `cfg.order` `iid` draws every video from the whole list ("128 videos sampled at each iteration",
    Sec. 5.2); `epochs` goes through one random order of the list after another. The first frame is
    uniform over those that leave T frames. A video shorter than T repeats its last frame; the mask
    is false there unless `cfg.short_clips` is `count`. Only the frames of the clip are read from
    disk, the same ones of both stores.

    Args:
      x: features the top LSTM reads.
      motion: features the motion LSTM reads, where there is one.
      videos: the training list.
      cfg: batch, frames, order, short_clips, workers.
      seed: of all draws.
      start_step: the first batch to yield.
      host: the part of each batch that is yielded.
      dtype: of the features; `float16`, as they are stored, halves the memory where the model casts
        by itself.
      balanced: draw every class as often, and then a video of the class. With `epochs` each run of
        P clips has one of each of the P classes, and each class goes through its own videos.

    Returns:
      Batches of numpy arrays; x [B, T, N, N, D], motion [B, T, M, M, E] or None, B = cfg.batch /
      host.count.

    Raises:
      ConfigError: a batch that the hosts cannot share, no videos, or a host or step that does not
        exist.
      FileError: features that are missing, short, or not of the same frames in both stores.
    """
    if host.count < 1 or cfg.batch % host.count or not 0 <= host.index < host.count:
        raise ConfigError(
            f"data.batch is {cfg.batch} for host {host.index} of {host.count}; expected a multiple "
            "of the hosts"
        )
    if start_step < 0 or dtype not in ("float32", "float16"):
        raise ConfigError(
            f"start_step is {start_step}, dtype {dtype!r}; expected 0 or more, 'float32' or "
            "'float16'"
        )
    if not videos:
        raise ConfigError("no videos to train on; expected at least one in the training list")
    lengths = common_lengths(x, motion, videos)
    label = np.array([video.label for video in videos])
    order = class_order(label) if balanced else None
    draws = _draw_clips(lengths, cfg, seed, start_step, host, order)
    reader = _ClipReader((x, motion), videos, lengths, cfg, np.dtype(dtype))
    return prefetch(_read_batches(draws, reader, cfg.workers))


# ---- drawing -------------------------------------------------------------------------------------


def _draw_clips(
    lengths: np.ndarray,
    cfg: DataConfig,
    seed: int,
    start_step: int,
    host: Host,
    order: ClassOrder | None = None,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The video index [B] and the first frame [B] of each clip in this host's batches.

    tf.data's stateless random numbers make clip p a function of (seed, p), whatever the number of
    hosts and threads. With an `order` the class is drawn first.
    """
    tf = _import_tensorflow()
    count, share = len(lengths), cfg.batch // host.count
    # Two keys that are far apart even for seeds 0 and 1, for two draws that are independent.
    video_key, start_key = np.random.SeedSequence(seed).generate_state(2).tolist()
    lengths_of = tf.constant(lengths, tf.int64)

    def uniform(key: int, p: Any, below: Any) -> Any:
        pair = tf.stack([tf.constant(key, tf.int64), p])
        return tf.random.stateless_uniform([], seed=pair, minval=0, maxval=below, dtype=tf.int64)

    def draw_in_epochs(p: Any) -> Any:
        # Each epoch p // count is a permutation of its own, computed one element at a time.
        epoch = tf.stack([tf.constant(video_key, tf.int64), p // count])
        last = tf.constant(count - 1, tf.int64)
        return tf.random.experimental.index_shuffle(p % count, seed=epoch, max_index=last)

    def draw_independent(p: Any) -> Any:
        return uniform(video_key, p, count)

    draw_video = {"epochs": draw_in_epochs, "iid": draw_independent}[cfg.order]
    if order is not None:
        draw_video = _balanced_draw(tf, order, video_key, in_epochs=cfg.order == "epochs")

    def draw(q: Any) -> Any:
        # Element q of this host is clip p of all hosts: its row of the whole batch.
        p = q // share * cfg.batch + host.index * share + q % share
        video = draw_video(p)
        # A video shorter than a clip has one start, its first frame.
        starts = lengths_of[video] - tf.minimum(lengths_of[video], cfg.frames) + 1
        return video, uniform(start_key, p, starts)

    # Without end in practice; tf.data counts in 63 bits.
    numbers = tf.data.Dataset.range(start_step * share, 2**62)
    clips = numbers.map(draw, num_parallel_calls=2, deterministic=True)
    return clips.batch(share, drop_remainder=True).prefetch(2).as_numpy_iterator()


def _balanced_draw(
    tf: Any, order: ClassOrder, key: int, *, in_epochs: bool
) -> Callable[[Any], Any]:
    """Returns the index of the video of clip p, every class as often."""
    classes = len(order.count)
    video, first, count = (tf.constant(part, tf.int64) for part in order)
    key_of = tf.constant(key, tf.int64)

    def uniform(p: Any, purpose: int, below: Any) -> Any:
        # A number for each purpose, so that the class tells nothing of the video in it.
        pair = tf.stack([key_of + purpose, p])
        return tf.random.stateless_uniform([], seed=pair, minval=0, maxval=below, dtype=tf.int64)

    def draw_independent(p: Any) -> Any:
        label = uniform(p, 1, classes)
        return video[first[label] + uniform(p, 2, count[label])]

    def draw_in_epochs(p: Any) -> Any:
        # Round r has each class once, in an order of its own, so it is the r-th draw of each class.
        # A class goes through a permutation of its videos, then through another one.
        rounds = p // classes
        last = tf.constant(classes - 1, tf.int64)
        label = tf.random.experimental.index_shuffle(
            p % classes, seed=tf.stack([key_of + 1, rounds]), max_index=last
        )
        epoch = tf.stack([key_of + 2 + label, rounds // count[label]])
        row = tf.random.experimental.index_shuffle(
            rounds % count[label], seed=epoch, max_index=count[label] - 1
        )
        return video[first[label] + row]

    return draw_in_epochs if in_epochs else draw_independent


def _import_tensorflow() -> Any:
    """Imports TensorFlow, which takes seconds, and keeps it quiet and off every accelerator."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    import tensorflow as tf

    # JAX needs the memory of the GPU. It is too late to hide it once TensorFlow has used it.
    with contextlib.suppress(RuntimeError):
        tf.config.set_visible_devices([], "GPU")
    return tf


# ---- reading -------------------------------------------------------------------------------------


class _ClipReader:
    """Reads the clips of a batch from one or two stores, several clips at a time.

    A store's frames go straight to their place in the batch, so memory is written once. This takes
    a fifth of the processor time of tf.data's own reader of records, which copies a clip four
    times.
    """

    def __init__(
        self,
        stores: tuple[FeatureStore, FeatureStore | None],
        videos: Sequence[Video],
        lengths: np.ndarray,
        cfg: DataConfig,
        dtype: np.dtype,
    ):
        self._stores = stores
        self._videos = videos
        self._lengths = lengths
        self._labels = np.array([video.label for video in videos], np.int32)
        self._frames = cfg.frames
        self._count_repeats = cfg.short_clips == "count"
        self._dtype = dtype

    def read(self, video: np.ndarray, start: np.ndarray, map_rows: Callable[..., Any]) -> Batch:
        """Reads the clips of videos [B] from their first frames [B] on.

        `map_rows` is `map` of a pool, whose threads share the rows of the batch.
        """
        maps = [self._empty(store, len(video)) for store in self._stores]

        def fill_row(row: int) -> None:
            for values, store in zip(maps, self._stores, strict=True):
                if store is not None:
                    self._fill(values[row], store, int(video[row]), int(start[row]))

        for _ in map_rows(fill_row, range(len(video))):
            pass  # waits for every row, and raises what a thread raised
        exists = np.arange(self._frames) < self._lengths[video][:, None]
        clip = Clip(Inputs(*maps), exists | self._count_repeats)
        return Batch(clip, self._labels[video], np.ones(len(video), np.float32))

    def _empty(self, store: FeatureStore | None, rows: int) -> np.ndarray | None:
        if store is None:
            return None
        return np.empty((rows, self._frames, *map_shape(store.shape)), self._dtype)

    def _fill(self, clip: np.ndarray, store: FeatureStore, index: int, start: int) -> None:
        """Reads one clip [T, N, N, D]; a short video repeats its last frame."""
        length = min(self._frames, int(self._lengths[index]))
        store.fill(clip[:length], self._videos[index].name, start)
        clip[length:] = clip[length - 1]


def _read_batches(
    draws: Iterator[tuple[np.ndarray, np.ndarray]], reader: _ClipReader, workers: int
) -> Iterator[Batch]:
    with ThreadPoolExecutor(max(2, workers)) as pool:
        for video, start in draws:
            yield reader.read(video, start, pool.map)
