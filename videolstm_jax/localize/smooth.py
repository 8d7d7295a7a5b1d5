"""Smoothing of tubes by locally weighted linear regression (Sec. 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from videolstm_jax.types import Tube

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray


def smooth(tube: Tube, span: int, *, causal: bool = False) -> Tube:
    """Each coordinate fitted anew on every frame by a line through its neighbours, weighted by how
    near they are.

    Locally weighted linear regression of degree 1 (Cleveland 1979) without robust passes. On frame
    t the `span` nearest frames are seen, at the ends of the tube all of them on one side. Frame i
    weighs (1 - (|i - t| / h)^3)^3, where h is the distance to the farthest of them, which itself
    weighs nothing.

    Args:
      tube: boxes [n, 4].
      span: frames that each fit sees; up to 1 changes nothing, more than n is n.
      causal: fit each frame from itself and those before it, as if the tube ended there: what a
        stream can do.

    Returns:
      The tube with smoothed boxes. Near the ends a fit may reach beyond the boxes it was made from:
      see `inside`.
    """
    boxes = np.asarray(tube.boxes, float)
    if causal and span > 1 and len(boxes):
        ends = [
            smooth(Tube(0, boxes[max(0, t + 1 - span) : t + 1]), span).boxes[-1]
            for t in range(len(boxes))
        ]
        return Tube(tube.start, np.array(ends))
    span = min(span, len(boxes))
    if span < 2:
        return Tube(tube.start, boxes)
    centre = np.arange(len(boxes))
    first = np.clip(centre - (span - 1) // 2, 0, len(boxes) - span)
    frame = first[:, None] + np.arange(span)
    weight = _line_weights((frame - centre[:, None]).astype(float))
    return Tube(tube.start, np.einsum("ts,tsc->tc", weight, boxes[frame]))


def _line_weights(offset: NDArray) -> NDArray:
    """What each neighbour adds to the value of the fitted line at offset 0: [t, span], rows that
    sum to 1.
    """
    reach = np.abs(offset).max(axis=1, keepdims=True)
    w = (1 - (np.abs(offset) / reach) ** 3) ** 3
    s0, s1, s2 = (np.sum(w * offset**power, axis=1, keepdims=True) for power in range(3))
    spread = s0 * s2 - s1**2
    alone = spread <= 1e-12  # a single frame has weight: no line, its own value
    return np.where(alone, w / s0, w * (s2 - s1 * offset) / np.where(alone, 1, spread))


def inside(tube: Tube, size: tuple[int, int]) -> Tube:
    """The tube clipped to the frame, each box at least a pixel wide and high.

    Args:
      tube: boxes [n, 4].
      size: H, W in pixels.
    """
    side = np.array([size[1], size[0]], float)
    low, high = np.split(
        np.sort(np.asarray(tube.boxes, float).reshape(-1, 2, 2), axis=1).reshape(-1, 4), 2, axis=1
    )
    low = np.clip(low, 0, side - 1)
    return Tube(tube.start, np.concatenate([low, np.clip(high, low + 1, side)], axis=1))
