"""A cell over the frames of a batch of clips."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
from jax import lax

if TYPE_CHECKING:
    from videolstm_jax.core.cells import BoundCell
    from videolstm_jax.types import Array, Carry, CellOut, CellParams, Inputs


def unroll(
    cell: BoundCell,
    params: CellParams,
    carry: Carry,
    xs: Inputs,
    mask: Array,
    *,
    remat: bool = False,
) -> tuple[Carry, CellOut]:
    """Runs a cell over time; a frame that does not exist leaves the carry as it was.

    The cell's convolution is bound before: `unroll(bind(CELLS["videolstm"], engines.im2col), ..)`.

    Args:
      cell: a cell with its convolution, from `cells.bind`.
      params: the cell's parameters.
      carry: C and H before the first frame.
      xs: the inputs, [B, T, ..].
      mask: [B, T] bool, true where the frame exists.
      remat: recompute each step in the backward pass instead of keeping what it made.

    Returns:
      The carry after the last frame, and what the cell showed at each, [B, T, ..]; where the mask
      is false that is what it would have shown.
    """
    xs, mask = jax.tree.map(swap_time, (xs, mask))
    step = jax.checkpoint(cell.step, prevent_cse=False) if remat else cell.step

    def frame(carry: Carry, drive_and_mask: tuple) -> tuple[Carry, CellOut]:
        drive, exists = drive_and_mask
        after, out = step(params, carry, drive)
        return hold(exists, after, carry), out

    carry, out = lax.scan(frame, carry, (cell.drive(params, xs), mask))
    return carry, jax.tree.map(swap_time, out)


def hold(exists: Array, after: Carry, before: Carry) -> Carry:
    """The carry `after` a frame for the rows [B] where it `exists`, and `before` it for the others."""

    def choose(new: Array, old: Array) -> Array:
        return jnp.where(exists.reshape(-1, *[1] * (new.ndim - 1)), new, old)

    return jax.tree.map(choose, after, before)


def swap_time(a: Array) -> Array:
    """[B, T, ..] as [T, B, ..], or back."""
    return jnp.swapaxes(a, 0, 1)
