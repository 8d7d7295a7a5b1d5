"""Smoothing equals a weighted least-squares line on every frame, and keeps straight motion."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from videolstm_jax.localize.smooth import keep_boxes_in_frame, smooth_tube
from videolstm_jax.types import Tube


def lowess(values: np.ndarray, span: int) -> np.ndarray:
    """One line a frame by numpy's least squares, over the nearest frames and no others."""
    fitted = np.empty_like(values)
    frames = np.arange(len(values))
    for t in frames:
        distance = np.abs(frames - t)
        reach = np.sort(distance)[min(span, len(values)) - 1]
        weight = np.where(distance <= reach, np.clip(1 - (distance / reach) ** 3, 0, None) ** 3, 0)
        root = np.sqrt(weight)[:, None]
        design = np.stack([np.ones(len(values)), frames - t], axis=1)
        fitted[t] = np.linalg.lstsq(root * design, root * values, rcond=None)[0][0]
    return fitted


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 40), st.integers(2, 45))
def test_equals_least_squares(seed, frames, span):
    boxes = np.random.default_rng(seed).uniform(0, 300, (frames, 4))
    smoothed = smooth_tube(Tube(3, boxes), span)
    assert smoothed.start == 3
    np.testing.assert_allclose(smoothed.boxes, lowess(boxes, span), atol=1e-7)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 60), st.integers(0, 31))
def test_keeps_straight_motion(seed, frames, span):
    generator = np.random.default_rng(seed)
    boxes = generator.uniform(0, 300, 4) + np.arange(frames)[:, None] * generator.uniform(-3, 3, 4)
    np.testing.assert_allclose(smooth_tube(Tube(0, boxes), span).boxes, boxes, atol=1e-8)


@pytest.mark.parametrize("span", [0, 1])
def test_a_span_of_one_changes_nothing(span):
    boxes = np.random.default_rng(0).uniform(0, 300, (9, 4))
    np.testing.assert_array_equal(smooth_tube(Tube(0, boxes), span).boxes, boxes)


def test_calms_a_trembling_tube():
    generator = np.random.default_rng(0)
    steady = np.tile([50.0, 40, 150, 200], (100, 1))
    trembling = steady + generator.normal(0, 5, steady.shape)
    assert (
        np.abs(smooth_tube(Tube(0, trembling), 15).boxes - steady).mean()
        < 0.5 * np.abs(trembling - steady).mean()
    )


def test_inside_clips_and_keeps_a_pixel():
    tube = Tube(
        2, np.array([[-4.0, 5, 30, 50], [10, 10, 10, 10], [31.9, -3, 40, -1], [20, 8, 12, 4]])
    )
    smoothed = keep_boxes_in_frame(tube, (24, 32))
    assert smoothed.start == 2
    np.testing.assert_allclose(
        smoothed.boxes, [[0, 5, 30, 24], [10, 10, 11, 11], [31, 0, 32, 1], [12, 4, 20, 8]]
    )


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 30), st.integers(0, 35))
def test_causal_is_the_end_of_every_shorter_tube(seed, frames, span):
    boxes = np.random.default_rng(seed).uniform(0, 300, (frames, 4))
    smoothed = smooth_tube(Tube(2, boxes), span, causal=True)
    ends = [smooth_tube(Tube(0, boxes[: t + 1]), span).boxes[-1] for t in range(frames)]
    assert smoothed.start == 2
    np.testing.assert_allclose(smoothed.boxes, ends, atol=1e-9)
