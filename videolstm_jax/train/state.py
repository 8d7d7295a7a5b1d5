"""What training carries from step to step, and the values it reports of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp

from videolstm_jax.types import TrainState

if TYPE_CHECKING:
    import optax

    from videolstm_jax.types import Array, PyTree


class Metrics(NamedTuple):
    """Of one step: `loss`, `accuracy` (the mean over frames) and `gradient_norm` before clipping;
    scalars.
    """

    loss: Array
    accuracy: Array
    gradient_norm: Array


def new_state(params: PyTree, tx: optax.GradientTransformation) -> TrainState:
    """The state before the first step.

    The parameters are copied, since `make_step` donates the state and with it whatever it holds.
    """
    params = jax.tree.map(lambda leaf: jnp.array(leaf, copy=True), params)
    return TrainState(jnp.zeros((), jnp.int32), params, tx.init(params))
