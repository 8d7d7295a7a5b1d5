"""Histograms of directions in cells around points, from sums over rectangles (HOG, HOF, MBH)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from videolstm_jax.trajectories.corners import trajectory_central_differences

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray

PATCH = 32
"""Pixels of the side of the square around a point."""
CELLS = 2
"""n_x = n_y, the cells of the square along each side."""
BINS = {"hog": 8, "hof": 9, "mbh_x": 8, "mbh_y": 8}
"""Bins of a cell: eight directions; the ninth of HOF counts pixels that do not move."""
FRAME_WIDTH = CELLS * CELLS * sum(BINS.values())
"""Numbers of a point in one frame, all histograms together."""
STILL = 0.4
"""Pixels of flow below which a pixel counts as not moving."""
_FLOOR = 0.05
"""Added to every bin, so that cells without any gradient do not become amplified noise."""


def trajectory_votes(dx: NDArray, dy: NDArray, bins: int) -> NDArray:
    """Divides each vector between the two directions next to its own.

    Direction k is at the angle 2 pi k / bins, from x towards y.

    Args:
      dx: [H, W].
      dy: [H, W].
      bins: directions.

    Returns:
      [H, W, bins] float32, which sums to the length of each vector.
    """
    position = np.arctan2(dy, dx) * np.float32(bins / (2 * np.pi))
    below = np.floor(position)
    share = (position - below)[..., None]
    # Angles are -pi to pi, so the remainder brings negative ones to the upper half.
    index = below.astype(np.int64)[..., None] % bins
    length = np.hypot(dx, dy)[..., None]
    votes = np.zeros((*dx.shape, bins), np.float32)
    np.put_along_axis(votes, index, length * (1 - share), -1)
    np.put_along_axis(votes, (index + 1) % bins, length * share, -1)
    return votes


def trajectory_votes_of_frame(frame: NDArray, flow: NDArray) -> NDArray:
    """What each pixel adds to the bins of HOG, HOF, MBHx and MBHy, [H, W, 33].

    Args:
      frame: [H, W] float32.
      flow: [H, W, 2], the camera's motion taken off.
    """
    hog = trajectory_votes(*trajectory_central_differences(frame), BINS["hog"])
    moving = trajectory_votes(flow[..., 0], flow[..., 1], BINS["hof"] - 1)
    is_still = np.hypot(flow[..., 0], flow[..., 1])[..., None] < STILL
    # One for each pixel that stands still, whatever its little flow is.
    hof = np.concatenate([np.where(is_still, np.float32(0), moving), is_still], -1)
    mbh_x = trajectory_votes(*trajectory_central_differences(flow[..., 0]), BINS["mbh_x"])
    mbh_y = trajectory_votes(*trajectory_central_differences(flow[..., 1]), BINS["mbh_y"])
    return np.concatenate([hog, hof, mbh_x, mbh_y], -1)


def trajectory_vote_sums(votes: NDArray) -> NDArray:
    """Sums over all rectangles that begin in the upper left corner, [H + 1, W + 1, bins].

    In float64: a cell is a difference of four of them, and votes are up to 361 a pixel.
    """
    height, width, bins = votes.shape
    sums = np.zeros((height + 1, width + 1, bins))
    # Additions of whole rows and columns take half the time of numpy's cumsum.
    for y in range(height):
        np.add(sums[y, 1:], votes[y], out=sums[y + 1, 1:])
    for x in range(width):
        sums[1:, x + 1] += sums[1:, x]
    return sums


def trajectory_point_histograms(sums: NDArray, points: NDArray) -> NDArray:
    """The histograms of points, each normalised to sum 1 and under the square root.

    The square of 32 x 32 pixels around a point is moved where it would leave the frame. Cells go
    column by column, as in DenseTrackStab, and the bins of a cell are next to each other.

    Args:
      sums: of `trajectory_vote_sums`.
      points: [n, 2] x and y.

    Returns:
      [n, FRAME_WIDTH] float32, HOG first, then HOF, MBHx and MBHy.
    """
    height, width = sums.shape[0] - 1, sums.shape[1] - 1
    size = np.array([width, height])
    # Half up, as the program in C rounds; `np.round` takes .5 to the even neighbour.
    corner = np.floor(points + 0.5).astype(int) - PATCH // 2
    corner = np.clip(corner, 0, np.maximum(size - PATCH, 0))
    edges = corner[:, :, None] + np.arange(CELLS + 1) * (PATCH // CELLS)
    # Only frames smaller than a square have edges outside.
    x, y = np.minimum(edges[:, 0], width), np.minimum(edges[:, 1], height)
    lattice = sums[y[:, None, :], x[:, :, None]]  # [n, 3 of x, 3 of y, bins]
    # Differences along both axes are the sums over cells. Rounding may leave one just below zero.
    cells = np.maximum(np.diff(np.diff(lattice, axis=1), axis=2), 0)
    parts, start = [], 0
    for bins in BINS.values():
        part = cells[..., start : start + bins].reshape(len(points), CELLS * CELLS * bins) + _FLOOR
        parts.append(np.sqrt(part / part.sum(1, keepdims=True)))
        start += bins
    return np.concatenate(parts, 1).astype(np.float32)
