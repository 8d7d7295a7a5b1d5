"""The folder of the checkpoint that is a run's result, and what its last checkpoint holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from videolstm_jax.train.checkpoints.checkpoint import Checkpoints

if TYPE_CHECKING:
    from videolstm_jax.files import PathLike
    from videolstm_jax.types import PyTree


def checkpoint_folder(keep: str) -> str:
    """The folder, in that of a run, with the parameters that are its result; see `train.keep`."""
    # With `best` the last checkpoint is there too, to go on from; it is not the result.
    return "ckpt" if keep == "last" else "best"


def latest_checkpoint_step(folder: PathLike) -> int | None:
    """The step of the last complete checkpoint in a folder."""
    with Checkpoints(folder, create=False) as checkpoints:
        return checkpoints.latest


def load_checkpoint_params(
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
