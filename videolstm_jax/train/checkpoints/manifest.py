"""What a checkpoint records of itself: the dtype, shape and sha256 of every array, and an identity.

Files may be damaged or mixed up after they were written. So nothing that is read is trusted: the
arrays are compared with this record, and the record with its own sha256.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from videolstm_jax.errors import FileError
from videolstm_jax.train.checkpoints.orbax_errors import DamagedCheckpoint
from videolstm_jax.train.graft import named_param_leaves

if TYPE_CHECKING:
    from etils import epath

    from videolstm_jax.types import PyTree

# Characters of a sha256 that a message shows: enough to tell two apart.
_SHOWN = 16


def manifest_of(tree: PyTree, *, content: bool = True) -> dict[str, dict[str, Any]]:
    """Dtype, shape and, with `content`, sha256 of every array by its dotted name."""
    rows = {}
    for name, leaf in named_param_leaves(tree).items():
        rows[name] = {"dtype": str(leaf.dtype), "shape": list(leaf.shape)}
        if content:
            # Contiguous: the order of axes in memory may differ where the values do not.
            rows[name]["sha256"] = hashlib.sha256(np.ascontiguousarray(leaf).tobytes()).hexdigest()
    return rows


def manifest_rows_within(prefix: str, leaves: Mapping[str, Any]) -> dict[str, Any]:
    """The rows of the arrays whose names begin with `prefix`."""
    rows = {}
    for name, row in leaves.items():
        if name.startswith(prefix):
            rows[name] = row
    return rows


def manifest_json(value: Any) -> Any:
    """A value as it comes back from a JSON file: tuples become lists."""
    # JSON has no NaN. Python would write one that other readers refuse.
    return json.loads(json.dumps(value, allow_nan=False))


def manifest_digest(meta: Mapping[str, Any]) -> str:
    """The sha256 of JSON values, whatever the order of their names."""
    return hashlib.sha256(json.dumps(meta, sort_keys=True).encode()).hexdigest()


def checked_checkpoint_meta(meta: Any, place: epath.Path) -> dict[str, Any]:
    """The JSON item of a checkpoint without its sha256, which must agree.

    Raises:
      DamagedCheckpoint: it is not what was written.
    """
    sha256 = None
    if isinstance(meta, dict):
        sha256 = meta.pop("sha256", None)
    if sha256 is None or sha256 != manifest_digest(meta):
        raise DamagedCheckpoint(f"{place}: the JSON item is damaged: its sha256 does not agree")
    return meta


_BEFORE_THE_SETTING = {"data.fit": "squash"}
"""What checkpoints did that were made before a setting was part of their identity."""
_LATER = ("extractor.",)
"""How names begin that were added to the identity later; a checkpoint without them is older."""


def check_checkpoint_identity(
    saved: Mapping[str, Any], identity: Mapping[str, Any], place: epath.Path, run: epath.Path
) -> None:
    """Compares the identity of a checkpoint with the one that it must agree with.

    Args:
      saved: the identity in the checkpoint; keys that `identity` lacks are not compared.
      identity: of the training that reads it.
      place: the folder of the checkpoint, for messages.
      run: the folder of its training, for messages.

    Raises:
      FileError: they differ.
    """
    unrecorded_names = unrecorded_identity(saved, identity)
    # A setting that did not exist had the effect of one of its values.
    saved = {**_BEFORE_THE_SETTING, **saved}
    for name, value in manifest_json(identity).items():
        if name in unrecorded_names or saved.get(name) == value:
            continue
        if name == "videos":
            # Two hashes would tell nobody what changed.
            raise FileError(
                f"{place} was made with another training list: its videos, their labels or "
                "their files have changed, as with another data.split. Expected the same: take "
                f"another workdir, or remove {run} to train anew (videos {saved.get(name)}; "
                f"expected {value})"
            )
        raise FileError(
            f"{place} was made with {name} {saved.get(name)!r}; expected {value!r}: remove {run} "
            "to train anew"
        )


def unrecorded_identity(saved: Mapping[str, Any], identity: Mapping[str, Any]) -> list[str]:
    """The names of an identity that a checkpoint of an earlier version does not have.

    Args:
      saved: the identity in the checkpoint.
      identity: of the training that reads it.
    """
    names = []
    for name in identity:
        if name.startswith(_LATER) and name not in saved:
            names.append(name)
    return names


def check_checkpoint_fits(
    leaves: Mapping[str, Any], expected: Mapping[str, Any], place: epath.Path
) -> None:
    """Compares the manifest of a checkpoint with one that has no content.

    Raises:
      FileError: an array is missing, too many, or of another dtype or shape.
    """
    # Both lists of names, to find what is missing and what is too many.
    for name in [*expected, *leaves]:
        row, like = leaves.get(name), expected.get(name)
        agrees = row is not None and like is not None
        if agrees:
            # The content is compared when it has been read; `like` has no sha256.
            agrees = all(row[key] == like[key] for key in like)
        if not agrees:
            raise FileError(f"{place}: {name} is {_describe(row)}; expected {_describe(like)}")


def check_checkpoint_content(
    leaves: Mapping[str, Any], manifest: Mapping[str, Any], place: epath.Path
) -> None:
    """Compares arrays that were read with those that were saved.

    Args:
      leaves: the manifest in the checkpoint.
      manifest: of the arrays that were read, which may be some of them.
      place: the folder of the checkpoint, for messages.

    Raises:
      DamagedCheckpoint: the content of an array is not the one that was saved.
    """
    # By the arrays that were read: a model reads the parameters and no state of the optimizer.
    for name, row in manifest.items():
        saved = leaves[name]
        if row != saved:
            raise DamagedCheckpoint(
                f"{place}: {name} is damaged: its sha256 is {row['sha256'][:_SHOWN]}; expected "
                f"{saved['sha256'][:_SHOWN]}"
            )


def _describe(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return "absent"
    return f"{row['dtype']} {row['shape']}"
