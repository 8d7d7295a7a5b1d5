"""Tubes that repeat a better one, against plain loops."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tube_scenes import FAR, HALF, detection, scenes

from videolstm_jax.measure.overlap import tube_iou
from videolstm_jax.measure.precision import sort_by_score
from videolstm_jax.measure.suppress import suppress


def test_only_repeats_of_one_class_and_video_go():
    kept = detection("a", 0.9)
    others = [
        detection("a", 0.7, label=1),
        detection("b", 0.6),
        detection("a", 0.5, FAR),
        detection("a", 0.4, HALF),
    ]
    assert suppress([detection("a", 0.8), *others[::-1], kept], 0.5) == sort_by_score(
        [kept, *others]
    )  # .5 is not more than .5
    assert suppress([kept, detection("a", 0.4, HALF)], 0.4) == [kept]
    with pytest.raises(ValueError, match="expected 0 to 1"):
        suppress([], 2)


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.3, 1.0]))
def test_equals_plain_loops(seed, iou):
    detections, _, generator = scenes(seed)
    expected = []
    for one in sort_by_score(detections):
        if not any(
            (one.video, one.label) == (other.video, other.label)
            and tube_iou(one.tube, other.tube) > iou
            for other in expected
        ):
            expected.append(one)
    left = suppress([detections[at] for at in generator.permutation(len(detections))], iou)
    assert [one[:3] + (one.tube.start, one.tube.boxes.tolist()) for one in left] == [
        one[:3] + (one.tube.start, one.tube.boxes.tolist()) for one in expected
    ]
