"""Checkpoints that describe their content, and are checked bit by bit when they are read."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from etils import epath

from videolstm_jax.errors import FileError
from videolstm_jax.files import system_error_text
from videolstm_jax.train.graft import named_leaves
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
    """

    def __init__(self, folder: PathLike, *, keep: int = 2, create: bool = True):
        """Opens a folder that holds the last `keep` checkpoints.

        Raises:
          FileError: there is no such folder, and it is not to be created.
        """
        # Orbax takes half a second to import, and most of the package never needs it.
        import orbax.checkpoint as ocp

        self._args = ocp.args
        self.folder = epath.Path(folder).expanduser().absolute()
        if not create and not self.folder.exists():
            raise FileError(f"{self.folder} is missing; expected a folder of checkpoints")
        self.folder.mkdir(parents=True, exist_ok=True)
        self._manager = ocp.CheckpointManager(
            self.folder,
            options=ocp.CheckpointManagerOptions(max_to_keep=keep),
            # Items of their own, so that the parameters can be read without the optimizer's state.
            item_names=("params", "rest", "meta"),
        )

    def __enter__(self) -> Checkpoints:
        """The checkpoints themselves."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes them."""
        self.close()

    @property
    def latest(self) -> int | None:
        """The step of the last complete checkpoint, or None."""
        return max(self._manager.all_steps(), default=None)

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
        if step in self._manager.all_steps():
            return
        # The copy is written while training continues, which donates the buffers of the state.
        state = jax.tree.map(np.array, state)
        meta = _as_json({"identity": identity, "about": about, "leaves": _manifest(state)})
        meta["sha256"] = _digest(meta)
        save = self._args.StandardSave
        items = self._args.Composite(
            params=save(state.params),
            rest=save((state.step, state.opt_state)),
            meta=self._args.JsonSave(meta),
        )
        with self._as_file_error(f"cannot save step {step}"):
            self._manager.save(step, args=items)

    def wait(self) -> None:
        """Waits for the last save to end.

        Raises:
          FileError: it failed.
        """
        with self._as_file_error("cannot save"):
            self._manager.wait_until_finished()

    def close(self) -> None:
        """Waits for the last save and closes the folder; raises as `wait`."""
        try:
            self.wait()
        finally:
            self._manager.close()

    # ---- reading ---------------------------------------------------------------------------------

    def meta(self, step: int | None = None) -> dict[str, Any]:
        """The JSON item of a checkpoint: `identity`, `about`, `leaves`.

        Raises:
          FileError: there is no such checkpoint, or its JSON item is damaged.
        """
        step = self._existing(step)
        items = self._args.Composite(meta=self._args.JsonRestore())
        with self._as_file_error(f"the JSON item of step {step} cannot be read"):
            meta = self._manager.restore(step, args=items)["meta"]
        sha256 = None
        if isinstance(meta, dict):
            sha256 = meta.pop("sha256", None)
        if sha256 is None or sha256 != _digest(meta):
            raise FileError(
                f"{self.folder / str(step)}: the JSON item is damaged: its sha256 does not agree"
            )
        return meta

    def params_sha256(self, step: int | None = None) -> str:
        """One sha256 of all parameters of a checkpoint, made from those of its arrays."""
        return _digest(_within("params.", self.meta(step)["leaves"]))

    def check(
        self, like: TrainState, *, identity: Mapping[str, Any], step: int | None = None
    ) -> None:
        """Compares a checkpoint with what `restore` would need, without reading its arrays.

        Raises:
          FileError: it is of something else.
        """
        step = self._existing(step)
        self._check(step, self.meta(step), _manifest(like, content=False), identity)

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
          FileError: there is none, it is of something else, an array is missing, of another shape,
            or damaged.
        """
        step = self._existing(step)
        meta = self.meta(step)
        self._check(step, meta, _manifest(like, content=False), identity)
        params = self._read(step, "params", like.params)
        train_step, opt_state = self._read(step, "rest", (like.step, like.opt_state))
        state = TrainState(train_step, params, opt_state)
        self._verify(step, meta, _manifest(state))
        return jax.tree.map(_placed, state, like), meta["about"]

    def restore_params(
        self, like: PyTree, *, identity: Mapping[str, Any], step: int | None = None
    ) -> tuple[PyTree, dict[str, Any]]:
        """Reads the parameters and leaves the optimizer's state on disk; otherwise as `restore`."""
        step = self._existing(step)
        meta = self.meta(step)
        expected = _manifest({"params": like}, content=False)
        self._check(step, meta, expected, identity, within="params.")
        params = self._read(step, "params", like)
        self._verify(step, meta, _manifest({"params": params}))
        return jax.tree.map(_placed, params, like), meta["about"]

    def _read(self, step: int, item: str, like: PyTree) -> PyTree:
        # Read without a sharding, so that the devices may be others than those that saved. Then
        # `_placed` puts the arrays where the caller needs them.
        target = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), like)
        items = self._args.Composite(**{item: self._args.StandardRestore(target)})
        with self._as_file_error(f"{item} of step {step} cannot be read"):
            return self._manager.restore(step, args=items)[item]

    def _check(
        self,
        step: int,
        meta: dict,
        expected: dict,
        identity: Mapping[str, Any],
        within: str = "",
    ) -> None:
        """Raises FileError where identity, names, dtypes or shapes are not those expected."""
        place = self.folder / str(step)
        for name, value in _as_json(identity).items():
            saved = meta["identity"].get(name)
            if saved != value and name == "videos":
                # Two hashes would tell nobody what changed.
                raise FileError(
                    f"{place} was made with another training list: its videos, their labels or "
                    "their files have changed, as with another data.split. Expected the same: take "
                    f"another workdir, or remove {self.folder.parent} to train anew"
                )
            if saved != value:
                raise FileError(
                    f"{place} was made with {name} {saved!r}; expected {value!r}: remove "
                    f"{self.folder.parent} to train anew"
                )
        leaves = _within(within, meta["leaves"])
        # Both lists of names, to find what is missing and what is too many.
        for name in [*expected, *leaves]:
            row, like = leaves.get(name), expected.get(name)
            fits = row is not None and like is not None
            if fits:
                # The content is compared when it has been read; `like` has no sha256.
                fits = all(row[key] == like[key] for key in like)
            if not fits:
                raise FileError(f"{place}: {name} is {_describe(row)}; expected {_describe(like)}")

    def _verify(self, step: int, meta: dict, manifest: dict) -> None:
        """Raises FileError where the content of an array is not the one that was saved."""
        for name, row in manifest.items():
            saved = meta["leaves"][name]
            if row != saved:
                raise FileError(
                    f"{self.folder / str(step)}: {name} is damaged: its sha256 is "
                    f"{row['sha256'][:16]}; expected {saved['sha256'][:16]}"
                )

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

    @contextlib.contextmanager
    def _as_file_error(self, problem: str) -> Iterator[None]:
        try:
            yield
        # Orbax and tensorstore raise many kinds of errors; the user needs the folder and the cause.
        except Exception as error:
            raise FileError(f"{self.folder}: {problem}: {_cause(error)}") from error


def _cause(error: Exception) -> str:
    """The cause of an error of orbax; where the system has refused something, its own text."""
    if isinstance(error, OSError) and error.errno is not None:
        return system_error_text(error)
    # Tensorstore writes the system's number into a message of several hundred characters.
    code = re.search(r"os_error_code='(\d+)'", str(error))
    if code:
        number = int(code[1])
        return system_error_text(OSError(number, os.strerror(number)))
    return f"{type(error).__name__}: {error}"


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
        params, _ = checkpoints.restore_params(like, identity=identity or {})
    return params


def _manifest(tree: PyTree, *, content: bool = True) -> dict[str, dict[str, Any]]:
    """Dtype, shape and, with `content`, sha256 of every array by its dotted name."""
    rows = {}
    for name, leaf in named_leaves(tree).items():
        rows[name] = {"dtype": str(leaf.dtype), "shape": list(leaf.shape)}
        if content:
            rows[name]["sha256"] = hashlib.sha256(np.ascontiguousarray(leaf).tobytes()).hexdigest()
    return rows


def _within(prefix: str, leaves: Mapping[str, Any]) -> dict[str, Any]:
    """The rows of the arrays whose names begin with `prefix`."""
    rows = {}
    for name, row in leaves.items():
        if name.startswith(prefix):
            rows[name] = row
    return rows


def _as_json(value: Any) -> Any:
    """A value as it comes back from a JSON file: tuples become lists."""
    return json.loads(json.dumps(value, allow_nan=False))


def _digest(meta: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(meta, sort_keys=True).encode()).hexdigest()


def _describe(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return "absent"
    return f"{row['dtype']} {row['shape']}"


def _placed(leaf: np.ndarray, like: Any) -> Any:
    """The array on the devices of `like`; on the default one where that names none."""
    return jax.device_put(leaf, getattr(like, "sharding", None))
