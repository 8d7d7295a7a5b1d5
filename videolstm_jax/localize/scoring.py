"""Class scores of tubes: every class for one tube, shared among several, cut in time (Sec. 5.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from videolstm_jax.config import LocalizeConfig
from videolstm_jax.localize.linking import Track
from videolstm_jax.localize.trim import trim_gain, trim_tubes
from videolstm_jax.types import Detection, Tube

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray


class VideoOutput(NamedTuple):
    """The output of the model for one video.

    `scores` [C] of the video, by which its tubes are ranked; `frame_scores` [L', C] and
    `attention` [L', N, N], by which they are cut in time.
    """

    video: str
    scores: NDArray
    frame_scores: NDArray
    attention: NDArray


def score_tracks(
    tracks: Sequence[Track], output: VideoOutput, settings: LocalizeConfig
) -> list[Detection]:
    """Gives the tubes of one video the score of every class, cut in time by `settings.trim`.

    Args:
      tracks: the tubes, the heaviest first.
      output: of the model for this video.
      settings: `trim` is used.

    Returns:
      One detection for each tube and class, see `share_scores_among_tubes`.
    """
    detections = share_scores_among_tubes(output.video, tracks, output.scores)
    if settings.trim == "none":
        return detections
    # Once for the video: the gain depends on the class, and not on the tube.
    gain = trim_gain(output.frame_scores, output.attention, settings.trim)
    return trim_tubes(detections, gain)


def share_scores_among_tubes(
    video: str, tracks: Sequence[Track], scores: NDArray
) -> list[Detection]:
    """Shares the score of every class among the tubes of a video by their mass.

    A tube's score is the probability of the class in the video times the tube's share of the
    salient mass. So the scores of a class sum to the score that one tube would have, and the
    heaviest tube comes first.

    Args:
      video: its name.
      tracks: its tubes, the heaviest first.
      scores: as in `detections_of_tube`.

    Returns:
      One detection for each tube and class.
    """
    # Of all tracks that are left, so that a video with many tubes gains no score by their number.
    total = sum(track.mass for track in tracks)
    detections = []
    for track in tracks:
        share = track.mass / total
        for detection in detections_of_tube(video, track.tube, scores):
            detections.append(detection._replace(score=detection.score * share))
    return detections


def detections_of_tube(video: str, tube: Tube, scores: NDArray) -> list[Detection]:
    """Gives one tube the score of every class (Sec. 5.2).

    Args:
      video: its name.
      tube: of the whole video.
      scores: [C] of the video, or [L', C] of its frames, whose mean is taken.

    Returns:
      C detections that share the tube.
    """
    means = np.asarray(scores, float)
    if means.ndim == 2:
        means = means.mean(axis=0)
    detections = []
    for label, score in enumerate(means):
        detections.append(Detection(video, label, float(score), tube))
    return detections
