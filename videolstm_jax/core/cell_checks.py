"""Checks of a recurrent cell before it is used: each failure is one line that names the part."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, get_args

import jax
import jax.numpy as jnp
import numpy as np

from videolstm_jax.core.cells import Cell, Layers
from videolstm_jax.core.checks import describe_array, kind_of
from videolstm_jax.core.start import MeanStart
from videolstm_jax.errors import ConfigError
from videolstm_jax.types import CellOut, Inputs, Layer

if TYPE_CHECKING:
    from videolstm_jax.config import ModelConfig
    from videolstm_jax.core.engines import Conv

STATES = ("hidden", "cell")
"""The states that the setting `eval.states` can ask for."""
# A batch and a length that differ, so that swapped axes are seen.
_BATCH, _FRAMES = 2, 3
# The folder of this package, as text: core does not know of files.
_PACKAGE = __file__.removesuffix("cell_checks.py").rstrip("\\/").removesuffix("core")


# ---- fields --------------------------------------------------------------------------------------


def check_cell_fields(cell: Cell) -> None:
    """Raises ConfigError where a field of a cell has another type than `Cell` says."""
    if not isinstance(cell, Cell):
        raise ConfigError(f"the cell is {kind_of(cell)}; expected a Cell")
    _check_layers(cell.layers)
    for name in ("vector", "attends"):
        flag = getattr(cell, name)
        if not isinstance(flag, bool):
            raise ConfigError(f"the field {name} of the cell is {flag!r}; expected True or False")
    start, states = cell.mean_start, cell.states
    if start is not None and not isinstance(start, MeanStart):
        kind = kind_of(start)
        raise ConfigError(f"the mean_start of the cell is {kind}; expected a MeanStart, or None")
    if not isinstance(states, Mapping):
        raise ConfigError(f"the states of the cell are {kind_of(states)}; expected a dict")
    for name in states:
        # A map of another name could never be asked for, and nobody would be told.
        if name not in STATES:
            names = " and ".join(STATES)
            raise ConfigError(f"the cell has the state {name!r}; expected no others than {names}")
    for name, function in _functions(cell).items():
        if not callable(function):
            raise ConfigError(f"the {name} of the cell is {kind_of(function)}; expected a function")


def _functions(cell: Cell) -> dict[str, Any]:
    """All functions of a cell by their names in messages."""
    functions = {name: getattr(cell, name) for name in ("drive", "step", "init", "zeros")}
    if cell.mean_start is not None:
        functions["mean_start.init"] = cell.mean_start.init
        functions["mean_start.carry"] = cell.mean_start.carry
    for name, state_of in cell.states.items():
        functions[f"states[{name!r}]"] = state_of
    return functions


def _check_layers(layers: Layers) -> None:
    if not isinstance(layers, Layers):
        raise ConfigError(
            f"the layers of the cell are {layers!r}; expected a Layers, such as "
            'Layers("pool5") or Layers("pool5", "pool5")'
        )
    names = [layers.x]
    if layers.motion is not None:
        names.append(layers.motion)
    for name in names:
        if name not in get_args(Layer):
            known = ", ".join(get_args(Layer))
            raise ConfigError(f"the cell reads the layer {name!r}; expected one of {known}")


# ---- shapes --------------------------------------------------------------------------------------


def check_cell_shapes(cfg: ModelConfig, cell: Cell, conv: Conv) -> None:
    """Traces a cell once, computing nothing, and compares its shapes with its own declarations.

    Args:
      cfg: sizes, with the kernels that a vector cell has.
      cell: the cell; its fields have been checked.
      conv: a convolution in the dtype of the model.

    Raises:
      ConfigError: a function of the cell raises an error or returns what is no array; the carry
        changes its structure, a shape or a dtype in a step; the hidden map or the attention map
        has another shape or dtype than the model needs, or attention is there although the cell
        does not attend; an array lacks its batch axis.
    """
    params = _traced("init", partial(cell.init, cfg=cfg), jax.random.key(0))
    carry = _traced("zeros", partial(cell.zeros, cfg, _BATCH))
    _check_leading("its zeros make", carry, (_BATCH,), "[B, ..]")
    _check_zeros(carry)
    drive = _check_drive(cfg, cell, conv, params)
    # A scan hands one frame of the drive to each step.
    frame = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), drive)
    result = _traced("step", partial(cell.step, conv), params, carry, frame)
    is_pair = isinstance(result, tuple) and len(result) == 2
    if not is_pair or not isinstance(result[1], CellOut):
        raise ConfigError(f"the step returns {kind_of(result)}; expected (carry, CellOut)")
    after, out = result
    _check_same_carry("the step returns", after, carry)
    _check_out(cfg, cell, out)
    _check_states(cell, carry)
    if cfg.start == "mean":
        _check_mean_start(cfg, cell, conv, carry)


def _check_drive(cfg: ModelConfig, cell: Cell, conv: Conv, params: Any) -> Any:
    """The shapes that `drive` makes of inputs with the leading axes [T, B]."""
    inputs = _inputs(cfg, cell, (_FRAMES, _BATCH))
    hint = ""
    if inputs.motion is None:
        hint = '; inputs.motion is None, since the layers of the cell, such as Layers("pool5"), '
        hint += "name no layer of the flow stream"
    drive = _traced("drive", partial(cell.drive, conv), params, inputs, hint_if_none=hint)
    _check_leading("its drive makes", drive, (_FRAMES, _BATCH), "[T, B, ..]")
    if cfg.attention_scale != 1 and cell.attends and getattr(drive, "x", None) is None:
        raise ConfigError(
            f"model.attention_scale is {cfg.attention_scale}; expected 1, since the drive of "
            "the cell has no field x that could be scaled"
        )
    return drive


def _check_zeros(carry: Any) -> None:
    """Raises ConfigError for floats of another dtype, which a model would cast before it steps."""
    dtype = jnp.result_type(float)
    for path, leaf in jax.tree_util.tree_leaves_with_path(carry):
        if jnp.issubdtype(leaf.dtype, jnp.floating) and leaf.dtype != dtype:
            name = "carry" + jax.tree_util.keystr(path)
            raise ConfigError(
                f"its zeros make {name} {describe_array(leaf)}; expected {dtype} or integers"
            )


def _check_same_carry(subject: str, after: Any, before: Any) -> None:
    structure, expected = jax.tree.structure(after), jax.tree.structure(before)
    if structure != expected:
        raise ConfigError(f"{subject} the carry {_tree(after)}; expected {_tree(before)} as before")
    leaves = zip(jax.tree_util.tree_leaves_with_path(after), jax.tree.leaves(before), strict=True)
    # Equal structures have their leaves in the same order.
    for (path, leaf), old in leaves:
        if (leaf.shape, leaf.dtype) != (old.shape, old.dtype):
            name = "carry" + jax.tree_util.keystr(path)
            raise ConfigError(
                f"{subject} {name} {describe_array(leaf)}; expected {describe_array(old)}"
            )


def _check_out(cfg: ModelConfig, cell: Cell, out: CellOut) -> None:
    side, kind = cfg.map_size, "convolutional"
    if cell.vector:
        side, kind = 1, "vector"
    # float32, or float64 where JAX was told to use it: the dtype of every state.
    dtype = jnp.result_type(float)
    hidden = jax.ShapeDtypeStruct((_BATCH, side, side, cfg.hidden), dtype)
    if describe_array(out.hidden) != describe_array(hidden):
        raise ConfigError(
            f"the step returns CellOut.hidden {describe_array(out.hidden)}; expected "
            f"{describe_array(hidden)}, [B, N', N', K] with N' = {side} for a {kind} cell"
        )
    if not cell.attends:
        if out.attention is not None:
            raise ConfigError(
                f"the step returns CellOut.attention {describe_array(out.attention)}; expected "
                "None, since the cell has attends=False"
            )
        return
    # [B, N, N, 1], as `ops.attention` returns it, would only fail in the pictures of the report.
    # Kernels are drawn as float32 also where JAX was told to use float64, and so is attention then.
    if out.attention is not None and getattr(out.attention, "dtype", None) == jnp.float32:
        dtype = jnp.dtype(jnp.float32)
    attention = jax.ShapeDtypeStruct((_BATCH, cfg.map_size, cfg.map_size), dtype)
    if describe_array(out.attention) != describe_array(attention):
        raise ConfigError(
            f"the step returns CellOut.attention {describe_array(out.attention)}; expected "
            f"{describe_array(attention)}, [B, N, N], since the cell has attends=True"
        )


def _check_states(cell: Cell, carry: Any) -> None:
    for name, state_of in cell.states.items():
        state = _traced(f"states[{name!r}]", state_of, carry)
        is_map = hasattr(state, "shape") and len(state.shape) == 4 and state.shape[0] == _BATCH
        if not is_map:
            raise ConfigError(
                f"states[{name!r}] of the cell is {describe_array(state)}; expected a map "
                "[B, n, n, k]"
            )


def _check_mean_start(cfg: ModelConfig, cell: Cell, conv: Conv, carry: Any) -> None:
    mean = _inputs(cfg, cell, (_BATCH,), points=cell.vector)
    keys = jax.random.split(jax.random.key(0))
    params = _traced("mean_start.init", partial(cell.mean_start.init, cfg=cfg), keys)
    start = _traced("mean_start.carry", partial(cell.mean_start.carry, conv), params, mean)
    _check_same_carry("the mean start makes", start, carry)


def _inputs(
    cfg: ModelConfig, cell: Cell, leading: tuple[int, ...], *, points: bool = False
) -> Inputs:
    """The shapes of what the cell reads; with `points`, of its mean over all places."""

    def features(side: int, depth: int) -> jax.ShapeDtypeStruct:
        if points:
            side = 1
        return jax.ShapeDtypeStruct((*leading, side, side, depth), jnp.float32)

    motion = None
    if cell.layers.motion is not None:
        motion = features(cfg.motion_size, cfg.motion_depth)
    return Inputs(features(cfg.map_size, cfg.depth), motion)


def _check_leading(subject: str, tree: Any, axes: tuple[int, ...], letters: str) -> None:
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    # A function without a `return` returns None, a tree without arrays.
    if not leaves:
        raise ConfigError(f"{subject} {_tree(tree)}, no arrays; expected one or more {letters}")
    for path, leaf in leaves:
        # A scan would split any other first axis without a word.
        if leaf.shape[: len(axes)] != axes:
            name = jax.tree_util.keystr(path)
            raise ConfigError(
                f"the cell has an array without its leading axes: {subject} {name} "
                f"{describe_array(leaf)}; expected {letters}, here with {list(axes)} first"
            )


def _tree(tree: Any) -> str:
    """The structure of a tree in one line, `*` for each array."""
    return str(jax.tree.structure(tree)).removeprefix("PyTreeDef(").removesuffix(")")


# ---- functions of the cell -----------------------------------------------------------------------


class _NotArrays(ConfigError):
    """A function of the cell returns what is no tree of arrays."""


def _traced(part: str, function: Callable[..., Any], *args: Any, hint_if_none: str = "") -> Any:
    """The shapes that a function of the cell makes.

    Args:
      part: the function's name in messages.
      function: it is called with tracers; nothing is computed.
      *args: arrays, or their shapes.
      hint_if_none: is added to the message of an error that speaks of None.

    Raises:
      ConfigError: the function raises an error, or returns what is no tree of arrays.
    """

    # `eval_shape` caches by the identity of its function, and this one is new in each call.
    def checked(*args: Any) -> Any:
        result = function(*args)
        for path, leaf in jax.tree_util.tree_leaves_with_path(result):
            if not isinstance(leaf, (jax.Array, np.ndarray, np.generic, int, float)):
                name = jax.tree_util.keystr(path) or "all of it"
                kind = kind_of(leaf)
                raise _NotArrays(
                    f"the {part} of the cell returns {kind} at {name}; expected arrays"
                )
        return result

    try:
        return jax.eval_shape(checked, *args)
    except _NotArrays:
        raise
    # The functions are the caller's own: whatever they raise, one line must name the function.
    except Exception as error:
        cause = str(error).strip().partition("\n")[0]
        hint = hint_if_none if "None" in cause else ""
        raise ConfigError(
            f"the {part} of the cell raises {type(error).__name__}: {cause}{_place(error)}{hint}"
        ) from error


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
