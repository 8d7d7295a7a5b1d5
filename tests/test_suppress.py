"""Tubes that repeat a better one, against plain loops."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tube_scenes import FAR, HALF, scenes, scored_tube

from videolstm_jax.measure.overlap import tube_iou
from videolstm_jax.measure.precision import sort_detections_by_score
from videolstm_jax.measure.suppress import suppress_overlapping_tubes


def test_only_repeats_of_one_class_and_video_go():
    best = scored_tube("a", 0.9)
    different = [
        scored_tube("a", 0.7, label=1),
        scored_tube("b", 0.6),
        scored_tube("a", 0.5, FAR),
        scored_tube("a", 0.4, HALF),
    ]
    assert suppress_overlapping_tubes(
        [scored_tube("a", 0.8), *different[::-1], best], 0.5
    ) == sort_detections_by_score([best, *different])  # .5 is not more than .5
    assert suppress_overlapping_tubes([best, scored_tube("a", 0.4, HALF)], 0.4) == [best]
    with pytest.raises(ValueError, match="expected 0 to 1"):
        suppress_overlapping_tubes([], 2)


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.3, 1.0]))
def test_equals_plain_loops(seed, iou):
    detections, _, generator = scenes(seed)
    expected = []
    for detection in sort_detections_by_score(detections):
        if not any(
            (detection.video, detection.label) == (other.video, other.label)
            and tube_iou(detection.tube, other.tube) > iou
            for other in expected
        ):
            expected.append(detection)
    left = suppress_overlapping_tubes(
        [detections[at] for at in generator.permutation(len(detections))], iou
    )
    assert [
        detection[:3] + (detection.tube.start, detection.tube.boxes.tolist()) for detection in left
    ] == [
        detection[:3] + (detection.tube.start, detection.tube.boxes.tolist())
        for detection in expected
    ]
