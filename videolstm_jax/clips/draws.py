"""Draws the clips of training with tf.data: which video, from which frame on, in which view."""

from __future__ import annotations

import contextlib
import importlib.util
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from videolstm_jax.clips.balance import ClassOrder, class_order_of_clips

if TYPE_CHECKING:
    from videolstm_jax.config import DataConfig
    from videolstm_jax.types import NDArray

# The number of a clip, p, to the index of its video: both int64 tensors.
DrawVideo = Callable[[Any], Any]

# Elements of the stream of clips. tf.data counts in 63 bits, so this has no end in practice.
_ENDLESS = 2**62


class Host(NamedTuple):
    """The part of each batch that this machine reads; the parts in order are the batch."""

    index: int
    count: int


ONLY_HOST = Host(0, 1)


class ClipDraws(NamedTuple):
    """How the clips of training are drawn.

    Attributes:
      seed: of all draws.
      balanced: draw every class as often, and then a video of the class. With `data.order=epochs`
        each run of P clips has one of each of the P classes, and each class goes through its own
        videos.
      host: the part of each batch that is drawn.
      mirrored: draw each clip as filmed or mirrored, one as often as the other.
    """

    seed: int
    balanced: bool = False
    host: Host = ONLY_HOST
    mirrored: bool = False


class DrawnClips(NamedTuple):
    """The clips of a batch.

    `video` [B] is the index in the list, `start` [B] the first frame, `mirrored` [B] bool the view.
    """

    video: NDArray
    start: NDArray
    mirrored: NDArray


class ClipList(NamedTuple):
    """The training list as draws see it: `length` [V] in frames and `label` [V]."""

    length: NDArray
    label: NDArray


def draw_clips(
    clips: ClipList, cfg: DataConfig, draws: ClipDraws, start_step: int
) -> Iterator[DrawnClips]:
    """Yields the clips of this host's part of each batch.

    tf.data's stateless random numbers make clip p a function of (seed, p), whatever the number of
    hosts and threads.

    Args:
      clips: the training list.
      cfg: batch, frames and order.
      draws: seed, balance, views, and the part of each batch.
      start_step: the first batch to yield.
    """
    tf = _import_tensorflow()
    host, share = draws.host, cfg.batch // draws.host.count
    # Keys that are far apart even for seeds 0 and 1, for draws that are independent. The first two
    # do not depend on how many there are, so the same clips are drawn with and without views.
    keys = np.random.SeedSequence(draws.seed).generate_state(3)
    video_key, start_key, view_key = keys.tolist()
    draw_video = _video_draw(tf, clips, cfg, draws, video_key)
    length_of = tf.constant(clips.length, tf.int64)

    def draw(q: Any) -> Any:
        # Element q of this host is clip p of all hosts: its row of the whole batch.
        p = q // share * cfg.batch + host.index * share + q % share
        video = draw_video(p)
        # A video shorter than a clip has one start, its first frame.
        starts = length_of[video] - tf.minimum(length_of[video], cfg.frames) + 1
        is_mirrored = tf.constant(value=False)
        if draws.mirrored:
            is_mirrored = tf.equal(_uniform(tf, view_key, p, 2), 1)
        return DrawnClips(video, _uniform(tf, start_key, p, starts), is_mirrored)

    numbers = tf.data.Dataset.range(start_step * share, _ENDLESS)
    # Deterministic: the threads may finish in any order, but batch k must be the same each time.
    stream = numbers.map(draw, num_parallel_calls=2, deterministic=True)
    # Only numbers are drawn ahead here; the features of a batch are read by `batches`.
    return stream.batch(share, drop_remainder=True).prefetch(2).as_numpy_iterator()


def _video_draw(tf: Any, clips: ClipList, cfg: DataConfig, draws: ClipDraws, key: int) -> DrawVideo:
    """Returns what draws the video of clip p, by `cfg.order` and `draws.balanced`."""
    in_epochs = cfg.order == "epochs"
    if draws.balanced:
        return _balanced_draw(tf, class_order_of_clips(clips.label), key, in_epochs=in_epochs)
    count = len(clips.length)

    def draw_in_epochs(p: Any) -> Any:
        return _shuffled(tf, key, p // count, p % count, count)

    def draw_independent(p: Any) -> Any:
        return _uniform(tf, key, p, count)

    if in_epochs:
        return draw_in_epochs
    return draw_independent


def _balanced_draw(tf: Any, order: ClassOrder, key: int, *, in_epochs: bool) -> DrawVideo:
    """Returns what draws the video of clip p, every class as often."""
    classes = len(order.count)
    video = tf.constant(order.video, tf.int64)
    first, count = tf.constant(order.first, tf.int64), tf.constant(order.count, tf.int64)

    # The class has the key `key + 1` and the video in it has others, so that the class tells
    # nothing of the video.
    def draw_independent(p: Any) -> Any:
        label = _uniform(tf, key + 1, p, classes)
        return video[first[label] + _uniform(tf, key + 2, p, count[label])]

    def draw_in_epochs(p: Any) -> Any:
        # Round r has each class once, in an order of its own, so it is the r-th draw of each class.
        # A class goes through a permutation of its videos, then through another one.
        rounds = p // classes
        label = _shuffled(tf, key + 1, rounds, p % classes, classes)
        row = _shuffled(
            tf, key + 2 + label, rounds // count[label], rounds % count[label], count[label]
        )
        return video[first[label] + row]

    if in_epochs:
        return draw_in_epochs
    return draw_independent


def _uniform(tf: Any, key: Any, p: Any, count: Any) -> Any:
    """A number from 0 to `count` - 1 that depends on `key` and p alone."""
    # Both numbers are the seed: stateless random numbers depend on nothing else.
    pair = tf.stack([tf.constant(key, tf.int64), p])
    return tf.random.stateless_uniform([], seed=pair, minval=0, maxval=count, dtype=tf.int64)


def _shuffled(tf: Any, key: Any, epoch: Any, index: Any, count: Any) -> Any:
    """Element `index` of the permutation of `count` numbers that belongs to `key` and `epoch`.

    One element is computed at a time, so a permutation takes no memory, however long the list is.
    """
    pair = tf.stack([tf.convert_to_tensor(key, tf.int64), epoch])
    last = tf.convert_to_tensor(count, tf.int64) - 1
    return tf.random.experimental.index_shuffle(index, seed=pair, max_index=last)


def _import_tensorflow() -> Any:
    """Imports TensorFlow, which takes seconds, and keeps it quiet and off every accelerator."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # oneDNN announces itself in a line of every start, and draws need none of it.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    with _without_keras():
        import tensorflow as tf

    # JAX needs the memory of the GPU. It is too late to hide it once TensorFlow has used it.
    with contextlib.suppress(RuntimeError):
        tf.config.set_visible_devices([], "GPU")
    return tf


@contextlib.contextmanager
def _without_keras() -> Iterator[None]:
    """Keeps TensorFlow from importing Keras, which no stage uses and which takes over a second."""
    # TensorFlow's import loads Keras 3, or tf_keras where this is set; it goes on without either
    # where that is not installed. `tf.keras` looks at the variable again when it is first used, so
    # a module of the user has it as before.
    name = "TF_USE_LEGACY_KERAS"
    if name in os.environ or importlib.util.find_spec("tf_keras") is not None:
        yield
        return
    os.environ[name] = "1"
    try:
        yield
    finally:
        del os.environ[name]
