"""The one order of detections, and the greedy match against plain loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tube_scenes import FAR, rows_of, scenes, scored_tube

from videolstm_jax.measure.overlap import STYLES
from videolstm_jax.measure.precision import (
    AVERAGED,
    Ranked,
    average_precision,
    check_detections,
    match_detections,
    rank_among_detections,
    sort_detections_by_score,
)


def test_ties_are_ordered_by_start_then_boxes():
    early = check_detections(
        [
            scored_tube("a", 0.5, start=3),
            scored_tube("a", 0.5, start=1),
            scored_tube("a", 0.5, FAR, start=1),
        ],
        "detections",
    )
    assert [(detection.tube.start, detection.tube.boxes[0, 0]) for detection in early] == [
        (1, 0),
        (1, 50),
        (3, 0),
    ]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_any_order_of_arrival_gives_one_order(seed):
    detections, _, generator = scenes(seed)

    def listed(some):
        return rows_of(sort_detections_by_score(some))

    assert listed(detections) == listed(
        [detections[k] for k in generator.permutation(len(detections))]
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["voc", "act"]))
def test_claims_equal_plain_loops(seed, style):
    generator = np.random.default_rng(seed)
    rows, groups, slots = int(generator.integers(1, 30)), 4, 3
    count = generator.integers(1, slots + 1, groups)
    group = generator.integers(0, groups, rows)
    iou = generator.integers(0, 5, (rows, slots)) / 4
    iou[np.arange(slots) >= count[group][:, None]] = -1
    used, expected = set(), []
    for row in range(rows):
        left = [slot for slot in range(count[group[row]]) if (group[row], slot) not in used]
        best = max(left, key=lambda slot, row=row: iou[row, slot], default=None)
        hit = best is not None and (
            iou[row, best] > 0.5 if style == "voc" else iou[row, best] >= 0.5
        )
        expected.append(best if hit else -1)
        used |= {(group[row], best)} if hit else set()
    ranked = Ranked(rows, np.arange(rows), group, iou, int(count.sum()))
    np.testing.assert_array_equal(match_detections(ranked, 0.5, STYLES[style]), expected)


def test_turns_count_earlier_rows_of_the_group():
    np.testing.assert_array_equal(
        rank_among_detections(np.array([2, 0, 2, 2, 1, 0])), [0, 0, 1, 2, 0, 1]
    )


def test_thresholds():
    assert AVERAGED == (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
    empty = Ranked(0, np.zeros(0, int), np.zeros(0, int), np.zeros((0, 1)), 1)
    assert average_precision(empty, 0.5, STYLES["voc"]) == 0
    with pytest.raises(ValueError, match="expected 0 to 1"):
        average_precision(empty, 1.5, STYLES["voc"])
