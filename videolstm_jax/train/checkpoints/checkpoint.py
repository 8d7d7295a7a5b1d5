"""Checkpoints that describe their content, and are checked bit by bit when they are read."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from etils import epath

from videolstm_jax.cluster import team
from videolstm_jax.durable import is_bucket
from videolstm_jax.errors import FileError
from videolstm_jax.train.checkpoints import manifest
from videolstm_jax.train.checkpoints.manager import opened_checkpoint_manager, sync_checkpoint_steps
from videolstm_jax.train.checkpoints.orbax_errors import checkpoint_damage, orbax_checkpoint_error
from videolstm_jax.train.checkpoints.versions import checkpoint_package_versions
from videolstm_jax.train.mesh import array_placed_on_mesh
from videolstm_jax.types import TrainState

if TYPE_CHECKING:
    from videolstm_jax.files import PathLike
    from videolstm_jax.types import PyTree


class Checkpoints:
    """The checkpoints of one training, in one folder; a context manager, see `close`.

    A checkpoint has three items: the parameters, the rest of the training state, and `meta`. The
    last is JSON: the caller's `identity` and `about`, and for every array its dtype, shape and
    sha256. `identity` must agree for a training to continue from the checkpoint (cell, classes ..).

    Orbax writes each checkpoint in a temporary folder and renames it when it is complete, so a
    process that is killed leaves the one before. The sha256 of `meta` itself and of each array find
    what happens to a file later: a reader gets the bits that were saved, or an error.

    Of several processes, process 0 writes and all read: each one has the whole state, so that
    nothing is gathered to save it.
    """

    def __init__(self, folder: PathLike, *, keep: int = 2, create: bool = True):
        """Opens a folder that holds the last `keep` checkpoints.

        Raises:
          FileError: there is no such folder, and it is not to be created.
        """
        # By default two are kept: where the newest is damaged, a training goes on from the other.
        self.folder = epath.Path(folder).expanduser()
        # `absolute` would make a local folder of the name of a bucket.
        if not is_bucket(self.folder):
            self.folder = self.folder.absolute()
        self._writes = team.current_team().is_first
        self._manager, self._args = opened_checkpoint_manager(self.folder, keep=keep, create=create)
        # Steps that were saved here, and may not be on the disk yet.
        self._unsynced: set[int] = set()

    def __enter__(self) -> Checkpoints:
        """The checkpoints themselves."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes them."""
        self.close()

    @property
    def latest(self) -> int | None:
        """The step of the last complete checkpoint, or None."""
        return max(self.steps, default=None)

    @property
    def steps(self) -> list[int]:
        """The steps of all complete checkpoints, the last one first."""
        return sorted(self._manager.all_steps(), reverse=True)

    def reload(self) -> None:
        """Looks again which checkpoints there are, after some were moved."""
        self._manager.reload()

    # ---- writing ---------------------------------------------------------------------------------

    def save(
        self, state: TrainState, *, identity: Mapping[str, Any], about: Mapping[str, Any]
    ) -> None:
        """Begins to save; a checkpoint of the same step is left as it is.

        Args:
          state: its `step` names the checkpoint.
          identity: JSON values that must agree when the checkpoint is read.
          about: JSON values handed back when it is read.

        Raises:
          FileError: this save could not begin, or the one before could not end (a full disk, say).
        """
        step = int(state.step)
        # The same step has the same content, since a training repeats itself to the bit.
        if not self._writes or step in self._manager.all_steps():
            return
        # The copy is written while training continues, which donates the buffers of the state.
        state = jax.tree.map(np.array, state)
        leaves = manifest.manifest_of(state)
        meta = manifest.manifest_json(
            {
                "identity": identity,
                "about": about,
                "versions": checkpoint_package_versions(),
                "leaves": leaves,
            }
        )
        # Last, so that it is of all that stands before it.
        meta["sha256"] = manifest.manifest_digest(meta)
        save = self._args.StandardSave
        items = self._args.Composite(
            params=save(state.params),
            rest=save((state.step, state.opt_state)),
            meta=self._args.JsonSave(meta),
        )
        with orbax_checkpoint_error(self.folder, f"cannot save step {step}"):
            # Orbax ends the save before this one first.
            self._manager.save(step, args=items)
            self._sync()
            self._unsynced.add(step)

    def wait(self) -> None:
        """Waits for the last save to end.

        Raises:
          FileError: it failed.
        """
        with orbax_checkpoint_error(self.folder, "cannot save"):
            self._manager.wait_until_finished()
            self._sync()

    def _sync(self) -> None:
        """Waits until the disk has the checkpoints whose save has ended."""
        # A name on the disk is not yet the content: after a loss of power the files could be empty.
        sync_checkpoint_steps(self.folder, self._unsynced)
        self._unsynced.clear()

    def close(self) -> None:
        """Waits for the last save and closes the folder; raises as `wait`."""
        try:
            self.wait()
        except FileError:
            # It has failed for the same cause, and would raise an error that names no folder.
            with contextlib.suppress(Exception):
                self._manager.close()
            raise
        with orbax_checkpoint_error(self.folder, "cannot save"):
            self._manager.close()

    # ---- reading ---------------------------------------------------------------------------------

    def meta(self, step: int | None = None) -> dict[str, Any]:
        """The JSON item of a checkpoint: `identity`, `about`, `versions`, `leaves`.

        Raises:
          FileError: there is no such checkpoint, or its JSON item is damaged.
        """
        step = self._existing(step)
        # An item of its own, so that it is read without the arrays, which may be gigabytes.
        items = self._args.Composite(meta=self._args.JsonRestore())
        with checkpoint_damage(self.folder / str(step), "the JSON item cannot be read"):
            meta = self._manager.restore(step, args=items)["meta"]
        return manifest.checked_checkpoint_meta(meta, self.folder / str(step))

    def params_sha256(self, step: int | None = None) -> str:
        """One sha256 of all parameters of a checkpoint, made from those of its arrays."""
        return manifest.manifest_digest(
            manifest.manifest_rows_within("params.", self.meta(step)["leaves"])
        )

    def check(
        self, like: TrainState, *, identity: Mapping[str, Any], step: int | None = None
    ) -> None:
        """Compares a checkpoint with what `restore` would need, without reading its arrays.

        Raises:
          FileError: it is of something else.
        """
        step = self._existing(step)
        self._check(step, self.meta(step), like, identity)

    def restore(
        self, like: TrainState, *, identity: Mapping[str, Any], step: int | None = None
    ) -> tuple[TrainState, dict[str, Any]]:
        """Reads a complete state.

        Args:
          like: arrays or `jax.ShapeDtypeStruct`; where they name a sharding, the arrays are put
            there.
          identity: what the checkpoint must agree with; its other keys are not compared.
          step: which checkpoint; None takes the last.

        Returns:
          The state, and what was saved as `about`.

        Raises:
          FileError: there is none, it is of something else, or an array is missing or of another
            shape.
          DamagedCheckpoint: it is not what was saved.
        """
        step = self._existing(step)
        # Before anything large is read: orbax would name the cause of a misfit less well.
        meta = self.meta(step)
        self._check(step, meta, like, identity)
        params = self._read(step, "params", like.params)
        train_step, opt_state = self._read(step, "rest", (like.step, like.opt_state))
        state = TrainState(train_step, params, opt_state)
        # Before they are placed: a process sees only its own part of an array on several devices.
        self._verify(step, meta, state)
        return jax.tree.map(_placed, state, like), meta["about"]

    def restore_params(
        self, like: PyTree, *, identity: Mapping[str, Any], step: int | None = None
    ) -> tuple[PyTree, dict[str, Any]]:
        """Reads the parameters and leaves the optimizer's state on disk; otherwise as `restore`."""
        step = self._existing(step)
        meta = self.meta(step)
        # Under the name that the parameters have in a whole state, so that names agree.
        self._check(step, meta, {"params": like}, identity, within="params.")
        params = self._read(step, "params", like)
        self._verify(step, meta, {"params": params})
        return jax.tree.map(_placed, params, like), meta["about"]

    def _read(self, step: int, item: str, like: PyTree) -> PyTree:
        # Read without a sharding, so that the devices may be others than those that saved. Then
        # `_placed` puts the arrays where the caller needs them.
        target = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), like)
        items = self._args.Composite(**{item: self._args.StandardRestore(target)})
        with checkpoint_damage(self.folder / str(step), f"{item} cannot be read"):
            return self._manager.restore(step, args=items)[item]

    def _check(
        self,
        step: int,
        meta: Mapping[str, Any],
        like: PyTree,
        identity: Mapping[str, Any],
        within: str = "",
    ) -> None:
        """Raises FileError where identity, names, dtypes or shapes are not those expected."""
        place = self.folder / str(step)
        manifest.check_checkpoint_identity(meta["identity"], identity, place, self.folder.parent)
        leaves = manifest.manifest_rows_within(within, meta["leaves"])
        manifest.check_checkpoint_fits(leaves, manifest.manifest_of(like, content=False), place)

    def _verify(self, step: int, meta: Mapping[str, Any], tree: PyTree) -> None:
        """Raises FileError where the content of an array is not the one that was saved."""
        place = self.folder / str(step)
        manifest.check_checkpoint_content(meta["leaves"], manifest.manifest_of(tree), place)

    def _existing(self, step: int | None) -> int:
        """The number of a checkpoint that is there, of the last one for None."""
        steps = self._manager.all_steps()
        if not steps or (step is not None and step not in steps):
            missing = "a checkpoint"
            if step is not None:
                missing = f"the checkpoint of step {step}"
            raise FileError(
                f"{self.folder} does not hold {missing}; it holds {sorted(steps) or 'none'}"
            )
        if step is None:
            return max(steps)
        return step


def _placed(leaf: np.ndarray, like: Any) -> Any:
    """The array on the devices of `like`; on the default one where that names none."""
    return array_placed_on_mesh(leaf, getattr(like, "sharding", None))
