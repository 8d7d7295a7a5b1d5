"""Finds, inside a training step, the first number of it that is not finite, and names it.

All of it is computed by the devices with the step. The host learns of it with the metrics, which it
fetches after each step anyway.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

from videolstm_jax.train.graft import named_param_leaves

if TYPE_CHECKING:
    from videolstm_jax.train.state import Metrics
    from videolstm_jax.types import Array, PyTree, TrainState


def first_not_finite(
    loss: Array, accuracy: Array, gradient: PyTree, gradient_norm: Array, after: TrainState
) -> Array:
    """The number of the first value of a step that is not finite, or 0: int32 [].

    The state after the update is one of them: with a finite gradient the update may overflow, and
    every later step would fail.

    Args:
      loss: of the batch.
      accuracy: of the batch.
      gradient: of the parameters.
      gradient_norm: of all of it; it overflows before a value of 1e20 does.
      after: the state with the update.

    Returns:
      k for the k-th name of `names_of_finite_checks`.
    """
    # In the order of `names_of_finite_checks`: the cause comes before what it spoils.
    values = [loss, accuracy, *jax.tree.leaves(gradient), gradient_norm]
    values += _floats(after).values()
    flags = []
    for leaf in values:
        flags.append(~jnp.isfinite(leaf).all())
    not_finite = jnp.stack(flags)
    # `argmax` of booleans is the first true one; 0 is left for none.
    return jnp.where(not_finite.any(), jnp.argmax(not_finite) + 1, 0).astype(jnp.int32)


def names_of_finite_checks(state: TrainState) -> list[str]:
    """What `first_not_finite` looks at, in its order, in the words of a message."""
    names = ["the loss", "the accuracy"]
    for name in named_param_leaves(state.params):
        names.append(f"the gradient of params.{name}")
    names.append("the norm of the gradient")
    for name in _floats(state):
        names.append(f"{name} after the update")
    return names


def state_unless_not_finite(not_finite: Array, before: TrainState, after: TrainState) -> TrainState:
    """The state after a step; parameters and optimizer stay as they were where it is not finite.

    The step is counted in both cases, since its batch has been drawn.
    """

    def choose(new: Array, old: Array) -> Array:
        # A selection, and no product with 0 or 1: 0 times infinity is no number.
        return jnp.where(not_finite == 0, new, old)

    params, opt_state = jax.tree.map(
        choose, (after.params, after.opt_state), (before.params, before.opt_state)
    )
    return after._replace(params=params, opt_state=opt_state)


def not_finite_problem(metrics: Metrics, names: list[str]) -> str:
    """What is not finite in a step, such as "the loss is nan"; empty where all is finite.

    Args:
      metrics: of the step, on the host.
      names: `names_of_finite_checks` of the state.
    """
    if not metrics.not_finite:
        return ""
    name = names[int(metrics.not_finite) - 1]
    # The metrics are there as numbers; of an array only its name is known.
    value = {"the loss": metrics.loss, "the accuracy": metrics.accuracy}.get(name)
    if value is None:
        return f"{name} is not finite"
    return f"{name} is {float(value)}"


def _floats(state: TrainState) -> dict[str, Array]:
    """The arrays of a state that may be infinite, by their dotted names."""
    leaves = {}
    for name, leaf in named_param_leaves(state).items():
        # Counters of steps are integers, which are always finite.
        if jnp.issubdtype(leaf.dtype, jnp.inexact):
            leaves[name] = leaf
    return leaves
