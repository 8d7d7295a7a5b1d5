"""The functions of a model on features as the stores hold them: scales and casts are inside."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

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
    """One frame of a stream: `logits` [C], `attention` [N, N] or None, and the next `carry`."""

    logits: NDArray
    attention: NDArray | None
    carry: PyTree


class ModelFunctions(NamedTuple):
    """What can be done with one model. All take parameters first, and features as they are stored.

    Three are the pure functions of `core.model.Model`, for whoever compiles them:

    `init(key) -> Params`; `start(params, clip) -> PyTree`;
    `apply(params, clip, carry=None, *, dropout_key=None) -> Output`.

    The others are compiled, each for one use. They are separate programs because XLA leaves out
    what a program does not return: video scores need no carry, states need nothing else.

    `logits(params, clip) -> [B, T, C]`; `begin(params, clip) -> PyTree`;
    `chunk(params, clip, carry) -> Output`; `advance(params, clip, carry) -> PyTree`;
    `begin_stream(params, inputs) -> PyTree` and `frame(params, inputs, carry) -> Output` of one
    frame [1, 1, ..] that exists.
    """

    init: Callable[[Array], Params]
    start: Callable[[Params, Clip], PyTree]
    apply: Callable[..., Output]
    logits: Callable[[Params, Clip], Array]
    begin: Callable[[Params, Clip], PyTree]
    chunk: Callable[[Params, Clip, PyTree], Output]
    advance: Callable[[Params, Clip, PyTree], PyTree]
    begin_stream: Callable[[Params, Inputs], PyTree]
    frame: Callable[[Params, Inputs, PyTree], Output]


# Cached, so that the copies of one model (after each validation other parameters) compile once.
@functools.lru_cache(maxsize=32)
def model_functions(config: ModelConfig, cell: Cell, scales: Scales) -> ModelFunctions:
    """The functions of a model with these sizes, of this cell, on features of these scales."""
    model = make_model(config, cell=cell)

    def scaled(clip: Clip) -> Clip:
        return clip._replace(inputs=as_inputs(clip.inputs, scales))

    def start(params: Params, clip: Clip) -> PyTree:
        # Also the start reads the features: with `start=mean` the carry is made of them.
        return model.start(params, scaled(clip))

    def apply(
        params: Params, clip: Clip, carry: PyTree | None = None, *, dropout_key: Array | None = None
    ) -> Output:
        return model.apply(params, scaled(clip), carry, dropout_key=dropout_key)

    # A stream has no frames of padding, so its callers need no mask.
    def one_frame(inputs: Inputs) -> Clip:
        return Clip(inputs, np.ones((1, 1), bool))

    return ModelFunctions(
        init=model.init,
        start=start,
        apply=apply,
        logits=jax.jit(lambda params, clip: apply(params, clip).logits),
        begin=jax.jit(start),
        chunk=jax.jit(lambda params, clip, carry: apply(params, clip, carry)),
        advance=jax.jit(lambda params, clip, carry: apply(params, clip, carry).carry),
        begin_stream=jax.jit(lambda params, inputs: start(params, one_frame(inputs))),
        frame=jax.jit(lambda params, inputs, carry: apply(params, one_frame(inputs), carry)),
    )


def as_inputs(inputs: Inputs, scales: Scales) -> Inputs:
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
