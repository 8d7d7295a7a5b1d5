"""The classifier of every frame."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import oracle
import pytest
import small

from videolstm_jax.core.head import classify, dropout
from videolstm_jax.types import HeadParams


@pytest.fixture
def case():
    p = HeadParams(
        *map(np.zeros, ((4 * 4 * small.K, small.F), (small.F,), (small.F, small.C), (small.C,)))
    )
    return small.shaken((p, np.zeros((small.B, 3, 4, 4, small.K))))


def test_is_flatten_tanh_classes(case):
    p, hidden = case
    expected = [oracle.classify(oracle.plain(p), np.float64(clip)) for clip in hidden]
    np.testing.assert_allclose(classify(p, hidden), expected, rtol=1e-4, atol=1e-5)
    dropped = classify(p, hidden, hidden_dropout=0.5, dense_dropout=0.7)
    np.testing.assert_array_equal(dropped, classify(p, hidden))


def test_bfloat16_scores_are_float32(case):
    p, hidden = case
    low = classify(p, hidden, dtype=jnp.bfloat16)
    assert low.dtype == jnp.float32
    np.testing.assert_allclose(low, classify(p, hidden), atol=0.1)


def test_dropout_keeps_the_mean_and_the_rate():
    x = jnp.ones((200, 200))
    result = dropout(jax.random.key(0), 0.7, x)
    assert abs(float((result == 0).mean()) - 0.7) < 0.01
    assert abs(float(result.mean()) - 1) < 0.02
    np.testing.assert_allclose(np.unique(result), [0, 1 / 0.3], rtol=1e-6)
    assert dropout(None, 0.7, x) is x


def test_dropout_is_fresh_for_every_frame_and_the_key_decides(case):
    p, hidden = case
    same = jnp.broadcast_to(hidden[:, :1], hidden.shape)
    for rates in ({"dense_dropout": 0.5}, {"hidden_dropout": 0.5}):
        run = partial(classify, p, same, **rates)
        a, again, b = (run(key=jax.random.key(seed)) for seed in (0, 0, 1))
        np.testing.assert_array_equal(a, again)
        assert not np.array_equal(a, b)
        assert not np.array_equal(a[:, 0], a[:, 1])
        assert not np.array_equal(a, run())
