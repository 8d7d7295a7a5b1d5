"""The span of a class is the one that every other span is worse than, and its zero is at chance."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from videolstm_jax.localize.trim import best_trim_span, trim_gain, trim_tubes
from videolstm_jax.types import Detection, Tube


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-5, 5), min_size=1, max_size=14))
def test_no_span_has_a_larger_sum(gain):
    start, stop = best_trim_span(np.array(gain, float))
    spans = {(a, b): sum(gain[a:b]) for a, b in itertools.combinations(range(len(gain) + 1), 2)}
    if max(gain) <= 0:
        assert (start, stop) == (0, len(gain))
        return
    largest = max(spans.values())
    assert spans[start, stop] == largest
    equals = [span for span, value in spans.items() if value == largest]
    assert stop == min(b for _, b in equals)
    assert stop - start == min(b - a for a, b in equals if b == stop)


def scores(*parts):
    """[L, 3] frame scores: each part is (class, how sure, frames)."""
    return np.concatenate(
        [
            np.tile(np.where(np.arange(3) == label, sure, (1 - sure) / 2), (frames, 1))
            for label, sure, frames in parts
        ]
    )


def flat(frames):
    return np.full((frames, 2, 2), 0.25)


@pytest.mark.parametrize("rule", ["chance", "mean", "saliency"])
def test_each_class_is_found_where_it_is(rule):
    gain = trim_gain(scores((0, 0.8, 4), (1, 0.9, 6), (2, 0.7, 5)), flat(15), rule)
    assert [best_trim_span(gain[:, label]) for label in range(3)] == [(0, 4), (4, 10), (10, 15)]


def test_what_is_trimmed_already_is_kept_by_chance_and_cut_by_the_mean():
    frame_scores = scores((0, 0.6, 5), (0, 0.9, 5))
    assert best_trim_span(trim_gain(frame_scores, flat(10), "chance")[:, 0]) == (0, 10)
    assert best_trim_span(trim_gain(frame_scores, flat(10), "mean")[:, 0]) == (5, 10)


def test_a_class_below_chance_keeps_the_video():
    gain = trim_gain(scores((0, 0.8, 7)), flat(7), "chance")
    assert best_trim_span(gain[:, 1]) == (0, 7)


def test_chance_is_the_likeliest_span():
    """The joint likelihood: frames inside a span are drawn from the class, outside from any."""
    frame_scores = np.random.default_rng(0).dirichlet([1, 1, 1], 9)
    joint = {
        (a, b): np.prod(frame_scores[a:b, 1] / (1 / 3))
        for a, b in itertools.combinations(range(10), 2)
    }
    assert best_trim_span(trim_gain(frame_scores, flat(9), "chance")[:, 1]) == max(
        joint, key=joint.get
    )


def test_saliency_cuts_where_attention_is_dull():
    sharp, dull = np.zeros((4, 2, 2)), np.full((8, 2, 2), 0.25)
    sharp[:, 0, 0] = 1
    frame_scores = scores((0, 0.4, 12))
    assert best_trim_span(
        trim_gain(frame_scores, np.concatenate([dull, sharp]), "saliency")[:, 0]
    ) == (
        8,
        12,
    )
    assert best_trim_span(
        trim_gain(frame_scores, np.concatenate([dull, sharp]), "chance")[:, 0]
    ) == (
        0,
        12,
    )


def test_a_zero_does_not_veto_for_ever():
    frame_scores = scores((0, 0.95, 40))
    frame_scores[20] = [0, 0.5, 0.5]
    assert best_trim_span(trim_gain(frame_scores, flat(40), "chance")[:, 0]) == (0, 40)


def test_tubes_are_cut_within_their_own_frames_and_keep_their_scores():
    boxes = np.arange(32.0).reshape(8, 4)
    gain = trim_gain(scores((0, 0.8, 4), (1, 0.9, 6)), flat(10), "chance")
    cut = trim_tubes(
        [
            Detection("a", 0, 0.5, Tube(2, boxes)),
            Detection("a", 1, 0.4, Tube(2, boxes)),
            Detection("a", 1, 0.3, Tube(8, boxes)),
        ],
        gain,
    )
    spans = [
        (detection.tube.start, len(detection.tube.boxes), detection.score) for detection in cut
    ]
    assert spans == [(2, 2, 0.5), (4, 6, 0.4), (8, 8, 0.3)]
    np.testing.assert_array_equal(cut[1].tube.boxes, boxes[2:])


def test_refuses():
    with pytest.raises(ValueError, match="4 frame scores for 5 maps"):
        trim_gain(scores((0, 0.8, 4)), flat(5), "chance")
