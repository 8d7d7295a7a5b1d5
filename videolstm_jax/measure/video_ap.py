"""Video-mAP: average precision over tubes, at any IoU threshold, in two documented styles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from videolstm_jax.measure.overlap import style_of, tube_iou
from videolstm_jax.measure.precision import (
    AVERAGED,
    Ranked,
    average_precision,
    by_label,
    checked,
    mean_over_classes,
)
from videolstm_jax.types import Detection


def video_aps(
    found: Sequence[Detection],
    truth: Sequence[Detection],
    thresholds: Sequence[float],
    *,
    style: str = "voc",
) -> dict[int, list[float]]:
    """The average precision of every class that has truth, at each IoU threshold.

    A detection counts where it takes a true tube of its class in its video: in falling order of
    score (ties by video name, then start) each takes the true tube it overlaps most among those
    left, if that passes the threshold. The order of the arguments changes nothing.

    Args:
      found: the detections of all classes.
      truth: the true tubes; their scores are not looked at.
      thresholds: on the IoU of tubes, see `overlap.tube_iou`.
      style: `voc` or `act`, see `overlap`.

    Returns:
      By class, one number in [0, 1] a threshold.

    Raises:
      ValueError: an unknown style, a threshold outside [0, 1], or detections that are not tubes.
    """
    convention = style_of(style)
    return {
        label: [average_precision(ranked, threshold, convention) for threshold in thresholds]
        for label, ranked in _ranked(found, truth).items()
    }


def video_map(
    found: Sequence[Detection], truth: Sequence[Detection], iou: float, *, style: str = "voc"
) -> float:
    """Video-mAP at one IoU threshold: the mean of `video_aps` over the classes that have truth.

    Raises:
      ValueError: as `video_aps`, or there is no truth at all.
    """
    return mean_over_classes(
        {label: aps[0] for label, aps in video_aps(found, truth, [iou], style=style).items()}
    )


def averaged_video_map(
    found: Sequence[Detection],
    truth: Sequence[Detection],
    *,
    style: str = "voc",
    thresholds: Sequence[float] = AVERAGED,
) -> float:
    """Video-mAP averaged over IoU thresholds, .5:.95 where not said otherwise."""
    aps = video_aps(found, truth, thresholds, style=style)
    return mean_over_classes({label: float(np.mean(values)) for label, values in aps.items()})


def _ranked(found: Sequence[Detection], truth: Sequence[Detection]) -> dict[int, Ranked]:
    detections = by_label(checked(found, "detections"))
    return {
        label: _class_ranked(detections.get(label, []), tubes)
        for label, tubes in sorted(by_label(checked(truth, "true tubes")).items())
    }


def _class_ranked(found: list[Detection], truth: list[Detection]) -> Ranked:
    videos: dict[str, list[Detection]] = {}
    for tube in truth:
        videos.setdefault(tube.video, []).append(tube)
    groups = {video: group for group, video in enumerate(videos)}
    place = np.array([index for index, one in enumerate(found) if one.video in videos], int)
    iou = np.full((len(place), max(map(len, videos.values()))), -1.0)
    for row, index in enumerate(place):
        tubes = videos[found[index].video]
        iou[row, : len(tubes)] = [tube_iou(found[index].tube, true.tube) for true in tubes]
    group = np.array([groups[found[index].video] for index in place], int)
    return Ranked(len(found), place, group, iou, len(truth))
