"""The carry before the first frame: zeros, or made of the mean input over time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp

from videolstm_jax.core.params import carry_params
from videolstm_jax.types import Carry, Inputs, LSTMState, StartParams

if TYPE_CHECKING:
    from videolstm_jax.config import ModelConfig
    from videolstm_jax.core.engines import Conv
    from videolstm_jax.types import Array


class MeanStart(NamedTuple):
    """A first carry that is learned from the mean input, as in the released code of the paper.

    `init(keys, cfg)` draws its parameters from two keys. `carry(conv, params, mean)` makes the
    carry from `mean`, the mean over the frames that exist, [B, N, N, D]; a vector cell gets the
    mean over all places too, [B, 1, 1, D].
    """

    init: Callable[[Array, ModelConfig], Any]
    carry: Callable[[Conv, Any, Inputs], Any]


def zero_carry(
    cfg: ModelConfig, batch: int, *, vector: bool = False, motion: bool = False
) -> Carry:
    """C_0 = H_0 = 0, float32 [B, N', N', K]: nothing is known before the first frame.

    Args:
      cfg: gives N and K.
      batch: B.
      vector: whether the states are vectors, N' = 1, or maps, N' = N.
      motion: whether there is a motion LSTM with a state of its own.
    """
    side = cfg.map_size
    if vector:
        side = 1
    # One array stands for both: JAX arrays cannot be changed in place.
    zeros = jnp.zeros((batch, side, side, cfg.hidden))
    state = LSTMState(zeros, zeros)
    if motion:
        return Carry(state, state)
    return Carry(state)


def mean_carry_params(
    keys: Array, cfg: ModelConfig, *, motion: bool = False
) -> tuple[StartParams, StartParams | None]:
    """The kernels of `mean_carry` for the top LSTM and, with `motion`, for the motion LSTM."""
    # Each LSTM starts from its own input, with kernels of the size that its gates have.
    top = carry_params(keys[0], cfg, cfg.kernel, cfg.depth)
    if not motion:
        return top, None
    return top, carry_params(keys[1], cfg, cfg.motion_kernel, cfg.motion_depth)


def mean_carry(conv: Conv, params: tuple[StartParams, StartParams | None], mean: Inputs) -> Carry:
    """C_0 = tanh(W * mean) and so for H_0, [B, N', N', K], of each LSTM from its own input."""

    def state(p: StartParams, x: Array) -> LSTMState:
        # Back from the 16 bits that `conv` may compute in: a carry has the dtype of the parameters.
        cell = conv(p.cell, x).astype(x.dtype)
        hidden = conv(p.hidden, x).astype(x.dtype)
        return LSTMState(jnp.tanh(cell), jnp.tanh(hidden))

    top, motion = params
    top_state = state(top, mean.x)
    if motion is None:
        return Carry(top_state)
    return Carry(top_state, state(motion, mean.motion))


def mean_cell_inputs(inputs: Inputs, mask: Array, *, dtype: Any, vector: bool) -> Inputs:
    """The mean of each input over the frames that exist, [B, N, N, D]; zero where none does.

    The mean depends on all frames of the clip, so a model that starts from it is not causal.

    Args:
      inputs: [B, T, N, N, D].
      mask: [B, T], true where the frame exists.
      dtype: of the result.
      vector: whether to take the mean over all places too, which gives [B, 1, 1, D].
    """
    # A clip without frames has no mean; dividing by 1 gives it zeros.
    exists = mask.astype(dtype)
    weight = exists / jnp.maximum(exists.sum(1, keepdims=True), 1)
    # [B, T] as [B, T, 1, 1, 1], to weigh whole maps.
    weight = weight[:, :, None, None, None]

    def mean(x: Array) -> Array:
        over_time = jnp.sum(x.astype(dtype) * weight, axis=1)
        if not vector:
            return over_time
        # The states of a vector cell have one place, which stands for all.
        return over_time.mean((1, 2), keepdims=True)

    return jax.tree.map(mean, inputs)
