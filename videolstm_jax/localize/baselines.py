"""Tubes and maps that localisation is compared with: still boxes, plain motion, ideal attention."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from videolstm_jax.localize.linking import box_overlaps
from videolstm_jax.square import square_window
from videolstm_jax.types import Tube

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray


# ---- still boxes ---------------------------------------------------------------------------------


def centred_tube(size: tuple[int, int], frames: int, fraction: float = 1.0) -> Tube:
    """Makes a tube of one centred box with this fraction of the frame's height and width.

    Args:
      size: H, W in pixels.
      frames: L.
      fraction: in (0, 1]; 1 is the full frame.

    Raises:
      ValueError: the fraction lies outside (0, 1].
    """
    if not 0 < fraction <= 1:
        raise ValueError(f"fraction is {fraction}; expected more than 0 and at most 1")
    height, width = size
    # The margins are equal on both sides.
    low, high = (1 - fraction) / 2, (1 + fraction) / 2
    return still_tube([low * width, low * height, high * width, high * height], frames)


def still_tube(box: Sequence[float], frames: int) -> Tube:
    """Makes a tube that holds one box [4] for all frames."""
    return Tube(0, np.tile(np.asarray(box, float), (frames, 1)))


def mean_box(tubes: Sequence[Tube], sizes: Sequence[tuple[int, int]]) -> NDArray:
    """Returns the mean box of tubes of different videos; each tube has the same weight.

    Args:
      tubes: true tubes.
      sizes: H, W of the video of each tube.

    Returns:
      [4] x0 y0 x1 y1 in [0, 1], as fractions of the frame: times W H W H it is a box in pixels.

    Raises:
      ValueError: there are no tubes.
    """
    if not tubes:
        raise ValueError("there are no true tubes to average; expected at least one")
    boxes = []
    for tube, (height, width) in zip(tubes, sizes, strict=True):
        # Over the frames of a tube first: a long video must not outweigh many short ones.
        boxes.append(tube.boxes.mean(axis=0) / (width, height, width, height))
    return np.mean(boxes, axis=0)


def best_still_box(boxes: NDArray) -> NDArray:
    """Returns the box [4] with the best mean overlap with all boxes [n, 4] of a tube.

    The candidates are the tube's own boxes, their mean and their median.
    """
    # 100 of the tube's boxes, evenly spaced, are enough: neighbours hardly differ.
    chosen = np.linspace(0, len(boxes) - 1, min(len(boxes), 100)).round().astype(int)
    mean = boxes.mean(axis=0, keepdims=True)
    median = np.median(boxes, axis=0, keepdims=True)
    candidates = np.concatenate([boxes[chosen], mean, median])
    overlaps = [box_overlaps(boxes, candidate).mean() for candidate in candidates]
    return candidates[np.argmax(overlaps)]


# ---- maps ----------------------------------------------------------------------------------------


def uniform_attention(frames: int, cells: int) -> NDArray:
    """Returns attention that has the same weight everywhere: [T, N, N], each map sums to 1."""
    return np.full((frames, cells, cells), 1 / cells**2)


def flow_baseline_attention(flow: NDArray, cells: int, fit: str = "squash") -> NDArray:
    """Returns the magnitude of the flow, averaged over each cell, as attention.

    Args:
      flow: [T, H, W, 2] displacements in any one unit, zero where nothing moves.
      cells: N.
      fit: the setting `data.fit`; padding counts as pixels that do not move.

    Returns:
      [T, N, N], each map sums to 1; uniform on frames without any motion.
    """
    magnitude = np.hypot(flow[..., 0].astype(np.float32), flow[..., 1].astype(np.float32))
    # The mean over a cell is separable, so it is one small matrix on either side of each frame.
    height, width = magnitude.shape[1:]
    part = square_window(fit, (height, width))
    rows = _mean_matrix(height, cells, (part.top, part.height))
    columns = _mean_matrix(width, cells, (part.left, part.width))
    return maps_as_attention(rows @ magnitude @ columns.T)


def _mean_matrix(pixels: int, cells: int, span: tuple[float, float]) -> NDArray:
    """Returns the weight of each pixel in the mean of each cell along one axis: [N, pixels].

    A pixel on the border of two cells is divided between them. `span` is where the cells begin in
    pixels, and how many they cover.
    """
    start, length = span
    # In units of cells: a pixel is N / length long, and cell n reaches from n to n + 1.
    edges = (np.arange(pixels) - start) * cells / length
    low = np.maximum(edges, np.arange(cells)[:, None])
    high = np.minimum(edges + cells / length, np.arange(1, cells + 1)[:, None])
    return np.maximum(0, high - low).astype(np.float32)


def ideal_attention(
    boxes: NDArray, size: tuple[int, int], cells: int, fit: str = "squash"
) -> NDArray:
    """Returns the best attention that a map of N x N cells allows: each cell weighs its coverage.

    Args:
      boxes: [T, 4] true boxes in pixels.
      size: H, W in pixels.
      cells: N.
      fit: the setting `data.fit`.

    Returns:
      [T, N, N], each map sums to 1; uniform where a box lies outside what the network reads.
    """
    return maps_as_attention(box_coverage_of_cells(boxes, size, cells, fit))


def maps_as_attention(maps: NDArray) -> NDArray:
    """Divides the maps [T, N, N] by their sums; a map that sums to zero becomes uniform."""
    total = maps.sum(axis=(1, 2), keepdims=True)
    # `divide` writes only where the sum is positive; the other maps keep what `out` held before.
    uniform = np.full_like(maps, 1 / maps[0].size)
    return np.divide(maps, total, out=uniform, where=total > 0)


# ---- cells under boxes ---------------------------------------------------------------------------


def box_coverage_of_cells(
    boxes: NDArray, size: tuple[int, int], cells: int, fit: str = "squash"
) -> NDArray:
    """Returns the fraction of each cell of the map that a box covers.

    Args:
      boxes: [T, 4] in pixels.
      size: H, W in pixels.
      cells: N.
      fit: the setting `data.fit`, how the cells lie on the frame.

    Returns:
      [T, N, N] in [0, 1].
    """
    x0, y0, x1, y1 = square_window(fit, size).to_square(boxes, cells).T
    # Boxes have upright sides, so what they cover of a cell is a product of two intervals.
    rows = _axis_coverage(y0, y1, cells)
    columns = _axis_coverage(x0, x1, cells)
    return rows[:, :, None] * columns[:, None, :]


def _axis_coverage(low: NDArray, high: NDArray, cells: int) -> NDArray:
    """Returns the fraction of each cell that intervals `low` to `high` [T], in cells, cover."""
    grid = np.arange(cells)
    first, last = low[:, None], high[:, None]
    return np.maximum(0, np.minimum(last, grid + 1) - np.maximum(first, grid))


def box_coverage_by_tubes(
    tubes: Sequence[Tube], size: tuple[int, int], frames: int, cells: int, fit: str = "squash"
) -> NDArray:
    """Returns the fraction of each cell that the true box covering it most covers.

    Args:
      tubes: the true tubes of one video.
      size: H, W in pixels.
      frames: T; tubes may end later.
      cells: N.
      fit: the setting `data.fit`.

    Returns:
      [T, N, N], zero on frames without truth.
    """
    covered = np.zeros((frames, cells, cells))
    for tube in tubes:
        stop = min(tube.start + len(tube.boxes), frames)
        if tube.start < stop:
            fractions = box_coverage_of_cells(tube.boxes[: stop - tube.start], size, cells, fit)
            # Not the sum: where two actors share a cell, a sum would count the overlap twice.
            covered[tube.start : stop] = np.maximum(covered[tube.start : stop], fractions)
    return covered
