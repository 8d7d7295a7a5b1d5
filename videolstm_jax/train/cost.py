"""What the learning stages of a walk will cost, from forward passes timed on this device."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np

from videolstm_jax.core.cells import find_cell
from videolstm_jax.core.model import make_model
from videolstm_jax.nn.vgg import Taps, make_convnet
from videolstm_jax.train.optim import convnet_optimizer, optimizer
from videolstm_jax.train.sizes import sized
from videolstm_jax.train.state import new_state
from videolstm_jax.types import Clip, Inputs

if TYPE_CHECKING:
    from videolstm_jax.config import ModelConfig, RunConfig
    from videolstm_jax.types import Dataset, PyTree

_STEP = 4
"""Forward passes that one update takes: 4.1 of the `small` ConvNet, 3.7 of VideoLSTM, on a
processor.
"""
_FRAMES = 16
"""Frames of the clips that are timed: in a shorter one a frame takes longer."""
_QUICK = 0.02
"""Seconds under which a pass over two is followed by one over the whole batch, which a device may
do as fast.
"""
_KEPT = 2
"""Checkpoints of a run that are kept."""


class Pace(NamedTuple):
    """Seconds of a forward pass: of the ConvNet for one frame, of each recurrent model for one
    frame of one clip.
    """

    convnet: float
    cells: Mapping[ModelConfig, float]


class Cost(NamedTuple):
    """What one stage is about to spend: seconds of computing, bytes on disk."""

    seconds: float
    disk: int


def measured(cfg: RunConfig, runs: Sequence[RunConfig], dataset: Dataset) -> Pace:
    """Times the ConvNet and each model with made-up numbers, for some tenths of a second after
    compiling.

    Args:
      cfg: `convnet` says which ConvNet; that of the flow stream is taken to be as fast.
      runs: what will be trained.
      dataset: the videos, for the number of classes.
    """
    convnet = make_convnet(cfg.convnet, 3, len(dataset.classes))
    side = cfg.convnet.image_size
    run_convnet = _filled(convnet.init), jax.jit(convnet.apply)
    pace = _seconds(
        *run_convnet, lambda n: np.ones((n, side, side, 3), np.float32), cfg.convnet.batch
    )
    cells = {}
    for run in runs:
        sizes = _sizes(run, dataset)
        if sizes not in cells:
            model = make_model(sizes)
            clips = jax.jit(lambda params, clip, model=model: model.apply(params, clip).logits)
            cells[sizes] = (
                _seconds(
                    _filled(model.init),
                    clips,
                    lambda n, sizes=sizes: _clips(sizes, n),
                    run.data.batch,
                )
                / _FRAMES
            )
    return Pace(pace, cells)


def estimate(stage: str, cfg: RunConfig, dataset: Dataset, pace: Pace) -> Cost | None:
    """What `fit_convnet`, `extract`, `train` or `evaluate` will cost from nothing; None of another
    stage.

    Left out: compiling, some seconds of each; reading and decoding, for which a fast device waits;
    validation.

    Args:
      stage: its name.
      cfg: what it will run under.
      dataset: the videos.
      pace: of `measured`.
    """
    classes, devices = len(dataset.classes), cfg.train.devices
    if stage == "fit_convnet":
        state = _bytes(make_convnet(cfg.convnet, 3, classes).init, convnet_optimizer(cfg.convnet))
        return Cost(
            _STEP * cfg.convnet.steps * cfg.convnet.batch * pace.convnet / devices, _KEPT * state
        )
    if stage == "extract":
        taps, streams = _taps(cfg, classes), 2 if cfg.flow.online else 1
        frames = streams * sum(video.frames - 1 for video in dataset.videos)
        stored = np.dtype(cfg.data.feature_dtype).itemsize * (
            math.prod(taps.pool5) + math.prod(taps.fc7)
        )
        return Cost(frames * pace.convnet, frames * (stored + 2 * classes))
    if stage not in ("train", "evaluate"):
        return None
    sizes = _sizes(cfg, dataset)
    if stage == "train":
        state = _bytes(make_model(sizes).init, optimizer(cfg.optim, cfg.train.steps))
        frames = cfg.train.steps * cfg.data.batch * cfg.data.frames
        return Cost(
            _STEP * frames * pace.cells[sizes] / devices,
            (_KEPT + (cfg.train.keep == "best")) * state,
        )
    lengths = [video.frames - 1 for video in dataset.videos if video.part == "test"]
    clips = sum(min(cfg.eval.segments, max(1, length - cfg.data.frames + 1)) for length in lengths)
    attention = sizes.map_size**2 if find_cell(sizes.cell).attends else 0
    kept = classes + attention
    return Cost(
        (clips * cfg.data.frames + sum(lengths)) * pace.cells[sizes], 4 * sum(lengths) * kept
    )


def _taps(cfg: RunConfig, classes: int) -> Taps:
    """The shapes of one frame's features."""
    net, side = make_convnet(cfg.convnet, 3, classes), cfg.convnet.image_size
    found = jax.eval_shape(
        net.apply,
        jax.eval_shape(net.init, jax.random.key(0)),
        jax.ShapeDtypeStruct((1, side, side, 3), np.float32),
    )
    return Taps(*(tap.shape[1:] for tap in found))


def _sizes(cfg: RunConfig, dataset: Dataset) -> ModelConfig:
    taps, layers = _taps(cfg, len(dataset.classes)), find_cell(cfg.model.cell).layers
    motion = getattr(taps, layers.motion) if layers.motion else None
    return sized(cfg.model, getattr(taps, layers.x), motion, len(dataset.classes))


def _clips(sizes: ModelConfig, n: int) -> Clip:
    def features(side: int, depth: int) -> np.ndarray:
        return np.ones((n, _FRAMES, side, side, depth), np.float32)

    motion = (
        features(sizes.motion_size, sizes.motion_depth)
        if find_cell(sizes.cell).layers.motion
        else None
    )
    return Clip(Inputs(features(sizes.map_size, sizes.depth), motion), np.ones((n, _FRAMES), bool))


def _filled(init: Callable[[Any], PyTree]) -> PyTree:
    """Parameters that are quicker made than random ones, and as slow to compute with."""
    shapes = jax.eval_shape(init, jax.random.key(0))
    return jax.device_put(jax.tree.map(lambda leaf: np.full(leaf.shape, 0.01, leaf.dtype), shapes))


def _seconds(params: PyTree, apply: Callable, batch_of: Callable[[int], Any], most: int) -> float:
    """Seconds for each of a batch of two, or of the `most` there will be where two are quick."""
    for n in (min(2, most), most):
        batch = jax.device_put(batch_of(n))
        jax.block_until_ready(apply(params, batch))  # compiles
        began, calls = time.perf_counter(), 0
        while not calls or time.perf_counter() - began < 0.1:
            jax.block_until_ready(apply(params, batch))
            calls += 1
        took = (time.perf_counter() - began) / calls
        if took > _QUICK:
            break
    return took / n


def _bytes(init: Callable[[Any], PyTree], tx: Any) -> int:
    """Of one checkpoint."""
    state = jax.eval_shape(lambda key: new_state(init(key), tx), jax.random.key(0))
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state))
