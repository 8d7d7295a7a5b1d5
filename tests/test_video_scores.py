"""The score of a video against plain loops, and what leaves it as it is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from videolstm_jax.measure.scores import softmax, video_scores


def oracle(logits, mask):
    total = np.zeros(logits.shape[-1])
    for segment, frames in zip(logits, mask, strict=True):
        for frame, exists in zip(segment, frames, strict=True):
            if exists:
                total += np.exp(frame) / np.exp(frame).sum() / len(logits)
    return total / total.sum()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_against_loops(seed):
    random = np.random.default_rng(seed)
    logits = random.normal(size=random.integers(1, 5, 3)) * 3
    mask = random.random(logits.shape[:2]) < 0.7
    mask[0, 0] = True
    scores = video_scores(logits, mask)
    np.testing.assert_allclose(scores, oracle(logits, mask), rtol=1e-12)
    assert scores.sum() == pytest.approx(1)


def test_equal_segments_may_be_run_once():
    random = np.random.default_rng(0)
    logits, mask = random.normal(size=(2, 3, 4)), np.ones((2, 3), bool)
    many = video_scores(logits[[0, 0, 0, 1]], mask[[0, 0, 0, 1]])
    np.testing.assert_allclose(video_scores(logits, mask, counts=np.array([3, 1])), many)


def test_frames_that_do_not_exist_do_not_count():
    logits = np.array([[[0.0, 5.0], [np.nan, 1.0]]])
    np.testing.assert_allclose(
        video_scores(logits, np.array([[True, False]])), softmax(logits[0, 0])
    )


@pytest.mark.parametrize(
    "logits, mask",
    [
        (np.zeros((1, 2, 3)), np.zeros((1, 2))),
        (np.zeros((1, 2, 3)), np.ones((2, 1))),
        (np.zeros((2, 3)), np.ones((2, 3))),
        (np.full((1, 1, 2), np.nan), np.ones((1, 1))),
    ],
)
def test_refusals(logits, mask):
    with pytest.raises(ValueError):
        video_scores(logits, mask)
