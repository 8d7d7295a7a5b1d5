"""What is drawn, and how much of it: the table of parameter counts."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small

from videolstm_jax.config import ModelConfig
from videolstm_jax.core import CELLS, make_model
from videolstm_jax.core.params import draw_cell_kernel

CELL_COUNTS = {
    "lstm": 9_439_232,
    "convlstm": 18_876_416,
    "alstm": 2_624_512,
    "convalstm": 19_401_728,
    "motion_alstm": 13_112_320,
    "videolstm": 47_715_328,
}
SIDES = {
    "lstm": {"map_size": 1, "depth": 4096},
    "motion_alstm": {"motion_size": 1, "motion_depth": 4096},
}


def count(tree):
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(tree))


def shapes(**settings):
    return jax.eval_shape(make_model(ModelConfig(**settings)).init, jax.random.key(0))


def test_the_table_misses_no_cell():
    assert set(CELL_COUNTS) == set(CELLS)


@pytest.mark.parametrize("name", CELLS)
def test_parameters_of_the_cells_at_the_papers_size(name):
    p = shapes(cell=name, **SIDES.get(name, {}))
    assert count(p.cell) == CELL_COUNTS[name]
    assert p.start is None


def test_parameters_of_the_whole_videolstm():
    assert count(shapes().head) == 25_794_661
    assert count(shapes()) == 73_509_989
    assert count(shapes(start="mean")) == 82_947_173
    assert (
        count(shapes(start="mean", motion_kernel=1)) == 53_587_045
    )  # the size of the authors' model


@pytest.mark.parametrize("name", CELLS)
def test_groups_of_each_cell(name):
    p = shapes(cell=name, start="mean", **SIDES.get(name, {}))
    moves = name in ("motion_alstm", "videolstm")
    assert (p.cell.attend is not None) == ("alstm" in name or moves)
    assert (p.cell.motion is not None) == (p.start[1] is not None) == moves
    assert p.cell.top.above is None
    assert not moves or p.cell.motion.above is not None


def test_limits_of_each_kernel():
    cfg = small.config("videolstm")
    key = jax.random.key(0)
    glorot = draw_cell_kernel(key, (3, 3, 20, 4 * 30), cfg, gates=4)
    limit = math.sqrt(6 / (9 * 20 + 9 * 30))
    assert 0.98 * limit < float(jnp.abs(glorot).max()) < limit
    assert abs(float(glorot.mean())) < 0.02 * limit
    fan_in = draw_cell_kernel(
        key, (3, 3, 20, 120), dataclasses.replace(cfg, init="fan_in"), gates=4
    )
    assert 0.98 / math.sqrt(180) < float(jnp.abs(fan_in).max()) < 1 / math.sqrt(180)


def test_biases_are_zero_but_for_the_forget_gate():
    cfg = small.config("videolstm", forget_bias=1.5)
    p = small.jit(make_model(cfg).init)(jax.random.key(0))
    for group in (p.cell.top, p.cell.motion):
        np.testing.assert_array_equal(group.bias, np.repeat([0, 1.5, 0, 0], small.K))
    for bias in (p.cell.attend.bias, p.head.dense_bias, p.head.classes_bias):
        np.testing.assert_array_equal(bias, np.zeros_like(bias))


def test_no_two_kernels_are_drawn_alike_and_the_key_decides():
    init = small.jit(make_model(small.config("videolstm", start="mean")).init)
    p, again, other = (init(jax.random.key(seed)) for seed in (0, 0, 1))
    jax.tree.map(np.testing.assert_array_equal, p, again)
    assert not np.array_equal(p.cell.top.x, other.cell.top.x)
    drawn = [
        float(leaf.ravel()[0] / jnp.abs(leaf).max())
        for leaf in jax.tree.leaves(p)
        if bool(jnp.any(leaf != 0))
    ]
    assert len(set(drawn)) == len(drawn)
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(p))


def test_groups_are_drawn_alike_in_all_cells_that_have_them():
    a, b = (
        small.jit(make_model(small.config(name)).init)(jax.random.key(0))
        for name in ("convlstm", "videolstm")
    )
    jax.tree.map(np.testing.assert_array_equal, a.cell.top, b.cell.top)
