"""Traces the functions of a cell: their shapes, or one line about the function that fails."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from videolstm_jax.core.checks import cell_type_text
from videolstm_jax.errors import ConfigError

# The folder of this package, as text: core does not know of files.
_PACKAGE = __file__.removesuffix("tracing.py").rstrip("\\/").removesuffix("core")


def traced_cell_shapes(
    part: str, function: Callable[..., Any], *args: Any, hint: str = "", hint_if_none: str = ""
) -> Any:
    """The shapes that a function of the cell makes.

    Args:
      part: the function's name in messages.
      function: it is called with tracers; nothing is computed.
      *args: arrays, or their shapes.
      hint: is added to the message of any error of the function.
      hint_if_none: is added to the message of an error that speaks of None.

    Raises:
      ConfigError: the function raises an error, or returns what is no tree of arrays.
    """
    foreign: list[str] = []

    # `eval_shape` caches by the identity of its function, and this one is new in each call.
    def checked(*args: Any) -> Any:
        result = function(*args)
        foreign.extend(_foreign_leaves(result))
        # JAX would refuse such a leaf too, without the name of its place.
        return None if foreign else result

    try:
        shapes = jax.eval_shape(checked, *args)
    # The functions are the caller's own: whatever they raise, one line must name the function.
    except Exception as error:
        cause = str(error).strip().partition("\n")[0]
        message = (
            f"the {part} of the cell raises {type(error).__name__}: {cause}{_place(error)}{hint}"
        )
        if "None" in cause:
            message += hint_if_none
        raise ConfigError(message) from error
    if foreign:
        raise ConfigError(f"the {part} of the cell returns {foreign[0]}; expected arrays")
    return shapes


def _foreign_leaves(tree: Any) -> list[str]:
    """The kind and the place of each leaf that is no array."""
    leaves = []
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        if not isinstance(leaf, (jax.Array, np.ndarray, np.generic, int, float)):
            name = jax.tree_util.keystr(path) or "all of it"
            leaves.append(f"{cell_type_text(leaf)} at {name}")
    return leaves


def _place(error: Exception) -> str:
    """The last line of the caller's own code that led to an error; empty where there is none."""
    place = ""
    for frame in traceback.extract_tb(error.__traceback__):
        parts = re.split(r"[\\/]", frame.filename)
        # Neither this package nor an installed one: a cell of the caller's own.
        installed = {"site-packages", "dist-packages"} & set(parts)
        if not frame.filename.startswith(_PACKAGE) and not installed:
            place = f" ({parts[-1]}, line {frame.lineno})"
    return place
