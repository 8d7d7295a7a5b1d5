"""TV-L1 optical flow (Zach, Pock and Bischof 2007), batched over pairs of frames.

With the settings `TVL1_EDGES` it is the variant `tvl1_edges`, whose further steps are in `edges`.

The order of operations is part of the result: tests compare flow to the last bit, and XLA fuses
what is written here into two passes over memory for each iteration. Change neither without
`benchmarks/tvl1.py`.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from videolstm_jax.flow.edges import tvl1_blurred, tvl1_edge_penalty, tvl1_gradient
from videolstm_jax.flow.sampling import (
    flow_bilinear_weights,
    flow_spline_weights,
    resized_flow_layers,
    sampled_flow_layers,
    tvl1_median_of_9,
    tvl1_neighbours,
    tvl1_neighbours_or_zero,
)
from videolstm_jax.flow.tvl1_settings import TVL1Settings


class _Level(NamedTuple):
    """The frames of one scale, and what depends on them alone."""

    a: Array
    """[G, h, w]."""
    b: Array
    slope_a: Array | None
    """The gradient of `a`, [G, h, w, 2]; None where no step reads it."""
    slope_b: Array
    damping: Array | float
    """How much the flow's gradient shortens the dual, the same everywhere or [G, h, w]."""


class _Data(NamedTuple):
    """The data term around one warp, each [G, h, w].

    rho(u, v) = residual + gx u + gy v; `inverse` is 1 / (gx^2 + gy^2).
    """

    residual: Array
    gx: Array
    gy: Array
    inverse: Array


class _State(NamedTuple):
    """The flow u, v and the duals of their gradients, (ux, uy) and (vx, vy); each [G, h, w]."""

    u: Array
    v: Array
    ux: Array
    uy: Array
    vx: Array
    vy: Array


@functools.partial(jax.jit, static_argnames=("settings", "group"))
def tvl1(a: Array, b: Array, *, settings: TVL1Settings = TVL1Settings(), group: int = 0) -> Array:  # noqa: B008
    """Computes the displacement (u, v) of each pixel of `a`: b(x + u, y + v) = a(x, y).

    The computation goes from coarse to fine over a pyramid. At each scale `b` is warped by the flow
    so far and its brightness is linearised there. Chambolle's dual scheme then minimises the total
    variation of the flow plus lambda times the absolute difference of brightness. A 3 x 3 median
    before each warp removes outliers. All counts are fixed, so that a shape is traced once and
    every pair costs the same.

    Args:
      a: [P, H, W] grey levels in [0, 255], uint8 or float32.
      b: [P, H, W], the frames that follow.
      settings: the constants of the method.
      group: pairs computed together; 0 takes about 2**13 pixels on a CPU, whose cache must hold
        them, and all pairs elsewhere. It changes the speed, not the flow.

    Returns:
      [P, H, W, 2] float32: u to the right and v down, pixels.
    """
    pairs, height, width = a.shape
    if group:
        group = min(group, pairs)
    elif jax.default_backend() == "cpu":
        # This group is never cut to the number of pairs: a pair then has the same bits whatever
        # pairs come with it.
        group = max(1, round(2**13 / (height * width)))
    else:
        group = pairs
    rounds = math.ceil(pairs / group)
    # The groups are computed one after another, each in one piece; the last is filled with zeros.
    frames = jnp.stack([a, b]).astype(jnp.float32)
    frames = jnp.pad(frames, ((0, 0), (0, rounds * group - pairs), (0, 0), (0, 0)))
    frames = frames.reshape(2, rounds, group, height, width)
    flow = lax.map(lambda ab: _pyramid(ab[0], ab[1], settings), (frames[0], frames[1]))
    return flow.reshape(rounds * group, height, width, 2)[:pairs]


def tvl1_pyramid_sizes(height: int, width: int, settings: TVL1Settings) -> list[tuple[int, int]]:
    """Returns (h, w) of every scale, the finest first."""
    sizes = [(height, width)]
    for k in range(1, settings.scales):
        # From the full size, not from the last scale, whose rounding would add up.
        size = round(height * settings.step**k), round(width * settings.step**k)
        if min(size) < settings.smallest:
            break
        sizes.append(size)
    return sizes


def _pyramid(a: Array, b: Array, settings: TVL1Settings) -> Array:
    """The flow of one group, [G, H, W, 2], from the coarsest scale to the finest."""
    sizes = tvl1_pyramid_sizes(*a.shape[1:], settings)
    if settings.blur:
        a, b = tvl1_blurred(a, settings.blur), tvl1_blurred(b, settings.blur)
    levels = [(a, b)]
    for size in sizes[1:]:
        levels.append(
            (resized_flow_layers(levels[-1][0], size), resized_flow_layers(levels[-1][1], size))
        )
    # At the coarsest scale the search begins from no motion.
    u = v = jnp.zeros((a.shape[0], *sizes[-1]), jnp.float32)
    for k in reversed(range(len(sizes))):
        h, w = sizes[k]
        # Displacements are in pixels of their scale, so they grow with the sides.
        h_0, w_0 = u.shape[1:]
        u, v = (
            resized_flow_layers(u, (h, w)) * (w / w_0),
            resized_flow_layers(v, (h, w)) * (h / h_0),
        )
        weight = settings.weight * settings.weight_factor**k
        u, v = _scale(_level(*levels[k], settings), u, v, settings._replace(weight=weight))
    return jnp.stack([tvl1_median_of_9(u), tvl1_median_of_9(v)], -1)


def _level(a: Array, b: Array, settings: TVL1Settings) -> _Level:
    """Computes what depends on the frames of one scale alone, before the flow is refined there."""
    slope_b = tvl1_gradient(b, five_points=settings.five_points)
    # Steps that a constant leaves out are not traced: the default keeps its program and its bits.
    slope_a = None
    if settings.first_share:
        slope_a = tvl1_gradient(a, five_points=settings.five_points)
    damping = settings.tau / settings.theta
    if settings.edge_rate:
        damping = damping / tvl1_edge_penalty(a, settings.edge_rate)
    return _Level(a, b, slope_a, slope_b, damping)


def _scale(level: _Level, u: Array, v: Array, settings: TVL1Settings) -> tuple[Array, Array]:
    """Refines the flow at one scale."""

    def warp(_: int, state: _State) -> _State:
        # Before the warp, where an outlier would linearise the brightness at a wrong place.
        state = state._replace(u=tvl1_median_of_9(state.u), v=tvl1_median_of_9(state.v))
        data = _linear(level, state.u, state.v, settings)
        return lax.fori_loop(
            0, settings.iterations, lambda _, s: _iteration(level, data, s, settings), state
        )

    # The duals go on from warp to warp of a scale, and start anew at the next scale.
    zero = jnp.zeros_like(u)
    state = lax.fori_loop(0, settings.warps, warp, _State(u, v, zero, zero, zero, zero))
    return state.u, state.v


def _linear(level: _Level, u: Array, v: Array, settings: TVL1Settings) -> _Data:
    """Warps `b` and its gradient by the flow and linearises the brightness there.

    Pixels that leave the frame have no data term: their gradient is zero. Splines for `b` halve the
    error that bilinear samples leave in the flow; for the gradient they change nothing.
    """
    height, width = u.shape[1:]
    x = u + lax.broadcasted_iota(jnp.float32, u.shape, 2)
    y = v + lax.broadcasted_iota(jnp.float32, u.shape, 1)
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    # Sampled also where it leaves the frame, at the edge: shapes cannot depend on the flow.
    x, y = jnp.clip(x, 0, width - 1), jnp.clip(y, 0, height - 1)
    warped = sampled_flow_layers(level.b[..., None], x, y, flow_spline_weights)[..., 0]
    inside = inside[..., None]
    slope = sampled_flow_layers(level.slope_b, x, y, flow_bilinear_weights)
    if level.slope_a is not None:
        slope = settings.first_share * level.slope_a + (1 - settings.first_share) * slope
    slope = jnp.where(inside, slope, 0.0)
    gx, gy = slope[..., 0], slope[..., 1]
    # 1e-9 keeps flat pixels finite; their pull is zero because gx and gy are.
    residual = warped - level.a - gx * u - gy * v
    return _Data(residual, gx, gy, 1 / jnp.maximum(gx * gx + gy * gy, 1e-9))


def _iteration(level: _Level, data: _Data, state: _State, settings: TVL1Settings) -> _State:
    """One iteration of the dual scheme: thresholding, the flow from the duals, then the duals.

    Written in shifts of whole arrays, so that it compiles to two passes over memory.
    """
    u, v, ux, uy, vx, vy = state
    # The three cases of the thresholding step, Zach et al., are one clip of rho / |gradient|^2.
    most = settings.weight * settings.theta
    pull = jnp.clip((data.residual + data.gx * u + data.gy * v) * data.inverse, -most, most)
    # The flow in the regulariser: that of the data term, smoothed by theta times the divergence.
    u = u - pull * data.gx + settings.theta * _divergence(ux, uy)
    v = v - pull * data.gy + settings.theta * _divergence(vx, vy)
    # The duals last, since they read the new flow.
    u_dual = _dual(u, ux, uy, level.damping, settings)
    return _State(u, v, *u_dual, *_dual(v, vx, vy, level.damping, settings))


def _divergence(px: Array, py: Array) -> Array:
    """The divergence of a dual, from backward differences."""
    return px - tvl1_neighbours_or_zero(px, 2) + py - tvl1_neighbours_or_zero(py, 1)


def _dual(
    u: Array, px: Array, py: Array, damping: Array | float, settings: TVL1Settings
) -> tuple[Array, Array]:
    """One step of the dual (px, py) of one component of the flow, from forward differences."""
    rate = settings.tau / settings.theta
    dx, dy = tvl1_neighbours(u, 1, 2) - u, tvl1_neighbours(u, 1, 1) - u
    # The slack under the root keeps the penalty quadratic where the gradient is small.
    scale = 1 / (1 + damping * jnp.sqrt(dx * dx + dy * dy + settings.slack**2))
    return (px + rate * dx) * scale, (py + rate * dy) * scale
