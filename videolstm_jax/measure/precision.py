"""Average precision: detections take true objects greedily in the order of their scores."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sized
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from videolstm_jax.measure.overlap import Style
from videolstm_jax.types import Detection

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray

# Rounded, because 0.5 + 0.05 * 2 is 0.6000000000000001, which would be its name in a record.
AVERAGED = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
"""The thresholds .5, .55 .. .95 that ".5:.95" averages over."""


class Ranked(NamedTuple):
    """The detections of one class by falling score, with the truth that each may take.

    A group is a video (or a frame of a video, for frame-mAP) that has truth of this class. `total`
    is the number of detections. R of them lie in a group: `place` [R] is their place among all,
    `group` [R] their group, and `iou` [R, M] their IoU with each true object of the group, -1 where
    the group has fewer than M. `positives` is the number of true objects.
    """

    total: int
    place: NDArray
    group: NDArray
    iou: NDArray
    positives: int


# ---- preparing detections ------------------------------------------------------------------------


def check_detections(detections: Iterable[Detection], kind: str) -> list[Detection]:
    """Returns detections with boxes as float arrays, in the order of `sort_detections_by_score`.

    Args:
      detections: in any order.
      kind: how a message calls them, such as "detections" or "true tubes".

    Raises:
      ValueError: boxes are not finite [n, 4] or inverted, a tube is empty, a score is not finite,
        or some labels are numbers and others names. The message names the video.
    """
    checked = []
    for detection in detections:
        boxes = np.asarray(detection.tube.boxes, float)
        problem = _tube_problem(boxes, detection.score)
        if problem:
            raise ValueError(f"{kind} of {detection.video} have {problem}")
        checked.append(detection._replace(tube=detection.tube._replace(boxes=boxes)))
    check_detection_labels(checked)
    return sort_detections_by_score(checked)


def _tube_problem(boxes: NDArray, score: float) -> str:
    """What is wrong with the boxes and the score of a detection; empty where nothing is."""
    if boxes.ndim != 2 or boxes.shape[1] != 4 or not len(boxes) or not np.isfinite(boxes).all():
        return f"boxes {boxes.shape}; expected finite [n, 4], n at least 1"
    # A box without an area overlaps nothing; an inverted one is a mistake, often x, y, w, h.
    inverted = (boxes[:, 2:] < boxes[:, :2]).any(axis=1)
    if inverted.any():
        box = boxes[inverted][0].tolist()
        return f"the inverted box {box}; expected [x0, y0, x1, y1] with x0 <= x1 and y0 <= y1"
    if not np.isfinite(score):
        return f"a score of {score}; expected a finite number"
    return ""


def check_detection_labels(*lists: Iterable[Detection]) -> None:
    """Checks that labels are all numbers or all names: 1 and "1" would silently never match.

    Raises:
      ValueError: they are not.
    """
    examples = {}
    for detections in lists:
        for detection in detections:
            examples.setdefault(isinstance(detection.label, str), detection)
    if len(examples) > 1:
        number, name = examples[False], examples[True]
        raise ValueError(
            f"the label of {number.video} is the number {number.label}, that of {name.video} the "
            f"name {name.label!r}; expected numbers or names everywhere"
        )


def check_iou_threshold(iou: float) -> None:
    """Raises ValueError for a threshold on the IoU that lies outside [0, 1]."""
    # A NaN fails both comparisons, so it is refused too.
    if not 0 <= iou <= 1:
        raise ValueError(f"the IoU threshold is {iou}; expected 0 to 1")


def check_detections_have_truth(truth: Sized) -> None:
    """Raises ValueError where there are no true tubes, or no classes that have any."""
    # A mean over nothing would be NaN, with a warning that names no cause.
    if not len(truth):
        raise ValueError("there is no truth to measure against; expected at least one true tube")


def sort_detections_by_score(detections: Iterable[Detection]) -> list[Detection]:
    """Sorts detections by falling score; the order of the input never matters.

    Ties are broken by the video's name, then the class, the start, the length and the boxes.
    """

    def key_without_boxes(detection: Detection) -> tuple:
        tube = detection.tube
        return -detection.score, detection.video, detection.label, tube.start, len(tube.boxes)

    ranked = sorted(detections, key=key_without_boxes)
    # To compare boxes is slow, so only the detections that agree in all else are sorted by them.
    result: list[Detection] = []
    for _, group in itertools.groupby(ranked, key=key_without_boxes):
        equal = list(group)
        if len(equal) > 1:
            equal.sort(key=lambda detection: np.ravel(detection.tube.boxes).tolist())
        result.extend(equal)
    return result


def detection_label_key(detection: Detection) -> int | str:
    """Returns the label of a detection, a number or a name; numpy's numbers become Python's."""
    if isinstance(detection.label, str):
        return detection.label
    return int(detection.label)


def group_detections_by_class(detections: Iterable[Detection]) -> dict[int | str, list[Detection]]:
    """Returns the detections of each class, in the order of the input."""
    groups: dict[int | str, list[Detection]] = {}
    for detection in detections:
        groups.setdefault(detection_label_key(detection), []).append(detection)
    return groups


# ---- matching ------------------------------------------------------------------------------------


def match_detections(ranked: Ranked, threshold: float, style: Style) -> NDArray:
    """Assigns to each detection the true object it takes.

    In the order of score each takes the true object of its group with the best IoU among those
    that are left, if that IoU passes the threshold.

    Args:
      ranked: the detections of one class.
      threshold: IoU in [0, 1].
      style: decides whether an IoU equal to the threshold passes.

    Returns:
      [R] the index of the true object within its group, or -1.
    """
    matched = np.full(len(ranked.place), -1)
    if not len(matched):
        return matched
    # [groups, M] whether a true object has not been taken yet.
    free = np.ones((ranked.group.max() + 1, ranked.iou.shape[1]), bool)
    # R is already in the order of score, so the rank in a group is the order in which it chooses.
    ranks = rank_among_detections(ranked.group)
    # Groups do not compete, so the n-th detections of all groups are matched at once.
    for rank in range(ranks.max() + 1):
        rows = np.flatnonzero(ranks == rank)
        groups = ranked.group[rows]
        available = free[groups] & (ranked.iou[rows] >= 0)
        iou = np.where(available, ranked.iou[rows], -np.inf)
        best = iou.argmax(axis=1)
        # Where nothing is left the best is -inf, which reaches no threshold, 0 included.
        hit = style.reaches(iou[np.arange(len(rows)), best], threshold)
        matched[rows[hit]] = best[hit]
        free[groups[hit], best[hit]] = False
    return matched


def rank_among_detections(group: NDArray) -> NDArray:
    """Counts, for each row, the earlier rows of the same group: [R] to [R]."""
    # Rows of one group side by side, in their order; each then counts from the first of its group.
    order = np.argsort(group, kind="stable")
    first = np.flatnonzero(np.diff(group[order], prepend=-1))
    size = np.diff(first, append=len(group))
    rank = np.empty(len(group), int)
    rank[order] = np.arange(len(group)) - np.repeat(first, size)
    return rank


# ---- average precision ---------------------------------------------------------------------------


def average_precision(ranked: Ranked, threshold: float, style: Style) -> float:
    """Computes the average precision of one class at one IoU threshold.

    Raises:
      ValueError: the threshold lies outside [0, 1].
    """
    check_iou_threshold(threshold)
    # Detections in videos without truth of the class stay false: they are in no group.
    hits = np.zeros(ranked.total, bool)
    hits[ranked.place] = match_detections(ranked, threshold, style) >= 0
    return style.area(hits, ranked.positives)


def average_precisions(ranked: Ranked, thresholds: Iterable[float], style: Style) -> list[float]:
    """Computes the `average_precision` of one class at each IoU threshold."""
    return [average_precision(ranked, threshold, style) for threshold in thresholds]


def mean_precision_over_classes(precisions: dict[int, float]) -> float:
    """Averages the precisions of the classes that have truth.

    Raises:
      ValueError: there is no such class.
    """
    check_detections_have_truth(precisions)
    return float(np.mean(list(precisions.values())))
