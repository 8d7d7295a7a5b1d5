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
    attention_share_of_full_frames,
    attention_summary,
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
    `attention_stats.attention_mass_inside`, and `baselines` are the tubes to compare with; both
    are empty where the video has no truth.
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
    def true_tubes(self) -> list[Tube]:
        """The tubes of `truth`."""
        tubes = []
        for detection in self.truth:
            tubes.append(detection.tube)
        return tubes

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


def measure_localized_videos(
    videos: Sequence[LocalizedVideo], options: MeasureOptions
) -> dict[str, Any]:
    """Measures the attention, the tubes and the baselines.

    Args:
      videos: all localized test videos.
      options: how they are measured.

    Returns:
      The keys `attention`, `truth`, `model`, `baselines` and `frame_iou` of map.json, see
      docs/evaluation.md. Without any truth, `model` is None and `frame_iou` is absent.
    """
    annotated = []
    true_tubes = 0
    for video in videos:
        # Data sets have boxes for some of their videos, such as UCF101 for 24 of 101 classes.
        if video.truth:
            annotated.append(video)
            true_tubes += len(video.truth)
    summary: dict[str, Any] = {
        "attention": _measure_attention(videos),
        "truth": {"videos": len(annotated), "tubes": true_tubes},
        "model": None,
        "baselines": {},
    }
    if not annotated:
        return summary
    tracks, heaviest = [], []
    for video in annotated:
        tracks.append(video.tracks)
        heaviest.append(video.tracks[0].tube)
    # The frame IoU is that of the heaviest tube, since a baseline has one tube a video.
    overlaps = _overlaps(annotated, heaviest)
    summary["model"] = _measure_tubes(annotated, tracks, overlaps, options)
    summary["baselines"], columns = _measure_baselines(annotated, overlaps, options)
    summary["frame_iou"] = _by_video(annotated, {"model": overlaps, **columns})
    return summary


def _measure_baselines(
    annotated: Sequence[LocalizedVideo], overlaps: NDArray, options: MeasureOptions
) -> tuple[dict[str, Any], dict[str, NDArray]]:
    """Measures the baselines, and compares the model with each.

    Args:
      annotated: V localized videos with true tubes.
      overlaps: [V], the frame IoUs of the model.
      options: how they are measured.

    Returns:
      The measures and the frame IoUs [V] of each baseline by its name.
    """
    rows, columns = {}, {}
    for name, tubes in _common_baselines(annotated).items():
        # Only the centred box has a fraction in its name, such as "centred 0.5".
        kind, _, fraction = name.partition(" ")
        columns[kind] = _overlaps(annotated, tubes)
        row = _measure_tubes(annotated, _as_tracks(tubes), columns[kind], options)
        row["about"] = DESCRIPTIONS[kind]
        if fraction:
            row["fraction"] = float(fraction)
        # Paired: both have the same videos, and hard ones are hard for both.
        difference = paired_interval(overlaps, columns[kind], seed=options.seed)
        row["model_minus_baseline"] = difference._asdict()
        rows[kind] = row
    return rows, columns


def _as_tracks(tubes: Sequence[Tube]) -> list[list[Track]]:
    """One tube a video as the tracks of each; a baseline has no weights, so all have one."""
    tracks = []
    for tube in tubes:
        tracks.append([Track(tube, 1.0)])
    return tracks


def _by_video(
    annotated: Sequence[LocalizedVideo], columns: Mapping[str, NDArray]
) -> dict[str, dict[str, float]]:
    """The frame IoU [V] of the model and of each baseline, as one row for each video."""
    rows = {}
    for index, video in enumerate(annotated):
        row = {}
        for name, overlaps in columns.items():
            row[name] = float(overlaps[index])
        rows[video.name] = row
    return rows


def _measure_attention(videos: Sequence[LocalizedVideo]) -> dict[str, Any]:
    """Summarises the attention of all videos, and the fraction of full-frame boxes."""
    stats, inside, fractions = [], [], []
    for video in videos:
        stats.append(video.stats)
        # Only a video with true boxes has an inside.
        if video.inside is not None:
            inside.append(video.inside)
        for track in video.tracks:
            fractions.append(attention_share_of_full_frames(track.tube, video.size))
    summary = attention_summary(stats, inside)
    # Of tubes, which a video may have several of.
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
    detections: list[Detection] = []
    for video, video_tracks in zip(annotated, tracks, strict=True):
        truth.extend(video.truth)
        # A baseline's tubes get the model's scores too, so that only the boxes differ.
        detections.extend(score_tracks(video_tracks, video.output, options.settings))
    frame_scores = None
    if options.rank_by_frame:
        # By name, since detections of a video are ranked among those of all.
        frame_scores = {video.name: video.frame_scores for video in annotated}
    measures = tube_summary(detections, truth, frame_scores=frame_scores)
    measures["mean_frame_iou"] = mean_interval(overlaps, seed=options.seed)._asdict()
    return measures


def _common_baselines(annotated: Sequence[LocalizedVideo]) -> dict[str, list[Tube]]:
    """Returns the baselines that every video has; of the centred boxes only the best."""
    common: dict[str, list[Tube]] = {}
    for name in annotated[0].baselines:
        # A video without flow or without training boxes lacks the baselines that need them.
        tubes = []
        for video in annotated:
            if name in video.baselines:
                tubes.append(video.baselines[name])
        if len(tubes) == len(annotated):
            common[name] = tubes
    mean_overlaps = {}
    for name, tubes in common.items():
        if name.startswith("centred"):
            mean_overlaps[name] = _overlaps(annotated, tubes).mean()
    # The best of the centred boxes was chosen on these very videos, so it is the hardest to beat.
    best = max(mean_overlaps, key=mean_overlaps.__getitem__)
    for name in mean_overlaps:
        if name != best:
            del common[name]
    return common


def _overlaps(annotated: Sequence[LocalizedVideo], tubes: Sequence[Tube]) -> NDArray:
    """Returns the mean IoU of each video's boxes with its true ones on frames with truth: [V]."""
    # Of each video, not of all frames together: a long video counts as much as a short one.
    overlaps = []
    for video, tube in zip(annotated, tubes, strict=True):
        overlaps.append(frame_overlaps(tube, video.true_tubes).mean())
    return np.array(overlaps)
