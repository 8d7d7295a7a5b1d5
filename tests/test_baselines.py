"""Baselines: still boxes where they should be, and maps with hand-counted weights of cells."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from videolstm_jax.localize import baselines
from videolstm_jax.localize.tubes import video_tube
from videolstm_jax.types import Tube


def test_centred_and_full_frame():
    np.testing.assert_array_equal(
        baselines.centred_tube((240, 320), 2, 0.5).boxes, [[80, 60, 240, 180]] * 2
    )
    np.testing.assert_array_equal(baselines.centred_tube((240, 320), 1).boxes, [[0, 0, 320, 240]])
    for fraction in (0.0, -1.0, 1.1):
        with pytest.raises(ValueError, match="expected more than 0"):
            baselines.centred_tube((240, 320), 1, fraction)


def test_mean_box_weighs_videos_alike_whatever_their_size_and_length():
    small = Tube(0, np.tile([0.0, 0, 16, 24], (9, 1)))
    large = Tube(4, np.tile([160.0, 0, 320, 240], (1, 1)))
    np.testing.assert_allclose(
        baselines.mean_box([small, large], [(24, 32), (240, 320)]), [0.25, 0, 0.75, 1]
    )
    with pytest.raises(ValueError, match="no true tubes"):
        baselines.mean_box([], [])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 9))
def test_coverage_counts_subpixels(seed, cells):
    """Where cells divide the grid of pixels, the share is a plain mean of a painted mask."""
    generator = np.random.default_rng(seed)
    height, width = cells * 4, cells * 6
    x0, y0 = generator.integers(0, width), generator.integers(0, height)
    x1, y1 = generator.integers(x0, width) + 1, generator.integers(y0, height) + 1
    painted = np.zeros((height, width))
    painted[y0:y1, x0:x1] = 1
    expected = painted.reshape(cells, 4, cells, 6).mean(axis=(1, 3))
    maps = baselines.box_coverage_of_cells(np.array([[x0, y0, x1, y1]]), (height, width), cells)[0]
    np.testing.assert_allclose(maps, expected, atol=1e-12)
    ideal = baselines.ideal_attention(np.array([[x0, y0, x1, y1]]), (height, width), cells)[0]
    np.testing.assert_allclose(ideal, expected / expected.sum(), atol=1e-12)


def test_covered_cells_takes_the_larger_share_and_leaves_other_frames_empty():
    tubes = [
        Tube(1, np.array([[0.0, 0, 10, 10]])),
        Tube(1, np.array([[0.0, 0, 5, 10], [10, 0, 20, 10]])),
    ]
    covered = baselines.box_coverage_by_tubes(tubes, (10, 20), 2, 2)
    np.testing.assert_array_equal(covered[0], 0)
    np.testing.assert_array_equal(covered[1], [[1, 0], [1, 0]])
    assert baselines.box_coverage_by_tubes(tubes, (10, 20), 3, 2)[2].sum() == 2


def test_flow_magnitude_is_the_mean_of_each_cell():
    flow = np.zeros((2, 8, 12, 2), np.float32)
    flow[0, :4, :6] = [3, 4]
    flow[0, 4:, 6:, 0] = -5
    maps = baselines.flow_baseline_attention(flow, 2)
    np.testing.assert_allclose(maps[0], [[0.5, 0], [0, 0.5]], atol=1e-6)
    np.testing.assert_allclose(maps[1], 0.25)  # nothing moves


def test_flow_on_a_border_of_cells_is_divided():
    flow = np.zeros((1, 3, 3, 2), np.float32)
    flow[0, :, 1, 0] = 1  # the middle column of three, in two cells
    np.testing.assert_allclose(baselines.flow_baseline_attention(flow, 2)[0], 0.25, atol=1e-6)


def test_uniform_attention_sees_the_whole_frame():
    tube = video_tube(baselines.uniform_attention(3, 7), (24, 32), 4)
    np.testing.assert_allclose(tube.boxes, [[0, 0, 32, 24]] * 4)


def test_the_best_still_box_is_the_one_most_boxes_agree_with():
    boxes = np.array([[0.0, 0, 10, 10]] * 3 + [[30.0, 30, 40, 40]])
    np.testing.assert_array_equal(baselines.best_still_box(boxes), boxes[0])
    sliding = np.array([[x, 0.0, x + 40, 10] for x in np.linspace(0, 20, 300)])
    np.testing.assert_allclose(baselines.best_still_box(sliding), [10, 0, 50, 10], atol=0.2)
