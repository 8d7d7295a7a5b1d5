"""The example of a seventh cell, and what a stranger's cell may count on."""

from functools import partial

import jax
import numpy as np
import pytest
import small
from example_cell import load_example

from videolstm_jax.config import ModelConfig
from videolstm_jax.core import Drive, make_model
from videolstm_jax.core.start import MeanStart

SIZES = {"map_size": 5, "depth": 4, "hidden": 3, "attention": 2, "head": 6, "classes": 2}


EXAMPLE = load_example()


@pytest.mark.slow
def test_the_example_learns():
    with jax.numpy_dtype_promotion("standard"):  # Adam counts its steps in integers
        losses = EXAMPLE.train(60, report=lambda line: None)
    assert np.mean(losses[:5]) > 0.5
    assert np.mean(losses[-5:]) < 0.25


def mean_start():
    """H_0 = the mean input through one kernel: the start of a cell with one state."""

    def init(keys, cfg):
        return EXAMPLE.draw_cell_kernel(keys[0], (3, 3, cfg.depth, cfg.hidden), cfg)

    return MeanStart(init, lambda conv, kernel, mean: conv(kernel, mean.x))


def test_its_groups_its_start_and_its_stream():
    cell = EXAMPLE.CELL._replace(mean_start=mean_start())
    model = make_model(ModelConfig(**SIZES, start="mean"), cell=cell)
    p = small.shaken(jax.eval_shape(model.init, jax.random.key(0)))
    assert p.cell.gru.x.shape == (3, 3, 4, 9)
    assert p.cell._fields == ("gru", "attend")
    assert p.start.shape == (3, 3, 4, 3)
    clip, _ = small.jit(partial(EXAMPLE.blobs, batch=2, frames=4))(jax.random.key(0))
    apply = small.jit(model.apply)
    carry = small.jit(model.start)(p, clip)
    assert carry.shape == (2, 5, 5, 3)
    assert np.any(carry)
    whole = apply(p, clip, carry)
    for t in (0, 2):
        out = apply(p, jax.tree.map(lambda a, t=t: a[:, t : t + 2], clip), carry)
        small.assert_close(out.logits, whole.logits[:, t : t + 2])
        carry = out.carry
    np.testing.assert_allclose(whole.attention.sum((2, 3)), 1.0, rtol=1e-6)


def test_a_cell_may_drive_with_a_record_of_its_own():
    def drive(conv, p, xs):
        return {"x": xs.x, "query": conv(p.attend.x, xs.x)}

    def step(conv, p, carry, d):
        return EXAMPLE.step(conv, p, carry, Drive(**d))

    cfg = ModelConfig(**SIZES)
    mine, theirs = (
        make_model(cfg, cell=cell)
        for cell in (EXAMPLE.CELL._replace(drive=drive, step=step), EXAMPLE.CELL)
    )
    p = small.shaken(jax.eval_shape(mine.init, jax.random.key(0)))
    clip, _ = small.jit(partial(EXAMPLE.blobs, batch=2, frames=2))(jax.random.key(0))
    a, b = (small.jit(model.apply)(p, clip) for model in (mine, theirs))
    jax.tree.map(np.testing.assert_array_equal, a, b)
    assert a.logits.shape == (2, 2, 2)


def test_the_carry_of_a_cell_may_be_any_tree():
    """A count beside the hidden map: integers stay integers, and nothing looks inside."""

    def zeros(cfg, batch):
        return {"hidden": EXAMPLE.zeros(cfg, batch), "frames": np.zeros(batch, np.int32)}

    def step(conv, p, carry, d):
        hidden, out = EXAMPLE.step(conv, p, carry["hidden"], d)
        return {"hidden": hidden, "frames": carry["frames"] + 1}, out

    states = {"hidden": lambda carry: carry["hidden"]}
    cell = EXAMPLE.CELL._replace(zeros=zeros, step=step, states=states)
    model = make_model(ModelConfig(**SIZES), cell=cell)
    p = small.shaken(jax.eval_shape(model.init, jax.random.key(0)))
    clip, _ = small.jit(partial(EXAMPLE.blobs, batch=2, frames=4))(jax.random.key(0))
    mask = np.array([[True, True, True, True], [True, False, False, False]])
    carry = small.jit(model.apply)(p, clip._replace(mask=mask)).carry
    np.testing.assert_array_equal(carry["frames"], [4, 1])
    assert carry["frames"].dtype == np.int32
