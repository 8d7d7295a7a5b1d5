"""Boxes around what is salient on one frame: by threshold, Eq. (16), or by moments, which need
none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray

_NEIGHBOURS = np.ones((3, 3), int)  # 8-connected: regions that touch at a corner are one


def frame_boxes(saliency: NDArray, threshold: float) -> tuple[NDArray, NDArray]:
    """The tightest box around each connected region at or above the threshold, Eq. (16).

    Args:
      saliency: [H, W] in [0, 255].
      threshold: theta; a pixel that equals it belongs to a region, so that a frame whose maximum is
        255 has a box at every theta up to 255.

    Returns:
      `boxes` [n, 4] x0 y0 x1 y1 in pixels, half open, from top to bottom by their first pixel, and
      `mass` [n], the sum of the saliency of each region.
    """
    salient = saliency >= threshold
    rows, columns = np.flatnonzero(salient.any(axis=1)), np.flatnonzero(salient.any(axis=0))
    if not len(rows):
        return np.zeros((0, 4)), np.zeros(0)
    inner = np.s_[
        rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1
    ]  # labelling and summing need no more than this
    regions, count = ndimage.label(salient[inner], _NEIGHBOURS)
    saliency = saliency[inner]
    spans = (
        ndimage.find_objects(regions)
        if count > 1
        else [np.s_[0 : regions.shape[0], 0 : regions.shape[1]]]
    )
    mass = [
        np.sum(saliency[span] * (regions[span] == name), dtype=float)
        for name, span in enumerate(spans, 1)
    ]
    boxes = np.array([(x.start, y.start, x.stop, y.stop) for y, x in spans], float)
    return boxes + [columns[0], rows[0], columns[0], rows[0]], np.array(mass)


def moment_box(saliency: NDArray) -> tuple[NDArray, NDArray]:
    """The box that, evenly filled, would have the mean and the deviations of the saliency; no
    threshold is involved.

    An evenly filled box of width w has deviation w / sqrt(12), so the box reaches sqrt(3)
    deviations to either side of the mean. A rectangle of equal saliency gives itself, the whole
    frame included. A sharp peak beside weaker ones gives a box that spans them, where a share of
    the maximum would leave only the peak.

    Args:
      saliency: [H, W], not negative, on any scale.

    Returns:
      `boxes` [1, 4] x0 y0 x1 y1 in pixels, which may reach beyond the frame, and `mass` [1], the
      sum of the saliency; none where all of it is zero.
    """
    mass = np.sum(saliency, dtype=float)
    if not mass > 0:
        return np.zeros((0, 4)), np.zeros(0)
    ends = [_evenly_filled(saliency.sum(axis=axis, dtype=float) / mass) for axis in (0, 1)]
    return np.array([[ends[0][0], ends[1][0], ends[0][1], ends[1][1]]]), np.array([mass])


def _evenly_filled(share: NDArray) -> tuple[float, float]:
    """Where an interval begins and ends that has the mean and the deviation of shares [n] of n
    pixels.
    """
    at = np.arange(len(share)) + 0.5
    mean = share @ at
    half = np.sqrt(
        3 * (share @ (at - mean) ** 2 + 1 / 12)
    )  # a pixel is itself evenly filled: variance 1 / 12
    return mean - half, mean + half
