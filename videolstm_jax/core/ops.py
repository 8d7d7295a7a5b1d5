"""The equations of the paper as functions of arrays: one LSTM, one attention, two uses of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

from videolstm_jax.core.engines import convolution_of_places
from videolstm_jax.types import LSTMState

if TYPE_CHECKING:
    from videolstm_jax.types import Array, AttentionParams


def total(bias: Array, *terms: Array) -> Array:
    """The sums inside Eqs. (1)-(4), (7) and (10)-(13), in the dtype of the bias.

    Args:
      bias: [O].
      terms: maps [.., O] that broadcast against each other.

    Returns:
      [.., O], the sum of all.
    """
    # Products of 16 bits are added up in the 32 bits of the bias.
    first, *further_terms = (term.astype(bias.dtype) for term in terms)
    # Its rank is made that of the terms, because JAX may be set to refuse a promotion of ranks.
    bias = bias.reshape((1,) * (first.ndim - 1) + (-1,))
    return sum(further_terms, first + bias)


def lstm(state: LSTMState, z: Array) -> LSTMState:
    """The LSTM after its sums, Eqs. (1)-(6) and (10)-(15).

    Args:
      state: C_{t-1} and H_{t-1}, [B, N, N, K].
      z: the sums of the gates i, f, o and the candidate g, [B, N, N, 4K] in this order.

    Returns:
      C_t and H_t, [B, N, N, K].
    """
    # One map holds all four sums, so that one convolution makes them. `core.params` draws the
    # kernels, and sets the bias of the forget gate, in the same order.
    i, f, o, g = jnp.split(z, 4, axis=-1)
    # Eqs. (1)-(4), (10)-(13): the nonlinearities of the gates I, F, O and of the candidate G.
    gate_i, gate_f, gate_o = jax.nn.sigmoid(i), jax.nn.sigmoid(f), jax.nn.sigmoid(o)
    candidate = jnp.tanh(g)
    # Eqs. (5), (14): C_t = F * C_{t-1} + I * G, place by place.
    cell = gate_f * state.cell + gate_i * candidate
    # Eqs. (6), (15): H_t = O * tanh(C_t).
    return LSTMState(cell, gate_o * jnp.tanh(cell))


def attention(p: AttentionParams, query: Array, h: Array) -> Array:
    """The attention map, Eqs. (7)-(8): a softmax of Z_t over all places.

    Z_t = W_z * tanh(W_xa * X_t + W_ha * H + b_a).

    Args:
      p: the attention's parameters.
      query: W_xa * X_t, [B, N, N, A]; its dtype is the one W_ha * H is computed in.
      h: H_{t-1}, or H^m_t in the motion cells, [B, N, N, K]; a vector [B, 1, 1, K] is the same at
        every place.

    Returns:
      A_t [B, N, N, 1], which sums to one, in the dtype of the parameters.
    """
    # The tanh of Eq. (7). A map of one place broadcasts: a vector H adds the same everywhere.
    hidden = jnp.tanh(total(p.bias, query, convolution_of_places(p.hidden, h, dtype=query.dtype)))
    # Z_t [B, N, N, 1]: W_z is a 1 x 1 kernel with one output.
    scores = convolution_of_places(p.score[:, None], hidden)
    # Eq. (8): over both axes of places together, so that the whole map sums to one.
    return jax.nn.softmax(scores, axis=(1, 2))


def weigh(a: Array, x: Array) -> Array:
    """The map with every place weighted, Eq. (9): A_t * X_t.

    Args:
      a: A_t [B, N, N, 1].
      x: X_t [B, N, N, D].

    Returns:
      [B, N, N, D] in the dtype of `a`.
    """
    return a * x.astype(a.dtype)


def expect(a: Array, x: Array) -> Array:
    """The weighted mean over all places, as ALSTM reads its attention: sum over ij of A^ij X^ij.

    Args:
      a: A_t [B, N, N, 1].
      x: X_t [B, N, N, D].

    Returns:
      [B, 1, 1, D] in the dtype of `a`.
    """
    # The axes stay with size 1, so that the LSTM after it reads a map as ever.
    return jnp.sum(weigh(a, x), axis=(1, 2), keepdims=True)
