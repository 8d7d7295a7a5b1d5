"""The time of forward passes from their counted operations, for a device that is not at hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from videolstm_jax.config import STREAMS
from videolstm_jax.core.cells import find_cell
from videolstm_jax.core.model import make_model
from videolstm_jax.nn.backbones import image_network
from videolstm_jax.nn.preprocessing import STREAM_CHANNELS
from videolstm_jax.presets import convnet_of
from videolstm_jax.train.cost import Pace, sizes_of_training_features
from videolstm_jax.types import Clip, Inputs

if TYPE_CHECKING:
    from videolstm_jax.config import ConvNetConfig, ModelConfig, RunConfig
    from videolstm_jax.types import Dataset


def pace_of_teraflops(
    teraflops: float, cfg: RunConfig, runs: Sequence[RunConfig], dataset: Dataset
) -> Pace:
    """The pace of a device that sustains so many operations, whatever the network.

    Nothing is computed and nothing compiled: XLA counts the operations of each program.

    Args:
      teraflops: 10^12 operations a second.
      cfg: `convnet` gives the backbones.
      runs: what will be trained.
      dataset: the videos, for the number of classes.
    """
    rate = 1e12 * teraflops
    classes = len(dataset.classes)
    backbones = {}
    for stream in STREAMS:
        backbones[stream] = _backbone_flops(convnet_of(cfg, stream), stream, classes) / rate
    cells = {}
    for run in runs:
        sizes = sizes_of_training_features(run, dataset)
        if sizes not in cells:
            cells[sizes] = _model_flops(sizes) / rate
    return Pace(backbones, cells)


def _backbone_flops(cfg: ConvNetConfig, stream: str, classes: int) -> float:
    """Operations of a forward pass of a backbone for one frame."""
    channels = STREAM_CHANNELS[stream]
    network = image_network(cfg, channels, classes)
    params = jax.eval_shape(network.init, jax.random.key(0))
    # A shape in place of an array: the program is traced, and never run.
    frame = jax.ShapeDtypeStruct((1, *network.input_shape), jnp.float32)
    return _flops(jax.jit(network.apply).lower(params, frame))


def _model_flops(sizes: ModelConfig) -> float:
    """Operations of a forward pass of a recurrent model for one frame of one clip."""
    model = make_model(sizes)
    params = jax.eval_shape(model.init, jax.random.key(0))

    def features(side: int, depth: int) -> jax.ShapeDtypeStruct:
        # One frame: the operations of a loop over frames would be counted once, however long.
        return jax.ShapeDtypeStruct((1, 1, side, side, depth), jnp.float32)

    motion = None
    if find_cell(sizes.cell).layers.motion:
        motion = features(sizes.motion_size, sizes.motion_depth)
    inputs = Inputs(features(sizes.map_size, sizes.depth), motion)
    clip = Clip(inputs, jax.ShapeDtypeStruct((1, 1), jnp.bool_))
    logits = jax.jit(lambda params, clip: model.apply(params, clip).logits)
    return _flops(logits.lower(params, clip))


def _flops(lowered: Any) -> float:
    # Of the program as it is written: what XLA makes of it differs between devices.
    return float(lowered.cost_analysis()["flops"])
