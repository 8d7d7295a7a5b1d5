"""Small random models to test the core: no side or depth equals another, no bias is zero."""

from __future__ import annotations

from functools import cache, partial

import jax
import numpy as np

from videolstm_jax.config import ModelConfig
from videolstm_jax.core import CELLS, bind, make_model
from videolstm_jax.core.engines import ENGINES
from videolstm_jax.types import Carry, Clip, Inputs, LSTMState

jit = partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
"""Compiles in half the time; what it compiles is slower, which on arrays this small nobody sees."""

B, N, D, E, K, A, F, C = 2, 4, 5, 6, 3, 2, 8, 7


def config(name, **settings):
    """Of the cell called `name`, at the sides it has."""
    sides = {
        "map_size": 1 if name == "lstm" else N,
        "motion_size": 1 if name == "motion_alstm" else N,
    }
    return ModelConfig(
        **{
            "cell": name,
            "depth": D,
            "motion_depth": E,
            "hidden": K,
            "attention": A,
            "head": F,
            "classes": C,
            **sides,
            **settings,
        }
    )


model_of = cache(make_model)
"""One model a config, so that no test compiles again what another has compiled."""


def shaken(tree, seed=0, size=0.5, dtype=np.float32):
    """The same tree with normal numbers, as numpy arrays, which slice without compiling."""
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda a: np.asarray(size * rng.standard_normal(np.shape(a)), dtype), tree)


def clip_of(cfg, *, frames=3, batch=B, seed=1, dtype=np.float32):
    """A random clip that fits, every frame of which exists."""
    shape = (batch, frames)
    x = np.zeros((*shape, cfg.map_size, cfg.map_size, cfg.depth))
    motion = np.zeros((*shape, cfg.motion_size, cfg.motion_size, cfg.motion_depth))
    moves = CELLS[cfg.cell].layers.motion is not None
    return Clip(
        shaken(Inputs(x, motion if moves else None), seed, 1.0, dtype), np.ones(shape, bool)
    )


def params_of(cfg, seed=2, dtype=np.float32):
    """Random parameters, biases too."""
    return shaken(jax.eval_shape(make_model(cfg).init, jax.random.key(0)), seed, dtype=dtype)


def carry_of(cfg, seed=3, batch=B, dtype=np.float32):
    """A random carry."""
    side = 1 if CELLS[cfg.cell].vector else cfg.map_size
    state = LSTMState(*[np.zeros((batch, side, side, cfg.hidden))] * 2)
    return shaken(
        Carry(state, state if CELLS[cfg.cell].layers.motion is not None else None),
        seed,
        dtype=dtype,
    )


def bound(name, engine="im2col", dtype=None):
    """The cell with that engine."""
    return bind(CELLS[name], partial(ENGINES[engine], dtype=dtype))


def assert_close(values, expected, *, rtol=1e-5, atol=1e-6):
    """Asserts that two trees are the same up to rounding."""
    jax.tree.map(partial(np.testing.assert_allclose, rtol=rtol, atol=atol), values, expected)
