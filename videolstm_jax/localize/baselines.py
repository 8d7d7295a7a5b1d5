"""What localisation must beat and what it cannot: still boxes, plain motion, the best that a box or
a map can do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from videolstm_jax.localize.tubes import overlaps
from videolstm_jax.types import Tube

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray


def centred_tube(size: tuple[int, int], frames: int, fraction: float = 1.0) -> Tube:
    """The same box on every frame: centred, with this fraction of the frame's height and width.

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
    low, high = (1 - fraction) / 2, (1 + fraction) / 2
    return still_tube([low * width, low * height, high * width, high * height], frames)


def still_tube(box: Sequence[float], frames: int) -> Tube:
    """One box [4] held for all frames."""
    return Tube(0, np.tile(np.asarray(box, float), (frames, 1)))


def mean_box(tubes: Sequence[Tube], sizes: Sequence[tuple[int, int]]) -> NDArray:
    """The mean true box of the training list, in shares of the frame; each video weighs the same.

    Args:
      tubes: true tubes.
      sizes: H, W of each one's video.

    Returns:
      [4] x0 y0 x1 y1 in [0, 1]: times W H W H it is a box in pixels.

    Raises:
      ValueError: there are no tubes.
    """
    if not tubes:
        raise ValueError("there are no true tubes to average; expected at least one")
    return np.mean(
        [
            tube.boxes.mean(axis=0) / (width, height, width, height)
            for tube, (height, width) in zip(tubes, sizes, strict=True)
        ],
        axis=0,
    )


def best_still_box(boxes: NDArray) -> NDArray:
    """The one box [4] that overlaps best with all of a tube's [n, 4]: one of its own, their mean or
    their median.
    """
    few = boxes[np.linspace(0, len(boxes) - 1, min(len(boxes), 100)).round().astype(int)]
    tried = np.concatenate(
        [few, boxes.mean(axis=0, keepdims=True), np.median(boxes, axis=0, keepdims=True)]
    )
    return tried[np.argmax([overlaps(boxes, box).mean() for box in tried])]


def uniform_attention(frames: int, cells: int) -> NDArray:
    """Attention that looks nowhere: [T, N, N], each map sums to 1."""
    return np.full((frames, cells, cells), 1 / cells**2)


def flow_attention(flow: NDArray, cells: int) -> NDArray:
    """Attention that looks where things move: the magnitude of the flow, averaged over each cell.

    Args:
      flow: [T, H, W, 2] displacements in any one unit, zero where nothing moves.
      cells: N.

    Returns:
      [T, N, N], each map sums to 1; uniform on frames without any motion.
    """
    magnitude = np.hypot(flow[..., 0].astype(np.float32), flow[..., 1].astype(np.float32))
    rows, columns = (_pooling(side, cells) for side in magnitude.shape[1:])
    return as_attention(rows @ magnitude @ columns.T)


def _pooling(pixels: int, cells: int) -> NDArray:
    """[N, pixels] the share of each pixel in the mean of each cell; a pixel on a border is divided."""
    edge = np.arange(pixels) * cells / pixels
    low = np.maximum(edge, np.arange(cells)[:, None])
    high = np.minimum(edge + cells / pixels, np.arange(1, cells + 1)[:, None])
    return np.maximum(0, high - low).astype(np.float32)


def coverage(boxes: NDArray, size: tuple[int, int], cells: int) -> NDArray:
    """The share of each cell of the map that a box covers.

    Args:
      boxes: [T, 4] in pixels.
      size: H, W in pixels.
      cells: N.

    Returns:
      [T, N, N] in [0, 1].
    """
    height, width = size
    grid = np.arange(cells)

    def along(low: NDArray, high: NDArray, side: int) -> NDArray:
        first, last = low[:, None] * cells / side, high[:, None] * cells / side
        return np.maximum(0, np.minimum(last, grid + 1) - np.maximum(first, grid))

    x0, y0, x1, y1 = np.asarray(boxes, float).T
    return along(y0, y1, height)[:, :, None] * along(x0, x1, width)[:, None, :]


def covered_cells(tubes: Sequence[Tube], size: tuple[int, int], frames: int, cells: int) -> NDArray:
    """The share of each cell that the true box covering it most does: [T, N, N], zero on frames
    without truth.

    Args:
      tubes: the true tubes of one video.
      size: H, W in pixels.
      frames: T, how many frames are asked for; what lies beyond is left out.
      cells: N.
    """
    covered = np.zeros((frames, cells, cells))
    for tube in tubes:
        stop = min(tube.start + len(tube.boxes), frames)
        if tube.start < stop:
            true = coverage(tube.boxes[: stop - tube.start], size, cells)
            covered[tube.start : stop] = np.maximum(covered[tube.start : stop], true)
    return covered


def ideal_attention(boxes: NDArray, size: tuple[int, int], cells: int) -> NDArray:
    """Attention as good as the map allows: each cell weighs as much of it as the true box covers.

    Args:
      boxes: [T, 4] true boxes in pixels.
      size: H, W in pixels.
      cells: N.

    Returns:
      [T, N, N], each map sums to 1; uniform where a box lies outside the frame.
    """
    return as_attention(coverage(boxes, size, cells))


def as_attention(maps: NDArray) -> NDArray:
    """The maps [T, N, N] divided by their sums; uniform where that is zero."""
    total = maps.sum(axis=(1, 2), keepdims=True)
    flat = np.full_like(maps, 1 / maps[0].size)
    return np.divide(maps, total, out=flat, where=total > 0)
