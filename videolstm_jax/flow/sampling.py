"""Shifts, samples, sizes and medians of maps, for optical flow.

All are written in whole arrays of fixed shapes, since XLA fuses such code. Their order of
operations is part of the result, see `tvl1`.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array, lax


def tvl1_neighbours(x: Array, by: int, axis: int) -> Array:
    """Returns the values one place after (`by` 1) or before (-1) on an axis, the edge repeated."""
    # Slices and not `jnp.roll`, whose values from the other edge would have to be masked again.
    n = x.shape[axis]
    if by > 0:
        return jnp.concatenate(
            [lax.slice_in_dim(x, 1, n, axis=axis), lax.slice_in_dim(x, n - 1, n, axis=axis)], axis
        )
    return jnp.concatenate(
        [lax.slice_in_dim(x, 0, 1, axis=axis), lax.slice_in_dim(x, 0, n - 1, axis=axis)], axis
    )


def tvl1_neighbours_or_zero(p: Array, axis: int) -> Array:
    """Returns the value one place before along an axis, zero before the first.

    With forward differences `neighbour(u, 1) - u` as gradient, `p - neighbour_or_zero(p)` is the
    divergence that satisfies div = -grad^T, which the dual scheme needs to converge.
    """
    n = p.shape[axis]
    first = jnp.zeros_like(lax.slice_in_dim(p, 0, 1, axis=axis))
    return jnp.concatenate([first, lax.slice_in_dim(p, 0, n - 1, axis=axis)], axis)


def sampled_flow_layers(
    layers: Array, x: Array, y: Array, taps: Callable[[Array], dict[int, Array]]
) -> Array:
    """Samples layers [G, h, w, C] at x, y [G, h, w] inside the frame, edges repeated.

    Layers are flattened, so that each tap is one gather of C values; `taps` gives weights by
    offset.
    """
    group, height, width, channels = layers.shape
    flat = layers.reshape(group * height * width, channels)
    left, top = jnp.floor(x), jnp.floor(y)
    x0, y0 = left.astype(jnp.int32), top.astype(jnp.int32)
    # The first row of each pair's map in the flattened layers.
    pair = lax.broadcasted_iota(jnp.int32, x.shape, 0) * height
    value = jnp.zeros_like(layers)
    # The kernel is separable: a tap's weight is that of its row times that of its column.
    for k, weight_y in taps((y - top)[..., None]).items():
        start = (pair + jnp.clip(y0 + k, 0, height - 1)) * width
        for m, weight_x in taps((x - left)[..., None]).items():
            value = value + flat[start + jnp.clip(x0 + m, 0, width - 1)] * weight_x * weight_y
    return value


def flow_bilinear_weights(t: Array) -> dict[int, Array]:
    """Returns the bilinear weights of the samples at offsets 0 and 1, for a place t in [0, 1)."""
    return {0: 1 - t, 1: t}


def flow_spline_weights(t: Array) -> dict[int, Array]:
    """Returns Catmull-Rom weights of the samples at offsets -1 to 2, for a place t in [0, 1)."""
    # The cubics of Catmull and Rom in Horner's form; they sum to 1 for every t.
    return {
        -1: ((2 - t) * t - 1) * t / 2,
        0: ((3 * t - 5) * t * t + 2) / 2,
        1: ((4 - 3 * t) * t + 1) * t / 2,
        2: (t - 1) * t * t / 2,
    }


def resized_flow_layers(x: Array, size: tuple[int, int]) -> Array:
    """Resizes [G, h, w] linearly; a smaller size averages all the pixels that a pixel covers."""
    # The finest scale has this size; resizing it would be a pass over memory without a change.
    if x.shape[1:] == size:
        return x
    return jax.image.resize(x, (x.shape[0], *size), "linear")


# A sorting network that is complete only for the middle one of nine values: each pair is ordered in
# turn. Minima and maxima of whole arrays vectorise; sorting does not.
_ORDERED_PAIRS = (
    (1, 2),
    (4, 5),
    (7, 8),
    (0, 1),
    (3, 4),
    (6, 7),
    (1, 2),
    (4, 5),
    (7, 8),
    (0, 3),
    (5, 8),
    (4, 7),
    (3, 6),
    (1, 4),
    (2, 5),
    (4, 7),
    (4, 2),
    (6, 4),
    (4, 2),
)


def tvl1_median_of_9(x: Array) -> Array:
    """Returns the median of 3 x 3 pixels, edges repeated."""
    rows = (tvl1_neighbours(x, -1, 1), x, tvl1_neighbours(x, 1, 1))
    nine = []
    for row in rows:
        nine += [tvl1_neighbours(row, -1, 2), row, tvl1_neighbours(row, 1, 2)]
    for low, high in _ORDERED_PAIRS:
        nine[low], nine[high] = (
            jnp.minimum(nine[low], nine[high]),
            jnp.maximum(nine[low], nine[high]),
        )
    return nine[4]
