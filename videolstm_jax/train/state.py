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
    """Scalars of one step.

    `accuracy` is the mean over frames; `gradient_norm` is taken before clipping. `not_finite` is 0,
    or says which value of the step is not finite, see `finite.first_not_finite`.
    """

    loss: Array
    accuracy: Array
    gradient_norm: Array
    not_finite: Array


def new_training_state(params: PyTree, tx: optax.GradientTransformation) -> TrainState:
    """The state before the first step; the parameters are copied.

    `make_step` donates the state and with it the buffers of its parameters.
    """
    params = jax.tree.map(lambda leaf: jnp.array(leaf, copy=True), params)
    # An array of the state, so that a checkpoint holds it with the rest.
    return TrainState(jnp.zeros((), jnp.int32), params, tx.init(params))
