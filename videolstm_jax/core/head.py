"""The classifier of every frame: flatten, one tanh layer, dropout, classes (Sec. 5.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

from videolstm_jax.core.engines import convolution_of_places
from videolstm_jax.core.ops import total

if TYPE_CHECKING:
    from videolstm_jax.types import Array, HeadParams


def dropout(key: Array | None, rate: float, x: Array) -> Array:
    """`x` with each entry zero at chance `rate`, the others scaled up to keep the mean.

    Without a key, or at rate 0, `x` is unchanged.
    """
    # At rate 0 random numbers would be drawn to change nothing.
    if key is None or rate == 0:
        return x
    survives = jax.random.bernoulli(key, 1 - rate, x.shape)
    # Scaled up in training, so that evaluation needs no factor.
    return jnp.where(survives, x / (1 - rate), jnp.zeros_like(x))


def classify(
    p: HeadParams,
    hidden: Array,
    *,
    hidden_dropout: float = 0.0,
    dense_dropout: float = 0.0,
    key: Array | None = None,
    dtype: jax.typing.DTypeLike | None = None,
) -> Array:
    """Class scores of every frame, before the softmax.

    Args:
      p: the head's parameters.
      hidden: H_t of all frames, [B, T, N', N', K].
      hidden_dropout: chance of zero for each entry of H_t.
      dense_dropout: chance of zero for each unit of the tanh layer.
      key: draws both afresh for every frame; None drops nothing.
      dtype: what the large product is computed in; None is the parameters' own.

    Returns:
      [B, T, C] in the dtype of the parameters.
    """
    # Two keys, so that the masks before and after the layer are independent.
    hidden_key = dense_key = None
    if key is not None:
        hidden_key, dense_key = jax.random.split(key)
    # [B, T, N' N' K]: every place has weights of its own in the dense layer (Sec. 5.2).
    flat = hidden.reshape(*hidden.shape[:2], -1)
    flat = dropout(hidden_key, hidden_dropout, flat)
    dense = jnp.tanh(total(p.dense_bias, convolution_of_places(p.dense, flat, dtype=dtype)))
    # The last product is small, and its sums decide the class: it stays in 32 bits.
    return total(
        p.classes_bias, convolution_of_places(p.classes, dropout(dense_key, dense_dropout, dense))
    )
