"""What goes wrong with tubes: which truth is reached at all, and what kind of error each false
detection is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from videolstm_jax.measure.overlap import box_iou, space_and_time, style_of, tube_iou
from videolstm_jax.measure.precision import by_label, checked
from videolstm_jax.types import Detection, Tube

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray


class Split(NamedTuple):
    """How many of the highest scored detections are right, and how the others and the missed truth
    divide.
    """

    right: int
    localisation: int
    classification: int
    time: int
    duplicate: int
    other: int
    missed: int


def best_overlaps(found: Sequence[Detection], truth: Sequence[Detection]) -> NDArray:
    """The IoU of each true tube with the tube of its own class and video that covers it best,
    whatever its score.

    Args:
      found: the detections of all classes.
      truth: the true tubes.

    Returns:
      One number in [0, 1] a true tube, in the order of `truth`; 0 where nothing was found.
    """
    tubes: dict[tuple[str, int], list[Tube]] = {}
    for one in found:
        tubes.setdefault((one.video, int(one.label)), []).append(one.tube)
    return np.array(
        [
            max(
                (
                    tube_iou(tube, true.tube)
                    for tube in tubes.get((true.video, int(true.label)), [])
                ),
                default=0.0,
            )
            for true in truth
        ]
    )


def recall(
    found: Sequence[Detection],
    truth: Sequence[Detection],
    thresholds: Sequence[float],
    *,
    style: str = "voc",
) -> NDArray:
    """The share of true tubes that some tube of their class covers, at each IoU threshold.

    Raises:
      ValueError: an unknown style, or there is no truth.
    """
    if not len(truth):
        raise ValueError("there is no truth to measure against; expected at least one true tube")
    best = best_overlaps(found, truth)
    return np.array([style_of(style).reaches(best, threshold).mean() for threshold in thresholds])


def frame_overlaps(tube: Tube, truth: Sequence[Tube]) -> NDArray:
    """The IoU of a tube's box with the true box it covers best, on each frame that has truth.

    Args:
      tube: what was found.
      truth: the true tubes of the same video.

    Returns:
      One number a frame with truth, in the order of frames; 0 on frames the tube does not reach.
    """
    best: dict[int, float] = {}
    for true in truth:
        first, last = (
            max(tube.start, true.start),
            min(tube.start + len(tube.boxes), true.start + len(true.boxes)),
        )
        best.update(
            (frame, 0.0)
            for frame in range(true.start, true.start + len(true.boxes))
            if frame not in best
        )
        if first < last:
            iou = box_iou(
                tube.boxes[first - tube.start : last - tube.start],
                true.boxes[first - true.start : last - true.start],
            )
            best.update(
                (frame, max(best[frame], value)) for frame, value in enumerate(iou.tolist(), first)
            )
    return np.array([best[frame] for frame in sorted(best)])


def error_split(
    found: Sequence[Detection], truth: Sequence[Detection], iou: float, *, style: str = "voc"
) -> Split:
    """Sorts the detections that should have been right by what is wrong with them.

    Of each class the n highest scored detections are looked at, where n is the number of its true
    tubes: a perfect detector has no other. In falling order of score a detection is right where it
    takes a true tube (as in `video_ap`); a duplicate, where all the true tubes of its class it
    passes the threshold on are taken; else, where its class is in the video, an error of time if
    the spans of frames agree less than the boxes on shared frames do, and of localisation if not;
    an error of classification, where it passes the threshold on a true tube of another class; and
    other than these where its class is not in the video and nothing is covered. Truth that none of
    them took is missed.

    Args:
      found: the detections of all classes.
      truth: the true tubes.
      iou: the threshold on the IoU of tubes.
      style: `voc` or `act`, which differ where an IoU equals the threshold.

    Returns:
      Counts: the first six sum to the detections looked at, `right` and `missed` to the true tubes.

    Raises:
      ValueError: an unknown style, or detections that are not tubes.
    """
    reaches = style_of(style).reaches
    tubes = checked(truth, "true tubes")
    in_video: dict[str, list[Detection]] = {}
    for true in tubes:
        in_video.setdefault(true.video, []).append(true)
    count = dict.fromkeys(Split._fields, 0)
    detections = by_label(checked(found, "detections"))
    for label, own in by_label(tubes).items():
        taken: set[int] = set()
        for one in detections.get(label, [])[: len(own)]:
            count[
                _kind(
                    one, in_video.get(one.video, []), taken, lambda value: bool(reaches(value, iou))
                )
            ] += 1
        count["missed"] += len(own) - len(taken)
    return Split(**count)


def _kind(one: Detection, truth: list[Detection], taken: set[int], passes) -> str:
    """Names the error of one detection; a true tube it takes is added to `taken` by identity."""
    same = [true for true in truth if true.label == one.label]
    left = [true for true in same if id(true) not in taken]
    best = max(left, key=lambda true: tube_iou(one.tube, true.tube), default=None)
    if best is not None and passes(tube_iou(one.tube, best.tube)):
        taken.add(id(best))
        return "right"
    if any(passes(tube_iou(one.tube, true.tube)) for true in same):
        return "duplicate"
    if same:
        space, time = max(
            (space_and_time(one.tube, true.tube) for true in same),
            key=lambda pair: pair[0] * pair[1],
        )
        return "time" if time < space else "localisation"
    if any(passes(tube_iou(one.tube, true.tube)) for true in truth):
        return "classification"
    return "other"
