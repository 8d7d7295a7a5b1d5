"""TV-L1 optical flow (Zach, Pock and Bischof 2007), batched over pairs of frames.

The order of operations is part of the result: tests compare flow to the last bit, and XLA fuses
what is written here into two passes over memory for each iteration. Change neither without
`benchmarks/tvl1.py`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax


class TVL1Settings(NamedTuple):
    """The constants of the method.

    tau, weight, theta, scales and warps are those of OpenCV's DualTVL1.
    """

    tau: float = 0.25
    """Step of the dual ascent."""
    weight: float = 0.15
    """lambda, of the data term, for grey levels in [0, 255]."""
    theta: float = 0.3
    """How closely the copies of the flow in the data term and in the regulariser agree."""
    scales: int = 5
    step: float = 0.5
    """The sides of each scale of the pyramid, as a share of the sides of the finer one."""
    smallest: int = 8
    """No scale but the first has a side below this many pixels."""
    warps: int = 5
    """How often the second frame is warped and its brightness linearised at each scale."""
    iterations: int = 25
    """Iterations of the dual scheme after each warp."""
    slack: float = 0.03
    """Gradients of the flow below this (pixels a pixel) are penalised quadratically.

    Pure total variation, 0, makes steps of a slow turn or zoom (Werlberger et al. 2009).
    """


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
    if not group:
        group = max(1, round(2**13 / (height * width))) if jax.default_backend() == "cpu" else pairs
    # The default group is never cut to the number of pairs: on a CPU, a pair then has the same bits
    # whatever pairs come with it.
    else:
        group = min(group, pairs)
    rounds = math.ceil(pairs / group)
    # The groups are computed one after another, each in one piece; the last is filled with zeros.
    frames = jnp.stack([a, b]).astype(jnp.float32)
    frames = jnp.pad(frames, ((0, 0), (0, rounds * group - pairs), (0, 0), (0, 0)))
    frames = frames.reshape(2, rounds, group, height, width)
    flow = lax.map(lambda ab: _pyramid(ab[0], ab[1], settings), (frames[0], frames[1]))
    return flow.reshape(rounds * group, height, width, 2)[:pairs]


def scale_sizes(height: int, width: int, settings: TVL1Settings) -> list[tuple[int, int]]:
    """Returns (h, w) of every scale, the finest first."""
    sizes = [(height, width)]
    for k in range(1, settings.scales):
        size = round(height * settings.step**k), round(width * settings.step**k)
        if min(size) < settings.smallest:
            break
        sizes.append(size)
    return sizes


def _pyramid(a: Array, b: Array, settings: TVL1Settings) -> Array:
    """The flow of one group, [G, H, W, 2], from the coarsest scale to the finest."""
    sizes = scale_sizes(*a.shape[1:], settings)
    levels = [(a, b)]
    for size in sizes[1:]:
        levels.append((_resized(levels[-1][0], size), _resized(levels[-1][1], size)))
    u = v = jnp.zeros((a.shape[0], *sizes[-1]), jnp.float32)
    for (h, w), (a_k, b_k) in zip(reversed(sizes), reversed(levels), strict=True):
        # Displacements are in pixels of their scale, so they grow with the sides.
        h_0, w_0 = u.shape[1:]
        u, v = _resized(u, (h, w)) * (w / w_0), _resized(v, (h, w)) * (h / h_0)
        u, v = _scale(a_k, b_k, u, v, settings)
    return jnp.stack([_median(u), _median(v)], -1)


def _scale(a: Array, b: Array, u: Array, v: Array, settings: TVL1Settings) -> tuple[Array, Array]:
    """Refines the flow at one scale."""
    # central differences, x along axis 2 and y along axis 1
    gx, gy = ((_moved(b, 1, axis) - _moved(b, -1, axis)) / 2 for axis in (2, 1))
    gradient = jnp.stack([gx, gy], -1)

    def warp(_: int, state: _State) -> _State:
        state = state._replace(u=_median(state.u), v=_median(state.v))
        data = _linear(a, b, gradient, state.u, state.v)
        return lax.fori_loop(
            0, settings.iterations, lambda _, s: _iteration(data, s, settings), state
        )

    # The duals go on from warp to warp of a scale, and start anew at the next scale.
    zero = jnp.zeros_like(u)
    state = lax.fori_loop(0, settings.warps, warp, _State(u, v, zero, zero, zero, zero))
    return state.u, state.v


def _linear(a: Array, b: Array, gradient: Array, u: Array, v: Array) -> _Data:
    """Warps `b` and its gradient by the flow and linearises the brightness there.

    Pixels that leave the frame have no data term: their gradient is zero. Splines for `b` halve the
    error that bilinear samples leave in the flow; for the gradient they change nothing.
    """
    height, width = a.shape[1:]
    x = u + lax.broadcasted_iota(jnp.float32, u.shape, 2)
    y = v + lax.broadcasted_iota(jnp.float32, u.shape, 1)
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    # Sampled also where it leaves the frame, at the edge: shapes cannot depend on the flow.
    x, y = jnp.clip(x, 0, width - 1), jnp.clip(y, 0, height - 1)
    warped = _sampled(b[..., None], x, y, _spline)[..., 0]
    slope = jnp.where(inside[..., None], _sampled(gradient, x, y, _hat), 0.0)
    gx, gy = slope[..., 0], slope[..., 1]
    # 1e-9 keeps flat pixels finite; their pull is zero because gx and gy are.
    return _Data(warped - a - gx * u - gy * v, gx, gy, 1 / jnp.maximum(gx * gx + gy * gy, 1e-9))


def _iteration(data: _Data, state: _State, settings: TVL1Settings) -> _State:
    """One iteration of the dual scheme: thresholding, the flow from the duals, then the duals.

    Written in shifts of whole arrays, so that it compiles to two passes over memory.
    """
    u, v, ux, uy, vx, vy = state
    # The three cases of the thresholding step, Zach et al., are one clip of rho / |gradient|^2.
    most = settings.weight * settings.theta
    pull = jnp.clip((data.residual + data.gx * u + data.gy * v) * data.inverse, -most, most)
    u = u - pull * data.gx + settings.theta * (ux - _before(ux, 2) + uy - _before(uy, 1))
    v = v - pull * data.gy + settings.theta * (vx - _before(vx, 2) + vy - _before(vy, 1))
    return _State(u, v, *_dual(u, ux, uy, settings), *_dual(v, vx, vy, settings))


def _dual(u: Array, px: Array, py: Array, settings: TVL1Settings) -> tuple[Array, Array]:
    """One step of the dual (px, py) of one component of the flow, from forward differences."""
    rate = settings.tau / settings.theta
    dx, dy = _moved(u, 1, 2) - u, _moved(u, 1, 1) - u
    scale = 1 / (1 + rate * jnp.sqrt(dx * dx + dy * dy + settings.slack**2))
    return (px + rate * dx) * scale, (py + rate * dy) * scale


# ---- shifts, sampling, resizing ------------------------------------------------------------------


def _moved(x: Array, by: int, axis: int) -> Array:
    """The value one place after (`by` 1) or before (-1) along an axis, the edge repeated."""
    n = x.shape[axis]
    if by > 0:
        return jnp.concatenate(
            [lax.slice_in_dim(x, 1, n, axis=axis), lax.slice_in_dim(x, n - 1, n, axis=axis)], axis
        )
    return jnp.concatenate(
        [lax.slice_in_dim(x, 0, 1, axis=axis), lax.slice_in_dim(x, 0, n - 1, axis=axis)], axis
    )


def _before(p: Array, axis: int) -> Array:
    """The value one place before along an axis, zero before the first.

    With forward differences `_moved(u, 1) - u` as gradient, p - before(p) is the divergence that
    satisfies div = -grad^T, which the dual scheme needs to converge.
    """
    n = p.shape[axis]
    first = jnp.zeros_like(lax.slice_in_dim(p, 0, 1, axis=axis))
    return jnp.concatenate([first, lax.slice_in_dim(p, 0, n - 1, axis=axis)], axis)


def _sampled(layers: Array, x: Array, y: Array, taps: Callable[[Array], dict[int, Array]]) -> Array:
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
    for k, weight_y in taps((y - top)[..., None]).items():
        start = (pair + jnp.clip(y0 + k, 0, height - 1)) * width
        for m, weight_x in taps((x - left)[..., None]).items():
            value = value + flat[start + jnp.clip(x0 + m, 0, width - 1)] * weight_x * weight_y
    return value


def _hat(t: Array) -> dict[int, Array]:
    """Bilinear weights of the samples at offsets 0 and 1, for a place t in [0, 1) between them."""
    return {0: 1 - t, 1: t}


def _spline(t: Array) -> dict[int, Array]:
    """Catmull-Rom weights of the samples at offsets -1 to 2, for a place t in [0, 1)."""
    return {
        -1: ((2 - t) * t - 1) * t / 2,
        0: ((3 * t - 5) * t * t + 2) / 2,
        1: ((4 - 3 * t) * t + 1) * t / 2,
        2: (t - 1) * t * t / 2,
    }


def _resized(x: Array, size: tuple[int, int]) -> Array:
    """Resizes [G, h, w] linearly; a smaller size averages all the pixels that a pixel covers."""
    return x if x.shape[1:] == size else jax.image.resize(x, (x.shape[0], *size), "linear")


# A sorting network that is complete only for the middle one of nine values: each pair is ordered in
# turn. Minima and maxima of whole arrays vectorise; sorting does not.
_MEDIAN_OF_9 = (
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


def _median(x: Array) -> Array:
    """The median of 3 x 3 pixels, edges repeated."""
    rows = (_moved(x, -1, 1), x, _moved(x, 1, 1))
    nine = [moved for row in rows for moved in (_moved(row, -1, 2), row, _moved(row, 1, 2))]
    for low, high in _MEDIAN_OF_9:
        nine[low], nine[high] = (
            jnp.minimum(nine[low], nine[high]),
            jnp.maximum(nine[low], nine[high]),
        )
    return nine[4]
