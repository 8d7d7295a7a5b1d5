"""The functions that the equations are made of."""

import jax
import jax.numpy as jnp
import numpy as np
import oracle
import small

from videolstm_jax.core import attention, expect, lstm, total, weigh
from videolstm_jax.types import AttentionParams, LSTMState


def test_total_sums_in_the_dtype_of_the_bias():
    terms = [jnp.full((2, 1, 1, 3), 1.0, jnp.bfloat16), jnp.full((2, 4, 4, 3), 2.0, jnp.float32)]
    result = total(jnp.array([0.5, 0.25, 0.125]), *terms)
    assert result.dtype == jnp.float32
    np.testing.assert_array_equal(result, np.broadcast_to([3.5, 3.25, 3.125], (2, 4, 4, 3)))


def test_lstm_gates_are_input_forget_output_candidate():
    state = LSTMState(jnp.full((1, 1, 1, 1), 0.5), jnp.zeros((1, 1, 1, 1)))
    shut, open_ = -50.0, 50.0

    def after(i, f, o, g):
        return [
            float(a[0, 0, 0, 0]) for a in lstm(state, jnp.array([i, f, o, g])[None, None, None])
        ]

    np.testing.assert_allclose(after(shut, open_, open_, 9.0), [0.5, np.tanh(0.5)], rtol=1e-6)
    np.testing.assert_allclose(
        after(open_, shut, open_, 0.3), [np.tanh(0.3), np.tanh(np.tanh(0.3))], rtol=1e-6
    )
    np.testing.assert_allclose(
        after(open_, open_, shut, 0.3), [0.5 + np.tanh(0.3), 0.0], rtol=1e-6, atol=1e-12
    )


def attention_case(hidden_side):
    p = small.shaken(AttentionParams(*map(np.zeros, ((small.D, 2), (small.K, 2), (2,), (2,)))))
    x, h = small.shaken(
        (np.zeros((2, 4, 4, small.D)), np.zeros((2, hidden_side, hidden_side, small.K))), seed=1
    )
    return p, x, h


def test_attention_sums_to_one_and_is_the_equations():
    for side in (1, 4):
        p, x, h = attention_case(side)
        result = attention(p, x @ p.x, h)
        assert result.shape == (2, 4, 4, 1)
        np.testing.assert_allclose(result.sum((1, 2, 3)), 1.0, rtol=1e-6)
        expected = [
            oracle.attention(oracle.plain(p), *row)
            for row in zip(np.float64(x), np.float64(h), strict=True)
        ]
        np.testing.assert_allclose(result[..., 0], expected, rtol=1e-5)


def test_attention_stays_finite_and_exact_in_bfloat16_products_of_large_scores():
    p, x, h = attention_case(4)
    result = attention(p._replace(score=1e4 * p.score), (x @ p.x).astype(jnp.bfloat16), h)
    assert result.dtype == jnp.float32
    assert bool(jnp.all(jnp.isfinite(result)))
    np.testing.assert_allclose(result.sum((1, 2, 3)), 1.0, rtol=1e-6)


def test_weigh_keeps_the_map_and_expect_is_its_mean():
    _, x, _ = attention_case(1)
    a = jax.nn.softmax(small.shaken(jnp.zeros((2, 16)), seed=5)).reshape(2, 4, 4, 1)
    np.testing.assert_allclose(weigh(a, x)[1, 2, 3], a[1, 2, 3] * x[1, 2, 3], rtol=1e-6)
    np.testing.assert_allclose(
        expect(a, x), weigh(a, x).sum((1, 2))[:, None, None], rtol=1e-5, atol=1e-7
    )
    uniform = jnp.full((2, 4, 4, 1), 1 / 16)
    np.testing.assert_allclose(expect(uniform, x)[:, 0, 0], x.mean((1, 2)), rtol=1e-5, atol=1e-6)
    assert weigh(a, x.astype(jnp.float16)).dtype == jnp.float32
