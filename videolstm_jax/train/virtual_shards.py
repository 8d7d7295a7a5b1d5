"""Gradients that have the same bits on any number of devices: each part of a batch is summed apart.

Plain data parallelism adds rows in an order that depends on the number of devices, so its results
differ by rounding. Here the batch has a fixed number of parts, each with dropout masks of its own,
and the sums of the parts are added in their order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec

if TYPE_CHECKING:
    from jax.sharding import Mesh

    from videolstm_jax.train.step import LossFn
    from videolstm_jax.types import Array, PyTree


def sharded_loss_gradient(loss_fn: LossFn, mesh: Mesh, shards: int) -> Callable[..., Any]:
    """Returns a function as `jax.value_and_grad(loss_fn, has_aux=True)` does.

    Args:
      loss_fn: (params, batch, key) -> (loss, accuracy), means over the rows of a batch.
      mesh: over the devices; their number divides that of the shards.
      shards: V, parts of a batch.
    """
    on_each_device = shards // mesh.size

    def gradient_of_device(params: PyTree, batch: Any, key: Array) -> Any:
        first = jax.lax.axis_index("data") * on_each_device
        numbers = first + jnp.arange(on_each_device)
        parts = jax.tree.map(lambda leaf: leaf.reshape(on_each_device, -1, *leaf.shape[1:]), batch)

        def gradient_of_part(part: Any) -> Any:
            number, rows = part
            # The masks belong to the part, wherever it is computed.
            own_key = jax.random.fold_in(key, number)
            return jax.value_and_grad(loss_fn, has_aux=True)(params, rows, own_key)

        # One part after another: a batch of several would be compiled into other sums.
        of_parts = jax.lax.map(gradient_of_part, (numbers, parts))
        of_all = jax.tree.map(
            lambda leaf: jax.lax.all_gather(leaf, "data", axis=0, tiled=True), of_parts
        )
        return jax.tree.map(_mean_in_order, of_all)

    everywhere, spread = PartitionSpec(), PartitionSpec("data")
    return jax.shard_map(
        gradient_of_device,
        mesh=mesh,
        in_specs=(everywhere, spread, everywhere),
        out_specs=everywhere,
        # All devices add the same numbers in the same order, which JAX cannot prove.
        check_vma=False,
    )


def _mean_in_order(values: Array) -> Array:
    """The mean over the first axis, added from the first value to the last."""

    def add(total: Array, value: Array) -> tuple[Array, None]:
        return total + value, None

    total, _ = jax.lax.scan(add, jnp.zeros_like(values[0]), values)
    return total / values.shape[0]
