"""Parameters by dotted name, and their exchange."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

from videolstm_jax.errors import FileError

if TYPE_CHECKING:
    from videolstm_jax.types import Array, PyTree


def named_param_leaves(tree: PyTree) -> dict[str, Array]:
    """Every array under its dotted name, such as `cell.motion.above`, in the order of the tree."""
    leaves = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        leaves[jax.tree_util.keystr(path, simple=True, separator=".")] = leaf
    return leaves


def param_leaves_under(
    leaves: Mapping[str, Array], part: str, renamed: str = ""
) -> dict[str, Array]:
    """The leaves called `part` or below it, with `part` replaced by `renamed` if that is given.

    Raises:
      FileError: there are none.
    """
    chosen = {}
    for name, leaf in leaves.items():
        # With the dot: `cell.x` must not take `cell.x2` along.
        if name == part or name.startswith(f"{part}."):
            chosen[(renamed or part) + name[len(part) :]] = leaf
    if not chosen:
        raise FileError(f"there is no parameter under {part!r}; found {', '.join(leaves)}")
    return chosen


def graft(params: PyTree, new: Mapping[str, Array]) -> PyTree:
    """The same tree with some leaves replaced.

    Args:
      params: any tree of arrays.
      new: arrays by the dotted names of `named_param_leaves`.

    Raises:
      FileError: a name that `params` does not have, or another shape than that of its leaf.
    """
    leaves = named_param_leaves(params)
    for name, leaf in new.items():
        if name not in leaves:
            nearest = difflib.get_close_matches(name, leaves, n=1) or [", ".join(leaves)]
            raise FileError(
                f"there is no parameter {name!r} to graft onto; the nearest is {nearest[0]}"
            )
        if leaf.shape != leaves[name].shape:
            raise FileError(
                f"{name} has shape {tuple(leaf.shape)}; expected {tuple(leaves[name].shape)}"
            )
    for name, leaf in new.items():
        # All are checked before the first is replaced. The dtype is the model's, since files of
        # weights may have float16.
        leaves[name] = jnp.asarray(leaf).astype(leaves[name].dtype)
    # `leaves` keeps the order of the tree, which unflatten needs.
    return jax.tree.unflatten(jax.tree.structure(params), leaves.values())
