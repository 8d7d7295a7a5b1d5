"""Boxes equal those of a flood fill written out by hand."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from videolstm_jax.localize.boxes import frame_boxes


def flood(saliency: np.ndarray, threshold: float) -> list[tuple[list[int], float]]:
    """Every 8-connected region by a stack: its box and its sum, in the order of their first pixels."""
    left = {(int(y), int(x)) for y, x in np.argwhere(saliency >= threshold)}
    regions = []
    for start in sorted(left):
        if start not in left:
            continue
        left.discard(start)
        stack, region = [start], []
        while stack:
            y, x = stack.pop()
            region.append((y, x))
            for near in [(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]:
                if near in left:
                    left.discard(near)
                    stack.append(near)
        ys, xs = zip(*region, strict=True)
        box = [min(xs), min(ys), max(xs) + 1, max(ys) + 1]
        regions.append((box, float(sum(saliency[y, x] for y, x in region))))
    return regions


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 14), st.integers(1, 14), st.sampled_from([0.0, 100.0, 180.0, 240.0]))
def test_equals_a_flood_fill(seed, height, width, threshold):
    saliency = np.random.default_rng(seed).uniform(0, 255, (height, width)).astype(np.float32)
    boxes, mass = frame_boxes(saliency, threshold)
    expected = flood(saliency, threshold)
    np.testing.assert_array_equal(boxes, np.array([box for box, _ in expected], float).reshape(-1, 4))
    np.testing.assert_allclose(mass, [total for _, total in expected], rtol=1e-5)


def test_corners_join_and_boxes_are_half_open():
    saliency = np.zeros((6, 8))
    saliency[1, 2] = saliency[2, 3] = 200
    saliency[5, 7] = 100
    boxes, mass = frame_boxes(saliency, 100)
    np.testing.assert_array_equal(boxes, [[2, 1, 4, 3], [7, 5, 8, 6]])
    np.testing.assert_array_equal(mass, [400, 100])


def test_a_pixel_at_the_threshold_counts_and_one_below_does_not():
    saliency = np.array([[254.9, 255.0, 0.0]])
    np.testing.assert_array_equal(frame_boxes(saliency, 255)[0], [[1, 0, 2, 1]])


def test_nothing_passes():
    boxes, mass = frame_boxes(np.zeros((4, 5)), 100)
    assert boxes.shape == (0, 4)
    assert mass.shape == (0,)
