"""The example of a seventh cell, and what a stranger's cell may count on."""

import importlib.util
import pathlib
from functools import partial

import jax
import numpy as np
import pytest
import small

from videolstm_jax.config import ModelConfig
from videolstm_jax.core import Drive, make_model


@pytest.fixture(scope="module")
def example():
    path = pathlib.Path(__file__).parents[1] / "examples" / "new_cell.py"
    spec = importlib.util.spec_from_file_location("new_cell", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_example_learns(example):
    with jax.numpy_dtype_promotion("standard"):  # Adam counts its steps in integers
        losses = example.train(60, report=lambda line: None)
    assert np.mean(losses[:5]) > 0.5
    assert np.mean(losses[-5:]) < 0.25


def test_its_groups_its_start_and_its_stream(example):
    cfg = ModelConfig(map_size=5, depth=4, hidden=3, attention=2, head=6, classes=2, start="mean")
    model = make_model(cfg, cell=example.CONV_AGRU)
    p = small.shaken(jax.eval_shape(model.init, jax.random.key(0)))
    assert p.cell.top.x.shape == (3, 3, 4, 9)
    assert p.cell.motion is None
    assert p.start[1] is None
    clip, _ = small.jit(partial(example.blobs, batch=2, frames=4))(jax.random.key(0))
    apply = small.jit(model.apply)
    carry = small.jit(model.start)(p, clip)
    whole = apply(p, clip, carry)
    for t in (0, 2):
        out = apply(p, jax.tree.map(lambda a, t=t: a[:, t : t + 2], clip), carry)
        small.assert_close(out.logits, whole.logits[:, t : t + 2])
        carry = out.carry
    np.testing.assert_allclose(whole.attention.sum((2, 3)), 1.0, rtol=1e-6)


def test_a_cell_may_drive_with_a_record_of_its_own(example):
    def drive(conv, p, xs):
        return {"x": xs.x, "query": conv(p.attend.x, xs.x)}

    def step(conv, p, carry, d):
        return example.step(conv, p, carry, Drive(**d))

    cfg = ModelConfig(map_size=5, depth=4, hidden=3, attention=2, head=6, classes=2)
    mine, theirs = (
        make_model(cfg, cell=cell)
        for cell in (example.CONV_AGRU._replace(drive=drive, step=step), example.CONV_AGRU)
    )
    p = small.shaken(jax.eval_shape(mine.init, jax.random.key(0)))
    clip, _ = small.jit(partial(example.blobs, batch=2, frames=2))(jax.random.key(0))
    a, b = (small.jit(model.apply)(p, clip) for model in (mine, theirs))
    jax.tree.map(np.testing.assert_array_equal, a, b)
    assert a.logits.shape == (2, 2, 2)
