"""Errors of tubes: the true tubes that are reached at all, and the kind of each false detection."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from videolstm_jax.measure.overlap import box_iou, overlap_style, space_and_time_iou, tube_iou
from videolstm_jax.measure.precision import (
    check_detection_labels,
    check_detections,
    check_detections_have_truth,
    detection_label_key,
    group_detections_by_class,
)
from videolstm_jax.types import Detection, Tube

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray


class ErrorCounts(NamedTuple):
    """Counts of the highest scored detections by kind, and of the true tubes that none took.

    In falling order of score a detection is

    - right, if it takes a true tube, as in `video_ap`;
    - a duplicate, if it passes the threshold on true tubes of its class, but all of them are taken;
    - an error of time, if its class is in the video and the spans of frames agree less than the
      boxes on shared frames do;
    - an error of localisation, if its class is in the video and the boxes agree less;
    - an error of classification, if it passes the threshold on a true tube of another class;
    - another error, if none of these holds.

    True tubes that none of them took are missed.
    """

    right: int
    localisation: int
    classification: int
    time: int
    duplicate: int
    other: int
    missed: int


class _Rival(NamedTuple):
    """A true tube that a detection may take, and its IoU with the detection."""

    overlap: float
    true: Detection


# ---- overlaps ------------------------------------------------------------------------------------


def best_tube_overlaps(detections: Sequence[Detection], truth: Sequence[Detection]) -> NDArray:
    """Computes the IoU of each true tube with the best tube of its class and video.

    Args:
      detections: of all classes; their scores are not used.
      truth: the true tubes.

    Returns:
      One number in [0, 1] for each true tube, in the order of `truth`; 0 where its class and video
      have no detection.
    """
    tubes: dict[tuple[str, int], list[Tube]] = {}
    for detection in detections:
        tubes.setdefault((detection.video, detection_label_key(detection)), []).append(
            detection.tube
        )
    best = []
    for true in truth:
        candidates = tubes.get((true.video, detection_label_key(true)), [])
        largest = 0.0
        for tube in candidates:
            largest = max(largest, tube_iou(tube, true.tube))
        best.append(largest)
    return np.array(best)


def tube_recall(
    detections: Sequence[Detection],
    truth: Sequence[Detection],
    thresholds: Sequence[float],
    *,
    style: str = "voc",
) -> NDArray:
    """Computes the fraction of true tubes that some tube of their class covers, at each threshold.

    Raises:
      ValueError: an unknown style, or there is no truth.
    """
    check_detections_have_truth(truth)
    best = best_tube_overlaps(detections, truth)
    reaches = overlap_style(style).reaches
    shares = []
    for threshold in thresholds:
        shares.append(reaches(best, threshold).mean())
    return np.array(shares)


def frame_overlaps(tube: Tube, truth: Sequence[Tube]) -> NDArray:
    """Computes the IoU of a tube's box with the true box it covers best, on frames with truth.

    Args:
      tube: the tube that is measured.
      truth: the true tubes of the same video.

    Returns:
      One number a frame with truth, in the order of frames; 0 on frames the tube does not reach.
    """
    # By frame: several actors may have a true box on the same frame.
    best: dict[int, float] = {}
    for true in truth:
        true_stop = true.start + len(true.boxes)
        # Frames that the tube does not reach count with an overlap of 0.
        for frame in range(true.start, true_stop):
            best.setdefault(frame, 0.0)
        start = max(tube.start, true.start)
        stop = min(tube.start + len(tube.boxes), true_stop)
        if start < stop:
            boxes = tube.boxes[start - tube.start : stop - tube.start]
            true_boxes = true.boxes[start - true.start : stop - true.start]
            iou = box_iou(boxes, true_boxes)
            for frame, value in enumerate(iou.tolist(), start):
                best[frame] = max(best[frame], value)
    frames = sorted(best)
    return np.array([best[frame] for frame in frames])


# ---- kinds of errors -----------------------------------------------------------------------------


def tube_error_split(
    detections: Sequence[Detection], truth: Sequence[Detection], iou: float, *, style: str = "voc"
) -> ErrorCounts:
    """Counts the kinds of errors among the detections that should have been right.

    Of each class the n highest scored detections are counted, where n is the number of its true
    tubes: a perfect detector has no others. `ErrorCounts` defines the kinds.

    Args:
      detections: of all classes.
      truth: the true tubes.
      iou: the threshold on the IoU of tubes.
      style: `voc` or `act`, which differ where an IoU equals the threshold.

    Returns:
      Counts: the first six sum to the detections counted, `right` and `missed` to the true tubes.

    Raises:
      ValueError: an unknown style, or detections that are not tubes.
    """
    reaches = overlap_style(style).reaches

    def passes(overlap: float) -> bool:
        return bool(reaches(overlap, iou))

    check_detection_labels(detections, truth)
    true_tubes = check_detections(truth, "true tubes")
    in_video: dict[str, list[Detection]] = {}
    for true in true_tubes:
        in_video.setdefault(true.video, []).append(true)
    detections_by_class = group_detections_by_class(check_detections(detections, "detections"))
    counts = dict.fromkeys(ErrorCounts._fields, 0)
    for label, tubes in group_detections_by_class(true_tubes).items():
        matched: set[int] = set()
        # As many as there are true tubes: a perfect detector has no others.
        for detection in detections_by_class.get(label, [])[: len(tubes)]:
            rivals = in_video.get(detection.video, [])
            kind = _error_kind(detection, rivals, matched, passes)
            counts[kind] += 1
        # `matched` is of this class alone, so what is left of its true tubes was missed.
        counts["missed"] += len(tubes) - len(matched)
    return ErrorCounts(**counts)


def _error_kind(
    detection: Detection,
    truth: list[Detection],
    matched: set[int],
    passes: Callable[[float], bool],
) -> str:
    """Names the kind of one detection and marks the true tube that it takes.

    Args:
      detection: of some class.
      truth: the true tubes of its video, of all classes.
      matched: the ids of true tubes that better detections took; one may be added.
      passes: whether an IoU passes the threshold.
    """
    rivals, same_class, free = [], [], []
    for true in truth:
        rival = _Rival(tube_iou(detection.tube, true.tube), true)
        rivals.append(rival)
        if true.label != detection.label:
            continue
        same_class.append(rival)
        # By identity, because records with arrays cannot be compared or hashed.
        if id(true) not in matched:
            free.append(rival)
    best = _most_covered(free)
    if best is not None and passes(best.overlap):
        matched.add(id(best.true))
        return "right"
    nearest = _most_covered(same_class)
    # The order of these questions is the order of kinds in `ErrorCounts`.
    if nearest is not None:
        if passes(nearest.overlap):
            return "duplicate"
        space, time = space_and_time_iou(detection.tube, nearest.true.tube)
        if time < space:
            return "time"
        return "localisation"
    of_other_class = _most_covered(rivals)
    if of_other_class is not None and passes(of_other_class.overlap):
        return "classification"
    return "other"


def _most_covered(rivals: Sequence[_Rival]) -> _Rival | None:
    """The rival of the largest overlap, the first of equals; None where there is none."""
    return max(rivals, key=lambda rival: rival.overlap, default=None)
