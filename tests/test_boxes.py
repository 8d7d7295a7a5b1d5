"""Boxes equal those of a flood fill written out by hand."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from videolstm_jax.localize.boxes import frame_boxes, moment_box


def flood(saliency: np.ndarray, threshold: float) -> list[tuple[list[int], float]]:
    """Every 8-connected region by a stack: its box and sum, in the order of first pixels."""
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
@given(
    st.integers(0, 10**6),
    st.integers(1, 14),
    st.integers(1, 14),
    st.sampled_from([0.0, 100.0, 180.0, 240.0]),
)
def test_equals_a_flood_fill(seed, height, width, threshold):
    saliency = np.random.default_rng(seed).uniform(0, 255, (height, width)).astype(np.float32)
    boxes, mass = frame_boxes(saliency, threshold)
    expected = flood(saliency, threshold)
    np.testing.assert_array_equal(
        boxes, np.array([box for box, _ in expected], float).reshape(-1, 4)
    )
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


@given(st.integers(1, 20), st.integers(1, 20), st.data())
def test_the_moments_of_a_rectangle_give_the_rectangle(height, width, data):
    y0, x0 = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    y1, x1 = data.draw(st.integers(y0 + 1, height)), data.draw(st.integers(x0 + 1, width))
    saliency = np.zeros((height, width), np.float32)
    saliency[y0:y1, x0:x1] = 7
    boxes, mass = moment_box(saliency)
    np.testing.assert_allclose(boxes, [[x0, y0, x1, y1]], atol=1e-9)
    np.testing.assert_allclose(mass, [7 * (y1 - y0) * (x1 - x0)])


def test_moments_equal_those_of_points_spread_over_the_pixels():
    rng = np.random.default_rng(3)
    saliency = rng.uniform(0, 255, (5, 8))
    cells = rng.choice(saliency.size, 400_000, p=saliency.ravel() / saliency.sum())
    points = np.stack([cells % 8, cells // 8]) + rng.uniform(size=(2, cells.size))
    mean, reach = points.mean(axis=1), np.sqrt(3) * points.std(axis=1)
    np.testing.assert_allclose(
        moment_box(saliency)[0][0], [*(mean - reach), *(mean + reach)], atol=0.02
    )


def test_moments_of_nothing_are_no_box_and_scale_does_not_matter():
    assert moment_box(np.zeros((4, 5)))[0].shape == (0, 4)
    saliency = np.random.default_rng(0).uniform(0, 1, (6, 7))
    np.testing.assert_allclose(moment_box(saliency)[0], moment_box(200 * saliency)[0])
