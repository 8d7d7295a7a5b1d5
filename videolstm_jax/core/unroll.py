"""A cell over the frames of a batch of clips."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
from jax import lax

if TYPE_CHECKING:
    from videolstm_jax.core.cell import BoundCell
    from videolstm_jax.types import Array, CellOut, Inputs, PyTree


def unroll(
    cell: BoundCell,
    params: PyTree,
    carry: PyTree,
    xs: Inputs,
    mask: Array,
    *,
    remat: bool = False,
) -> tuple[PyTree, CellOut]:
    """Runs a cell over time; a frame that does not exist leaves the carry as it was.

    The cell's convolution is bound before:
    `unroll(bind(CELLS["videolstm"], engines.im2col_convolution), ..)`.

    Args:
      cell: a cell with its convolution, from `cell.bind`.
      params: the cell's parameters.
      carry: the state before the first frame, any tree of arrays [B, ..].
      xs: the inputs, [B, T, ..].
      mask: [B, T] bool, true where the frame exists.
      remat: recompute each step in the backward pass instead of keeping what it made.

    Returns:
      The carry after the last frame, and the `CellOut` of every frame, [B, T, ..]; where the mask
      is false it is that of a frame with the padding as its content.
    """
    # A scan runs over the first axis.
    xs, mask = jax.tree.map(swap_time_for_scan, (xs, mask))
    step = cell.step
    if remat:
        # prevent_cse is for code outside of a scan; inside of one it only costs time.
        step = jax.checkpoint(step, prevent_cse=False)

    def frame(carry: PyTree, drive_and_mask: tuple) -> tuple[PyTree, CellOut]:
        drive, exists = drive_and_mask
        # Rows without this frame are computed too, because shapes cannot depend on the mask. Their
        # carry is that of their last frame, which evaluation reads after the scan.
        after, out = step(params, carry, drive)
        return hold_carry(exists, after, carry), out

    # All that does not depend on the carry is computed before the scan, for all frames at once.
    drive = cell.drive(params, xs)
    carry, out = lax.scan(frame, carry, (drive, mask))
    return carry, jax.tree.map(swap_time_for_scan, out)


def hold_carry(exists: Array, after: PyTree, before: PyTree) -> PyTree:
    """The carry `after` a frame for the rows [B] where it `exists`, else that `before` it."""

    def choose(new: Array, old: Array) -> Array:
        # [B] as [B, 1, ..]: leaves of a carry may have any number of axes after the batch.
        rows = exists.reshape(-1, *[1] * (new.ndim - 1))
        return jnp.where(rows, new, old)

    return jax.tree.map(choose, after, before)


def swap_time_for_scan(a: Array) -> Array:
    """[B, T, ..] as [T, B, ..], or back."""
    return jnp.swapaxes(a, 0, 1)
