"""When it happens: one span of frames a class, from class scores and attention, without any label
of time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from videolstm_jax.types import Detection, Tube

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray

RULES = ("chance", "mean", "saliency")
FLOOR = 1e-6
"""A frame's score counts as no less, so that a single frame cannot veto a span for ever."""


def frame_gain(scores: NDArray, attention: NDArray, rule: str) -> NDArray:
    """How much each frame speaks for each class: positive inside an action, negative outside.

    `chance`: log p_t(c) - log 1 / C. With equal priors that is log p(frame | c) - log p(frame), so
    that the span of the largest sum is the likeliest one to hold frames of class c between frames
    of any kind (Page 1954). It has no threshold, and keeps all of a video that is trimmed already.
    `mean`: log p_t(c) minus its mean over the video. It can place a class that never comes to
    chance, but always cuts. `saliency`: `chance`, and the log of the attention's peak minus its
    mean over the video: attention is sharp where there is something to look at.

    Args:
      scores: [L', C] class probabilities of each frame.
      attention: [L', N, N].
      rule: `chance`, `mean` or `saliency`.

    Returns:
      [L', C].

    Raises:
      ValueError: an unknown rule, or not as many maps as frames.
    """
    if rule not in RULES:
        raise ValueError(f"trim is {rule!r}; expected one of {', '.join(map(repr, RULES))}")
    if len(attention) != len(scores):
        raise ValueError(f"{len(scores)} frame scores for {len(attention)} maps; expected as many")
    logs = np.log(np.maximum(np.asarray(scores, float), FLOOR))
    if rule == "mean":
        return logs - logs.mean(axis=0)
    likelihood = logs + np.log(logs.shape[1])
    if rule == "chance":
        return likelihood
    peak = np.log(
        np.maximum(np.asarray(attention, float).reshape(len(attention), -1).max(axis=1), FLOOR)
    )
    return likelihood + (peak - peak.mean())[:, None]


def best_span(gain: NDArray) -> tuple[int, int]:
    """The frames [start, stop) of the largest sum of gain [n], the first and shortest of equals;
    all where none is > 0.

    Kadane's rule: the largest sum that ends with a frame is its running sum minus the smallest one
    before it.
    """
    total = np.concatenate([[0.0], np.cumsum(gain)])
    lowest = np.minimum.accumulate(total)
    stop = int(np.argmax(total - lowest))
    if not total[stop] > lowest[stop]:
        return 0, len(gain)
    return int(np.flatnonzero(total[:stop] == lowest[stop])[-1]), stop


def trimmed(found: Sequence[Detection], gain: NDArray) -> list[Detection]:
    """Tubes of one video, each cut to the best span of its class; scores stay, since they say
    whether, not when.

    Args:
      found: tubes of one video.
      gain: `frame_gain` [L', C]; frames beyond L' are as the last one.
    """
    return [one._replace(tube=_cut(one.tube, gain[:, one.label])) for one in found]


def _cut(tube: Tube, gain: NDArray) -> Tube:
    frames = np.minimum(np.arange(tube.start, tube.start + len(tube.boxes)), len(gain) - 1)
    start, stop = best_span(gain[frames])
    return Tube(tube.start + start, tube.boxes[start:stop])
