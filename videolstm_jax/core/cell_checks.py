"""Checks of the shapes of a recurrent cell: each failure is one line that names the part.

A function `_.._problem` describes what is wrong with one part, and returns an empty text where
nothing is; `check_cell_shapes` raises the first problem.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from videolstm_jax.core.checks import cell_array_text, cell_type_text
from videolstm_jax.core.start import zero_carry
from videolstm_jax.core.tracing import traced_cell_shapes
from videolstm_jax.errors import ConfigError
from videolstm_jax.types import CellOut, Inputs

if TYPE_CHECKING:
    from videolstm_jax.config import ModelConfig
    from videolstm_jax.core.cell import Cell
    from videolstm_jax.core.engines import Conv

# A batch and a length that differ, so that swapped axes are seen.
_BATCH, _FRAMES = 2, 3


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
    # Each part is traced after those before it have passed: a wrong carry fails in the step too.
    for problem in _shape_problems(cfg, cell, conv):
        if problem:
            raise ConfigError(problem)


def _shape_problems(cfg: ModelConfig, cell: Cell, conv: Conv) -> Iterator[str]:
    """Yields the problem of each part in the order of their use; empty where it has none."""
    # A generator stops at the first problem, so that what follows is never traced on wrong shapes.
    # By position, as the model calls it: the caller's own function may have other argument names.
    params = traced_cell_shapes("init", lambda key: cell.init(key, cfg), jax.random.key(0))
    carry = traced_cell_shapes("zeros", partial(cell.zeros, cfg, _BATCH))
    yield _leading_problem("its zeros make", carry, (_BATCH,), "[B, ..]")
    yield _zeros_problem(carry)
    drive = _traced_drive(cfg, cell, conv, params)
    yield _leading_problem("its drive makes", drive, (_FRAMES, _BATCH), "[T, B, ..]")
    if cfg.attention_scale != 1 and cell.attends and getattr(drive, "x", None) is None:
        yield (
            f"model.attention_scale is {cfg.attention_scale}; expected 1, since the drive of "
            "the cell has no field x that could be scaled"
        )
    # A scan hands one frame of the drive to each step.
    frame = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), drive)
    result = traced_cell_shapes(
        "step", partial(cell.step, conv), params, carry, frame, hint=_hint(cell)
    )
    is_pair = isinstance(result, tuple) and len(result) == 2
    if not is_pair or not isinstance(result[1], CellOut):
        yield f"the step returns {cell_type_text(result)}; expected (carry, CellOut)"
    after, out = result
    yield _carry_problem("the step returns", after, carry)
    yield _hidden_problem(cfg, cell, out)
    yield _attention_problem(cfg, cell, out)
    for name, state_of in cell.states.items():
        yield _state_problem(name, traced_cell_shapes(f"states[{name!r}]", state_of, carry))
    if cfg.start == "mean":
        yield _carry_problem("the mean start makes", _traced_mean_start(cfg, cell, conv), carry)


def _hint(cell: Cell) -> str:
    """Names the carry that a step reads where the cell leaves `zeros` out."""
    if cell.zeros is not zero_carry:
        return ""
    return "; the carry is a Carry with the maps of one LSTM, since the cell gives no zeros"


def _traced_drive(cfg: ModelConfig, cell: Cell, conv: Conv, params: Any) -> Any:
    """The shapes that `drive` makes of inputs with the leading axes [T, B]."""
    inputs = _inputs(cfg, cell, (_FRAMES, _BATCH))
    # JAX's own error would be about None and an attribute. The likely cause is a line elsewhere.
    hint = ""
    if inputs.motion is None:
        hint = '; inputs.motion is None, since the layers of the cell, such as Layers("pool5"), '
        hint += "name no layer of the flow stream"
    return traced_cell_shapes("drive", partial(cell.drive, conv), params, inputs, hint_if_none=hint)


def _traced_mean_start(cfg: ModelConfig, cell: Cell, conv: Conv) -> Any:
    """The shapes of the carry that the cell makes of the mean of its inputs."""
    mean = _inputs(cfg, cell, (_BATCH,), points=cell.vector)
    keys = jax.random.split(jax.random.key(0))
    init = cell.mean_start.init
    params = traced_cell_shapes("mean_start.init", lambda keys: init(keys, cfg), keys)
    return traced_cell_shapes(
        "mean_start.carry", partial(cell.mean_start.carry, conv), params, mean
    )


def _zeros_problem(carry: Any) -> str:
    # A model would cast floats of another dtype before it steps.
    dtype = jnp.result_type(float)
    for path, leaf in jax.tree_util.tree_leaves_with_path(carry):
        if jnp.issubdtype(leaf.dtype, jnp.floating) and leaf.dtype != dtype:
            name = "carry" + jax.tree_util.keystr(path)
            return f"its zeros make {name} {cell_array_text(leaf)}; expected {dtype} or integers"
    return ""


def _carry_problem(subject: str, after: Any, before: Any) -> str:
    """How a carry differs from the one before it; `subject` opens the sentence."""
    if jax.tree.structure(after) != jax.tree.structure(before):
        return f"{subject} the carry {_tree(after)}; expected {_tree(before)} as before"
    # Equal structures have their leaves in the same order.
    leaves = zip(jax.tree_util.tree_leaves_with_path(after), jax.tree.leaves(before), strict=True)
    for (path, leaf), old in leaves:
        if (leaf.shape, leaf.dtype) != (old.shape, old.dtype):
            name = "carry" + jax.tree_util.keystr(path)
            return f"{subject} {name} {cell_array_text(leaf)}; expected {cell_array_text(old)}"
    return ""


def _hidden_problem(cfg: ModelConfig, cell: Cell, out: CellOut) -> str:
    side, kind = cfg.map_size, "convolutional"
    if cell.vector:
        side, kind = 1, "vector"
    # float32, or float64 where JAX is set to use it: the dtype of every state.
    hidden = jax.ShapeDtypeStruct((_BATCH, side, side, cfg.hidden), jnp.result_type(float))
    if cell_array_text(out.hidden) == cell_array_text(hidden):
        return ""
    return (
        f"the step returns CellOut.hidden {cell_array_text(out.hidden)}; expected "
        f"{cell_array_text(hidden)}, [B, N', N', K] with N' = {side} for a {kind} cell"
    )


def _attention_problem(cfg: ModelConfig, cell: Cell, out: CellOut) -> str:
    expected, reason = "None", "since the cell has attends=False"
    if cell.attends:
        dtype = jnp.result_type(float)
        # Kernels are drawn as float32 also where JAX is set to use float64, and so is attention.
        if getattr(out.attention, "dtype", None) == jnp.float32:
            dtype = jnp.dtype(jnp.float32)
        shape = (_BATCH, cfg.map_size, cfg.map_size)
        expected = cell_array_text(jax.ShapeDtypeStruct(shape, dtype))
        reason = "[B, N, N], since the cell has attends=True"
    # [B, N, N, 1], as `ops.attention` returns it, would only fail in the pictures of the report.
    attention = cell_array_text(out.attention)
    if attention == expected:
        return ""
    return f"the step returns CellOut.attention {attention}; expected {expected}, {reason}"


def _state_problem(name: str, state: Any) -> str:
    # Side and depth are the cell's own: the pictures take the mean over channels, and scale it up.
    if hasattr(state, "shape") and len(state.shape) == 4 and state.shape[0] == _BATCH:
        return ""
    return f"states[{name!r}] of the cell is {cell_array_text(state)}; expected a map [B, n, n, k]"


def _leading_problem(subject: str, tree: Any, axes: tuple[int, ...], letters: str) -> str:
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    # A function without a `return` returns None, a tree without arrays.
    if not leaves:
        return f"{subject} {_tree(tree)}, no arrays; expected one or more {letters}"
    for path, leaf in leaves:
        # A scan would split any other first axis without a word.
        if leaf.shape[: len(axes)] != axes:
            name = jax.tree_util.keystr(path)
            return (
                f"the cell has an array without its leading axes: {subject} {name} "
                f"{cell_array_text(leaf)}; expected {letters}, here with {list(axes)} first"
            )
    return ""


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


def _tree(tree: Any) -> str:
    """The structure of a tree in one line, `*` for each array."""
    return str(jax.tree.structure(tree)).removeprefix("PyTreeDef(").removesuffix(")")
