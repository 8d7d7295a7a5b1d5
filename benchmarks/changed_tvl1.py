"""TV-L1 with other constants and steps: a copy of `videolstm_jax.flow.tvl1` that takes them all.

The package compiles a program for each set of constants. The copy takes them as arguments, so that
all variants share one program, and has steps that the package lacks. It serves
`benchmarks/flow_truth_changes.py`; docs/experiments/flow_truth.md describes the changes. Tests
compare it with the package's methods `tvl1` and `tvl1_edges`.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from videolstm_jax.flow.sampling import (
    flow_bilinear_weights,
    flow_spline_weights,
    resized_flow_layers,
    sampled_flow_layers,
    tvl1_median_of_9,
    tvl1_neighbours,
    tvl1_neighbours_or_zero,
)
from videolstm_jax.flow.tvl1 import TVL1Settings, tvl1_pyramid_sizes

DEFAULT = TVL1Settings()
"""tau, theta and the pyramid are the package's in all variants."""
RATE = DEFAULT.tau / DEFAULT.theta
"""The length of a step of the dual."""


class Changes(NamedTuple):
    """Constants and optional steps; without arguments they are those of the package."""

    weights: tuple[float, ...] = (DEFAULT.weight,) * DEFAULT.scales
    """lambda of each scale, the finest first."""
    slack: float = DEFAULT.slack
    warps: int = DEFAULT.warps
    iterations: int = DEFAULT.iterations
    five_points: bool = False
    """Whether gradients of pictures are of five points and not of the two neighbours."""
    first_share: float = 0.0
    """How much of the gradient is the first picture's; the rest is the warped second's."""
    edge_rate: float = 0.0
    """How fast the penalty of the flow's gradient falls at edges of the first picture."""
    blur: float = 0.0
    """How much each pixel of a picture takes from either neighbour, along rows and columns."""
    texture: float = 0.0
    """How much of the structure is taken off the pictures before the rest."""


A = Changes(five_points=True, first_share=0.5)
"""Row (A) of the page: the gradient has five points and is the mean of both pictures'."""


def falling(weight: float, factor: float) -> tuple[float, ...]:
    """Returns lambda of each scale: `weight` at the finest, each coarser one `factor` of it."""
    return tuple(weight * factor**k for k in range(DEFAULT.scales))


EDGES = Changes(
    weights=falling(0.2, 0.8), five_points=True, first_share=0.5, edge_rate=5.0, blur=0.1
)
"""The constants of the package's method `tvl1_edges`."""
CANDIDATE = EDGES._replace(first_share=0.25)
"""An earlier candidate of the page."""


def changed_flow(first: np.ndarray, second: np.ndarray, changes: Changes) -> np.ndarray:
    """Computes the flow of one pair, [H, W] uint8 twice to [H, W, 2] pixels."""
    pictures = jnp.stack([first, second]).astype(jnp.float32)
    if changes.texture:
        pictures = without_structure(pictures, changes.texture)
    # All numbers are arguments of one program, so a frame size is compiled once for all variants.
    return np.asarray(_pyramid(pictures[:1], pictures[1:], changes))[0]


@jax.jit
def without_structure(pictures: Array, share: float) -> Array:
    """Takes a share of their structure off two pictures, Wedel et al. 2009, Sec. 3.

    The structure is the picture of Rudin, Osher and Fatemi, with that paper's constants.

    Args:
      pictures: [2, H, W] grey levels.
      share: of the structure.

    Returns:
      [2, H, W] in [0, 255], both scaled alike.
    """
    theta, rounds = 1 / 8, 100
    pictures = _scaled(pictures, -1.0, 1.0)

    def ascent(_: int, dual: tuple[Array, Array]) -> tuple[Array, Array]:
        px, py = dual
        dx, dy = _forward(pictures + theta * _divergence(px, py))
        px, py = px + dx / (4 * theta), py + dy / (4 * theta)
        # Back to the unit disc, where the dual of the total variation lies.
        length = jnp.maximum(1.0, jnp.sqrt(px * px + py * py))
        return px / length, py / length

    zero = jnp.zeros_like(pictures)
    px, py = lax.fori_loop(0, rounds, ascent, (zero, zero))
    structure = pictures + theta * _divergence(px, py)
    return _scaled(pictures - share * structure, 0.0, 255.0)


def _scaled(x: Array, low: float, high: float) -> Array:
    """Scales values so that the smallest and the largest are `low` and `high`."""
    return low + (x - x.min()) * (high - low) / jnp.maximum(x.max() - x.min(), 1e-9)


@jax.jit
def _pyramid(a: Array, b: Array, changes: Changes) -> Array:
    """Computes the flow from the coarsest scale to the finest, as `tvl1._pyramid` does.

    Args:
      a: [P, H, W] float32, the first pictures.
      b: [P, H, W], the second.
      changes: numbers; the texture is taken off before.

    Returns:
      [P, H, W, 2] pixels.
    """
    sizes = tvl1_pyramid_sizes(*a.shape[1:], DEFAULT)
    a, b = _blurred(a, changes.blur), _blurred(b, changes.blur)
    levels = [(a, b)]
    for size in sizes[1:]:
        finer_a, finer_b = levels[-1]
        levels.append((resized_flow_layers(finer_a, size), resized_flow_layers(finer_b, size)))
    u = v = jnp.zeros((a.shape[0], *sizes[-1]), jnp.float32)
    for k in reversed(range(len(sizes))):
        h, w = sizes[k]
        # Displacements are in pixels of their scale.
        h_0, w_0 = u.shape[1:]
        u = resized_flow_layers(u, (h, w)) * (w / w_0)
        v = resized_flow_layers(v, (h, w)) * (h / h_0)
        u, v = _scale(levels[k], (u, v), changes.weights[k], changes)
    return jnp.stack([tvl1_median_of_9(u), tvl1_median_of_9(v)], -1)


def _blurred(x: Array, share: Array) -> Array:
    """Blurs pictures [P, H, W] with three taps along rows and then along columns."""
    for axis in (2, 1):
        neighbours = tvl1_neighbours(x, -1, axis) + tvl1_neighbours(x, 1, axis)
        x = (1 - 2 * share) * x + share * neighbours
    return x


def _gradient(x: Array, five_points: Array) -> Array:
    """Computes the gradient of pictures, [P, h, w] to [P, h, w, 2], x first."""
    components = []
    for axis in (2, 1):
        after, before = tvl1_neighbours(x, 1, axis), tvl1_neighbours(x, -1, axis)
        near = after - before
        far = tvl1_neighbours(after, 1, axis) - tvl1_neighbours(before, -1, axis)
        components.append(jnp.where(five_points, (8 * near - far) / 12, near / 2))
    return jnp.stack(components, -1)


def _penalty(a: Array, changes: Changes) -> Array:
    """Computes g = max(exp(-rate (|gradient of the first picture| / 255)^.8), .05), [P, h, w]."""
    smooth = a
    # A Gaussian of .7 pixels, without which the noise of a picture would count as edges.
    offsets = np.arange(-2, 3)
    taps = np.exp(-(offsets**2) / (2 * 0.7**2))
    taps = [float(tap) for tap in taps / taps.sum()]
    for axis in (2, 1):
        after, before = tvl1_neighbours(smooth, 1, axis), tvl1_neighbours(smooth, -1, axis)
        far = tvl1_neighbours(after, 1, axis) + tvl1_neighbours(before, -1, axis)
        smooth = taps[2] * smooth + taps[1] * (after + before) + taps[0] * far
    length = jnp.sqrt((_gradient(smooth, changes.five_points) ** 2).sum(-1))
    return jnp.maximum(jnp.exp(-changes.edge_rate * (length / 255) ** 0.8), 0.05)


def _scale(
    pictures: tuple[Array, Array], flow: tuple[Array, Array], weight: Array, changes: Changes
) -> tuple[Array, Array]:
    """Refines the flow (u, v) at one scale, as `tvl1._scale` does."""
    a, b = pictures
    gradients = _gradient(a, changes.five_points), _gradient(b, changes.five_points)
    penalty = _penalty(a, changes)
    most = weight * DEFAULT.theta

    def warp(_: int, state: tuple[Array, ...]) -> tuple[Array, ...]:
        u, v, *duals = state
        u, v = tvl1_median_of_9(u), tvl1_median_of_9(v)
        residual, gx, gy = _linear(a, b, gradients, (u, v), changes.first_share)
        inverse = 1 / jnp.maximum(gx * gx + gy * gy, 1e-9)

        def iteration(_: int, state: tuple[Array, ...]) -> tuple[Array, ...]:
            u, v, ux, uy, vx, vy = state
            pull = jnp.clip((residual + gx * u + gy * v) * inverse, -most, most)
            u = u - pull * gx + DEFAULT.theta * _divergence(ux, uy)
            v = v - pull * gy + DEFAULT.theta * _divergence(vx, vy)
            u_dual = _dual(u, ux, uy, penalty, changes.slack)
            return u, v, *u_dual, *_dual(v, vx, vy, penalty, changes.slack)

        return lax.fori_loop(0, changes.iterations, iteration, (u, v, *duals))

    zero = jnp.zeros_like(flow[0])
    u, v, *_ = lax.fori_loop(0, changes.warps, warp, (*flow, zero, zero, zero, zero))
    return u, v


def _linear(
    a: Array,
    b: Array,
    gradients: tuple[Array, Array],
    flow: tuple[Array, Array],
    first_share: Array,
) -> tuple[Array, Array, Array]:
    """Linearises the brightness around the flow, as `tvl1._linear` does: rho = r + gx u + gy v."""
    u, v = flow
    height, width = a.shape[1:]
    x = u + lax.broadcasted_iota(jnp.float32, u.shape, 2)
    y = v + lax.broadcasted_iota(jnp.float32, u.shape, 1)
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    x, y = jnp.clip(x, 0, width - 1), jnp.clip(y, 0, height - 1)
    warped = sampled_flow_layers(b[..., None], x, y, flow_spline_weights)[..., 0]
    of_second = sampled_flow_layers(gradients[1], x, y, flow_bilinear_weights)
    gradient = first_share * gradients[0] + (1 - first_share) * of_second
    # Pixels that leave the frame have no data term.
    gradient = jnp.where(inside[..., None], gradient, 0.0)
    gx, gy = gradient[..., 0], gradient[..., 1]
    return warped - a - gx * u - gy * v, gx, gy


def _forward(x: Array) -> tuple[Array, Array]:
    """Computes forward differences along rows and along columns."""
    return tvl1_neighbours(x, 1, 2) - x, tvl1_neighbours(x, 1, 1) - x


def _divergence(px: Array, py: Array) -> Array:
    """Computes the divergence of a dual, from backward differences."""
    return px - tvl1_neighbours_or_zero(px, 2) + py - tvl1_neighbours_or_zero(py, 1)


def _dual(u: Array, px: Array, py: Array, penalty: Array, slack: Array) -> tuple[Array, Array]:
    """Makes one step of the dual of one component of the flow, under a penalty of each pixel."""
    dx, dy = _forward(u)
    scale = 1 / (1 + RATE * jnp.sqrt(dx * dx + dy * dy + slack**2) / penalty)
    return (px + RATE * dx) * scale, (py + RATE * dy) * scale
