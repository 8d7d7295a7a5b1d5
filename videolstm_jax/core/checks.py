"""Checks of settings, clips and parameters: each failure is one line that names the part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from videolstm_jax.errors import ConfigError

if TYPE_CHECKING:
    from videolstm_jax.config import ModelConfig
    from videolstm_jax.core.cell import Cell
    from videolstm_jax.types import Clip

# Layers of one vector a frame: they have no places, so their maps are 1 x 1.
POINT_LAYERS = ("fc7", "logits")


# ---- settings ------------------------------------------------------------------------------------


def check_cell_config(cfg: ModelConfig, cell: Cell) -> None:
    """Raises ConfigError for sides, or a start, that the cell cannot have."""
    problem = _config_problem(cfg, cell)
    if problem:
        raise ConfigError(f"model.{problem}")


def _config_problem(cfg: ModelConfig, cell: Cell) -> str:
    """What is wrong with the settings of a model, from the name of the field on."""
    sides = [("map_size", cfg.map_size, cell.layers.x)]
    if cell.layers.motion is not None:
        sides.append(("motion_size", cfg.motion_size, cell.layers.motion))
    for name, side, layer in sides:
        # A vector is read as a 1 x 1 map. Any other side would fail later, in a reshape.
        if layer in POINT_LAYERS and side != 1:
            return f"{name} is {side}; expected 1, since the cell reads {layer}, a vector"
    # A vector cell averages its map to 1 x 1, so there both maps fit whatever their sides are.
    if cell.layers.motion is not None and not cell.vector and cfg.motion_size != cfg.map_size:
        return (
            f"motion_size is {cfg.motion_size}; expected model.map_size, {cfg.map_size}, since the "
            "cell adds both maps place by place"
        )
    if cfg.start == "mean" and cell.mean_start is None:
        return "start is 'mean'; expected 'zeros', the only start of the cell"
    return ""


# ---- arrays --------------------------------------------------------------------------------------


def check_clip_for_cell(cfg: ModelConfig, cell: Cell, clip: Clip) -> None:
    """Raises ValueError for a clip whose mask or inputs the model cannot read."""
    problem = _mask_problem(clip.mask) or _inputs_problem(cfg, cell, clip)
    if problem:
        raise ValueError(f"clip.{problem}")


def _mask_problem(mask: Any) -> str:
    # A mask of floats would be multiplied and averaged without an error, and mean something else.
    if jnp.ndim(mask) != 2 or mask.dtype != bool:
        return f"mask is {cell_array_text(mask)}; expected bool [B, T]"
    if mask.shape[1] == 0:
        return f"mask is {cell_array_text(mask)}; expected at least one frame"
    return ""


def _inputs_problem(cfg: ModelConfig, cell: Cell, clip: Clip) -> str:
    x, motion = clip.inputs
    frames = tuple(clip.mask.shape)
    expected = {"x": (x, (*frames, cfg.map_size, cfg.map_size, cfg.depth))}
    if cell.layers.motion is not None:
        shape = (*frames, cfg.motion_size, cfg.motion_size, cfg.motion_depth)
        expected["motion"] = (motion, shape)
    for name, (array, shape) in expected.items():
        fits = array is not None and tuple(array.shape) == shape
        # Integers would be computed with as such, and rounded.
        if not fits or not jnp.issubdtype(array.dtype, jnp.floating):
            return f"inputs.{name} is {cell_array_text(array)}; expected floats {list(shape)}"
    return ""


def check_cell_arrays_like(subject: str, tree: Any, expected: Any) -> None:
    """Raises ValueError for the first leaf that is missing, too many, or of another shape."""
    # By path, because the trees may differ in structure, where `jax.tree.map` names no leaf.
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
            raise ValueError(f"{name} is {cell_array_text(leaf)}; expected {shape}")


def cell_array_text(array: Any) -> str:
    """The dtype and the shape of an array, or the kind of another value."""
    if array is None:
        return "None"
    if not hasattr(array, "shape"):
        return cell_type_text(array)
    return f"{array.dtype} {list(array.shape)}"


def cell_type_text(value: Any) -> str:
    """The type of a value, and of a tuple its length."""
    # "tuple" alone would not help where a step must return a pair.
    if isinstance(value, tuple):
        return f"{type(value).__name__} of {len(value)}"
    return type(value).__name__
