"""The localized test videos of a run, and all measures of their tubes that map.json holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from videolstm_jax.config import LocalizeConfig
from videolstm_jax.localize.baseline_tubes import DESCRIPTIONS
from videolstm_jax.localize.linking import Track
from videolstm_jax.localize.scoring import VideoOutput, score_tracks
from videolstm_jax.measure.attention_stats import (
    AttentionStats,
    attention_summary,
    full_frame_share,
)
from videolstm_jax.measure.intervals import mean_interval, paired_interval
from videolstm_jax.measure.tube_errors import frame_overlaps
from videolstm_jax.measure.tube_summary import tube_summary
from videolstm_jax.types import Detection, Tube, Video

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray


class LocalizedVideo(NamedTuple):
    """The tubes of one video with all that is measured of them.

    `frame_scores` [L, C] reach the last frame; `truth` are the true tubes. `inside` is
    `attention_stats.mass_inside`, and `baselines` are the tubes to compare with; both are empty
    where the video has no truth.
    """

    video: Video
    output: VideoOutput
    frame_scores: NDArray
    tracks: list[Track]
    stats: AttentionStats
    truth: Sequence[Detection] = ()
    inside: tuple[NDArray, NDArray] | None = None
    baselines: Mapping[str, Tube] = {}

    @property
    def name(self) -> str:
        """The name of the video."""
        return self.video.name

    @property
    def size(self) -> tuple[int, int]:
        """H, W in pixels."""
        return self.video.height, self.video.width


class MeasureOptions(NamedTuple):
    """How localized videos are measured.

    `settings` cut the tubes in time; `rank_by_frame` takes frame scores for the boxes of frame-mAP;
    `seed` is that of the bootstrap.
    """

    settings: LocalizeConfig
    rank_by_frame: bool
    seed: int


def score_videos(
    videos: Sequence[LocalizedVideo], tracks: Sequence[list[Track]], settings: LocalizeConfig
) -> list[Detection]:
    """Gives the tracks of every video, its own or a baseline's, the model's scores.

    Args:
      videos: V of them.
      tracks: the tubes of each.
      settings: cut the tubes in time.
    """
    detections: list[Detection] = []
    for video, own in zip(videos, tracks, strict=True):
        detections.extend(score_tracks(own, video.output, settings))
    return detections


def measure_videos(videos: Sequence[LocalizedVideo], options: MeasureOptions) -> dict[str, Any]:
    """Measures the attention, the tubes and the baselines.

    Args:
      videos: all localized test videos.
      options: how they are measured.

    Returns:
      The keys `attention`, `truth`, `model`, `baselines` and `frame_iou` of map.json, see
      docs/evaluation.md. Without any truth, `model` is None and `frame_iou` is absent.
    """
    annotated = [video for video in videos if video.truth]
    tubes = sum(len(video.truth) for video in annotated)
    summary: dict[str, Any] = {
        "attention": _measure_attention(videos),
        "truth": {"videos": len(annotated), "tubes": tubes},
        "model": None,
        "baselines": {},
    }
    if not annotated:
        return summary
    tracks = [video.tracks for video in annotated]
    # The frame IoU is that of the heaviest tube, since a baseline has one tube a video.
    overlaps = _overlaps(annotated, [video_tracks[0].tube for video_tracks in tracks])
    summary["model"] = _measure_tubes(annotated, tracks, overlaps, options)
    frame_iou = {}
    for video, iou in zip(annotated, overlaps, strict=True):
        frame_iou[video.name] = {"model": float(iou)}
    for name, baseline in _common_baselines(annotated).items():
        # Only the centred box has a fraction in its name, such as "centred 0.5".
        kind, _, fraction = name.partition(" ")
        baseline_overlaps = _overlaps(annotated, baseline)
        for video, iou in zip(annotated, baseline_overlaps, strict=True):
            frame_iou[video.name][kind] = float(iou)
        tracks = [[Track(tube, 1.0)] for tube in baseline]
        row = _measure_tubes(annotated, tracks, baseline_overlaps, options)
        row["about"] = DESCRIPTIONS[kind]
        if fraction:
            row["fraction"] = float(fraction)
        difference = paired_interval(overlaps, baseline_overlaps, seed=options.seed)
        row["model_minus_baseline"] = difference._asdict()
        summary["baselines"][kind] = row
    summary["frame_iou"] = frame_iou
    return summary


def _measure_attention(videos: Sequence[LocalizedVideo]) -> dict[str, Any]:
    """Summarises the attention of all videos, and the fraction of full-frame boxes."""
    inside = [video.inside for video in videos if video.inside is not None]
    summary = attention_summary([video.stats for video in videos], inside)
    fractions = []
    for video in videos:
        for track in video.tracks:
            fractions.append(full_frame_share(track.tube, video.size))
    summary["full_frame_boxes"] = float(np.mean(fractions))
    return summary


def _measure_tubes(
    annotated: Sequence[LocalizedVideo],
    tracks: Sequence[list[Track]],
    overlaps: NDArray,
    options: MeasureOptions,
) -> dict[str, Any]:
    """Measures tubes, the model's or a baseline's, against the truth.

    Args:
      annotated: the V videos that have truth.
      tracks: the tubes of each.
      overlaps: [V] of `_overlaps`.
      options: how they are measured.
    """
    truth: list[Detection] = []
    for video in annotated:
        truth.extend(video.truth)
    frame_scores = None
    if options.rank_by_frame:
        frame_scores = {video.name: video.frame_scores for video in annotated}
    detections = score_videos(annotated, tracks, options.settings)
    measures = tube_summary(detections, truth, frame_scores=frame_scores)
    measures["mean_frame_iou"] = mean_interval(overlaps, seed=options.seed)._asdict()
    return measures


def _common_baselines(annotated: Sequence[LocalizedVideo]) -> dict[str, list[Tube]]:
    """Returns the baselines that every video has; of the centred boxes only the best."""
    common: dict[str, list[Tube]] = {}
    for name in annotated[0].baselines:
        if all(name in video.baselines for video in annotated):
            common[name] = [video.baselines[name] for video in annotated]
    centred = [name for name in common if name.startswith("centred")]
    best = max(centred, key=lambda name: _overlaps(annotated, common[name]).mean())
    for name in centred:
        if name != best:
            del common[name]
    return common


def _overlaps(annotated: Sequence[LocalizedVideo], tubes: Sequence[Tube]) -> NDArray:
    """Returns the mean IoU of each video's boxes with its true ones on frames with truth: [V]."""
    overlaps = []
    for video, tube in zip(annotated, tubes, strict=True):
        true_tubes = [true.tube for true in video.truth]
        overlaps.append(frame_overlaps(tube, true_tubes).mean())
    return np.array(overlaps)
