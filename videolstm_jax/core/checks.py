"""Checks of settings, cells, clips and parameters: each failure is one line that names the part."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, get_args

import jax
import jax.numpy as jnp

from videolstm_jax.errors import ConfigError
from videolstm_jax.types import Inputs, Layer

if TYPE_CHECKING:
    from videolstm_jax.config import ModelConfig
    from videolstm_jax.core.cells import Cell
    from videolstm_jax.core.engines import Conv
    from videolstm_jax.types import Clip

POINT_LAYERS = ("fc7", "logits")
# A batch and a length that differ, so that swapped axes are seen.
_BATCH, _FRAMES = 2, 3


class ShapeError(ValueError):
    """Arrays that do not fit the model: the message names the field and the expected shape."""


# ---- settings ------------------------------------------------------------------------------------


def check_config(cfg: ModelConfig, cell: Cell) -> None:
    """Raises ConfigError for unknown layers, and for sides or a start that the cell cannot have."""
    for name in (cell.layers.x, cell.layers.motion):
        if name is not None and name not in get_args(Layer):
            layers = ", ".join(get_args(Layer))
            raise ConfigError(f"the cell reads the layer {name!r}; expected one of {layers}")
    sides = [("map_size", cfg.map_size, cell.layers.x)]
    if cell.layers.motion is not None:
        sides.append(("motion_size", cfg.motion_size, cell.layers.motion))
    for name, side, layer in sides:
        # A vector is read as a 1 x 1 map. Any other side would fail later, in a reshape.
        if layer in POINT_LAYERS and side != 1:
            raise ConfigError(
                f"ModelConfig.{name} is {side}; expected 1, since the cell reads {layer}, a vector"
            )
    # A vector cell averages its map to 1 x 1, so there both maps fit whatever their sides are.
    if cell.layers.motion is not None and not cell.vector and cfg.motion_size != cfg.map_size:
        raise ConfigError(
            f"ModelConfig.motion_size is {cfg.motion_size}; expected map_size, {cfg.map_size}, "
            "since the cell adds both maps place by place"
        )
    if cfg.start == "mean" and cell.mean_start is None:
        raise ConfigError(
            "ModelConfig.start is 'mean'; expected 'zeros', the only start of the cell"
        )


# ---- cells ---------------------------------------------------------------------------------------


def check_cell_shapes(cfg: ModelConfig, cell: Cell, conv: Conv) -> None:
    """Traces a cell once, computing nothing, and compares its shapes with what it says of itself.

    Args:
      cfg: sizes, with the kernels that a vector cell has.
      cell: the cell.
      conv: a convolution in the dtype of the model.

    Raises:
      ConfigError: the carry changes its structure, a shape or a dtype in a step; the hidden map or
        the attention map has another shape than the model needs, or attention is there although
        the cell does not attend; an array lacks its batch axis.
    """
    with _raised_by("init"):
        params = jax.eval_shape(partial(cell.init, cfg=cfg), jax.random.key(0))
    with _raised_by("zeros"):
        carry = jax.eval_shape(partial(cell.zeros, cfg, _BATCH))
    _check_leading("its zeros make", carry, (_BATCH,), "[B, ..]")
    drive = _check_drive(cfg, cell, conv, params)
    # A scan hands one frame of the drive to each step.
    frame = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), drive)
    with _raised_by("step"):
        result = jax.eval_shape(partial(cell.step, conv), params, carry, frame)
    if not (isinstance(result, tuple) and len(result) == 2 and hasattr(result[1], "hidden")):
        raise ConfigError(f"the step returns {_kind(result)}; expected (carry, CellOut)")
    after, out = result
    _check_same_carry("the step returns", after, carry)
    _check_out(cfg, cell, out)
    _check_states(cell, carry)
    if cfg.start == "mean":
        _check_mean_start(cfg, cell, conv, carry)


def _check_drive(cfg: ModelConfig, cell: Cell, conv: Conv, params: Any) -> Any:
    """The shapes that `drive` makes of inputs with the leading axes [T, B]."""
    inputs = _inputs(cfg, cell, (_FRAMES, _BATCH))
    with _raised_by("drive"):
        drive = jax.eval_shape(partial(cell.drive, conv), params, inputs)
    _check_leading("its drive makes", drive, (_FRAMES, _BATCH), "[T, B, ..]")
    if cfg.attention_scale != 1 and cell.attends and getattr(drive, "x", None) is None:
        raise ConfigError(
            f"ModelConfig.attention_scale is {cfg.attention_scale}; expected 1, since the drive of "
            "the cell has no field x that could be scaled"
        )
    return drive


def _check_same_carry(subject: str, after: Any, before: Any) -> None:
    structure, expected = jax.tree.structure(after), jax.tree.structure(before)
    if structure != expected:
        raise ConfigError(f"{subject} the carry {_tree(after)}; expected {_tree(before)} as before")
    leaves = zip(jax.tree_util.tree_leaves_with_path(after), jax.tree.leaves(before), strict=True)
    # Equal structures have their leaves in the same order.
    for (path, leaf), old in leaves:
        if (leaf.shape, leaf.dtype) != (old.shape, old.dtype):
            name = "carry" + jax.tree_util.keystr(path)
            raise ConfigError(f"{subject} {name} {_describe(leaf)}; expected {_describe(old)}")


def _check_out(cfg: ModelConfig, cell: Cell, out: Any) -> None:
    side, kind = cfg.map_size, "convolutional"
    if cell.vector:
        side, kind = 1, "vector"
    hidden = (_BATCH, side, side, cfg.hidden)
    fits = getattr(out.hidden, "shape", None) == hidden
    if not fits or not jnp.issubdtype(out.hidden.dtype, jnp.floating):
        raise ConfigError(
            f"the step returns CellOut.hidden {_describe(out.hidden)}; expected floats "
            f"{list(hidden)}, [B, N', N', K] with N' = {side} for a {kind} cell"
        )
    attention = (_BATCH, cfg.map_size, cfg.map_size)
    if not cell.attends:
        if out.attention is not None:
            raise ConfigError(
                f"the step returns CellOut.attention {_describe(out.attention)}; expected None, "
                "since the cell says attends=False"
            )
    elif out.attention is None or out.attention.shape != attention:
        raise ConfigError(
            f"the step returns CellOut.attention {_describe(out.attention)}; expected floats "
            f"{list(attention)}, [B, N, N], since the cell says attends=True"
        )


def _check_states(cell: Cell, carry: Any) -> None:
    for name, state_of in cell.states.items():
        with _raised_by(f"states[{name!r}]"):
            # `eval_shape` caches by the identity of its function; `partial` makes a new one, which
            # can be weakly referenced as `attrgetter` cannot.
            state = jax.eval_shape(partial(state_of), carry)
        is_map = hasattr(state, "shape") and len(state.shape) == 4 and state.shape[0] == _BATCH
        if not is_map:
            raise ConfigError(
                f"states[{name!r}] of the cell is {_describe(state)}; expected a map [B, n, n, k]"
            )


def _check_mean_start(cfg: ModelConfig, cell: Cell, conv: Conv, carry: Any) -> None:
    mean = _inputs(cfg, cell, (_BATCH,), points=cell.vector)
    with _raised_by("mean_start"):
        keys = jax.random.split(jax.random.key(0))
        params = jax.eval_shape(partial(cell.mean_start.init, cfg=cfg), keys)
        start = jax.eval_shape(partial(cell.mean_start.carry, conv), params, mean)
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
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        # A scan would split any other first axis without a word.
        if leaf.shape[: len(axes)] != axes:
            name = jax.tree_util.keystr(path)
            raise ConfigError(
                f"the cell has an array without its leading axes: {subject} {name} "
                f"{_describe(leaf)}; expected {letters}, here with {list(axes)} first"
            )


@contextlib.contextmanager
def _raised_by(part: str) -> Iterator[None]:
    """Adds to an error of the caller's own function that it came from a trial with shapes only."""
    try:
        yield
    # The type and the traceback stay those of the caller's error; a note is all that is added.
    except Exception as error:
        error.add_note(f"raised by {part} of the cell, which make_model traced to check its shapes")
        raise


# ---- arrays --------------------------------------------------------------------------------------


def check_clip(cfg: ModelConfig, cell: Cell, clip: Clip) -> None:
    """Raises ShapeError for a clip whose mask or inputs the model cannot read."""
    x, motion = clip.inputs
    if jnp.ndim(clip.mask) != 2 or clip.mask.dtype != bool:
        raise ShapeError(f"clip.mask is {_describe(clip.mask)}; expected bool [B, T]")
    frames = tuple(clip.mask.shape)
    if frames[1] == 0:
        raise ShapeError(f"clip.mask is {_describe(clip.mask)}; expected at least one frame")
    expected = {"x": (x, (*frames, cfg.map_size, cfg.map_size, cfg.depth))}
    if cell.layers.motion is not None:
        shape = (*frames, cfg.motion_size, cfg.motion_size, cfg.motion_depth)
        expected["motion"] = (motion, shape)
    for name, (array, shape) in expected.items():
        fits = array is not None and tuple(array.shape) == shape
        if not fits or not jnp.issubdtype(array.dtype, jnp.floating):
            raise ShapeError(
                f"clip.inputs.{name} is {_describe(array)}; expected floats {list(shape)}"
            )


def check_like(subject: str, tree: Any, expected: Any) -> None:
    """Raises ShapeError for the first leaf that is missing, too many, or of another shape."""
    leaves = dict(jax.tree_util.tree_leaves_with_path(tree))
    expected_leaves = dict(jax.tree_util.tree_leaves_with_path(expected))
    # Leaves that are missing come first, then those that are too many.
    for path in {**expected_leaves, **leaves}:
        leaf, like = leaves.get(path), expected_leaves.get(path)
        if leaf is None or like is None or jnp.shape(leaf) != like.shape:
            name = subject + jax.tree_util.keystr(path)
            shape = "nothing"
            if like is not None:
                shape = list(like.shape)
            raise ShapeError(f"{name} is {_describe(leaf)}; expected {shape}")


def _describe(array: Any) -> str:
    if array is None:
        return "None"
    if not hasattr(array, "shape"):
        return _kind(array)
    return f"{array.dtype} {list(array.shape)}"


def _tree(tree: Any) -> str:
    """The structure of a tree in one line, `*` for each array."""
    return str(jax.tree.structure(tree)).removeprefix("PyTreeDef(").removesuffix(")")


def _kind(value: Any) -> str:
    if isinstance(value, tuple):
        return f"{type(value).__name__} of {len(value)}"
    return type(value).__name__
