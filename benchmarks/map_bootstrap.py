"""Intervals of video-mAP by a bootstrap over videos, which the benchmark `read_outs` prints.

Tubes of different videos do not compete for truth. So each hit is decided once, and a draw of
videos only decides how often it counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from videolstm_jax.measure.overlap import envelope_precision_area, tube_iou
from videolstm_jax.measure.precision import group_detections_by_class, sort_detections_by_score
from videolstm_jax.measure.video_ap import video_map
from videolstm_jax.types import Detection

TubesByVideo = Mapping[str, list[Detection]]
"""Tubes, detected or true, by the names of their videos."""


class _RankedClass(NamedTuple):
    """One class: its n detections by falling score, their videos, and its true tubes of a video.

    `video` [n] are rows of `positives` [V], the number of true tubes of each video.
    """

    detections: list[Detection]
    video: np.ndarray
    positives: np.ndarray


def video_map_intervals(
    detections: TubesByVideo, truth: TubesByVideo, thresholds: Sequence[float], resamples: int
) -> dict[str, list[float]]:
    """Computes video-mAP (voc) with its 95 % interval.

    Args:
      detections: of all videos.
      truth: of all videos; each has at least one true tube.
      thresholds: of the IoU of tubes.
      resamples: the number of draws of V videos.

    Returns:
      [value, low, high] by threshold.
    """
    every, true_tubes = sort_detections_by_score(_all_tubes(detections)), _all_tubes(truth)
    classes = _ranked_classes(every, true_tubes, sorted(truth))
    intervals = {}
    for threshold in thresholds:
        means = _resampled_map(classes, truth, threshold, resamples)
        # The first draw counts every video once, so it must agree with the measure itself.
        if not np.isclose(means[0], video_map(every, true_tubes, threshold)):
            raise SystemExit(
                f"video-mAP is {means[0]} here and another number in measure/: expected the same"
            )
        # Percentiles of the draws; the value itself is no draw.
        low, high = np.quantile(means[1:], [0.025, 0.975])
        intervals[str(threshold)] = rounded((means[0], low, high))
    return intervals


def rounded(values: Iterable[float]) -> list[float]:
    """Returns the numbers with four places, as result files hold them."""
    return [round(float(value), 4) for value in values]


def _all_tubes(tubes_of: TubesByVideo) -> list[Detection]:
    tubes = []
    for of_video in tubes_of.values():
        tubes.extend(of_video)
    return tubes


def _ranked_classes(
    detections: Sequence[Detection], true_tubes: Sequence[Detection], names: Sequence[str]
) -> list[_RankedClass]:
    """Ranks the detections of each class with truth; `names` are the videos in order."""
    by_class = group_detections_by_class(detections)
    classes = []
    for label, own in group_detections_by_class(true_tubes).items():
        ranked = by_class.get(label, [])
        positives = np.bincount(_rows(own, names), minlength=len(names))
        classes.append(_RankedClass(ranked, _rows(ranked, names), positives))
    return classes


def _rows(tubes: Sequence[Detection], names: Sequence[str]) -> np.ndarray:
    """The place of each tube's video among the sorted names."""
    return np.searchsorted(names, [tube.video for tube in tubes])


def _resampled_map(
    classes: Sequence[_RankedClass], truth: TubesByVideo, threshold: float, resamples: int
) -> list[float]:
    """Computes video-mAP of all videos, and then of each draw of them."""
    hits = [_hits(ranked.detections, truth, threshold) for ranked in classes]
    means = []
    for times in _draws(len(truth), resamples):
        aps = []
        for ranked, taken in zip(classes, hits, strict=True):
            total = int((times * ranked.positives).sum())
            # A draw may have no video of a class; the mean is over the classes that it has.
            if total:
                aps.append(envelope_precision_area(np.repeat(taken, times[ranked.video]), total))
        means.append(np.mean(aps))
    return means


def _draws(videos: int, resamples: int) -> np.ndarray:
    """Returns how often each draw counts each video [1 + resamples, V]; first come all ones."""
    generator = np.random.default_rng(0)
    draws = np.ones((resamples + 1, videos), int)
    for row in draws[1:]:
        row[:] = np.bincount(generator.integers(videos, size=videos), minlength=videos)
    return draws


def _hits(ranked: Sequence[Detection], truth: TubesByVideo, threshold: float) -> np.ndarray:
    """Decides which tubes of one class, in falling order of score, take a true tube: [n] bool."""
    taken: set[int] = set()
    hits = np.zeros(len(ranked), bool)
    for place, detection in enumerate(ranked):
        best, best_iou = None, 0.0
        for true in truth[detection.video]:
            # By identity, because records with arrays cannot be compared or hashed.
            if true.label != detection.label or id(true) in taken:
                continue
            iou = tube_iou(detection.tube, true.tube)
            if best is None or iou > best_iou:
                best, best_iou = true, iou
        # `voc`: the overlap must exceed the threshold.
        if best is not None and best_iou > threshold:
            hits[place] = True
            taken.add(id(best))
    return hits
