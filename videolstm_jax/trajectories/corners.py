"""Where a frame has enough texture to be tracked: the smaller eigenvalue of its structure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray

_WINDOW = 3
"""Pixels of the side over which the structure of a frame is averaged."""
_NEIGHBOURHOOD = 3
"""Pixels of the side in which a corner has the largest value."""
_ROUNDING = 1e-6
"""Squared grey levels. Differences of a frame of one colour are zero but for rounding."""


def trajectory_central_differences(image: NDArray) -> tuple[NDArray, NDArray]:
    """Central differences [H, W] of a picture along x and y; borders are repeated outwards."""
    across = np.pad(image, ((0, 0), (1, 1)), "edge")
    down = np.pad(image, ((1, 1), (0, 0)), "edge")
    return across[:, 2:] - across[:, :-2], down[2:] - down[:-2]


def track_corner_strength(frame: NDArray) -> NDArray:
    """The smaller eigenvalue [H, W] of the structure tensor of a frame [H, W] (Shi and Tomasi)."""
    dx, dy = trajectory_central_differences(frame)
    xx, xy, yy = (
        ndimage.uniform_filter(product, _WINDOW, mode="nearest")
        for product in (dx * dx, dx * dy, dy * dy)
    )
    half_trace = (xx + yy) / 2
    root = np.sqrt(((xx - yy) / 2) ** 2 + xy * xy)
    # Rounding may leave a value just below zero, or just above it on an edge.
    return np.maximum(half_trace - root, 0)


def track_corners(frame: NDArray, quality: float, most: int) -> NDArray:
    """The strongest corners of a frame.

    Args:
      frame: [H, W] float32.
      quality: the least eigenvalue, as a share of the largest in the frame.
      most: corners at most.

    Returns:
      [n, 2] x and y, whole numbers.
    """
    strength = track_corner_strength(frame)
    largest = ndimage.maximum_filter(strength, _NEIGHBOURHOOD, mode="nearest")
    # A corner is as strong as the largest of its neighbourhood. Two equal neighbours are both
    # corners, which does no harm.
    is_corner = (strength == largest) & (strength > max(quality * strength.max(), _ROUNDING))
    y, x = np.nonzero(is_corner)
    # Stable: equal corners keep the order of rows, so that the choice is the same everywhere.
    strongest = np.argsort(-strength[y, x], kind="stable")[:most]
    return np.stack([x[strongest], y[strongest]], 1)


def new_track_points(frame: NDArray, tracked: NDArray, spacing: int, quality: float) -> NDArray:
    """Points of a grid to track from here on: with texture, and in cells that have no track.

    Args:
      frame: [H, W] float32.
      tracked: [n, 2] x and y of the points that are tracked already.
      spacing: W, pixels between two points of the grid.
      quality: the threshold T, as a share of the largest eigenvalue in the frame.

    Returns:
      [m, 2] x and y, float32.
    """
    height, width = frame.shape
    rows, columns = height // spacing, width // spacing
    # Points that lie in the incomplete cells at the right and lower border count for no cell.
    is_free = np.ones((rows, columns), bool)
    cells = (tracked // spacing).astype(int)
    is_inside = (cells >= 0).all(1) & (cells[:, 0] < columns) & (cells[:, 1] < rows)
    cells = cells[is_inside]
    is_free[cells[:, 1], cells[:, 0]] = False
    centre = spacing // 2
    strength = track_corner_strength(frame)
    # The grid begins at the centre of the first cell. Where half a cell is left at the border, a
    # point there would belong to no cell.
    of_grid = strength[centre::spacing, centre::spacing][:rows, :columns]
    y, x = np.nonzero(is_free & (of_grid > max(quality * strength.max(), _ROUNDING)))
    return np.stack([x, y], 1).astype(np.float32) * spacing + centre
