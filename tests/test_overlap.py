"""Overlaps of boxes and tubes, and areas under curves, counted by hand."""

import numpy as np
import pytest
from tube_scenes import BOX, FAR, HALF, tube

from videolstm_jax.measure import overlap
from videolstm_jax.types import Tube


def test_overlap_of_boxes_and_tubes():
    assert overlap.box_iou(BOX, HALF) == 0.5
    assert overlap.box_iou(BOX, FAR) == 0
    assert overlap.box_iou([3, 3, 3, 3], [3, 3, 3, 3]) == 0
    assert overlap.tube_iou(tube(BOX), tube(HALF)) == 0.5
    assert overlap.tube_iou(tube(BOX, 0, 4), tube(HALF, 2, 4)) == pytest.approx(0.5 * 2 / 6)
    assert overlap.tube_iou(tube(BOX, 0, 4), tube(BOX, 4, 4)) == 0
    moving = Tube(0, np.array([BOX, HALF, FAR, BOX]))
    assert overlap.tube_iou(tube(BOX), moving) == pytest.approx((1 + 0.5 + 0 + 1) / 4)


def test_areas_under_a_known_curve():
    """Right, wrong, right with two true objects: precision 1, 1/2, 2/3 at recall .5, .5, 1."""
    hits = np.array([True, False, True])
    assert overlap.envelope_precision_area(hits, 2) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert overlap.trapezoid_precision_area(hits, 2) == pytest.approx(
        0.5 * 1 + 0.5 * (1 / 2 + 2 / 3) / 2
    )
    late = np.array([False, True])
    assert overlap.envelope_precision_area(late, 1) == pytest.approx(0.5)
    assert overlap.trapezoid_precision_area(late, 1) == pytest.approx(0.25)


def test_refuses_an_unknown_style():
    with pytest.raises(ValueError, match="style is 'coco'; expected one of 'voc', 'act'"):
        overlap.overlap_style("coco")
