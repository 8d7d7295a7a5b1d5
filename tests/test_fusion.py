"""Fusion against written-out products and means, and published accuracies on real scores."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from videolstm_jax.measure.accuracy import accuracy, top_k
from videolstm_jax.measure.fusion import rules as fusion


def streams(seed: int, count: int = 3, videos: int = 5, classes: int = 4) -> list[np.ndarray]:
    return list(np.random.default_rng(seed).dirichlet(np.ones(classes), (count, videos)))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.lists(st.floats(0.1, 3), min_size=3, max_size=3))
def test_product_and_mean(seed, weights):
    scores = streams(seed)
    product = np.prod([p**w for p, w in zip(scores, weights, strict=True)], axis=0)
    product /= product.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(fusion.product_fusion(scores, weights), product, rtol=1e-9)
    mean = np.average(scores, axis=0, weights=weights)
    np.testing.assert_allclose(fusion.mean_fusion(scores, weights), mean, rtol=1e-9)


def test_without_weights_each_counts_once():
    scores = streams(0)
    np.testing.assert_array_equal(
        fusion.product_fusion(scores), fusion.product_fusion(scores, [1, 1, 1])
    )
    np.testing.assert_allclose(fusion.mean_fusion(scores), np.mean(scores, axis=0))
    np.testing.assert_allclose(fusion.product_fusion(scores[:1]), scores[0])


def test_order_of_streams_changes_nothing_and_a_flat_stream_neither():
    scores = streams(1)
    np.testing.assert_allclose(fusion.product_fusion(scores), fusion.product_fusion(scores[::-1]))
    flat = np.full_like(scores[0], 0.25)
    np.testing.assert_allclose(
        fusion.product_fusion([*scores, flat]), fusion.product_fusion(scores)
    )


def test_zero_probabilities_stay_finite():
    certain = np.array([[1.0, 0, 0], [0, 1, 0]])
    other = np.array([[0.0, 1, 0], [0, 0.5, 0.5]])
    fused = fusion.product_fusion([certain, other])
    assert np.isfinite(fused).all()
    np.testing.assert_allclose(fused[1], [0, 1, 0], atol=1e-30)
    np.testing.assert_allclose(fused[0], [0.5, 0.5, 0], atol=1e-6)


def test_refuses_what_cannot_be_fused():
    scores = streams(0)
    with pytest.raises(ValueError, match="0 streams"):
        fusion.product_fusion([])
    with pytest.raises(ValueError, match="3 streams and 2 weights"):
        fusion.product_fusion(scores, [1, 1])
    with pytest.raises(ValueError, match=r"stream 1 has scores \(4, 4\)"):
        fusion.product_fusion([scores[0], scores[1][:4]])
    with pytest.raises(ValueError, match="stream 0 has scores from"):
        fusion.product_fusion([np.log(scores[0])])
    with pytest.raises(ValueError, match="expected more than 0"):
        fusion.mean_fusion(scores, [0, 0, 0])
    with pytest.raises(ValueError, match="expected finite numbers"):
        fusion.product_fusion(scores, [1, np.nan, 1])


def test_temperature_is_found_again():
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 2, (20_000, 5))
    label = (np.cumsum(softmax(logits, axis=1), axis=1) < generator.uniform(size=(20_000, 1))).sum(
        axis=1
    )
    overconfident = softmax(3 * logits, axis=1)
    temperature = fusion.fit_probability_temperature(overconfident, label)
    assert temperature == pytest.approx(3, rel=0.03)
    np.testing.assert_allclose(
        fusion.temper_probabilities(overconfident, 3), softmax(logits, axis=1), atol=1e-9
    )
    with pytest.raises(ValueError, match="expected more than 0"):
        fusion.temper_probabilities(overconfident, 0)


@pytest.mark.parametrize(
    ("name", "mean", "product"), [("ucf101", 90.77, 92.73), ("hmdb51", 63.53, 64.51)]
)
def test_published_accuracies(real_data, name, mean, product):
    with np.load(real_data / "scores" / f"{name}_split1.npz", allow_pickle=False) as file:
        scores = [softmax(file[stream].astype(float), axis=1) for stream in ("rgb_iframe", "flow")]
        label = file["labels"]
    assert round(100 * accuracy(fusion.mean_fusion(scores), label), 2) == mean
    assert round(100 * accuracy(fusion.product_fusion(scores), label), 2) == product
    assert top_k(fusion.product_fusion(scores), label, 5) >= top_k(
        fusion.product_fusion(scores), label
    )
