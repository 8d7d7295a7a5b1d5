"""Kinds of errors on cases where each is plain, and the overlaps they rest on."""

import numpy as np
import pytest
from tube_scenes import BOX, FAR, HALF, scored_tube, tube

from videolstm_jax.measure.tube_errors import (
    best_tube_overlaps,
    frame_overlaps,
    tube_error_split,
    tube_recall,
)


def test_kinds_of_errors():
    truth = [
        scored_tube("a", 1),
        scored_tube("b", 1),
        scored_tube("c", 1),
        scored_tube("d", 1),
        scored_tube("e", 1),
        scored_tube("f", 1),
        scored_tube("g", 1, label=1),
    ]
    detections = [
        scored_tube("a", 0.9),
        scored_tube("a", 0.8),
        scored_tube("b", 0.7, FAR),
        scored_tube("c", 0.6, frames=40),
        scored_tube("g", 0.5),
        scored_tube("h", 0.4),
        scored_tube("d", 0.1),
    ]  # the last is beyond the six looked at
    split = tube_error_split(detections, truth, 0.5)
    assert split._asdict() == {
        "right": 1,
        "duplicate": 1,
        "localisation": 1,
        "time": 1,
        "classification": 1,
        "other": 1,
        "missed": 6,
    }


def test_frame_overlaps_are_those_of_frames_with_truth():
    truth = [tube(BOX, 2, 3), tube(HALF, 3, 4)]
    np.testing.assert_allclose(frame_overlaps(tube(HALF, 0, 6), truth), [0.5, 1, 1, 1, 0])


def test_recall_looks_at_the_best_tube_of_the_class():
    truth = [scored_tube("a", 1), scored_tube("b", 1), scored_tube("b", 1, label=1)]
    detections = [scored_tube("a", 0.1, HALF), scored_tube("a", 0.9, FAR), scored_tube("b", 0.9)]
    np.testing.assert_allclose(best_tube_overlaps(detections, truth), [0.5, 1, 0])
    np.testing.assert_allclose(
        tube_recall(detections, truth, [0.2, 0.5, 0.9]), [2 / 3, 1 / 3, 1 / 3]
    )
    np.testing.assert_allclose(tube_recall(detections, truth, [0.5], style="act"), [2 / 3])
    with pytest.raises(ValueError, match="no truth"):
        tube_recall(detections, [], [0.5])
