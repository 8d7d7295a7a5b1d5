"""The camera's motion between two frames: a homography that most corners follow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from videolstm_jax.trajectories.corners import track_corners

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray

_QUALITY = 0.001
_MOST_MATCHES = 800
_FEWEST_MATCHES = 50
_FEWEST_INLIERS = 25
"""With fewer of either, the camera counts as still: a homography of a few points follows noise."""
_TRIALS = 300
"""Samples of four matches. If half of the matches fit, one of 16 samples has none that does not."""
_TOLERANCE = 1.0
"""Pixels by which a match may miss a homography that it fits."""
_REFINEMENTS = 2


def camera_homography(frame: NDArray, flow: NDArray, generator: np.random.Generator) -> NDArray:
    """The homography of the background, from a frame to the next one.

    Matches are corners of the frame and where the flow takes them. It is the robust estimate of
    RANSAC, and least squares over the matches that fit.

    Args:
      frame: [H, W] float32.
      flow: [H, W, 2] pixels.
      generator: chooses the samples.

    Returns:
      [3, 3]; the identity where there are too few matches.
    """
    points = track_corners(frame, _QUALITY, _MOST_MATCHES)
    if len(points) < _FEWEST_MATCHES:
        return np.eye(3)
    targets = points + flow[points[:, 1], points[:, 0]]
    # In float64: the equations hold products of coordinates.
    return robust_homography(points.astype(float), targets.astype(float), generator)


def robust_homography(points: NDArray, targets: NDArray, generator: np.random.Generator) -> NDArray:
    """RANSAC: the homography that most matches [n, 2] fit within a pixel.

    Returns:
      [3, 3]; the identity where fewer than 25 matches fit.
    """
    # Coordinates around 0 and of size 1, without which the equations are badly conditioned.
    centre, size = points.mean(0), max(points.std(), 1e-6)
    to_unit = np.array(
        [[1 / size, 0, -centre[0] / size], [0, 1 / size, -centre[1] / size], [0, 0, 1]]
    )
    source, target = (points - centre) / size, (targets - centre) / size
    samples = generator.integers(0, len(points), (_TRIALS, 4))
    matrices = _through_four(source[samples], target[samples])
    if not len(matrices):
        return np.eye(3)
    # All samples are judged at once, [trials, matches]: no loop that ends early, as programs in C
    # have.
    fits = _misses(matrices, source, target) < _TOLERANCE / size
    best = fits[fits.sum(1).argmax()]
    matrix = np.eye(3)
    # Four points decide a homography with their own errors. All that fit average them out, and then
    # a few more may fit.
    for _ in range(_REFINEMENTS):
        if best.sum() < _FEWEST_INLIERS:
            return np.eye(3)
        matrix = _least_squares(source[best], target[best])
        best = _misses(matrix[None], source, target)[0] < _TOLERANCE / size
    # From units back to pixels on both sides.
    return np.linalg.inv(to_unit) @ matrix @ to_unit


def points_through_homography(matrix: NDArray, points: NDArray) -> NDArray:
    """Points [.., 2] under a homography [3, 3]."""
    # Row by row rather than as a product of matrices: it takes points of any shape, such as a whole
    # grid, without a third coordinate beside them.
    x, y = points[..., 0], points[..., 1]
    mapped = [row[0] * x + row[1] * y + row[2] for row in matrix]
    return np.stack([mapped[0] / mapped[2], mapped[1] / mapped[2]], -1)


def flow_without_camera(flow: NDArray, homography: NDArray) -> NDArray:
    """The flow [H, W, 2] that is left when the next frame is brought back by the homography.

    A point p goes to p + w(p) there, and to H^-1 (p + w(p)) in the frame brought back. So no flow
    is computed a second time.
    """
    height, width = flow.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    grid = np.stack([x, y], -1)
    inverse = np.linalg.inv(homography).astype(np.float32)
    return points_through_homography(inverse, grid + flow) - grid


# ---- homographies from matches -------------------------------------------------------------------


def _equations(source: NDArray, target: NDArray) -> tuple[NDArray, NDArray]:
    """The linear equations [.., 2n, 8] and right sides of a homography whose last number is 1."""
    x, y = source[..., 0], source[..., 1]
    u, v = target[..., 0], target[..., 1]
    unit, zero = np.ones_like(x), np.zeros_like(x)
    # u (h7 x + h8 y + 1) = h1 x + h2 y + h3, with the products of unknowns brought to the left; v
    # likewise with h4 to h6.
    of_u = np.stack([x, y, unit, zero, zero, zero, -u * x, -u * y], -1)
    of_v = np.stack([zero, zero, zero, x, y, unit, -v * x, -v * y], -1)
    return np.concatenate([of_u, of_v], -2), np.concatenate([u, v], -1)


def _as_matrices(eight: NDArray) -> NDArray:
    """Homographies [.., 3, 3] from their first eight numbers [.., 8]."""
    last = np.ones((*eight.shape[:-1], 1))
    return np.concatenate([eight, last], -1).reshape(*eight.shape[:-1], 3, 3)


def _through_four(source: NDArray, target: NDArray) -> NDArray:
    """The homographies [m, 3, 3] through samples [k, 4, 2]; samples that decide none are left out.

    Such are samples with a match twice, or with three points on a line.
    """
    left, right = _equations(source, target)
    is_regular = np.abs(np.linalg.det(left)) > 1e-6
    return _as_matrices(np.linalg.solve(left[is_regular], right[is_regular, :, None])[..., 0])


def _least_squares(source: NDArray, target: NDArray) -> NDArray:
    left, right = _equations(source, target)
    # Not by the normal equations, which would square the condition of `left`.
    return _as_matrices(np.linalg.lstsq(left, right, rcond=None)[0])


def _misses(matrices: NDArray, source: NDArray, target: NDArray) -> NDArray:
    """How far each homography of [k, 3, 3] misses each target, [k, n]."""
    homogeneous = np.concatenate([source, np.ones((len(source), 1))], 1)
    mapped = homogeneous @ matrices.transpose(0, 2, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        misses = np.hypot(
            mapped[..., 0] / mapped[..., 2] - target[:, 0],
            mapped[..., 1] / mapped[..., 2] - target[:, 1],
        )
    # A point that goes to infinity fits nothing.
    return np.nan_to_num(misses, nan=np.inf)
