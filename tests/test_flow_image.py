"""Flow as images: the formula of the paper's authors, its inverse, and the grey of television."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from videolstm_jax.flow import image


def by_hand(u, bound):
    """round(255 (u + bound) / (2 bound)), halves away from zero, clipped, one number at a time."""
    return min(255, max(0, int((255 * (u + bound) / (2 * bound)) + 0.5))) if u > -bound else 0


@given(st.floats(-50, 50, width=32), st.sampled_from([20.0, 1.5, 3.765]))
def test_formula(u, bound):
    exact = 255 * (u + bound) / (2 * bound)
    level = int(image.flow_to_image(np.array([[u, -u]]), bound)[0, 0])
    if abs(exact % 1 - 0.5) > 1e-4:
        assert level == by_hand(u, bound)
    assert abs(level - np.clip(exact, 0, 255)) <= 0.5 + 1e-4


def test_the_authors_numbers():
    flow = np.array([-30, -20, -10, 0, 0.1, 10, 20, 30], np.float32)
    expected = [0, 0, 64, 128, 128, 191, 255, 255]
    np.testing.assert_array_equal(
        image.flow_to_image(np.stack([flow, flow], -1), 20.0), np.stack([expected, expected], -1)
    )


@given(st.floats(0.5, 40), st.integers(0, 99))
def test_inverse(bound, seed):
    levels = np.random.default_rng(seed).integers(0, 256, (3, 4, 2), np.uint8)
    np.testing.assert_array_equal(
        image.flow_to_image(image.flow_from_image(levels, bound), bound), levels
    )
    flow = np.random.default_rng(seed).uniform(-bound, bound, (3, 4, 2)).astype(np.float32)
    back = image.flow_from_image(image.flow_to_image(flow, bound), bound)
    assert back.dtype == np.float32 and np.abs(back - flow).max() <= bound / 255 * 1.001


@pytest.mark.parametrize(
    "size, expected", [((340, 256), 20), ((64, 64), 20 * 64 / 340), ((100, 170), 10)]
)
def test_scaled_bound(size, expected):
    assert image.scaled_flow_bound(image.PAPER_BOUND, *size) == pytest.approx(expected)


def test_grey_is_rec_601():
    frames = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), np.uint8)
    exact = frames @ np.array([0.299, 0.587, 0.114])
    level = image.grey_frames_for_flow(frames)
    assert level.dtype == np.uint8 and np.abs(level - exact).max() <= 0.5 + 1e-9
    pillow = np.stack([np.asarray(Image.fromarray(frame).convert("L")) for frame in frames])
    assert np.abs(level.astype(int) - pillow).max() <= 1
    np.testing.assert_array_equal(
        image.grey_frames_for_flow(np.full((2, 2, 3), 77, np.uint8)), np.full((2, 2), 77)
    )
