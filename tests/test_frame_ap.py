"""Frame-mAP: hand-made cases, plain loops, and a whole video measured frame by frame."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from videolstm_jax.measure.frame_ap import frame_aps, frame_map
from videolstm_jax.measure.overlap import box_iou
from videolstm_jax.types import Detection, Tube

BOX, FAR = [0.0, 0, 10, 10], [50.0, 50, 60, 60]


def scored_tube(video, score, boxes, label=0, start=0):
    return Detection(video, label, score, Tube(start, np.array(boxes, float)))


def test_frames_without_truth_count_only_where_all_do():
    truth = [scored_tube("a", 1, [BOX] * 2, start=2)]
    detections = [scored_tube("a", 0.5, [BOX] * 4)]  # ties: frames 0 and 1 come first and are false
    assert frame_map(detections, truth, 0.5) == pytest.approx(
        0.5
    )  # hits at ranks 3 and 4: 1/3 and 1/2, enveloped
    assert frame_map(detections, truth, 0.5, style="act") == pytest.approx(0.5 * (1 / 6 + 5 / 12))
    assert frame_map(detections, truth, 0.5, frames="truth") == 1


def test_truth_of_another_class_makes_a_frame_count():
    truth = [
        scored_tube("a", 1, [BOX], label=0, start=1),
        scored_tube("a", 1, [BOX], label=1, start=0),
    ]
    detections = [scored_tube("a", 0.5, [BOX] * 3)]
    assert frame_aps(detections, truth, [0.5], frames="truth") == {0: [0.5], 1: [0.0]}
    assert frame_aps(detections, truth, [0.5])[0] == [0.5]


def test_frame_scores_order_the_boxes():
    truth = [scored_tube("a", 1, [BOX], start=2)]
    detections = [scored_tube("a", 0.5, [BOX] * 3)]
    scores = {"a": np.array([[0.1], [0.2], [0.9]])}
    assert frame_map(detections, truth, 0.5) == pytest.approx(1 / 3)
    assert frame_map(detections, truth, 0.5, frame_scores=scores) == 1
    with pytest.raises(ValueError, match=r"frame scores of a are \(2, 1\); expected \[3, 1\]"):
        frame_map(detections, truth, 0.5, frame_scores={"a": scores["a"][:2]})
    with pytest.raises(ValueError, match=r"frame scores of a are \(0, 0\)"):
        frame_map(detections, truth, 0.5, frame_scores={})


def test_two_actors_need_two_boxes():
    truth = [scored_tube("a", 1, [BOX] * 3), scored_tube("a", 1, [FAR] * 3)]
    first = [scored_tube("a", 0.9, [BOX] * 3)]
    assert frame_map(first, truth, 0.5) == 0.5
    assert frame_map([*first, scored_tube("a", 0.8, [FAR] * 3)], truth, 0.5) == 1
    assert frame_map([*first, scored_tube("a", 0.8, [BOX] * 3)], truth, 0.5) == 0.5


def by_hand(detections, truth, threshold, style, frames):
    aps = []
    frames_with_truth = {
        (detection.video, detection.tube.start + k)
        for detection in truth
        for k in range(len(detection.tube.boxes))
    }
    for label in sorted({detection.label for detection in truth}):
        left = [
            [detection.video, detection.tube.start + k, box]
            for detection in truth
            if detection.label == label
            for k, box in enumerate(detection.tube.boxes)
        ]
        rows = sorted(
            (
                -detection.score,
                detection.video,
                detection.tube.start + k,
                detection.tube.start,
                len(detection.tube.boxes),
                detection.tube.boxes.tolist(),
                box.tolist(),
            )
            for detection in detections
            if detection.label == label
            for k, box in enumerate(detection.tube.boxes)
        )
        rows = [row for row in rows if frames == "all" or (row[1], row[2]) in frames_with_truth]
        total, hits = len(left), []
        for _, video, frame, *_, box in rows:
            same = [true for true in left if true[:2] == [video, frame]]
            best = max(same, key=lambda true: box_iou(box, true[2]), default=None)
            iou = -1 if best is None else float(box_iou(box, best[2]))
            hits.append(iou > threshold if style == "voc" else iou >= threshold)
            if hits[-1]:
                left = [true for true in left if true is not best]
        area, before = 0.0, 1.0
        precision = [sum(hits[: n + 1]) / (n + 1) for n in range(len(hits))]
        for n, hit in enumerate(hits):
            if hit:
                area += (
                    max(precision[n:]) / total
                    if style == "voc"
                    else 0.5 * (precision[n] + before) / total
                )
            before = precision[n]
        aps.append(area)
    return float(np.mean(aps))


def scenes(seed):
    generator = np.random.default_rng(seed)

    def some(count, scored):
        detections = []
        for _ in range(count):
            frames = int(generator.integers(1, 6))
            corner = generator.uniform(0, 8, (frames, 2))
            boxes = np.concatenate([corner, corner + generator.uniform(5, 12, (frames, 2))], axis=1)
            score = int(generator.integers(1, 5)) / 4 if scored else 1.0
            detections.append(
                scored_tube(
                    f"v{generator.integers(3)}",
                    score,
                    boxes,
                    int(generator.integers(2)),
                    int(generator.integers(4)),
                )
            )
        return detections

    return (
        some(int(generator.integers(0, 20)), True),
        some(int(generator.integers(1, 8)), False),
        generator,
    )


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["voc", "act"]), st.sampled_from(["all", "truth"]))
def test_equals_plain_loops_in_any_order(seed, style, frames):
    detections, truth, generator = scenes(seed)
    expected = by_hand(detections, truth, 0.3, style, frames)
    mixed = [[some[k] for k in generator.permutation(len(some))] for some in (detections, truth)]
    assert frame_map(*mixed, 0.3, style=style, frames=frames) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["voc", "act"]))
def test_never_rises_with_the_threshold(seed, style):
    detections, truth, _ = scenes(seed)
    for aps in frame_aps(detections, truth, np.linspace(0.05, 1, 10), style=style).values():
        assert (np.diff(aps) <= 1e-12).all()


def test_refuses():
    truth = [scored_tube("a", 1, [BOX])]
    with pytest.raises(ValueError, match="expected 'all' or 'truth'"):
        frame_map([], truth, 0.5, frames="some")
    with pytest.raises(ValueError, match="style is"):
        frame_map([], truth, 0.5, style="coco")
    with pytest.raises(ValueError, match="no truth"):
        frame_map([], [], 0.5)
    assert frame_map([], truth, 0.5) == 0
