"""Data parallelism: the batch is spread over the devices, the state is on each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from videolstm_jax.errors import ConfigError

if TYPE_CHECKING:
    from videolstm_jax.types import PyTree


def data_mesh(devices: int, batch: int) -> Mesh:
    """A mesh of one axis, `data`, over the first `devices` devices.

    Raises:
      ConfigError: there are not that many devices, or they cannot share the batch evenly.
    """
    # Of all processes: a training on several machines spans the devices of all.
    present = len(jax.devices())
    if devices > present:
        raise ConfigError(
            f"train.devices is {devices}; this machine shows {present} ({jax.default_backend()})"
        )
    if batch % devices:
        raise ConfigError(f"the batch is {batch}; expected a multiple of train.devices, {devices}")
    # Auto: XLA chooses how the arrays inside a step are spread, from those that enter and leave it.
    return jax.make_mesh(
        (devices,), ("data",), axis_types=(AxisType.Auto,), devices=jax.devices()[:devices]
    )


def replicated(mesh: Mesh) -> NamedSharding:
    """The whole array on every device."""
    return NamedSharding(mesh, PartitionSpec())


def batched(mesh: Mesh) -> NamedSharding:
    """The first axis, B, spread over the devices."""
    return NamedSharding(mesh, PartitionSpec("data"))


def replicate(tree: PyTree, mesh: Mesh) -> PyTree:
    """Puts the whole tree on every device of the mesh."""
    return jax.device_put(tree, replicated(mesh))


def spread(batch: PyTree, mesh: Mesh) -> PyTree:
    """Puts a batch of numpy arrays on the mesh; of several processes, each gives its own rows."""
    sharding = batched(mesh)
    return jax.tree.map(lambda leaf: jax.make_array_from_process_local_data(sharding, leaf), batch)
