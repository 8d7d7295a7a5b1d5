"""Drops tubes that repeat a better one, as some evaluators do before they measure."""

from __future__ import annotations

from collections.abc import Sequence

from videolstm_jax.measure.overlap import tube_iou
from videolstm_jax.measure.precision import checked
from videolstm_jax.types import Detection


def suppress(found: Sequence[Detection], iou: float) -> list[Detection]:
    """Keeps, of the tubes of one class in one video, those that overlap no better one by more than
    a threshold.

    Args:
      found: the detections of all classes.
      iou: the threshold on the IoU of tubes; ACT and MOC take .3.

    Returns:
      What is left, in falling order of score, ties as in `precision.ordered`.

    Raises:
      ValueError: the threshold lies outside [0, 1], or detections that are not tubes.
    """
    if not 0 <= iou <= 1:
        raise ValueError(f"the IoU threshold is {iou}; expected 0 to 1")
    kept: dict[tuple[str, int], list[Detection]] = {}
    left = []
    for one in checked(found, "detections"):
        better = kept.setdefault((one.video, int(one.label)), [])
        if all(tube_iou(one.tube, other.tube) <= iou for other in better):
            better.append(one)
            left.append(one)
    return left
