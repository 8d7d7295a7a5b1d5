"""Checkpoints that say what they hold, and are checked bit by bit when they are read."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from etils import epath

from videolstm_jax.errors import FileError
from videolstm_jax.train.graft import named_leaves
from videolstm_jax.types import TrainState

if TYPE_CHECKING:
    from videolstm_jax.files import PathLike
    from videolstm_jax.types import PyTree


class Checkpoints:
    """The checkpoints of one run, in one folder; a context manager that waits for the last save.

    Each holds the parameters, the rest of the training state, and a JSON item: the caller's
    `identity` and `about`, and for every leaf its dtype, shape and sha256. `identity` is what a run
    must have in common with a checkpoint to go on from it (cell, classes). Saves are asynchronous:
    the arrays are copied, then written while training goes on.
    """

    def __init__(self, folder: PathLike, *, keep: int = 2, create: bool = True):
        """Opens a folder that holds the last `keep` checkpoints.

        Raises:
          FileError: there is no such folder, and it is not to be created.
        """
        import orbax.checkpoint as ocp  # half a second, and most of the package never needs it

        self._args = ocp.args
        self.folder = epath.Path(folder).expanduser().absolute()
        if not create and not self.folder.exists():
            raise FileError(f"{self.folder} is missing; expected a folder of checkpoints")
        self.folder.mkdir(parents=True, exist_ok=True)
        options = ocp.CheckpointManagerOptions(max_to_keep=keep)
        self._manager = ocp.CheckpointManager(
            self.folder, options=options, item_names=("params", "rest", "meta")
        )

    def __enter__(self) -> Checkpoints:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def latest(self) -> int | None:
        """The step of the last whole checkpoint, or None."""
        return max(self._manager.all_steps(), default=None)

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
        if step in self._manager.all_steps():
            return
        state = jax.tree.map(
            np.array, state
        )  # copied: training donates these buffers before the save has ended
        meta = _plain({"identity": identity, "about": about, "leaves": described(state)})
        meta["sha256"] = _digest(meta)
        save = self._args.StandardSave
        items = self._args.Composite(
            params=save(state.params),
            rest=save((state.step, state.opt_state)),
            meta=self._args.JsonSave(meta),
        )
        with self._saying(f"cannot save step {step}"):
            self._manager.save(step, args=items)

    def wait(self) -> None:
        """Waits for the last save to end.

        Raises:
          FileError: it did not end well.
        """
        with self._saying("cannot save"):
            self._manager.wait_until_finished()

    def close(self) -> None:
        """Waits for the last save and lets go of the folder; raises as `wait`."""
        try:
            self.wait()
        finally:
            self._manager.close()

    def meta(self, step: int | None = None) -> dict[str, Any]:
        """The JSON item of a checkpoint: `identity`, `about`, `leaves`.

        Raises:
          FileError: there is no such checkpoint, or its JSON item is damaged.
        """
        step = self._step(step)
        with self._saying(f"the JSON item of step {step} cannot be read"):
            meta = self._manager.restore(
                step, args=self._args.Composite(meta=self._args.JsonRestore())
            )["meta"]
        claimed = meta.pop("sha256", None) if isinstance(meta, dict) else None
        if claimed is None or claimed != _digest(meta):
            raise FileError(
                f"{self.folder / str(step)}: the JSON item is damaged: its sha256 does not agree"
            )
        return meta

    def params_sha256(self, step: int | None = None) -> str:
        """One sha256 of all parameters of a checkpoint, from those of its leaves."""
        leaves = self.meta(step)["leaves"]
        return _digest({name: row for name, row in leaves.items() if name.startswith("params.")})

    def check(
        self, like: TrainState, *, identity: Mapping[str, Any], step: int | None = None
    ) -> None:
        """Raises FileError where a checkpoint is of something else than `restore` would be asked
        for.
        """
        step = self._step(step)
        self._check(step, self.meta(step), described(like, content=False), identity)

    def restore(
        self, like: TrainState, *, identity: Mapping[str, Any], step: int | None = None
    ) -> tuple[TrainState, dict[str, Any]]:
        """Reads a whole state.

        Args:
          like: arrays or `jax.ShapeDtypeStruct`; where they name a sharding, the arrays are put
            there.
          identity: what the checkpoint must agree with; keys it does not name are not compared.
          step: which checkpoint; None takes the last.

        Returns:
          The state, and what was saved as `about`.

        Raises:
          FileError: there is none, it is of something else, a leaf is missing, of another shape, or
            damaged.
        """
        step, meta = self._step(step), self.meta(step)
        items = {"params": like.params, "rest": (like.step, like.opt_state)}
        self._check(step, meta, described(like, content=False), identity)
        read = {item: self._read(step, item, tree) for item, tree in items.items()}
        state = TrainState(read["rest"][0], read["params"], read["rest"][1])
        self._verify(step, meta, described(state))
        return jax.tree.map(_placed, state, like), meta["about"]

    def restore_params(
        self, like: PyTree, *, identity: Mapping[str, Any], step: int | None = None
    ) -> tuple[PyTree, dict[str, Any]]:
        """Reads the parameters and leaves the optimizer's state on disk; otherwise as `restore`."""
        step, meta = self._step(step), self.meta(step)
        self._check(step, meta, described({"params": like}, content=False), identity, "params.")
        params = self._read(step, "params", like)
        self._verify(step, meta, described({"params": params}))
        return jax.tree.map(_placed, params, like), meta["about"]

    def _read(self, step: int, item: str, like: PyTree) -> PyTree:
        target = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), like)
        with self._saying(f"{item} of step {step} cannot be read"):
            return self._manager.restore(
                step, args=self._args.Composite(**{item: self._args.StandardRestore(target)})
            )[item]

    def _check(
        self, step: int, meta: dict, expected: dict, identity: Mapping[str, Any], within: str = ""
    ) -> None:
        where = self.folder / str(step)
        for name, value in _plain(identity).items():
            made = meta["identity"].get(name)
            if made != value:
                raise FileError(
                    f"{where} was made with {name} {made!r}; expected {value!r}: remove "
                    f"{self.folder.parent} to train anew"
                )
        found = {name: row for name, row in meta["leaves"].items() if name.startswith(within)}
        for name in [*expected, *found]:
            row, wanted = found.get(name), expected.get(name)
            if row is None or wanted is None or any(row[key] != wanted[key] for key in wanted):
                raise FileError(f"{where}: {name} is {_words(row)}; expected {_words(wanted)}")

    def _verify(self, step: int, meta: dict, found: dict) -> None:
        for name, row in found.items():
            if row != meta["leaves"][name]:
                raise FileError(
                    f"{self.folder / str(step)}: {name} is damaged: its sha256 is "
                    f"{row['sha256'][:16]}; expected {meta['leaves'][name]['sha256'][:16]}"
                )

    def _step(self, step: int | None) -> int:
        found = self._manager.all_steps()
        if not found or (step is not None and step not in found):
            wanted = "a checkpoint" if step is None else f"the checkpoint of step {step}"
            raise FileError(
                f"{self.folder} does not hold {wanted}; it holds {sorted(found) or 'none'}"
            )
        return max(found) if step is None else step

    @contextlib.contextmanager
    def _saying(self, what: str) -> Iterator[None]:
        try:
            yield
        # orbax and tensorstore raise many kinds; the caller needs the folder and the cause
        except Exception as error:
            raise FileError(f"{self.folder}: {what}: {type(error).__name__}: {error}") from error


def load_params(
    folder: PathLike, like: PyTree, *, identity: Mapping[str, Any] | None = None
) -> PyTree:
    """The parameters of the last checkpoint in a folder.

    Args:
      folder: of the checkpoints.
      like: parameters, or their `jax.ShapeDtypeStruct`.
      identity: what the checkpoint must agree with, such as `{"cell": "alstm"}`.

    Raises:
      FileError: as `Checkpoints.restore`.
    """
    with Checkpoints(folder, create=False) as checkpoints:
        return checkpoints.restore_params(like, identity=identity or {})[0]


def described(tree: PyTree, *, content: bool = True) -> dict[str, dict[str, Any]]:
    """Dtype, shape and, of real arrays, sha256 of every leaf by its dotted name."""
    rows = {}
    for name, leaf in named_leaves(tree).items():
        rows[name] = {"dtype": str(leaf.dtype), "shape": list(leaf.shape)}
        if content:
            rows[name]["sha256"] = hashlib.sha256(np.ascontiguousarray(leaf).tobytes()).hexdigest()
    return rows


def _plain(value: Any) -> Any:
    """What comes back of a value once it has been JSON: tuples are lists."""
    return json.loads(json.dumps(value, allow_nan=False))


def _digest(meta: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(meta, sort_keys=True).encode()).hexdigest()


def _words(row: Mapping[str, Any] | None) -> str:
    return "absent" if row is None else f"{row['dtype']} {row['shape']}"


def _placed(leaf: np.ndarray, like: Any) -> Any:
    return jax.device_put(leaf, getattr(like, "sharding", None))
