"""Video-mAP: hand-made cases, properties, and figures on the corrected UCF101-24 truth."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tube_scenes import BOX, FAR, HALF, scenes, scored_tube, tube

from videolstm_jax.annotations.truth import read_truth
from videolstm_jax.localize.baselines import centred_tube
from videolstm_jax.measure import overlap
from videolstm_jax.measure.frame_ap import frame_aps, frame_map
from videolstm_jax.measure.precision import check_detections
from videolstm_jax.measure.tube_errors import best_tube_overlaps, tube_error_split, tube_recall
from videolstm_jax.measure.video_ap import averaged_video_map, video_aps, video_map
from videolstm_jax.types import Detection, Tube

TRUTH = [scored_tube("a", 1), scored_tube("b", 1), scored_tube("c", 1, FAR, label=1)]


@pytest.mark.parametrize(
    ("detections", "voc", "act"),
    [
        ([scored_tube("a", 0.9), scored_tube("b", 0.8), scored_tube("c", 0.7, FAR, 1)], 1.0, 1.0),
        ([scored_tube("a", 0.9), scored_tube("b", 0.8)], 0.5, 0.5),  # class 1 is never detected
        # a duplicate between two right ones
        (
            [scored_tube("a", 0.9), scored_tube("a", 0.8), scored_tube("b", 0.7)],
            (0.5 + 0.5 * 2 / 3) / 2,
            (0.5 + 0.5 * 3.5 / 6) / 2,
        ),
        (
            [scored_tube("d", 0.9), scored_tube("a", 0.8)],
            0.25 / 2,
            0.5 * 0.25 / 2,
        ),  # a video without truth is false
        ([scored_tube("a", 0.9, start=4)], 0.0, 0.0),
        ([], 0.0, 0.0),
    ],
)
def test_golden(detections, voc, act):
    assert video_map(detections, TRUTH, 0.4) == pytest.approx(voc)
    assert video_map(detections, TRUTH, 0.4, style="act") == pytest.approx(act)


def test_an_overlap_equal_to_the_threshold_counts_in_act_only():
    detections = [scored_tube("a", 0.9, HALF)]
    assert video_map(detections, TRUTH[:1], 0.5) == 0
    assert video_map(detections, TRUTH[:1], 0.5, style="act") == 1


def test_each_detection_takes_the_best_that_is_left():
    truth = [scored_tube("a", 1, BOX), scored_tube("a", 1, HALF)]
    both = [scored_tube("a", 0.9, BOX), scored_tube("a", 0.8, BOX)]
    assert video_map(both, truth, 0.4) == 1  # the second takes the second true tube, IoU .5
    assert video_map(both, truth, 0.6) == 0.5
    assert video_map(both[:1] * 3, truth[:1], 0.6) == 1


def test_classes_without_truth_are_left_out():
    detections = [scored_tube("a", 0.9), scored_tube("a", 0.99, label=7)]
    assert video_aps(detections, TRUTH[:1], [0.5]) == {0: [1.0]}
    assert set(video_aps(detections, TRUTH, [0.5])) == {0, 1}


def test_averaged_over_thresholds():
    detections = [Detection("a", 0, 0.9, tube([0, 0, 10, 7.2]))]  # IoU .72: passes .5 .. .7
    assert averaged_video_map(detections, TRUTH[:1]) == pytest.approx(5 / 10)


def test_ties_are_broken_by_name_then_start():
    truth = [scored_tube("a", 1), scored_tube("b", 1, FAR)]
    detections = [scored_tube("b", 0.5), scored_tube("a", 0.5)]
    assert video_map(detections, truth, 0.5) == 0.5  # a first: precision 1 at recall .5
    assert video_map([scored_tube("b", 0.5, FAR), scored_tube("a", 0.5, FAR)], truth, 0.5) == 0.25


def by_hand(detections, truth, threshold, style):
    """The evaluation written as plain loops over one class after another."""
    aps = []
    for label in sorted({detection.label for detection in truth}):
        left = [
            detection for detection in check_detections(truth, "truth") if detection.label == label
        ]
        total, hits = len(left), []
        for detection in [
            detection
            for detection in check_detections(detections, "detections")
            if detection.label == label
        ]:
            same = [true for true in left if true.video == detection.video]
            best = max(
                same, key=lambda true: overlap.tube_iou(detection.tube, true.tube), default=None
            )
            iou = -1 if best is None else overlap.tube_iou(detection.tube, best.tube)
            hit = iou > threshold if style == "voc" else iou >= threshold
            hits.append(hit)
            if hit:
                left = [true for true in left if true is not best]
        area, right, before = 0.0, 0, 1.0
        precision = [sum(hits[: n + 1]) / (n + 1) for n in range(len(hits))]
        for n, hit in enumerate(hits):
            right += hit
            if hit:
                area += (
                    max(precision[n:]) / total
                    if style == "voc"
                    else 0.5 * (precision[n] + before) / total
                )
            before = precision[n]
        aps.append(area)
    return float(np.mean(aps))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["voc", "act"]), st.sampled_from([0.1, 0.25, 0.5]))
def test_equals_plain_loops_in_any_order(seed, style, threshold):
    detections, truth, generator = scenes(seed)
    expected = by_hand(detections, truth, threshold, style)
    assert video_map(detections, truth, threshold, style=style) == pytest.approx(
        expected, abs=1e-12
    )
    mixed = [[some[k] for k in generator.permutation(len(some))] for some in (detections, truth)]
    assert video_map(*mixed, threshold, style=style) == pytest.approx(expected, abs=1e-12)
    assert tube_error_split(*mixed, threshold, style=style) == tube_error_split(
        detections, truth, threshold, style=style
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["voc", "act"]))
def test_never_rises_with_the_threshold(seed, style):
    detections, truth, _ = scenes(seed)
    thresholds = np.linspace(0.05, 1, 12)
    for aps in video_aps(detections, truth, thresholds, style=style).values():
        assert (np.diff(aps) <= 1e-12).all()
        assert min(aps) >= 0 and max(aps) <= 1
    assert (np.diff(tube_recall(detections, truth, thresholds, style=style)) <= 0).all()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_the_truth_itself_is_perfect(seed):
    _, truth, _ = scenes(seed)
    assert video_map(truth, truth, 0.99) == 1
    np.testing.assert_array_equal(best_tube_overlaps(truth, truth), 1)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["voc", "act"]))
def test_what_changes_nothing(seed, style):
    """Scores only rank; classes without truth, and false tubes behind all others, cost nothing."""
    detections, truth, _ = scenes(seed)

    def measured(tubes):
        return np.array(list(video_aps(tubes, truth, [0.1, 0.3, 0.6], style=style).values()))

    ranked_alike = [detection._replace(score=detection.score**3 - 7) for detection in detections]
    of_no_class = [detection._replace(label=9) for detection in detections]
    behind = [
        detection._replace(score=-1.0, tube=tube([90, 90, 99, 99])) for detection in detections
    ]
    for changed in (ranked_alike, detections + of_no_class, detections + behind):
        np.testing.assert_allclose(measured(changed), measured(detections), atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["voc", "act"]))
def test_duplicates_never_help(seed, style):
    """Where a class has one true tube a video, a copy of every detection can only be false."""
    detections, truth, _ = scenes(seed)
    single = list({(detection.video, detection.label): detection for detection in truth}.values())
    once = video_aps(detections, single, [0.1, 0.5], style=style)
    twice = video_aps([*detections, *detections], single, [0.1, 0.5], style=style)
    for label, aps in twice.items():
        assert all(
            doubled <= alone + 1e-12 for doubled, alone in zip(aps, once[label], strict=True)
        )


def test_refuses():
    with pytest.raises(ValueError, match="style is 'coco'; expected one of 'voc', 'act'"):
        video_map([], TRUTH, 0.5, style="coco")
    with pytest.raises(ValueError, match="no truth"):
        video_map([scored_tube("a", 1)], [], 0.5)
    with pytest.raises(ValueError, match=r"threshold is 50; expected 0 to 1"):
        video_map([scored_tube("a", 1)], TRUTH, 50)
    with pytest.raises(ValueError, match=r"detections of a have boxes \(0, 4\)"):
        video_map([Detection("a", 0, 1.0, Tube(0, np.zeros((0, 4))))], TRUTH, 0.5)
    with pytest.raises(ValueError, match="detections of a have a score of nan"):
        video_map([scored_tube("a", float("nan"))], TRUTH, 0.5)


# ---- the corrected UCF101-24 truth ---------------------------------------------------------------


@pytest.fixture(scope="module")
def ucf24(real_data):
    """Frames, and truth of split 1's test videos by name."""
    annotated = read_truth(real_data / "ucf24_annots" / "pyannot.pkl")
    listed = (real_data / "splits" / "ucfTrainTestlist" / "testlist01.txt").read_text().split()
    truth: dict[str, list[Detection]] = {}
    for detection in annotated.tubes:
        truth.setdefault(detection.video, []).append(detection)
    names = sorted(name.removesuffix(".avi") for name in listed)
    return annotated.frames, {name: truth[name] for name in names if name in truth}


def ranked(truth, tubes):
    """One tube a video, scored 1 - k / V for the k-th video in sorted order."""
    return [
        Detection(name, truth[name][0].label, 1 - k / len(truth), tubes(name))
        for k, name in enumerate(sorted(truth))
    ]


@pytest.mark.parametrize(
    ("style", "expected"),
    [
        ("voc", [66.75, 51.06, 45.90, 31.59, 17.11, 0.42]),
        ("act", [65.46, 49.23, 43.89, 29.40, 15.73, 0.31]),
    ],
)
def test_centred_boxes_on_ucf24(ucf24, style, expected):
    frames, truth = ucf24
    detections = ranked(truth, lambda name: centred_tube((240, 320), frames[name], 0.5))
    aps = video_aps(
        detections,
        [true for tubes in truth.values() for true in tubes],
        [0.05, 0.1, 0.125, 0.2, 0.3, 0.5],
        style=style,
    )
    assert (len(truth), len(aps)) == (910, 24)
    np.testing.assert_allclose(100 * np.mean(list(aps.values()), axis=0), expected, atol=0.005)


def test_true_tubes_on_ucf24(ucf24):
    frames, truth = ucf24
    every = [true for tubes in truth.values() for true in tubes]
    longest = {
        name: max((true.tube for true in tubes), key=lambda true: len(true.boxes))
        for name, tubes in truth.items()
    }
    detections = ranked(truth, longest.__getitem__)
    for style in ("voc", "act"):
        assert round(100 * video_map(detections, every, 0.5, style=style), 2) == 82.93

    def held(name):
        boxes, start = longest[name].boxes, longest[name].start
        lead, tail = (
            np.repeat(boxes[:1], start, 0),
            np.repeat(boxes[-1:], frames[name] - start - len(boxes), 0),
        )
        return Tube(0, np.concatenate([lead, boxes, tail]))

    aps = np.mean(list(video_aps(ranked(truth, held), every, [0.2, 0.5]).values()), axis=0)
    np.testing.assert_allclose(100 * aps, [81.53, 61.93], atol=0.005)


@pytest.mark.parametrize("box", [(30, 0, 10, 20), (0, 20, 30, 10)])
def test_inverted_boxes_are_refused(box):
    for measure in (video_map, frame_map):
        with pytest.raises(ValueError, match=r"detections of a have the inverted box \[.*x0 <= x1"):
            measure([scored_tube("a", 0.9, box)], TRUTH, 0.5)
        with pytest.raises(ValueError, match="true tubes of a have the inverted box"):
            measure(TRUTH, [scored_tube("a", 1, box)], 0.5)
    empty = [scored_tube("a", 0.9, (10, 10, 10, 20))]
    assert video_map(empty, TRUTH[:1], 0.5) == 0


def test_labels_may_be_names():
    numbered, truth = scenes(3)[:2]
    named = [detection._replace(label=f"class {detection.label}") for detection in numbered]
    named_truth = [detection._replace(label=f"class {detection.label}") for detection in truth]
    for aps in (video_aps, frame_aps):
        expected = aps(numbered, truth, [0.2, 0.5])
        assert aps(named, named_truth, [0.2, 0.5]) == {
            f"class {label}": values for label, values in expected.items()
        }
    assert tube_error_split(named, named_truth, 0.3) == tube_error_split(numbered, truth, 0.3)
    assert np.array_equal(
        tube_recall(named, named_truth, [0.5]), tube_recall(numbered, truth, [0.5])
    )
    with pytest.raises(ValueError, match="the number 0, that of a the name 'dive'"):
        video_map([scored_tube("a", 0.9, label="dive")], TRUTH, 0.5)
    with pytest.raises(ValueError, match="expected numbers or names everywhere"):
        video_map([*TRUTH, scored_tube("a", 0.9, label="1")], TRUTH, 0.5)
