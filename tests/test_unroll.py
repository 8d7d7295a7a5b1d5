"""The scan against a loop, against itself in pieces, and under masks."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small
from hypothesis import given, settings
from hypothesis import strategies as st

from videolstm_jax.core import CELLS, unroll
from videolstm_jax.core.unroll import hold_carry

ALL = pytest.mark.parametrize("name", CELLS)
FRAMES = 5


def run(name, p, carry, xs, mask, **settings):
    return unroll(small.bound(name), p, carry, xs, mask, **settings)


scan = small.jit(run, static_argnums=0)


def case(name, frames=FRAMES):
    cfg = small.config(name)
    return small.params_of(cfg).cell, small.carry_of(cfg), small.clip_of(cfg, frames=frames)


def cut(tree, start, stop):
    return jax.tree.map(lambda a: a[:, start:stop], tree)


@ALL
def test_scan_is_a_loop_over_frames(name):
    p, carry, clip = case(name)
    cell = small.bound(name)
    last, out = scan(name, p, carry, clip.inputs, clip.mask)
    frame = small.jit(lambda p, carry, x: cell.step(p, carry, cell.drive(p, x)))
    shown = []
    for t in range(FRAMES):
        carry, frame_out = frame(p, carry, jax.tree.map(lambda a, t=t: a[:, t], clip.inputs))
        shown.append(frame_out)
    small.assert_close((last, out), (carry, jax.tree.map(lambda *a: jnp.stack(a, 1), *shown)))
    if out.attention is not None:
        assert out.attention.shape == (small.B, FRAMES, small.N, small.N)
        np.testing.assert_allclose(out.attention.sum((2, 3)), 1.0, rtol=1e-6)


@given(cuts=st.sets(st.integers(1, FRAMES - 1)))
@settings(max_examples=8, deadline=None)
def test_chunks_of_any_sizes_are_the_whole(cuts):
    p, carry, clip = case("videolstm")
    full = scan("videolstm", p, carry, clip.inputs, clip.mask)
    shown = []
    for start, stop in itertools.pairwise([0, *sorted(cuts), FRAMES]):
        carry, out = scan("videolstm", p, carry, *cut(clip, start, stop))
        shown.append(out)
    small.assert_close((carry, jax.tree.map(lambda *a: jnp.concatenate(a, 1), *shown)), full)


@given(lengths=st.lists(st.integers(0, FRAMES), min_size=small.B, max_size=small.B))
@settings(max_examples=8, deadline=None)
def test_a_masked_tail_is_a_short_clip(lengths):
    p, carry, clip = case("videolstm")
    mask = jnp.arange(FRAMES)[None] < jnp.array(lengths)[:, None]
    last, out = scan("videolstm", p, carry, clip.inputs, mask)
    assert all(bool(jnp.all(jnp.isfinite(leaf))) for leaf in jax.tree.leaves(out))
    for row, length in enumerate(lengths):
        short, shown = carry, None
        if length:
            short, shown = scan("videolstm", p, carry, *cut(clip, 0, length))
        for full, part in ((last, short), (cut(out, 0, length), shown)):
            small.assert_close(
                *(jax.tree.map(lambda a, r=row: a[r], tree) for tree in (full, part or full))
            )


def test_what_is_masked_teaches_nothing():
    p, carry, clip = case("videolstm")
    mask = clip.mask & (np.arange(FRAMES) < 3)

    def loss(xs):
        last, out = run("videolstm", p, carry, xs, mask)
        return last.top.hidden.sum() + jnp.where(mask[:, :, None, None, None], out.hidden, 0).sum()

    for leaf in small.jit(jax.grad(loss))(clip.inputs):
        assert bool(jnp.all(leaf[:, 3:] == 0))
        assert bool(jnp.all(jnp.any(leaf[:, :3] != 0, axis=(2, 3, 4))))


@pytest.mark.slow
def test_remat_changes_no_gradient():
    p, carry, clip = case("videolstm")

    def loss(p, remat):
        last, out = run("videolstm", p, carry, clip.inputs, clip.mask, remat=remat)
        return out.hidden.sum() + out.attention[..., 0, 0].sum() + last.motion.cell.sum()

    grad = small.jit(jax.grad(loss), static_argnums=1)
    small.assert_close(grad(p, True), grad(p, False), rtol=1e-5, atol=1e-6)


def test_hold_chooses_row_by_row():
    _, after, _ = case("convlstm")
    before = jax.tree.map(jnp.zeros_like, after)
    held = hold_carry(jnp.array([True, False]), after, before)
    np.testing.assert_array_equal(held.top.cell[0], after.top.cell[0])
    np.testing.assert_array_equal(held.top.cell[1], before.top.cell[1])
