"""The six cells against the paper's equations in plain loops and against Flax."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import oracle
import pytest
import small
from flax import linen

from videolstm_jax.core import CELLS, unroll
from videolstm_jax.core.engines import ENGINES
from videolstm_jax.types import LSTMParams

BOTH = pytest.mark.parametrize("engine", ENGINES)
ALL = pytest.mark.parametrize("name", CELLS)


def by_hand(name, p, xs, carry):
    """The oracle over a batch.

    Returns:
      hidden [B, T, ..], attention or None, and the carry as a flat list of [B, ..].
    """
    clips = []
    for row in range(xs.x.shape[0]):
        states = [np.asarray(a[row], np.float64) for a in jax.tree.leaves(carry)]
        motion = None if xs.motion is None else np.asarray(xs.motion[row], np.float64)
        clips.append(
            oracle.run(name, oracle.plain(p), np.asarray(xs.x[row], np.float64), motion, states)
        )
    hidden, attention, last = zip(*clips, strict=True)
    return (
        np.stack(hidden),
        None if attention[0] is None else np.stack(attention),
        [np.stack(a) for a in zip(*last, strict=True)],
    )


@functools.cache
def truth(name):
    """A random point, a direction, and the oracle's values and slopes there.

    The slopes are central differences.
    """
    with jax.enable_x64(True):
        cfg = small.config(name)
        p, carry = (
            small.params_of(cfg, dtype=np.float64).cell,
            small.carry_of(cfg, dtype=np.float64),
        )
        point = (p, small.clip_of(cfg, frames=2, dtype=np.float64).inputs, carry)
        along = small.shaken(point, seed=9, size=1.0, dtype=np.float64)
    point, along = jax.tree.map(np.asarray, (point, along))
    step = 1e-5
    ahead, behind = (
        by_hand(name, *jax.tree.map(lambda a, v, s=s: a + s * v, point, along))
        for s in (step, -step)
    )
    return (
        point,
        along,
        by_hand(name, *point),
        jax.tree.map(lambda a, b: (a - b) / (2 * step), ahead, behind),
    )


@BOTH
@ALL
def test_values_and_derivatives_are_the_equations(name, engine):
    point, along, values, slopes = truth(name)
    cell, mask = small.bound(name, engine), np.ones(point[1].x.shape[:2], bool)

    def everything(p, xs, carry):
        carry, out = unroll(cell, p, carry, xs, mask)
        return out.hidden, out.attention, jax.tree.leaves(carry)

    def value_and_pull(point, weights):
        value, pull = jax.vjp(everything, *point)
        return value, pull(weights)

    with jax.enable_x64(True):
        weights = small.shaken(values, seed=10, size=1.0, dtype=np.float64)
        results, gradient = small.jit(value_and_pull)(point, weights)
    small.assert_close(results, values, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(dot(gradient, along), dot(weights, slopes), rtol=1e-7)


def dot(a, b):
    """The sum of products of two trees of arrays."""
    return sum(float(np.vdot(u, v)) for u, v in zip(*map(jax.tree.leaves, (a, b)), strict=True))


def test_convlstm_is_flax_convlstm():
    cfg = small.config("convlstm")
    p, clip, carry = small.params_of(cfg).cell, small.clip_of(cfg), small.carry_of(cfg)
    i, f, o, g = jnp.split(p.top.x, 4, -1)
    hi, hf, ho, hg = jnp.split(p.top.hidden, 4, -1)
    bi, bf, bo, bg = jnp.split(p.top.bias, 4)
    theirs = {
        "params": {  # Flax orders i g f o, and adds one to the forget gate itself
            "ih": {
                "kernel": jnp.concatenate([i, g, f, o], -1),
                "bias": jnp.concatenate([bi, bg, bf - 1, bo]),
            },
            "hh": {"kernel": jnp.concatenate([hi, hg, hf, ho], -1), "bias": jnp.zeros(4 * small.K)},
        }
    }
    _, out = small.jit(unroll, static_argnums=0)(
        small.bound("convlstm"), p, carry, clip.inputs, clip.mask
    )
    state, shown = tuple(carry.top), []
    with jax.numpy_rank_promotion("allow"):
        step = small.jit(linen.ConvLSTMCell(small.K, (3, 3)).apply)
        for t in range(clip.mask.shape[1]):
            state, h = step(theirs, state, clip.inputs.x[:, t])
            shown.append(h)
    small.assert_close(out.hidden, jnp.stack(shown, 1))


def test_lstm_is_flax_lstm():
    cfg = small.config("lstm")
    p, clip, carry = small.params_of(cfg).cell, small.clip_of(cfg), small.carry_of(cfg)
    theirs = {}
    for n, gate in enumerate("ifog"):
        part = slice(n * small.K, (n + 1) * small.K)
        theirs[f"i{gate}"] = {"kernel": p.top.x[0, 0, :, part]}
        theirs[f"h{gate}"] = {"kernel": p.top.hidden[0, 0, :, part], "bias": p.top.bias[part]}
    _, out = small.jit(unroll, static_argnums=0)(
        small.bound("lstm"), p, carry, clip.inputs, clip.mask
    )
    state, shown = tuple(a[:, 0, 0] for a in carry.top), []
    with jax.numpy_rank_promotion("allow"):
        step = small.jit(linen.OptimizedLSTMCell(small.K).apply)
        for t in range(clip.mask.shape[1]):
            state, h = step({"params": theirs}, state, clip.inputs.x[:, t, 0, 0])
            shown.append(h)
    small.assert_close(out.hidden[:, :, 0, 0], jnp.stack(shown, 1))


def test_one_lstm_step_by_pencil():
    p = LSTMParams(
        np.full((1, 1, 1, 4), 1.0), np.full((1, 1, 1, 4), 2.0), np.array([0.1, 0.2, 0.3, 0.4])
    )
    c, h = oracle.lstm(
        p, np.full((1, 1, 1), 0.5), np.full((1, 1, 1), 0.25), [(p.x, np.full((1, 1, 1), 3.0))]
    )
    # All sums are 1 * 3 + 2 * .25 plus the gate's own bias: 3.6, 3.7, 3.8 and 3.9.
    i, f, o, g = 0.9734030064, 0.9758729786, 0.9781187291, 0.9991808527
    np.testing.assert_allclose(c.item(), f * 0.5 + i * g, rtol=1e-6)
    np.testing.assert_allclose(h.item(), o * np.tanh(f * 0.5 + i * g), rtol=1e-6)


def test_the_oracles_convolution_is_scipys():
    from scipy.signal import correlate

    rng = np.random.default_rng(0)
    kernel, x = rng.standard_normal((3, 3, 2, 4)), rng.standard_normal((5, 5, 2))
    expected = sum(
        np.stack([correlate(x[..., d], kernel[..., d, o], mode="same") for o in range(4)], -1)
        for d in range(2)
    )
    np.testing.assert_allclose(oracle.convolve(kernel, x), expected, rtol=1e-12)
