"""The losses against plain loops, and what masks and weights must leave alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from videolstm_jax.train.losses import (
    frame_xent,
    sequence_entropy,
    sequence_xent,
    training_frame_accuracy,
)


def _case(seed, b=3, t=4, c=5):
    r = np.random.default_rng(seed)
    logits = r.normal(0, 3, (b, t, c)).astype(np.float32)
    return (
        logits,
        r.integers(0, c, b).astype(np.int32),
        r.random((b, t)) < 0.7,
        r.random(b).astype(np.float32),
    )


def _xent(row, label):
    row = row.astype(np.float64)
    return -np.log(np.exp(row[label]) / np.exp(row).sum())


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_sequence_xent_is_summed_over_time_and_averaged_over_the_batch(seed):
    logits, label, mask, weight = _case(seed)
    total = 0.0
    for b in range(3):
        total += weight[b] * sum(_xent(logits[b, t], label[b]) for t in range(4) if mask[b, t])
    np.testing.assert_allclose(
        sequence_xent(logits, label, mask, weight), total / weight.sum(), rtol=2e-6
    )


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_frame_xent_and_accuracy(seed):
    logits, label, mask, weight = _case(seed)
    expected = (
        sum(w * _xent(row[0], c) for w, row, c in zip(weight, logits, label, strict=True))
        / weight.sum()
    )
    np.testing.assert_allclose(frame_xent(logits[:, 0], label, weight), expected, rtol=2e-6)
    right, count = 0.0, 0.0
    for b in range(3):
        for t in range(4):
            right += weight[b] * mask[b, t] * (logits[b, t].argmax() == label[b])
            count += weight[b] * mask[b, t]
    np.testing.assert_allclose(
        training_frame_accuracy(logits, label, mask, weight), right / max(count, 1e-9), rtol=1e-6
    )


def test_masked_frames_and_weightless_rows_have_no_say_even_where_they_are_not_finite():
    logits, label, mask, weight = _case(1)
    mask[:, 2] = False
    weight[1] = 0
    loss = sequence_xent(logits, label, mask, weight)
    gradient = jax.grad(sequence_xent)(jnp.asarray(logits), label, mask, weight)
    assert not gradient[:, 2].any() and not gradient[1].any()
    logits[:, 2], logits[1] = 77.0, -5.0
    assert sequence_xent(logits, label, mask, weight) == loss


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), cells=st.integers(2, 7))
def test_sequence_entropy_is_summed_over_time_in_shares_of_the_largest(seed, cells):
    r = np.random.default_rng(seed)
    attention = (
        r.dirichlet(np.full(cells * cells, 0.3), (3, 4))
        .reshape(3, 4, cells, cells)
        .astype(np.float32)
    )
    _, _, mask, weight = _case(seed)
    total = 0.0
    for b in range(3):
        for t in range(4):
            share = attention[b, t].ravel().astype(np.float64)
            share = share[share > 0]
            total += weight[b] * mask[b, t] * -(share * np.log(share)).sum() / np.log(cells * cells)
    np.testing.assert_allclose(
        sequence_entropy(attention, mask, weight), total / weight.sum(), rtol=1e-5, atol=1e-6
    )


def test_entropy_of_uniform_and_of_one_cell_and_its_gradient_there():
    mask, weight = np.ones((1, 2), bool), np.ones(1, np.float32)
    uniform, peak = np.full((1, 2, 3, 3), 1 / 9, np.float32), np.zeros((1, 2, 3, 3), np.float32)
    peak[..., 1, 1] = 1
    np.testing.assert_allclose(sequence_entropy(uniform, mask, weight), 2, rtol=1e-6)
    assert sequence_entropy(peak, mask, weight) == 0
    assert np.isfinite(jax.grad(sequence_entropy)(jnp.asarray(peak), mask, weight)).all()
    assert sequence_entropy(np.ones((1, 2, 1, 1), np.float32), mask, weight) == 0


def test_a_batch_without_weight_is_zero_and_not_a_division():
    logits, label, mask, weight = _case(2)
    assert sequence_xent(logits, label, mask, 0 * weight) == 0
    assert training_frame_accuracy(logits, label, 0 * mask > 0, weight) == 0


def test_large_logits_stay_finite_and_bfloat16_is_computed_in_float32():
    logits = jnp.array([[[1e4, -1e4, 0.0]]])
    arguments = jnp.array([1]), jnp.ones((1, 1), bool), jnp.ones(1)
    assert sequence_xent(logits, *arguments) == pytest.approx(2e4)
    assert sequence_xent(logits.astype(jnp.bfloat16), *arguments).dtype == jnp.float32
