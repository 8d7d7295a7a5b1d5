"""Smoothing of tubes by locally weighted linear regression (Sec. 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from videolstm_jax.square import square_window
from videolstm_jax.types import Tube

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray


def smooth_tube(tube: Tube, span: int, *, causal: bool = False) -> Tube:
    """Fits each coordinate on every frame by a line through its neighbours, weighted by nearness.

    Locally weighted linear regression of degree 1 (Cleveland 1979) without robust passes. On frame
    t the `span` nearest frames are used; at the ends of the tube all of them lie on one side. Frame
    i weighs (1 - (|i - t| / h)^3)^3, where h is the distance to the farthest of them, which itself
    weighs nothing.

    Args:
      tube: boxes [n, 4].
      span: frames that each fit uses; 0 and 1 change nothing, more than n counts as n.
      causal: fit each frame from itself and the frames before it, as if the tube ended there.

    Returns:
      The tube with smoothed boxes. Near the ends a fit may extend beyond the boxes it was made
      from, see `keep_boxes_in_frame`.
    """
    boxes = np.asarray(tube.boxes, float)
    if causal and span > 1 and len(boxes):
        return Tube(tube.start, _smooth_ends(boxes, span))
    span = min(span, len(boxes))
    if span < 2:
        return Tube(tube.start, boxes)
    # The window slides with the frame and stops at both ends of the tube.
    centres = np.arange(len(boxes))
    first = np.clip(centres - (span - 1) // 2, 0, len(boxes) - span)
    neighbours = first[:, None] + np.arange(span)
    weights = _line_weights((neighbours - centres[:, None]).astype(float))
    return Tube(tube.start, np.einsum("ts,tsc->tc", weights, boxes[neighbours]))


def _smooth_ends(boxes: NDArray, span: int) -> NDArray:
    """Returns the last smoothed box of every beginning of a tube: [n, 4] to [n, 4]."""
    # Each beginning is fitted by itself, which is what a stream can do on that frame.
    ends = []
    for stop in range(1, len(boxes) + 1):
        recent = boxes[max(0, stop - span) : stop]
        ends.append(smooth_tube(Tube(0, recent), span).boxes[-1])
    return np.array(ends)


def _line_weights(offset: NDArray) -> NDArray:
    """Returns the weights of the neighbours in the value of the fitted line at offset 0.

    Args:
      offset: [n, span] the distance of each neighbour in frames.

    Returns:
      [n, span], rows that sum to 1.
    """
    # h: the farthest neighbour gets the weight 0.
    reach = np.abs(offset).max(axis=1, keepdims=True)
    weight = (1 - (np.abs(offset) / reach) ** 3) ** 3
    # The normal equations of a weighted line, solved for its value at offset 0.
    s0 = np.sum(weight, axis=1, keepdims=True)
    s1 = np.sum(weight * offset, axis=1, keepdims=True)
    s2 = np.sum(weight * offset**2, axis=1, keepdims=True)
    spread = s0 * s2 - s1**2
    # Where only one frame has weight, no line can be fitted: the box keeps its own value.
    single = spread <= 1e-12
    line = weight * (s2 - s1 * offset) / np.where(single, 1, spread)
    return np.where(single, weight / s0, line)


def keep_boxes_in_frame(tube: Tube, size: tuple[int, int], fit: str = "squash") -> Tube:
    """Clips the tube to what the network read of the frame.

    Each box stays at least a pixel wide and high.

    Args:
      tube: boxes [n, 4].
      size: H, W in pixels.
      fit: the setting `data.fit`; with `crop` a tube cannot leave the crop.
    """
    visible = square_window(fit, size).visible(size)
    first, last = visible[:2], visible[2:]
    # A line may exchange two corners, so they are sorted along each axis first.
    corners = np.sort(np.asarray(tube.boxes, float).reshape(-1, 2, 2), axis=1)
    low = np.clip(corners[:, 0], first, last - 1)
    high = np.clip(corners[:, 1], low + 1, last)
    return Tube(tube.start, np.concatenate([low, high], axis=1))
