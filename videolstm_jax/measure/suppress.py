"""Suppression of tubes that repeat a better one, as some evaluators do before they measure."""

from __future__ import annotations

from collections.abc import Sequence

from videolstm_jax.measure.overlap import tube_iou
from videolstm_jax.measure.precision import (
    check_detections,
    check_iou_threshold,
    detection_label_key,
)
from videolstm_jax.types import Detection


def suppress_overlapping_tubes(detections: Sequence[Detection], iou: float) -> list[Detection]:
    """Drops each tube that overlaps a better one of its class and video by more than a threshold.

    Args:
      detections: of all classes.
      iou: the threshold on the IoU of tubes; ACT and MOC take .3.

    Returns:
      The detections that are left, by falling score, ties as in
      `precision.sort_detections_by_score`.

    Raises:
      ValueError: the threshold lies outside [0, 1], or detections that are not tubes.
    """
    check_iou_threshold(iou)
    # Best first, so that every rival of a tube has been decided before it.
    left = []
    better: dict[tuple[str, int], list[Detection]] = {}
    for detection in check_detections(detections, "detections"):
        rivals = better.setdefault((detection.video, detection_label_key(detection)), [])
        # Only tubes that stay are rivals: one that was dropped cannot drop another.
        overlaps = [tube_iou(detection.tube, rival.tube) for rival in rivals]
        if max(overlaps, default=0.0) <= iou:
            rivals.append(detection)
            left.append(detection)
    return left
