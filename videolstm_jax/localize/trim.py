"""Temporal localisation: one span of frames a class, from class scores and attention.

No label of time is used. The score of a class measures whether the action occurs, the span when.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from videolstm_jax.types import Detection, Tube

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray

SMALLEST_SHARE = 1e-6
"""A frame's score counts as at least this, so that a single frame cannot exclude a span."""


def trim_gain(scores: NDArray, attention: NDArray, rule: str) -> NDArray:
    """Measures the evidence of each frame for each class: positive inside an action.

    `chance`: log p_t(c) - log 1 / C. With equal priors this is log p(frame | c) - log p(frame), so
    the span with the largest sum is the likeliest one to hold frames of class c between frames of
    any class (Page 1954). It has no threshold, and it keeps a video that is already trimmed.
    `mean`: log p_t(c) minus its mean over the video. It finds a class that is always below chance,
    but it always cuts. `saliency`: `chance`, plus the log of the attention's peak minus its mean
    over the video: attention is sharp where there is something to attend to.

    Args:
      scores: [L', C] class probabilities of each frame.
      attention: [L', N, N].
      rule: the setting `localize.trim`: `chance`, `mean` or `saliency`.

    Returns:
      [L', C].

    Raises:
      ValueError: there are not as many maps as frames.
    """
    if len(attention) != len(scores):
        raise ValueError(f"{len(scores)} frame scores for {len(attention)} maps; expected as many")
    logs = np.log(np.maximum(np.asarray(scores, float), SMALLEST_SHARE))
    if rule == "mean":
        return logs - logs.mean(axis=0)
    # log p - log 1 / C = log p + log C.
    gain = logs + np.log(logs.shape[1])
    if rule == "saliency":
        gain = gain + _sharpness(attention)[:, None]
    return gain


def _sharpness(attention: NDArray) -> NDArray:
    """Returns the log of each map's peak minus its mean over the video: [L', N, N] to [L']."""
    peaks = np.asarray(attention, float).reshape(len(attention), -1).max(axis=1)
    logs = np.log(np.maximum(peaks, SMALLEST_SHARE))
    return logs - logs.mean()


def best_trim_span(gain: NDArray) -> tuple[int, int]:
    """Returns the frames [start, stop) with the largest sum of gain [n].

    Of equal spans the first and shortest is taken; all frames are, where no gain is above 0.
    Kadane's rule: the largest sum that ends with a frame is the running sum minus the smallest
    running sum before it.
    """
    # total[t] is the sum of the frames before t, so the gain of a span is a difference of two.
    total = np.concatenate([[0.0], np.cumsum(gain)])
    lowest = np.minimum.accumulate(total)
    stop = int(np.argmax(total - lowest))
    if not total[stop] > lowest[stop]:
        return 0, len(gain)
    # The last of several equal minima makes the span the shortest.
    start = int(np.flatnonzero(total[:stop] == lowest[stop])[-1])
    return start, stop


def trim_tubes(detections: Sequence[Detection], gain: NDArray) -> list[Detection]:
    """Cuts each tube of one video to the best span of its class; the scores do not change.

    Args:
      detections: of one video.
      gain: `trim_gain` [L', C]; frames beyond L' count as the last one.
    """
    trimmed = []
    for detection in detections:
        tube = _cut(detection.tube, gain[:, detection.label])
        trimmed.append(detection._replace(tube=tube))
    return trimmed


def _cut(tube: Tube, gain: NDArray) -> Tube:
    """Cuts one tube to the best span within its own frames, by the gain [L'] of its class."""
    # Models that read flow have no score for the last frame: it counts as the one before it.
    frames = np.arange(tube.start, tube.start + len(tube.boxes))
    start, stop = best_trim_span(gain[np.minimum(frames, len(gain) - 1)])
    return Tube(tube.start + start, tube.boxes[start:stop])
