"""Steps of TV-L1 on frames alone: their blur, their gradient, and the penalty at their edges.

Their order of operations is part of the result, see `tvl1`.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import Array

from videolstm_jax.flow.sampling import tvl1_neighbours

_POWER = 0.8
"""Of the gradient in the penalty."""
_LEAST = 0.05
"""The smallest penalty: at 0 the flow of an edge's two sides would have nothing in common."""
_SIGMA = 0.7
"""Pixels of the Gaussian before the penalty, without which noise would count as edges."""


def tvl1_blurred(frames: Array, share: float) -> Array:
    """Blurs frames [G, H, W]: each pixel takes `share` from either neighbour on each axis.

    Whole grey levels are steps where a frame is smooth; the blur makes them smaller.
    """
    for axis in (2, 1):
        around = tvl1_neighbours(frames, -1, axis) + tvl1_neighbours(frames, 1, axis)
        frames = (1 - 2 * share) * frames + share * around
    return frames


def tvl1_gradient(frames: Array, *, five_points: bool) -> Array:
    """Computes the gradient of frames from differences around each pixel.

    Args:
      frames: [G, h, w].
      five_points: whether the differences are Wedel et al.'s (2009), exact for polynomials of
        degree four, and not those of the two neighbours.

    Returns:
      [G, h, w, 2]: along x, axis 2, and along y, axis 1.
    """
    components = []
    for axis in (2, 1):
        after, before = tvl1_neighbours(frames, 1, axis), tvl1_neighbours(frames, -1, axis)
        if five_points:
            far = tvl1_neighbours(after, 1, axis) - tvl1_neighbours(before, -1, axis)
            components.append((8 * (after - before) - far) / 12)
        else:
            components.append((after - before) / 2)
    return jnp.stack(components, -1)


def tvl1_edge_penalty(frames: Array, rate: float) -> Array:
    """Computes the penalty of the flow's gradient at each pixel, small at edges of the frames.

    g = max(exp(-rate (|gradient| / 255)^.8), .05), of the frames behind a small Gaussian. It is the
    weight of Werlberger et al. (2009), who apply it across edges only; here it holds for both
    directions.

    Args:
      frames: [G, h, w] grey levels in [0, 255].
      rate: of the fall.

    Returns:
      [G, h, w] in [.05, 1].
    """
    offsets = np.arange(-2, 3)
    taps = np.exp(-(offsets**2) / (2 * _SIGMA**2))
    outer, inner, middle = (float(tap) for tap in taps[:3] / taps.sum())
    for axis in (2, 1):
        after, before = tvl1_neighbours(frames, 1, axis), tvl1_neighbours(frames, -1, axis)
        far = tvl1_neighbours(after, 1, axis) + tvl1_neighbours(before, -1, axis)
        frames = middle * frames + inner * (after + before) + outer * far
    length = jnp.sqrt((tvl1_gradient(frames, five_points=True) ** 2).sum(-1))
    return jnp.maximum(jnp.exp(-rate * (length / 255) ** _POWER), _LEAST)
