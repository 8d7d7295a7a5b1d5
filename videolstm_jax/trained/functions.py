"""The functions of a model on features as the stores hold them: scales and casts are inside."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from videolstm_jax.backbone.block import TrainedBlock, without_trained_block_params
from videolstm_jax.core.model import make_model
from videolstm_jax.types import Clip, Inputs, Output, Params, PyTree

if TYPE_CHECKING:
    from videolstm_jax.config import ModelConfig
    from videolstm_jax.core.cell import Cell
    from videolstm_jax.types import Array, NDArray


class Scales(NamedTuple):
    """The divisors of the features of each input; 1 leaves them as they are stored."""

    x: float = 1.0
    motion: float = 1.0


class FrameOutput(NamedTuple):
    """One frame of a stream.

    `logits` [C], `attention` [N, N] or None, the next `carry`, and `x`, the features that the cell
    read of its own stream, before they were scaled.
    """

    logits: NDArray
    attention: NDArray | None
    carry: PyTree
    x: NDArray


class ModelFunctions(NamedTuple):
    """What can be done with one model. All take parameters first.

    Three are the pure functions of `core.model.Model`, for whoever compiles them. They take
    features as they are stored:

    `init(key) -> Params`, without a block; `start(params, clip) -> PyTree`;
    `apply(params, clip, carry=None, *, dropout_key=None) -> Output`.

    The others are compiled, each for one use. They are separate programs because XLA leaves out
    what a program does not return: video scores need no carry, states need nothing else.

    `read(params, clip) -> Clip` has the features that the cell reads: those of the trained block,
    or the stored ones where the model has none. The following take clips and inputs of `read`, so
    that a block is computed once for all of them:

    `logits(params, clip) -> [B, T, C]`; `begin(params, clip) -> PyTree`;
    `chunk(params, clip, carry) -> Output`; `advance(params, clip, carry) -> PyTree`;
    `begin_stream(params, inputs) -> PyTree` and `frame(params, inputs, carry) -> Output` of one
    frame [1, 1, ..] that exists.
    """

    init: Callable[[Array], Params]
    start: Callable[[Params, Clip], PyTree]
    apply: Callable[..., Output]
    read: Callable[[Params, Clip], Clip]
    logits: Callable[[Params, Clip], Array]
    begin: Callable[[Params, Clip], PyTree]
    chunk: Callable[[Params, Clip, PyTree], Output]
    advance: Callable[[Params, Clip, PyTree], PyTree]
    begin_stream: Callable[[Params, Inputs], PyTree]
    frame: Callable[[Params, Inputs, PyTree], Output]


# Cached, so that the copies of one model (after each validation other parameters) compile once.
@functools.lru_cache(maxsize=32)
def functions_of_model(
    config: ModelConfig, cell: Cell, scales: Scales, block: TrainedBlock | None = None
) -> ModelFunctions:
    """The functions of a model with these sizes, of this cell, on features of these scales.

    Args:
      config: of the cell and its head.
      cell: the cell.
      scales: of the features that the cell reads.
      block: the part of a backbone that makes these features from stored ones; None where the
        stored ones are read.
    """
    model = make_model(config, cell=cell)

    def scaled(clip: Clip) -> Clip:
        return clip._replace(inputs=as_model_inputs(clip.inputs, scales))

    read = compiled_read = _as_stored
    if block is not None:
        read, compiled_read = _reader(block.apply), _reader(jax.jit(block.apply))

    # Also the start reads the features: with `start=mean` the carry is made of them.
    def start_of_read(params: Params, clip: Clip) -> PyTree:
        return model.start(without_trained_block_params(params), scaled(clip))

    def apply_read(
        params: Params, clip: Clip, carry: PyTree | None = None, *, dropout_key: Array | None = None
    ) -> Output:
        return model.apply(
            without_trained_block_params(params), scaled(clip), carry, dropout_key=dropout_key
        )

    def start(params: Params, clip: Clip) -> PyTree:
        return start_of_read(params, read(params, clip))

    def apply(
        params: Params, clip: Clip, carry: PyTree | None = None, *, dropout_key: Array | None = None
    ) -> Output:
        return apply_read(params, read(params, clip), carry, dropout_key=dropout_key)

    # A stream has no frames of padding, so its callers need no mask.
    def one_frame(inputs: Inputs) -> Clip:
        return Clip(inputs, np.ones((1, 1), bool))

    return ModelFunctions(
        init=model.init,
        start=start,
        apply=apply,
        read=compiled_read,
        logits=jax.jit(lambda params, clip: apply_read(params, clip).logits),
        begin=jax.jit(start_of_read),
        chunk=jax.jit(lambda params, clip, carry: apply_read(params, clip, carry)),
        advance=jax.jit(lambda params, clip, carry: apply_read(params, clip, carry).carry),
        begin_stream=jax.jit(lambda params, inputs: start_of_read(params, one_frame(inputs))),
        frame=jax.jit(lambda params, inputs, carry: apply_read(params, one_frame(inputs), carry)),
    )


def _as_stored(_: Params, clip: Clip) -> Clip:
    """The clip itself: its features are what the cell reads."""
    return clip


def _reader(apply_block: Callable[[PyTree, Array], Array]) -> Callable[[Params, Clip], Clip]:
    """Returns `read(params, clip)` with the features that a block makes."""

    # The mask and the motion stay where they are: callers look into the mask on the host.
    def read(params: Params, clip: Clip) -> Clip:
        x = apply_block(params.block, clip.inputs.x)
        return clip._replace(inputs=clip.inputs._replace(x=x))

    return read


def as_model_inputs(inputs: Inputs, scales: Scales) -> Inputs:
    """Features as they are stored, made what a cell reads: float32, scaled, vectors as 1 x 1 maps.

    Args:
      inputs: float16 or float32, maps [B, T, N, N, D] or vectors [B, T, D].
      scales: what each is divided by.
    """
    # One number for a whole input: divided by a deviation of each channel, features of ReLUs would
    # lose what tells strong channels from weak ones.
    x = _as_map(inputs.x) / scales.x
    motion = None
    if inputs.motion is not None:
        motion = _as_map(inputs.motion) / scales.motion
    return Inputs(x, motion)


def _as_map(array: Array) -> Array:
    # The cast is part of the compiled program, so that float16 goes to the device: half the bytes.
    array = jnp.asarray(array).astype(jnp.float32)
    if array.ndim == 3:
        return array[:, :, None, None]
    return array
