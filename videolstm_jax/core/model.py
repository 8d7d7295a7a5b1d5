"""A whole model, cell and head, as three pure functions made from one config."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp

from videolstm_jax.core import engines
from videolstm_jax.core.cell import bind, scale_attention
from videolstm_jax.core.cell_checks import check_cell_shapes
from videolstm_jax.core.cell_fields import check_cell_fields
from videolstm_jax.core.cells import find_cell
from videolstm_jax.core.checks import check_cell_arrays_like, check_cell_config, check_clip_for_cell
from videolstm_jax.core.head import classify
from videolstm_jax.core.params import head_params
from videolstm_jax.core.start import mean_cell_inputs
from videolstm_jax.core.unroll import unroll
from videolstm_jax.types import Output, Params

if TYPE_CHECKING:
    from videolstm_jax.config import ModelConfig
    from videolstm_jax.core.cell import BoundCell, Cell
    from videolstm_jax.core.engines import Conv
    from videolstm_jax.types import Array, Clip, PyTree


class Model(NamedTuple):
    """Three pure functions.

    `init(key) -> Params`; `start(params, clip) -> Carry`, what the first frame begins from;
    `apply(params, clip, carry=None, *, dropout_key=None) -> Output`, from `start` where no carry is
    given.
    """

    init: Callable[[Array], Params]
    start: Callable[[Params, Clip], PyTree]
    apply: Callable[..., Output]


def make_model(cfg: ModelConfig, *, cell: Cell | None = None) -> Model:
    """The model that a config describes.

    Args:
      cfg: sizes and choices. Where `engine` is "auto" the current backend decides: im2col inside
        the scan on CPUs, the device's own convolution elsewhere.
      cell: a cell to use in place of the one that `cfg.cell` names.

    Returns:
      `init`, `start` and `apply`. Clips must have sides and depths as in the config, [B, T, N, N,
      D]; the carry of the six cells is a `Carry` of float32 [B, N', N', K].

    Raises:
      ConfigError: sides that the cell cannot have; a cell that breaks its own declarations, or
        whose functions raise an error. It is traced once with shapes only.
      ValueError: raised by `start` and `apply` for arrays that do not fit.
    """
    if cell is None:
        cell = find_cell(cfg.cell)
    parts = _assemble(cfg, cell)

    def init(key: Array) -> Params:
        return _init_params(parts, key)

    # Traced at the first call of apply; a caller that only draws parameters does without.
    expected = cache(lambda: jax.eval_shape(init, jax.random.key(0)))

    def check(params: Params, clip: Clip) -> None:
        check_cell_arrays_like("params", params, expected())
        check_clip_for_cell(parts.cfg, parts.cell, clip)

    def start(params: Params, clip: Clip) -> PyTree:
        check(params, clip)
        return _first_carry(parts, params, clip)

    def apply(
        params: Params, clip: Clip, carry: PyTree = None, *, dropout_key: Array | None = None
    ) -> Output:
        check(params, clip)
        return _forward(parts, params, clip, carry, dropout_key)

    return Model(init, start, apply)


class _Parts(NamedTuple):
    """A cell that has been checked, with the settings of its model and its convolutions.

    Attributes:
      cfg: settings; of a vector cell the kernels are 1 x 1.
      cell: the cell.
      bound: the cell with its convolutions.
      once: the convolution outside the scan.
      dtype: that large products are computed in; None is that of their parameters.
    """

    cfg: ModelConfig
    cell: Cell
    bound: BoundCell
    once: Conv
    dtype: jnp.dtype | None


def _assemble(cfg: ModelConfig, cell: Cell) -> _Parts:
    """Checks a cell, and chooses its convolutions once."""
    check_cell_fields(cell)
    # A vector is a 1 x 1 map, and its convolution a matrix product. Set before the checks, which
    # draw the parameters with these kernels.
    if cell.vector:
        cfg = dataclasses.replace(cfg, kernel=1, motion_kernel=1)
    check_cell_config(cfg, cell)
    dtype = _product_dtype(cfg)
    # Outside the scan the device's own convolution is the fastest one everywhere.
    once = partial(engines.native_convolution, dtype=dtype)
    check_cell_shapes(cfg, cell, once)
    # After the check, whose messages are about the cell as its author wrote it.
    if cfg.attention_scale != 1:
        cell = scale_attention(cell, cfg.attention_scale)
    bound = bind(
        cell, partial(engines.convolution_in_scan(cfg.engine), dtype=dtype), drive_conv=once
    )
    return _Parts(cfg, cell, bound, once, dtype)


def _init_params(parts: _Parts, key: Array) -> Params:
    """Draws the parameters of the cell, of its start where it has one, and of the head."""
    cfg, cell = parts.cfg, parts.cell
    # Always four keys, so that cell and head are drawn alike with either start.
    keys = jax.random.split(key, 4)
    # Zeros need no parameters.
    starts = None
    if cfg.start == "mean":
        starts = cell.mean_start.init(keys[2:], cfg)
    # N', the side of the hidden map that the head flattens.
    side = cfg.map_size
    if cell.vector:
        side = 1
    return Params(cell.init(keys[0], cfg), starts, head_params(keys[1], cfg, side))


def _forward(
    parts: _Parts, params: Params, clip: Clip, carry: PyTree, dropout_key: Array | None
) -> Output:
    """The cell over all frames, and the classifier of each."""
    cfg = parts.cfg
    # A carry is given where a video continues: in chunks of evaluation, and in a stream.
    if carry is None:
        carry = _first_carry(parts, params, clip)
    # A carry of one row would broadcast against any batch without an error.
    zeros = jax.eval_shape(partial(_zero_carry_of, cfg, parts.cell), params, clip)
    check_cell_arrays_like("carry", carry, zeros)
    carry, out = unroll(parts.bound, params.cell, carry, clip.inputs, clip.mask, remat=cfg.remat)
    logits = classify(
        params.head,
        out.hidden,
        hidden_dropout=cfg.hidden_dropout,
        dense_dropout=cfg.dropout,
        key=dropout_key,
        dtype=parts.dtype,
    )
    return Output(logits, out.attention, carry)


def _zero_carry_of(cfg: ModelConfig, cell: Cell, params: Params, clip: Clip) -> PyTree:
    """The cell's zeros for the batch of a clip, in the dtype of the parameters."""
    dtype = _dtype(params)

    # A cell may count frames or keep flags in its carry; these stay integers.
    def cast(leaf: Array) -> Array:
        if not jnp.issubdtype(leaf.dtype, jnp.floating):
            return leaf
        return leaf.astype(dtype)

    return jax.tree.map(cast, cell.zeros(cfg, clip.mask.shape[0]))


def _first_carry(parts: _Parts, params: Params, clip: Clip) -> PyTree:
    """What the first frame of a clip begins from, chosen by `cfg.start`."""
    cfg, cell = parts.cfg, parts.cell
    if cfg.start == "zeros":
        return _zero_carry_of(cfg, cell, params, clip)
    # A clip may bring motion that the cell does not read; its mean would cost a pass over it.
    inputs = clip.inputs
    if cell.layers.motion is None:
        inputs = inputs._replace(motion=None)
    mean = mean_cell_inputs(inputs, clip.mask, dtype=_dtype(params), vector=cell.vector)
    return cell.mean_start.carry(parts.once, params.start, mean)


def _product_dtype(cfg: ModelConfig) -> jnp.dtype | None:
    """The dtype that large products are computed in; None is that of their parameters."""
    # Not float32 by name: a caller may have cast the parameters, to float64 for one.
    if cfg.dtype == "float32":
        return None
    return jnp.dtype(cfg.dtype)


def _dtype(params: Params) -> jnp.dtype:
    """The dtype of the parameters, which is that of the carry too."""
    return params.head.dense.dtype
