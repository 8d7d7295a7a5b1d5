"""Video-mAP: average precision over tubes, at any IoU threshold, in two documented styles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from videolstm_jax.measure.overlap import overlap_style, tube_iou
from videolstm_jax.measure.precision import (
    AVERAGED,
    Ranked,
    average_precisions,
    check_detection_labels,
    check_detections,
    group_detections_by_class,
    mean_precision_over_classes,
)
from videolstm_jax.types import Detection


def video_aps(
    detections: Sequence[Detection],
    truth: Sequence[Detection],
    thresholds: Sequence[float],
    *,
    style: str = "voc",
) -> dict[int | str, list[float]]:
    """Computes the average precision of every class that has truth, at each IoU threshold.

    In falling order of score (ties by video name, then start) each detection takes the true tube
    of its class and video that it overlaps most among those left, if that overlap passes the
    threshold; else it is false. The order of the arguments changes nothing.

    Args:
      detections: of all classes; labels are numbers or, in both lists, names.
      truth: the true tubes; their scores are not used.
      thresholds: on the IoU of tubes, see `overlap.tube_iou`.
      style: `voc` or `act`, see `overlap`.

    Returns:
      By class, one number in [0, 1] a threshold.

    Raises:
      ValueError: an unknown style, a threshold outside [0, 1], or detections that are not tubes
        (see `precision.check_detections`).
    """
    convention = overlap_style(style)
    check_detection_labels(detections, truth)
    detections_by_class = group_detections_by_class(check_detections(detections, "detections"))
    aps = {}
    for label, tubes in sorted(
        group_detections_by_class(check_detections(truth, "true tubes")).items()
    ):
        # A class without truth has no precision, and so no part in the mean; a class without
        # detections has 0.
        ranked = _rank(detections_by_class.get(label, []), tubes)
        aps[label] = average_precisions(ranked, thresholds, convention)
    return aps


def video_map(
    detections: Sequence[Detection], truth: Sequence[Detection], iou: float, *, style: str = "voc"
) -> float:
    """Computes video-mAP: the mean of `video_aps` over classes with truth, at one IoU threshold.

    Raises:
      ValueError: as `video_aps`, or there is no truth at all.
    """
    aps = video_aps(detections, truth, [iou], style=style)
    return mean_precision_over_classes({label: values[0] for label, values in aps.items()})


def averaged_video_map(
    detections: Sequence[Detection],
    truth: Sequence[Detection],
    *,
    style: str = "voc",
    thresholds: Sequence[float] = AVERAGED,
) -> float:
    """Averages video-mAP over IoU thresholds, .5, .55 .. .95 by default."""
    aps = video_aps(detections, truth, thresholds, style=style)
    return mean_precision_over_classes(
        {label: float(np.mean(values)) for label, values in aps.items()}
    )


def _rank(detections: list[Detection], truth: list[Detection]) -> Ranked:
    """Pairs the sorted detections of one class with the true tubes of their videos."""
    tubes_of: dict[str, list[Detection]] = {}
    for tube in truth:
        tubes_of.setdefault(tube.video, []).append(tube)
    # Videos with truth of this class, numbered: detections compete within one of them only.
    group_of = {}
    for group, video in enumerate(tubes_of):
        group_of[video] = group
    # A detection in a video without truth of this class counts in the total and takes nothing.
    place = []
    for index, detection in enumerate(detections):
        if detection.video in tubes_of:
            place.append(index)
    width = max(map(len, tubes_of.values()))
    # -1 marks a column that the video has no true tube for; `match_detections` never takes one.
    iou = np.full((len(place), width), -1.0)
    group = np.zeros(len(place), int)
    for row, index in enumerate(place):
        video, tube = detections[index].video, detections[index].tube
        group[row] = group_of[video]
        for column, true in enumerate(tubes_of[video]):
            iou[row, column] = tube_iou(tube, true.tube)
    return Ranked(len(detections), np.array(place, int), group, iou, len(truth))
