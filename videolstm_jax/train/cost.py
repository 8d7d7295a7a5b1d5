"""What the stages that learn will cost, from forward passes timed on this device."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np

from videolstm_jax.config import STREAMS
from videolstm_jax.core.cells import find_cell
from videolstm_jax.core.model import make_model
from videolstm_jax.nn.backbones import image_network
from videolstm_jax.nn.network import tapped_network
from videolstm_jax.nn.preprocessing import STREAM_CHANNELS
from videolstm_jax.presets import convnet_of
from videolstm_jax.train import mesh
from videolstm_jax.train.optim import optimizer, optimizer_of_convnet
from videolstm_jax.train.sizes import model_sized_for_training
from videolstm_jax.train.state import new_training_state
from videolstm_jax.types import Clip, Inputs

if TYPE_CHECKING:
    from videolstm_jax.config import ConvNetConfig, ModelConfig, RunConfig
    from videolstm_jax.types import Array, Dataset, PyTree

# Forward passes that take as long as one update: 4.1 were measured for the backbone of `small`, 3.7
# for VideoLSTM, on a CPU.
_PASSES_PER_UPDATE = 4
# Frames of the clips that are timed. In a shorter clip a frame takes longer.
_TIMED_FRAMES = 16
# A pass over two examples that takes less than so many seconds is followed by one over the whole
# batch: a fast device may do both in the same time.
_QUICK_SECONDS = 0.02
# Each measurement repeats its pass for at least so many seconds.
_TIMED_SECONDS = 0.1
_CHECKPOINTS_KEPT = 2


class Pace(NamedTuple):
    """Seconds of a forward pass.

    Attributes:
      backbones: of the backbone of each stream, for one frame.
      cells: of each recurrent model, for one frame of one clip.
    """

    backbones: Mapping[str, float]
    cells: Mapping[ModelConfig, float]


class StageCost(NamedTuple):
    """What one stage is about to spend: seconds of computing, bytes on disk."""

    seconds: float
    disk: int


def measure_pace(cfg: RunConfig, runs: Sequence[RunConfig], dataset: Dataset) -> Pace:
    """Times the backbone and each model with constant inputs, for some tenths of a second each.

    Args:
      cfg: `convnet` gives the backbones.
      runs: what will be trained; equal models are timed once.
      dataset: the videos, for the number of classes.
    """
    backbones: dict[str, float] = {}
    timed: dict[ConvNetConfig, float] = {}
    for stream in STREAMS:
        convnet = convnet_of(cfg, stream)
        # Two channels or three make no difference, so equal networks are timed once.
        if convnet not in timed:
            timed[convnet] = _backbone_seconds(convnet, stream, len(dataset.classes))
        backbones[stream] = timed[convnet]
    cells: dict[ModelConfig, float] = {}
    for run in runs:
        sizes = sizes_of_training_features(run, dataset)
        if sizes not in cells:
            cells[sizes] = _model_seconds(sizes, run.data.batch)
    return Pace(backbones, cells)


def estimate_training_cost(
    stage: str, cfg: RunConfig, dataset: Dataset, pace: Pace
) -> StageCost | None:
    """The cost of `fit_convnet`, `extract`, `train` or `evaluate` from nothing; else None.

    Left out are compiling, some seconds of each stage; reading and decoding, which a fast device
    waits for; validation; and the block of `train.backbone_from`.

    Args:
      stage: its name.
      cfg: its settings.
      dataset: the videos.
      pace: of `measure_pace`.
    """
    function = _ESTIMATES.get(stage)
    if function is None:
        return None
    return function(cfg, dataset, pace)


# ---- one function a stage ------------------------------------------------------------------------


def _devices(cfg: RunConfig) -> int:
    """Devices that a training is spread over."""
    return cfg.train.devices or mesh.mesh_device_count()


def _fit_convnet(cfg: RunConfig, dataset: Dataset, pace: Pace) -> StageCost:
    channels = STREAM_CHANNELS[cfg.data.stream]
    init = image_network(cfg.convnet, channels, len(dataset.classes)).init
    checkpoint = _state_bytes(init, optimizer_of_convnet(cfg.convnet))
    frames = cfg.convnet.steps * cfg.convnet.batch
    # Frozen layers are not passed backwards.
    passes = 1 if cfg.convnet.train_layers == "last" else _PASSES_PER_UPDATE
    seconds = passes * frames * pace.backbones[cfg.data.stream] / _devices(cfg)
    return StageCost(seconds, _CHECKPOINTS_KEPT * checkpoint)


def _extract(cfg: RunConfig, dataset: Dataset, pace: Pace) -> StageCost:
    classes = len(dataset.classes)
    streams = [cfg.data.stream]
    if cfg.flow.online:
        # There is no flow to read later, so the stage does both streams in one pass.
        streams = list(STREAMS)
    videos = list(dataset.videos)
    if cfg.data.mirrored:
        # These are passed through the backbone, and stored, once more.
        videos += dataset.listed("train")
    # The last frame of a video has no flow, so neither stream reads it.
    frames = sum(video.frames - 1 for video in videos)
    seconds, disk = 0.0, 0
    for stream in streams:
        network = image_network(convnet_of(cfg, stream), STREAM_CHANNELS[stream], classes)
        network = tapped_network(network, cfg.train.backbone_from)
        for layer, shape in network.layers.items():
            dtype = "float16" if layer in network.signed else cfg.data.feature_dtype
            disk += frames * math.prod(shape) * np.dtype(dtype).itemsize
        seconds += frames * pace.backbones[stream]
    return StageCost(seconds, disk)


def _train(cfg: RunConfig, dataset: Dataset, pace: Pace) -> StageCost:
    sizes = sizes_of_training_features(cfg, dataset)
    checkpoint = _state_bytes(make_model(sizes).init, optimizer(cfg.optim, cfg.train.steps))
    frames = cfg.train.steps * cfg.data.batch * cfg.data.frames
    seconds = _PASSES_PER_UPDATE * frames * pace.cells[sizes] / _devices(cfg)
    # The best one lies beside the last ones, in a folder of its own.
    checkpoints = _CHECKPOINTS_KEPT + (cfg.train.keep != "last")
    return StageCost(seconds, checkpoints * checkpoint)


def _evaluate(cfg: RunConfig, dataset: Dataset, pace: Pace) -> StageCost:
    sizes = sizes_of_training_features(cfg, dataset)
    clips, test_frames = 0, 0
    for video in dataset.videos:
        if video.part != "test":
            continue
        length = video.frames - 1
        test_frames += length
        # A video has at most so many different segments; equal ones are computed once.
        starts = max(1, length - cfg.data.frames + 1)
        clips += min(cfg.eval.segments, starts)
    # Every segment, and then the whole video once more for frame scores and attention.
    frames = clips * cfg.data.frames + test_frames
    values = len(dataset.classes)
    if find_cell(sizes.cell).attends:
        values += sizes.map_size**2
    return StageCost(frames * pace.cells[sizes], test_frames * 4 * values)  # float32


_ESTIMATES: Mapping[str, Callable[[RunConfig, Dataset, Pace], StageCost]] = {
    "fit_convnet": _fit_convnet,
    "extract": _extract,
    "train": _train,
    "evaluate": _evaluate,
}


# ---- sizes ---------------------------------------------------------------------------------------


def sizes_of_training_features(cfg: RunConfig, dataset: Dataset) -> ModelConfig:
    """The settings of a run's model with the sizes of its features.

    Args:
      cfg: of the run.
      dataset: for the number of classes.
    """
    classes = len(dataset.classes)
    layers = find_cell(cfg.model.cell).layers

    def shape_of(stream: str, layer: str) -> tuple[int, ...]:
        network = image_network(convnet_of(cfg, stream), STREAM_CHANNELS[stream], classes)
        return network.layers[layer]

    motion = None
    if layers.motion:
        motion = shape_of("flow", layers.motion)
    return model_sized_for_training(cfg.model, shape_of(cfg.data.stream, layers.x), motion, classes)


def _state_bytes(init: Callable[[Array], PyTree], tx: Any) -> int:
    """Bytes of one checkpoint."""
    # Shapes alone: a state of VGG would fill half a gigabyte for a number.
    state = jax.eval_shape(lambda key: new_training_state(init(key), tx), jax.random.key(0))
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state))


# ---- timing --------------------------------------------------------------------------------------


def _backbone_seconds(cfg: ConvNetConfig, stream: str, classes: int) -> float:
    """Seconds of a backbone for one frame, with what makes its input on the host."""
    # The numbers of the preprocessing do not change how long it takes.
    if cfg.preprocessing == "auto" and cfg.backbone == "vgg":
        cfg = dataclasses.replace(cfg, preprocessing="caffe")
    channels = STREAM_CHANNELS[stream]
    network = image_network(cfg, channels, classes)
    compiled = jax.jit(network.apply)

    def apply(params: PyTree, frames: np.ndarray) -> Any:
        return compiled(params, network.prepare(np.asarray(frames)))

    frames = partial(_frames, cfg.image_size, channels)
    return _seconds(_constant_params(network.init), apply, frames, cfg.batch)


def _model_seconds(sizes: ModelConfig, batch: int) -> float:
    """Seconds of a recurrent model for one frame of one clip."""
    model = make_model(sizes)
    params = _constant_params(model.init)
    logits = jax.jit(lambda params, clip: model.apply(params, clip).logits)
    seconds = _seconds(params, logits, partial(_clips, sizes), batch)
    return seconds / _TIMED_FRAMES


def _seconds(params: PyTree, apply: Callable, batch_of: Callable[[int], Any], batch: int) -> float:
    """Seconds for each example of a batch of two, or of the whole batch where two are quick."""
    for n in (min(2, batch), batch):
        examples = jax.device_put(batch_of(n))
        jax.block_until_ready(apply(params, examples))  # compiles
        start_time, calls = time.perf_counter(), 0
        while not calls or time.perf_counter() - start_time < _TIMED_SECONDS:
            jax.block_until_ready(apply(params, examples))
            calls += 1
        seconds = (time.perf_counter() - start_time) / calls
        if seconds > _QUICK_SECONDS:
            break
    return seconds / n


def _frames(side: int, channels: int, n: int) -> np.ndarray:
    return np.full((n, side, side, channels), 100, np.uint8)


def _clips(sizes: ModelConfig, n: int) -> Clip:
    def features(side: int, depth: int) -> np.ndarray:
        return np.ones((n, _TIMED_FRAMES, side, side, depth), np.float32)

    motion = None
    if find_cell(sizes.cell).layers.motion:
        motion = features(sizes.motion_size, sizes.motion_depth)
    inputs = Inputs(features(sizes.map_size, sizes.depth), motion)
    return Clip(inputs, np.ones((n, _TIMED_FRAMES), bool))


def _constant_params(init: Callable[[Array], PyTree]) -> PyTree:
    """Parameters that are made faster than random ones, and take as long to compute with."""
    shapes = jax.eval_shape(init, jax.random.key(0))
    params = jax.tree.map(lambda leaf: np.full(leaf.shape, 0.01, leaf.dtype), shapes)
    return jax.device_put(params)
