"""All numbers that are reported of one set of tubes, as one record that can be written as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from videolstm_jax.measure.frame_ap import frame_aps
from videolstm_jax.measure.overlap import STYLES, overlap_style
from videolstm_jax.measure.precision import AVERAGED, check_detections_have_truth
from videolstm_jax.measure.tube_errors import best_tube_overlaps, tube_error_split
from videolstm_jax.measure.video_ap import video_aps
from videolstm_jax.types import Detection

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray

VIDEO_THRESHOLDS = (0.05, 0.1, 0.125, 0.2, 0.3, 0.5)
FRAME_THRESHOLDS = (0.2, 0.5)
# Rounded, because 0.05 * 3 is 0.15000000000000002, which would be its name in a record.
RECALL_THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(1, 20))
MEAN = "0.5:0.95"
"""The name of the mean over .5, .55 .. .95 beside single thresholds."""


class SummaryOptions(NamedTuple):
    """The thresholds and conventions of a summary.

    `thresholds` of video-mAP: none leaves out all that is measured on tubes. `frame_thresholds` of
    frame-mAP; with `average_frames` it is also averaged over .5, .55 .. .95. `class_thresholds` of
    the numbers of each class and of the kinds of errors. `styles`, see `overlap`; classes, recall
    and errors are of the first. `frames`, see `frame_ap`; the numbers of each class are of the
    first.
    """

    thresholds: Sequence[float] = VIDEO_THRESHOLDS
    frame_thresholds: Sequence[float] = FRAME_THRESHOLDS
    class_thresholds: Sequence[float] = FRAME_THRESHOLDS
    styles: Sequence[str] = tuple(STYLES)
    frames: Sequence[str] = ("all", "truth")
    average_frames: bool = False


class _Curve(NamedTuple):
    """Average precisions by class: at named thresholds, then those the mean is taken over.

    `mean` is whether there are any of the latter.
    """

    aps: Mapping[int, Sequence[float]]
    thresholds: Sequence[float]
    mean: bool

    def means(self) -> dict[str, float]:
        """The means over classes by threshold."""
        # The mean over classes first, at each threshold; classes without truth are not in `aps`.
        values = np.mean(list(self.aps.values()), axis=0)
        named = len(self.thresholds)
        means = {}
        for threshold, value in zip(self.thresholds, values[:named], strict=True):
            means[str(threshold)] = float(value)
        if self.mean:
            means[MEAN] = float(values[named:].mean())
        return means

    def of_classes(self, thresholds: Sequence[float]) -> dict[str, dict[str, float]]:
        """The numbers of each class at some of the named thresholds."""
        rows = {}
        for label, values in self.aps.items():
            rows[str(label)] = {}
            for threshold in thresholds:
                column = self.thresholds.index(threshold)
                rows[str(label)][str(threshold)] = values[column]
        return rows


def tube_summary(
    detections: Sequence[Detection],
    truth: Sequence[Detection],
    *,
    frame_scores: Mapping[str, NDArray] | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Measures tubes against the truth.

    Args:
      detections: of all classes, of the videos that have truth.
      truth: the true tubes.
      frame_scores: by video [L, C], see `frame_ap.frame_aps`.
      **options: fields of `SummaryOptions`.

    Returns:
      `video_map` by style and threshold ("0.5:0.95" is the mean over .5, .55 .. .95), `frame_map`
      by style, choice of frames and threshold, `per_class` and `frame_per_class` by class number
      and threshold, `recall` with the list of its `iou`, `mean_tube_iou` over true tubes, and
      `errors` by threshold.

    Raises:
      ValueError: there is no truth, or detections that are not tubes.
    """
    check_detections_have_truth(truth)
    chosen = SummaryOptions(**options)
    frame_summary = _frame_summary(detections, truth, frame_scores, chosen)
    # Detections of single frames make no tubes, so there is nothing more to measure.
    if not chosen.thresholds:
        return frame_summary
    curves = _video_curves(detections, truth, chosen)
    # The details are of one style only: they explain its figures and would double the record.
    first = chosen.styles[0]
    return {
        "video_map": _video_map(curves, chosen.thresholds),
        **frame_summary,
        "per_class": curves[first].of_classes(chosen.class_thresholds),
        **_details(detections, truth, chosen.class_thresholds, style=first),
    }


def _video_map(
    curves: Mapping[str, _Curve], thresholds: Sequence[float]
) -> dict[str, dict[str, float]]:
    """Returns the means over classes by style, at these thresholds and over .5, .55 .. .95."""
    video_map = {}
    for style, curve in curves.items():
        means = curve.means()
        video_map[style] = {}
        # The curve has the thresholds of single classes too, which are not part of this table.
        for threshold in curve.thresholds:
            if threshold in thresholds:
                video_map[style][str(threshold)] = means[str(threshold)]
        video_map[style][MEAN] = means[MEAN]
    return video_map


def _details(
    detections: Sequence[Detection],
    truth: Sequence[Detection],
    thresholds: Sequence[float],
    *,
    style: str,
) -> dict[str, Any]:
    """Returns `recall`, `mean_tube_iou`, and `errors` at these thresholds."""
    # Whatever its score, so recall tells boxes that are absent from boxes that rank low.
    best = best_tube_overlaps(detections, truth)
    reaches = overlap_style(style).reaches
    recalls = []
    for iou in RECALL_THRESHOLDS:
        recalls.append(float(reaches(best, iou).mean()))
    errors = {}
    for iou in thresholds:
        errors[str(iou)] = tube_error_split(detections, truth, iou, style=style)._asdict()
    return {
        "recall": {"iou": list(RECALL_THRESHOLDS), "recall": recalls},
        "mean_tube_iou": float(best.mean()),
        "errors": errors,
    }


def _frame_summary(
    detections: Sequence[Detection],
    truth: Sequence[Detection],
    frame_scores: Mapping[str, NDArray] | None,
    options: SummaryOptions,
) -> dict[str, Any]:
    """Measures single boxes: `frame_map`, and `frame_per_class` of the first style and frames."""
    named = list(options.frame_thresholds)
    averaged = ()
    if options.average_frames:
        averaged = AVERAGED
    frame_map: dict[str, dict[str, Any]] = {}
    per_class = None
    for style in options.styles:
        frame_map[style] = {}
        for frames in options.frames:
            aps = frame_aps(
                detections,
                truth,
                (*named, *averaged),
                style=style,
                frames=frames,
                frame_scores=frame_scores,
            )
            curve = _Curve(aps, named, options.average_frames)
            frame_map[style][frames] = curve.means()
            # Of the first pair only: the numbers of each class explain its mean.
            if per_class is None:
                per_class = curve.of_classes(named)
    return {"frame_map": frame_map, "frame_per_class": per_class}


def _video_curves(
    detections: Sequence[Detection], truth: Sequence[Detection], options: SummaryOptions
) -> dict[str, _Curve]:
    """Measures tubes in every style, at the thresholds of video-mAP and of single classes."""
    # One pass for all thresholds: the overlaps of tubes are computed once.
    named = sorted({*options.thresholds, *options.class_thresholds})
    curves = {}
    for style in options.styles:
        aps = video_aps(detections, truth, (*named, *AVERAGED), style=style)
        curves[style] = _Curve(aps, named, True)
    return curves
