"""Boxes around the salient part of one frame: by threshold, Eq. (16), or by moments."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from videolstm_jax.config import LocalizeConfig

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray

_NEIGHBOURS = np.ones((3, 3), int)  # 8-connected: regions that touch at a corner are one


def propose_boxes(saliency: NDArray, settings: LocalizeConfig) -> tuple[NDArray, NDArray]:
    """Returns the boxes [n, 4] and masses [n] of one frame, by the rule `settings.box`."""
    if settings.box == "moments":
        return moment_box(saliency)
    return frame_boxes(saliency, settings.theta)


def frame_boxes(saliency: NDArray, threshold: float) -> tuple[NDArray, NDArray]:
    """Returns the tightest box around each connected region at or above the threshold, Eq. (16).

    Args:
      saliency: [H, W] in [0, 255].
      threshold: theta. A pixel that equals it belongs to a region, so that a frame whose maximum
        is 255 has a box at every theta up to 255.

    Returns:
      `boxes` [n, 4] x0 y0 x1 y1 in pixels, half open, from top to bottom by their first pixel, and
      `mass` [n], the sum of the saliency of each region.
    """
    # Eq. (16).
    salient = saliency >= threshold
    rows = np.flatnonzero(salient.any(axis=1))
    columns = np.flatnonzero(salient.any(axis=0))
    if not len(rows):
        return np.zeros((0, 4)), np.zeros(0)
    # Labelling and summing need only the rectangle that holds all regions. With sharp attention
    # this is a small part of the frame.
    top, left = rows[0], columns[0]
    crop = np.s_[top : rows[-1] + 1, left : columns[-1] + 1]
    saliency = saliency[crop]
    regions, count = ndimage.label(salient[crop], _NEIGHBOURS)
    if count == 1:
        # The usual case, and the crop already is the box: no search through the labels is needed.
        spans = [np.s_[0 : regions.shape[0], 0 : regions.shape[1]]]
    else:
        spans = ndimage.find_objects(regions)
    mass = []
    boxes = []
    for number, (y, x) in enumerate(spans, 1):
        # The rectangle of one region may hold pixels of another, which have no part in its mass.
        inside = regions[y, x] == number
        mass.append(np.sum(saliency[y, x] * inside, dtype=float))
        boxes.append((x.start, y.start, x.stop, y.stop))
    return np.array(boxes, float) + [left, top, left, top], np.array(mass)


def moment_box(saliency: NDArray) -> tuple[NDArray, NDArray]:
    """Returns the box that has the mean and deviation of the saliency if it is filled evenly.

    An evenly filled box of width w has the deviation w / sqrt(12), so the box extends sqrt(3)
    deviations to either side of the mean. No threshold is needed. A rectangle of equal saliency
    gives itself, the full frame too. A sharp peak beside weaker ones gives a box that spans all of
    them, where a threshold relative to the maximum would keep only the peak.

    Args:
      saliency: [H, W], not negative, on any scale.

    Returns:
      `boxes` [1, 4] x0 y0 x1 y1 in pixels, which may extend beyond the frame, and `mass` [1], the
      sum of the saliency; no box where all of it is zero.
    """
    # In float64, because the variance below is a small difference of large sums of pixels.
    mass = np.sum(saliency, dtype=float)
    if not mass > 0:
        return np.zeros((0, 4)), np.zeros(0)
    x0, x1 = _even_interval(saliency.sum(axis=0, dtype=float) / mass)
    y0, y1 = _even_interval(saliency.sum(axis=1, dtype=float) / mass)
    return np.array([[x0, y0, x1, y1]]), np.array([mass])


def _even_interval(shares: NDArray) -> tuple[float, float]:
    """Returns the ends of the interval with the mean and deviation of shares [n] of n pixels."""
    centres = np.arange(len(shares)) + 0.5
    mean = shares @ centres
    # A pixel is itself an evenly filled interval of width 1, with variance 1 / 12.
    variance = shares @ (centres - mean) ** 2 + 1 / 12
    # An evenly filled interval of half width h has the variance h^2 / 3.
    half = np.sqrt(3 * variance)
    return mean - half, mean + half
