"""A whole model, cell and head, as three pure functions made from one config."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp

from videolstm_jax.config import ModelConfig
from videolstm_jax.core import engines
from videolstm_jax.core.cells import Cell, bind, find_cell, scale_attention
from videolstm_jax.core.head import classify
from videolstm_jax.core.params import head_params, start_params
from videolstm_jax.core.unroll import unroll
from videolstm_jax.errors import ConfigError
from videolstm_jax.types import Carry, Clip, LSTMState, Output, Params, StartParams

if TYPE_CHECKING:
    from videolstm_jax.core.engines import Conv
    from videolstm_jax.types import Array

POINT_LAYERS = ("fc7", "logits")


class ShapeError(ValueError):
    """Arrays that do not fit the model: the message names the field, what was found and what was
    expected.
    """


class Model(NamedTuple):
    """Three pure functions.

    `init(key) -> Params`; `start(params, clip) -> Carry`, what the first frame begins from;
    `apply(params, clip, carry=None, *, dropout_key=None) -> Output`, from `start` where no carry is
    given.
    """

    init: Callable[[Array], Params]
    start: Callable[[Params, Clip], Carry]
    apply: Callable[..., Output]


def make_model(cfg: ModelConfig, *, cell: Cell | None = None) -> Model:
    """The model that a config describes.

    Args:
      cfg: sizes and choices. Where `engine` is "auto" the current backend decides: im2col inside
        the scan on CPUs, the device's own convolution elsewhere.
      cell: a cell to use in place of the one that `cfg.cell` names.

    Returns:
      `init`, `start` and `apply`. Clips must have sides and depths as the config says, [B, T, N, N,
      D]; a carry is float32 [B, N', N', K].

    Raises:
      ConfigError: sides that the cell cannot have.
      ShapeError: raised by `start` and `apply` for arrays that do not fit.
    """
    cell = find_cell(cfg.cell) if cell is None else cell
    if cell.vector:
        cfg = dataclasses.replace(cfg, kernel=1, motion_kernel=1)
    _check_config(cfg, cell)
    side = 1 if cell.vector else cfg.map_size
    dtype = None if cfg.dtype == "float32" else jnp.dtype(cfg.dtype)
    if cfg.attention_scale != 1:
        cell = scale_attention(cell, cfg.attention_scale)
    once = partial(engines.native, dtype=dtype)
    bound = bind(cell, partial(engines.in_scan(cfg.engine), dtype=dtype), drive_conv=once)
    first = mean_start if cfg.start == "mean" else zero_start
    drops = {"hidden_dropout": cfg.hidden_dropout, "dense_dropout": cfg.dropout}

    def init(key: Array) -> Params:
        keys = jax.random.split(key, 4)
        p = cell.init(keys[0], cfg)
        starts = None
        if cfg.start == "mean":
            motion = (
                start_params(keys[3], cfg, cfg.motion_kernel, cfg.motion_depth)
                if p.motion is not None
                else None
            )
            starts = (start_params(keys[2], cfg, cfg.kernel, cfg.depth), motion)
        return Params(p, starts, head_params(keys[1], cfg, side))

    expected = cache(lambda: jax.eval_shape(init, jax.random.key(0)))

    def check(params: Params, clip: Clip) -> None:
        _check_like("params", params, expected())
        _check_clip(cfg, cell, clip)

    def start(params: Params, clip: Clip) -> Carry:
        check(params, clip)
        return first(once, params, clip, side, cfg.hidden)

    def apply(
        params: Params, clip: Clip, carry: Carry | None = None, *, dropout_key: Array | None = None
    ) -> Output:
        check(params, clip)
        like = jax.eval_shape(partial(zero_start, once, side=side, hidden=cfg.hidden), params, clip)
        if carry is None:
            carry = first(once, params, clip, side, cfg.hidden)
        _check_like("carry", carry, like)
        carry, out = unroll(bound, params.cell, carry, clip.inputs, clip.mask, remat=cfg.remat)
        logits = classify(params.head, out.hidden, key=dropout_key, dtype=dtype, **drops)
        return Output(logits, out.attention, carry)

    return Model(init, start, apply)


def zero_start(conv: Conv, params: Params, clip: Clip, side: int, hidden: int) -> Carry:
    """C_0 = H_0 = 0, [B, N', N', K]: nothing is known before the first frame."""
    del conv
    zeros = jnp.zeros((clip.mask.shape[0], side, side, hidden), params.head.dense.dtype)
    state = LSTMState(zeros, zeros)
    return Carry(state, None if params.cell.motion is None else state)


def mean_start(conv: Conv, params: Params, clip: Clip, side: int, hidden: int) -> Carry:
    """C_0 = tanh(W * mean) and so for H_0, [B, N', N', K], with the mean input over the frames that
    exist.

    A vector cell takes the mean over all places too. The start knows the whole clip, so it is not
    causal.
    """
    del hidden
    weight = clip.mask.astype(params.head.dense.dtype)
    weight = (weight / jnp.maximum(weight.sum(1, keepdims=True), 1))[:, :, None, None, None]

    def state(p: StartParams, x: Array) -> LSTMState:
        mean = jnp.sum(x.astype(weight.dtype) * weight, axis=1)
        if side == 1:
            mean = mean.mean((1, 2), keepdims=True)
        return LSTMState(*(jnp.tanh(conv(kernel, mean).astype(weight.dtype)) for kernel in p))

    top, motion = params.start
    return Carry(
        state(top, clip.inputs.x), None if motion is None else state(motion, clip.inputs.motion)
    )


def _check_config(cfg: ModelConfig, cell: Cell) -> None:
    sides = [("map_size", cfg.map_size, cell.layers.x)]
    if cell.layers.motion is not None:
        sides.append(("motion_size", cfg.motion_size, cell.layers.motion))
    for name, found, layer in sides:
        if layer in POINT_LAYERS and found != 1:
            raise ConfigError(
                f"ModelConfig.{name} is {found}; expected 1, since the cell reads {layer}, a vector"
            )
    if cell.layers.motion is not None and not cell.vector and cfg.motion_size != cfg.map_size:
        raise ConfigError(
            f"ModelConfig.motion_size is {cfg.motion_size}; expected map_size, {cfg.map_size}, since the cell adds "
            "both maps place by place"
        )


def _check_clip(cfg: ModelConfig, cell: Cell, clip: Clip) -> None:
    x, motion = clip.inputs
    if jnp.ndim(clip.mask) != 2 or clip.mask.dtype != bool:
        raise ShapeError(f"clip.mask is {_describe(clip.mask)}; expected bool [B, T]")
    frames = tuple(clip.mask.shape)
    if frames[1] == 0:
        raise ShapeError(f"clip.mask is {_describe(clip.mask)}; expected at least one frame")
    wanted = {"x": (x, (*frames, cfg.map_size, cfg.map_size, cfg.depth))}
    if cell.layers.motion is not None:
        wanted["motion"] = (motion, (*frames, cfg.motion_size, cfg.motion_size, cfg.motion_depth))
    for name, (found, shape) in wanted.items():
        fits = (
            found is not None
            and tuple(found.shape) == shape
            and jnp.issubdtype(found.dtype, jnp.floating)
        )
        if not fits:
            raise ShapeError(
                f"clip.inputs.{name} is {_describe(found)}; expected floats {list(shape)}"
            )


def _check_like(what: str, found: Any, expected: Any) -> None:
    have, want = (dict(jax.tree_util.tree_leaves_with_path(tree)) for tree in (found, expected))
    for path in [*want, *(path for path in have if path not in want)]:
        a, b = have.get(path), want.get(path)
        if a is None or b is None or jnp.shape(a) != b.shape:
            name = what + jax.tree_util.keystr(path)
            raise ShapeError(
                f"{name} is {_describe(a)}; expected {'nothing' if b is None else list(b.shape)}"
            )


def _describe(array: Any) -> str:
    return "None" if array is None else f"{array.dtype} {list(array.shape)}"
