"""Lets all processes of a training stop after the same step, whichever one got the signal."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from videolstm_jax.train.mesh import batch_on_mesh, batched_sharding, replicated_sharding

if TYPE_CHECKING:
    from jax.sharding import Mesh

    from videolstm_jax.train.state import Metrics
    from videolstm_jax.train.step import StepFn
    from videolstm_jax.types import TrainState


class SharedStop:
    """A step that also takes the signal of each process, and gives the greatest to all.

    The number goes through the same program as the gradients. A program of its own would cost a
    round trip a step, and two programs in flight can deadlock the all-reduce of CPU devices.
    """

    def __init__(self, step_fn: StepFn, mesh: Mesh, own_signal: Callable[[], int]):
        """Wraps a step.

        Args:
          step_fn: of `make_step`.
          mesh: over the devices of all processes.
          own_signal: the number of the signal that this process has got, or 0.
        """

        def step_and_signal(state: TrainState, batch: Any, signals: Any) -> Any:
            return (*step_fn(state, batch), jnp.max(signals))

        self._step = jax.jit(
            step_and_signal,
            donate_argnums=0,
            in_shardings=(
                replicated_sharding(mesh),
                batched_sharding(mesh),
                batched_sharding(mesh),
            ),
            out_shardings=replicated_sharding(mesh),
        )
        self._mesh = mesh
        self._own_devices = len(mesh.local_devices)
        self._own_signal = own_signal
        self._signal: Any = 0

    def step(self, state: TrainState, batch: Any) -> tuple[TrainState, Metrics]:
        """Makes a step; its `stop` is known when the step is done."""
        # One row a device: the array is spread as a batch is.
        own_signals = np.full(self._own_devices, self._own_signal(), np.int32)
        state, metrics, self._signal = self._step(
            state, batch, batch_on_mesh(own_signals, self._mesh)
        )
        return state, metrics

    def stop(self) -> int:
        """The greatest signal that any process had before the last step, or 0."""
        # Waits for the step. The loop has fetched its metrics by then, so the wait is over.
        return int(self._signal)
