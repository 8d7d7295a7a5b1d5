"""How the parameters of each group are first drawn."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

from videolstm_jax.types import AttentionParams, CellParams, HeadParams, LSTMParams, StartParams

if TYPE_CHECKING:
    from videolstm_jax.config import ModelConfig
    from videolstm_jax.types import Array

# Glorot & Bengio, 2010, Eq. (16), which keeps the variance of both passes; and LeCun's rule as
# Torch 7 has it, which the authors' code takes. Bounds of a uniform distribution.
LIMITS = {
    "glorot": lambda fan_in, fan_out: math.sqrt(6 / (fan_in + fan_out)),
    "fan_in": lambda fan_in, _: math.sqrt(1 / fan_in),
}


def draw_cell_kernel(
    key: Array, shape: tuple[int, ...], cfg: ModelConfig, *, gates: int = 1
) -> Array:
    """One kernel, uniform within the limit that `cfg.init` names.

    Args:
      key: a PRNG key.
      shape: [.., D, O]; everything before D is the window.
      cfg: its `init` is "glorot" or "fan_in".
      gates: how many kernels lie side by side in O; each counts its own O / gates outputs.

    Returns:
      float32 of that shape.
    """
    # The fans of a convolution count every place of its window.
    window = math.prod(shape[:-2])
    limit = LIMITS[cfg.init](window * shape[-2], window * shape[-1] // gates)
    return jax.random.uniform(key, shape, jnp.float32, -limit, limit)


def lstm_params(
    key: Array, cfg: ModelConfig, kernel: int, depth: int, *, above: bool = False
) -> LSTMParams:
    """The parameters of one LSTM, Eqs. (1)-(6), or with `above` of the motion LSTM, Eqs. (10)-(15).

    Args:
      key: a PRNG key.
      cfg: gives K, how to draw, and the forget gate's first bias.
      kernel: the side k of all kernels.
      depth: D of the input map.
      above: whether there is a kernel for the hidden map of the layer above.

    Returns:
      Kernels [k, k, D or K, 4K] and the bias [4K].
    """
    keys = jax.random.split(key, 3)
    # The gates i, f, o and the candidate g, side by side, as `ops.lstm` splits them.
    outs = 4 * cfg.hidden
    x_shape = (kernel, kernel, depth, outs)
    hidden_shape = (kernel, kernel, cfg.hidden, outs)
    x_kernel = draw_cell_kernel(keys[0], x_shape, cfg, gates=4)
    hidden_kernel = draw_cell_kernel(keys[1], hidden_shape, cfg, gates=4)
    # The third key is split off with or without `above`, so that the others are drawn alike.
    above_kernel = None
    if above:
        above_kernel = draw_cell_kernel(keys[2], hidden_shape, cfg, gates=4)
    # The forget gate is the second of i, f, o, g.
    bias = jnp.zeros(outs).at[cfg.hidden : 2 * cfg.hidden].set(cfg.forget_bias)
    return LSTMParams(x_kernel, hidden_kernel, bias, above_kernel)


def attention_params(key: Array, cfg: ModelConfig) -> AttentionParams:
    """The parameters of the attention, Eqs. (7)-(8): W_xa [D, A], W_ha [K, A], b_a [A], W_z [A]."""
    keys = jax.random.split(key, 3)
    # Drawn as a kernel with one output, because the limit depends on both numbers.
    score = draw_cell_kernel(keys[2], (cfg.attention, 1), cfg)[:, 0]
    return AttentionParams(
        draw_cell_kernel(keys[0], (cfg.depth, cfg.attention), cfg),
        draw_cell_kernel(keys[1], (cfg.hidden, cfg.attention), cfg),
        jnp.zeros(cfg.attention),
        score,
    )


def plain_params(key: Array, cfg: ModelConfig) -> CellParams:
    """The parameters of LSTM and ConvLSTM: the top group."""
    # Each group has a key of its own: cells with more groups draw the common ones alike.
    return CellParams(lstm_params(jax.random.fold_in(key, 0), cfg, cfg.kernel, cfg.depth))


def attended_params(key: Array, cfg: ModelConfig) -> CellParams:
    """The parameters of ALSTM and ConvALSTM: the top group and the attention's."""
    return plain_params(key, cfg)._replace(attend=attention_params(jax.random.fold_in(key, 1), cfg))


def motion_params(key: Array, cfg: ModelConfig) -> CellParams:
    """The parameters of the motion cells: all three groups."""
    motion = lstm_params(
        jax.random.fold_in(key, 2), cfg, cfg.motion_kernel, cfg.motion_depth, above=True
    )
    return attended_params(key, cfg)._replace(motion=motion)


def carry_params(key: Array, cfg: ModelConfig, kernel: int, depth: int) -> StartParams:
    """The kernels [k, k, D, K] that make the first C and H of one LSTM from its mean input."""
    cell, hidden = jax.random.split(key)
    # Two kernels and no bias: C_0 and H_0 are zero for a mean of zero, as with the plain start.
    shape = (kernel, kernel, depth, cfg.hidden)
    return StartParams(draw_cell_kernel(cell, shape, cfg), draw_cell_kernel(hidden, shape, cfg))


def head_params(key: Array, cfg: ModelConfig, side: int) -> HeadParams:
    """The classifier of maps of `side` x `side` x K (Sec. 5.2)."""
    dense, classes = jax.random.split(key)
    # Biases are zero, so that no class is preferred before training.
    return HeadParams(
        draw_cell_kernel(dense, (side * side * cfg.hidden, cfg.head), cfg),
        jnp.zeros(cfg.head),
        draw_cell_kernel(classes, (cfg.head, cfg.classes), cfg),
        jnp.zeros(cfg.classes),
    )
