"""Data parallelism: the batch is spread over the devices, the state is on each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from videolstm_jax.cluster import team
from videolstm_jax.errors import ConfigError

if TYPE_CHECKING:
    from videolstm_jax.types import PyTree


def data_mesh(devices: int, batch: int, shards: int = 0) -> Mesh:
    """A mesh of one axis, `data`, over devices of all processes; of each process as many.

    Args:
      devices: how many, 0 for all.
      batch: B, which they share.
      shards: parts of a batch, which they share too; 0 for none.

    Raises:
      ConfigError: there are not that many devices, or they cannot share the batch evenly.
    """
    processes = jax.process_count()
    if processes != team.current_team().count:
        # Each would write the files of the run.
        raise ConfigError(
            f"JAX runs on {processes} processes that have not joined; expected "
            "`cluster.start.join_processes` in place of `jax.distributed.initialize`"
        )
    present = _present_devices()
    count = devices or mesh_device_count()
    if count > len(present):
        where = "this machine shows" if processes == 1 else f"{processes} processes have"
        raise ConfigError(
            f"train.devices is {count}; {where} {len(present)} ({jax.default_backend()})"
        )
    if batch % count:
        message = f"the batch is {batch}; expected a multiple of train.devices, {count}"
        fitting = _largest_fitting(len(present), batch, processes)
        if fitting:
            message += f", or --train.devices={fitting}"
        raise ConfigError(message)
    if shards and (batch % shards or shards % count):
        raise ConfigError(
            f"train.shards is {shards}; expected a divisor of the batch, {batch}, and a multiple "
            f"of train.devices, {count}"
        )
    return Mesh(_of_each_process(present, count), ("data",), axis_types=(AxisType.Auto,))


def _present_devices() -> list[jax.Device]:
    """The devices of all processes, process after process, which is the order of a batch's rows."""
    # JAX may list the devices of a TPU slice in another order.
    return sorted(jax.devices(), key=lambda device: (device.process_index, device.id))


def mesh_device_count() -> int:
    """The devices that a training takes where `train.devices` is 0: those of all processes."""
    return len(jax.devices())


def mesh_text(mesh: Mesh) -> str:
    """The devices of a mesh in words, such as `16 devices of 2 processes`."""
    text = f"{mesh.size} device{'s' * (mesh.size != 1)}"
    if jax.process_count() > 1:
        text += f" of {jax.process_count()} processes"
    return text


def _of_each_process(present: Sequence[jax.Device], count: int) -> np.ndarray:
    """As many devices of each process, since each one reads as many rows of a batch."""
    by_process: dict[int, list[jax.Device]] = {}
    for device in present:
        by_process.setdefault(device.process_index, []).append(device)
    share, rest = divmod(count, len(by_process))
    fewest = min(map(len, by_process.values()))
    if rest or share > fewest:
        counts = ", ".join(str(len(devices)) for devices in by_process.values())
        raise ConfigError(
            f"train.devices is {count}, and the processes have {counts} devices; expected as many "
            f"of each process, such as --train.devices={fewest * len(by_process)}"
        )
    chosen: list[jax.Device] = []
    for devices in by_process.values():
        chosen += devices[:share]
    return np.array(chosen)


def _largest_fitting(present: int, batch: int, processes: int) -> int:
    """The most devices that share a batch evenly, as many of each process; 0 for none."""
    for count in range(present, 0, -1):
        if batch % count == 0 and count % processes == 0:
            return count
    return 0


def replicated_sharding(mesh: Mesh) -> NamedSharding:
    """The whole array on every device."""
    return NamedSharding(mesh, PartitionSpec())


def batched_sharding(mesh: Mesh) -> NamedSharding:
    """The first axis, B, spread over the devices."""
    return NamedSharding(mesh, PartitionSpec("data"))


def replicate_on_mesh(tree: PyTree, mesh: Mesh) -> PyTree:
    """Puts the whole tree on every device of the mesh; all processes must have the same tree."""
    sharding = replicated_sharding(mesh)
    return jax.tree.map(lambda leaf: array_placed_on_mesh(leaf, sharding), tree)


def array_placed_on_mesh(leaf: Any, sharding: Any) -> jax.Array:
    """The whole array on devices, also of other processes, which must have the same array."""
    # Of this process alone, which is what `device_put` is for.
    if sharding is None or sharding.is_fully_addressable:
        return jax.device_put(leaf, sharding)
    # `device_put` would send the array to all processes to compare it. They compare digests.
    values = np.asarray(leaf)
    return jax.make_array_from_callback(values.shape, sharding, lambda index: values[index])


def local_copy_of_training_state(tree: PyTree) -> PyTree:
    """A replicated tree on one device of this process, for work that each process does alone."""
    # Every device has the whole array, so the first one is as good as any.
    return jax.tree.map(lambda leaf: leaf.addressable_data(0), tree)


def batch_on_mesh(batch: PyTree, mesh: Mesh) -> PyTree:
    """Puts a batch of numpy arrays on the mesh; of several processes, each gives its own rows."""
    sharding = batched_sharding(mesh)
    return jax.tree.map(lambda leaf: jax.make_array_from_process_local_data(sharding, leaf), batch)
