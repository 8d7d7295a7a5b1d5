"""The search of weights against a plain loop over its grid."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from videolstm_jax.measure.accuracy import top_k
from videolstm_jax.measure.fusion.rules import mean_fusion, product_fusion
from videolstm_jax.measure.fusion.weight_search import FUSIONS, search_fusion_weights


def problem(seed, streams, videos=40, classes=4):
    """Streams of which the first are better: the logit of the right class is raised."""
    random = np.random.default_rng(seed)
    label = random.integers(classes, size=videos)
    scores = []
    for number in range(streams):
        logits = random.normal(size=(videos, classes))
        logits[np.arange(videos), label] += 2.0 / (number + 1)
        power = np.exp(logits)
        scores.append(power / power.sum(axis=1, keepdims=True))
    return scores, label


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 3), st.sampled_from(sorted(FUSIONS)))
def test_the_best_is_the_best_of_all_candidates(seed, streams, method):
    scores, label = problem(seed, streams)
    search = search_fusion_weights(scores, label, method)
    fuse = {"product": product_fusion, "mean": mean_fusion}[method]
    for candidate in search.candidates:
        fused = fuse(scores, candidate.weights)
        assert candidate.right == top_k(fused, label)
        assert sum(candidate.weights) == pytest.approx(streams)
        expected = -np.log(fused[np.arange(len(label)), label]).mean()
        assert candidate.loss == pytest.approx(expected, abs=1e-6)
    assert search.best.right == max(candidate.right for candidate in search.candidates)
    ties = [candidate for candidate in search.candidates if candidate.right == search.best.right]
    assert search.best.loss == min(candidate.loss for candidate in ties)
    assert search.equal.weights == (1.0,) * streams and search.equal in search.candidates


@pytest.mark.parametrize("streams, count", [(1, 1), (2, 21), (3, 190), (4, 455), (5, 1001)])
def test_the_grid(streams, count):
    search = search_fusion_weights(*problem(0, streams, videos=3), "product")
    weights = [candidate.weights for candidate in search.candidates]
    assert len(weights) == len(set(weights)) == count
    # Each stream alone is a candidate too.
    assert (0.0,) * (streams - 1) + (float(streams),) in weights


def test_a_useless_stream_gets_no_weight():
    scores, label = problem(1, 1, videos=400)
    wrong = np.full_like(scores[0], 0.02)
    wrong[np.arange(400), (label + 1) % 4] = 0.94
    search = search_fusion_weights([scores[0], wrong], label, "product")
    assert search.best.weights == (2.0, 0.0) and search.best.right > search.equal.right


def test_refusals():
    scores, label = problem(0, 2)
    with pytest.raises(ValueError, match="0 streams"):
        search_fusion_weights([], label, "mean")
    with pytest.raises(ValueError, match="9 streams"):
        search_fusion_weights(scores[:1] * 9, label, "mean")
    with pytest.raises(ValueError, match="at least one video"):
        search_fusion_weights([np.zeros((0, 3))] * 2, label[:0], "mean")
    with pytest.raises(ValueError, match="stream 1 has scores from"):
        search_fusion_weights([scores[0], np.log(scores[1])], label, "product")
