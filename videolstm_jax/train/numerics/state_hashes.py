"""hashes.jsonl: digests of the state every so many steps, by which two trainings are compared."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from videolstm_jax.train.checkpoints.manifest import manifest_digest, manifest_of
from videolstm_jax.train.log import MetricsLog

if TYPE_CHECKING:
    from etils import epath

    from videolstm_jax.types import TrainState

# Characters of an array's sha256 that a line has: enough to tell two apart.
_SHOWN = 16


class StateHashes:
    """Writes a line for a state: its step, the sha256 of all of it, and of each array the first.

    The sha256 of the paper's model takes up to seconds, so a thread computes it while training goes
    on. A training that goes on from a checkpoint writes the same lines again.
    """

    def __init__(self, path: epath.Path, every: int, start: int):
        """Opens the file to continue after a step.

        Args:
          path: of the file.
          every: steps between two lines; 0 makes no file.
          start: lines of later steps are dropped.
        """
        self._running: Future[None] | None = None
        # Lines of steps that will be made again are dropped, also where none are added.
        if every or path.exists():
            self._log = MetricsLog(path, step=start)
        # One thread: lines are written in the order of their steps.
        self._pool = ThreadPoolExecutor(1)

    def add(self, state: TrainState) -> None:
        """Begins to write the line of a state."""
        # At most one copy of the state is in memory beside the training's own.
        self.wait()
        # A copy: the next step donates the buffers of the state.
        self._running = self._pool.submit(self._write, jax.tree.map(np.array, state))

    def wait(self) -> None:
        """Waits until the last line is in the file; raises what its thread raised."""
        if self._running is not None:
            self._running.result()
            self._running = None

    def _write(self, state: TrainState) -> None:
        self._log.write(int(state.step), state_digests(state))


def state_digests(state: TrainState) -> dict[str, Any]:
    """The `sha256` of a whole state, and the first characters of that of every array."""
    manifest = manifest_of(state)
    arrays = {}
    for name, row in manifest.items():
        arrays[name] = row["sha256"][:_SHOWN]
    return {"sha256": manifest_digest(manifest), "arrays": arrays}
