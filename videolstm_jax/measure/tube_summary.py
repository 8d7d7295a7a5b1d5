"""Every number that is reported of one set of tubes, in one record that can be written as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from videolstm_jax.measure.errors import best_overlaps, error_split
from videolstm_jax.measure.frame_ap import frame_aps
from videolstm_jax.measure.overlap import STYLES, style_of
from videolstm_jax.measure.precision import AVERAGED
from videolstm_jax.measure.video_ap import video_aps
from videolstm_jax.types import Detection

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray

VIDEO_THRESHOLDS = (0.05, 0.1, 0.125, 0.2, 0.3, 0.5)
FRAME_THRESHOLDS = (0.2, 0.5)
RECALL_THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(1, 20))


def tube_summary(found: Sequence[Detection], truth: Sequence[Detection], *,
                 frame_scores: Mapping[str, NDArray] | None = None) -> dict[str, Any]:
    """Measures tubes against the truth, in both styles.

    Args:
      found: the detections of all classes, of the videos that have truth.
      truth: the true tubes.
      frame_scores: by video [L, C], see `frame_ap.frame_aps`.

    Returns:
      `video_map` by style and threshold ("0.5:0.95" is the mean over .5, .55 .. .95), `frame_map` by style, choice of
      frames and threshold, `per_class` by class number (voc) and threshold, `recall` with the list of its `iou`,
      `mean_tube_iou` over true tubes, and `errors` (voc) by threshold.

    Raises:
      ValueError: there is no truth, or detections that are not tubes.
    """
    if not truth:
        raise ValueError("there is no truth to measure against; expected at least one true tube")
    thresholds = (*VIDEO_THRESHOLDS, *AVERAGED)
    aps = {style: video_aps(found, truth, thresholds, style=style) for style in STYLES}
    best = best_overlaps(found, truth)
    return {
        "video_map": {style: _by_threshold(values) for style, values in aps.items()},
        "frame_map": {style: {frames: _means(frame_aps(found, truth, FRAME_THRESHOLDS, style=style, frames=frames,
                                                       frame_scores=frame_scores), FRAME_THRESHOLDS)
                              for frames in ("all", "truth")} for style in STYLES},
        "per_class": {str(label): {str(iou): values[VIDEO_THRESHOLDS.index(iou)] for iou in FRAME_THRESHOLDS}
                      for label, values in aps["voc"].items()},
        "recall": {"iou": list(RECALL_THRESHOLDS),
                   "recall": [float(style_of("voc").reaches(best, iou).mean()) for iou in RECALL_THRESHOLDS]},
        "mean_tube_iou": float(best.mean()),
        "errors": {str(iou): error_split(found, truth, iou)._asdict() for iou in FRAME_THRESHOLDS},
    }


def _means(aps: Mapping[int, Sequence[float]], thresholds: Sequence[float]) -> dict[str, float]:
    means = np.mean(list(aps.values()), axis=0)
    return {str(threshold): float(value) for threshold, value in zip(thresholds, means, strict=True)}


def _by_threshold(aps: Mapping[int, Sequence[float]]) -> dict[str, float]:
    means = np.mean(list(aps.values()), axis=0)
    named = dict(zip(map(str, VIDEO_THRESHOLDS), means[:len(VIDEO_THRESHOLDS)].tolist(), strict=True))
    return {**named, "0.5:0.95": float(means[len(VIDEO_THRESHOLDS):].mean())}
