"""Accuracy in exact counts against loops written out, and intervals against what defines them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from videolstm_jax.measure import accuracy, intervals


def case(seed: int, videos: int = 40, classes: int = 6):
    generator = np.random.default_rng(seed)
    return generator.integers(0, 5, (videos, classes)) / 4, generator.integers(
        0, classes, videos
    )  # with many ties


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 6))
def test_top_k_is_a_stable_sort(seed, k):
    scores, label = case(seed)
    hits = sum(
        int(own in sorted(range(6), key=lambda c: (-row[c], c))[:k])
        for row, own in zip(scores, label, strict=True)
    )
    assert accuracy.top_k(scores, label, k) == hits
    assert accuracy.accuracy(scores, label, k) == hits / 40


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_confusion_counts_every_video_once(seed):
    scores, label = case(seed)
    counts = accuracy.confusion_counts(scores, label)
    expected = np.zeros((6, 6), int)
    for row, own in zip(scores, label, strict=True):
        expected[own, int(np.argmax(row))] += 1
    np.testing.assert_array_equal(counts, expected)
    assert np.trace(counts) == accuracy.top_k(scores, label)


def test_a_class_without_videos_is_left_out_of_the_mean():
    scores, label = np.eye(3)[[0, 0, 1, 1]], np.array([0, 0, 0, 1])
    per_class = accuracy.per_class_accuracy(scores, label)
    np.testing.assert_allclose(per_class[:2], [2 / 3, 1])
    assert np.isnan(per_class[2])
    assert accuracy.mean_class_accuracy(scores, label) == pytest.approx(5 / 6)


@pytest.mark.parametrize(("hits", "total"), [(0, 10), (3, 10), (10, 10), (3508, 3783)])
def test_wilson_solves_its_equation(hits, total):
    interval = intervals.wilson_interval(hits, total)
    expected = stats.binomtest(hits, total).proportion_ci(0.95, "wilson")
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert interval.low <= interval.value <= interval.high


def test_wilson_refuses_counts_that_make_no_share():
    for hits, total in ((1, 0), (3, 2), (-1, 4)):
        with pytest.raises(ValueError, match="right of"):
            intervals.wilson_interval(hits, total)


def test_bootstrap_of_a_mean_is_close_to_the_normal_one():
    values = np.random.default_rng(1).normal(2, 3, 400)
    interval = intervals.mean_interval(values)
    half = 1.96 * values.std() / 20
    assert interval.value == pytest.approx(values.mean())
    assert interval.low == pytest.approx(values.mean() - half, abs=0.1 * half + 0.02)
    assert interval.high == pytest.approx(values.mean() + half, abs=0.1 * half + 0.02)
    assert interval == intervals.mean_interval(values)


def test_pairs_are_drawn_whole():
    theirs = np.random.default_rng(1).normal(0, 5, 100)
    interval = intervals.paired_interval(theirs + 0.5, theirs)
    assert interval.low == pytest.approx(0.5) == interval.high
    with pytest.raises(ValueError, match="one of each a video"):
        intervals.paired_interval(theirs, theirs[:-1])


def test_refuses_what_is_no_classification():
    scores, label = case(0)
    with pytest.raises(ValueError, match=r"expected \[V, C\] and \[V\]"):
        accuracy.top_k(scores, label[:-1])
    with pytest.raises(ValueError, match="expected 0 to 5"):
        accuracy.top_k(scores, label + 5)
    with pytest.raises(ValueError, match="1 videos are NaN"):
        accuracy.top_k(np.where(np.arange(40)[:, None] == 3, np.nan, scores), label)
    with pytest.raises(ValueError, match="no videos"):
        accuracy.accuracy(scores[:0], label[:0])
    with pytest.raises(ValueError, match="at least one"):
        intervals.mean_interval(np.zeros(0))


def test_the_majority_of_the_training_list_answers_the_test_list():
    baseline = accuracy.majority_accuracy(
        np.array([0, 0, 2, 2, 1]), np.array([0, 2, 2, 1]), missing=[0]
    )
    assert baseline == (0, 1, 5)  # of the two commonest the first; the unread video is not right
    assert accuracy.majority_accuracy(np.array([], int), np.array([1, 1, 0])) == (1, 2, 3)


def test_a_line_says_that_a_model_was_trained_on_its_videos():
    scores, label = np.eye(3), np.arange(3)
    assert accuracy.accuracy_text(scores, label, trained=np.zeros(3, bool)).endswith("100.0 %")
    text = accuracy.accuracy_text(scores, label, trained=np.array([True, False, True]))
    assert text.endswith("100.0 % (trained on 2 of these videos)")
