"""Every number that is reported of one set of tubes, in one record that can be written as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from videolstm_jax.measure.frame_ap import frame_aps
from videolstm_jax.measure.overlap import STYLES, style_of
from videolstm_jax.measure.precision import AVERAGED
from videolstm_jax.measure.tube_errors import best_overlaps, error_split
from videolstm_jax.measure.video_ap import video_aps
from videolstm_jax.types import Detection

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray

VIDEO_THRESHOLDS = (0.05, 0.1, 0.125, 0.2, 0.3, 0.5)
FRAME_THRESHOLDS = (0.2, 0.5)
RECALL_THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(1, 20))
MEAN = "0.5:0.95"
"""What the mean over .5, .55 .. .95 is called beside single thresholds."""


def tube_summary(
    found: Sequence[Detection],
    truth: Sequence[Detection],
    *,
    frame_scores: Mapping[str, NDArray] | None = None,
    thresholds: Sequence[float] = VIDEO_THRESHOLDS,
    frame_thresholds: Sequence[float] = FRAME_THRESHOLDS,
    class_thresholds: Sequence[float] = FRAME_THRESHOLDS,
    styles: Sequence[str] = tuple(STYLES),
    frames: Sequence[str] = ("all", "truth"),
    average_frames: bool = False,
) -> dict[str, Any]:
    """Measures tubes against the truth.

    Args:
      found: the detections of all classes, of the videos that have truth.
      truth: the true tubes.
      frame_scores: by video [L, C], see `frame_ap.frame_aps`.
      thresholds: of video-mAP; none leaves out all that is measured on tubes.
      frame_thresholds: of frame-mAP.
      class_thresholds: of `per_class` and `errors`.
      styles: see `overlap`; classes, recall and errors are of the first.
      frames: see `frame_ap`; `frame_per_class` is of the first.
      average_frames: whether frame-mAP too is averaged over .5, .55 .. .95.

    Returns:
      `video_map` by style and threshold ("0.5:0.95" is the mean over .5, .55 .. .95), `frame_map`
      by style, choice of frames and threshold, `per_class` and `frame_per_class` by class number
      and threshold, `recall` with the list of its `iou`, `mean_tube_iou` over true tubes, and
      `errors` by threshold.

    Raises:
      ValueError: there is no truth, or detections that are not tubes.
    """
    if not truth:
        raise ValueError("there is no truth to measure against; expected at least one true tube")
    boxes = {
        style: {
            where: _Curve(
                frame_aps(
                    found,
                    truth,
                    _asked(frame_thresholds, average_frames),
                    style=style,
                    frames=where,
                    frame_scores=frame_scores,
                ),
                frame_thresholds,
                average_frames,
            )
            for where in frames
        }
        for style in styles
    }
    summary = {
        "frame_map": {
            style: {where: curve.means() for where, curve in row.items()}
            for style, row in boxes.items()
        },
        "frame_per_class": boxes[styles[0]][frames[0]].of_classes(frame_thresholds),
    }
    if not thresholds:
        return summary
    each = sorted({*thresholds, *class_thresholds})
    tubes = {
        style: _Curve(video_aps(found, truth, _asked(each, True), style=style), each, True)
        for style in styles
    }
    best = best_overlaps(found, truth)
    return {
        "video_map": {
            style: {
                name: value
                for name, value in curve.means().items()
                if name == MEAN or float(name) in thresholds
            }
            for style, curve in tubes.items()
        },
        **summary,
        "per_class": tubes[styles[0]].of_classes(class_thresholds),
        "recall": {
            "iou": list(RECALL_THRESHOLDS),
            "recall": [
                float(style_of(styles[0]).reaches(best, iou).mean()) for iou in RECALL_THRESHOLDS
            ],
        },
        "mean_tube_iou": float(best.mean()),
        "errors": {
            str(iou): error_split(found, truth, iou, style=styles[0])._asdict()
            for iou in class_thresholds
        },
    }


def _asked(thresholds: Sequence[float], average: bool) -> tuple[float, ...]:
    return (*thresholds, *(AVERAGED if average else ()))


class _Curve:
    """Average precisions by class, at named thresholds and, behind them, at those of the mean."""

    def __init__(
        self, aps: Mapping[int, Sequence[float]], thresholds: Sequence[float], average: bool
    ):
        self.aps, self.thresholds, self.average = aps, list(thresholds), average

    def means(self) -> dict[str, float]:
        """The means over classes by threshold."""
        means = np.mean(list(self.aps.values()), axis=0)
        named = {
            str(threshold): float(value)
            for threshold, value in zip(self.thresholds, means, strict=False)
        }
        return {
            **named,
            **({MEAN: float(means[len(self.thresholds) :].mean())} if self.average else {}),
        }

    def of_classes(self, thresholds: Sequence[float]) -> dict[str, dict[str, float]]:
        """The numbers of each class at some of the named thresholds."""
        return {
            str(label): {str(iou): values[self.thresholds.index(iou)] for iou in thresholds}
            for label, values in self.aps.items()
        }
