"""Improved dense trajectories of a video, from its frames and its flow (Wang and Schmid 2013)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from videolstm_jax.trajectories.camera import (
    camera_homography,
    flow_without_camera,
    points_through_homography,
)
from videolstm_jax.trajectories.corners import new_track_points
from videolstm_jax.trajectories.histograms import (
    BINS,
    CELLS,
    PATCH,
    trajectory_point_histograms,
    trajectory_vote_sums,
    trajectory_votes_of_frame,
)
from videolstm_jax.trajectories.layout import LENGTH, Trajectories
from videolstm_jax.trajectories.pyramid import (
    Scale,
    trajectory_flow_pyramid,
    trajectory_picture_pyramid,
    trajectory_pyramid_scales,
)
from videolstm_jax.trajectories.tracks import (
    TIMES,
    Tracks,
    median_track_flow,
    moved_tracks,
    start_tracks,
    tracks_within_frame,
    with_new_tracks,
)

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray

# Limits of a trajectory in pixels of the frame, as in the released program.
_LEAST_DEVIATION = 3**0.5
"""A track that deviates less from its mean in both directions is static."""
_MOST_DEVIATION = 50.0
_LONGEST_STEP = 20.0
_LARGEST_SHARE = 0.7
"""A step that is longer, and more than this share of the path, is an error of the flow."""
_LEAST_OWN_MOTION = 1.0
"""Without the camera's motion, one step must be at least so long."""


class DenseSettings(NamedTuple):
    """How trajectories are computed; the defaults are those of the paper.

    Attributes:
      length: L, the frames that a point is tracked.
      spacing: W, pixels between new points.
      scales: spatial scales at most.
      quality: T, the least texture, as a share of the largest eigenvalue.
      camera: whether the camera's motion is taken off.
      seed: of the samples of RANSAC.
    """

    length: int = LENGTH
    spacing: int = 5
    scales: int = 8
    quality: float = 0.001
    camera: bool = True
    seed: int = 0


PAPER_SETTINGS = DenseSettings()


class _Step(NamedTuple):
    """A frame at one scale, its flow to the next one, and the camera's homography there."""

    number: int
    frame: NDArray
    flow: NDArray
    homography: NDArray


def improved_trajectories(
    frames: NDArray, flow: Iterable[NDArray], settings: DenseSettings = PAPER_SETTINGS
) -> Iterator[Trajectories]:
    """Computes the trajectories of a video.

    Flow comes from the frame's own size, and is scaled down with the frames.

    Args:
      frames: [L', H, W] uint8 luma.
      flow: of each of the L' - 1 pairs, [H, W, 2] pixels, in order.
      settings: see `DenseSettings`.

    Yields:
      The trajectories that end in a frame, where there are any.
    """
    height, width = frames.shape[1:]
    scales = trajectory_pyramid_scales(height, width, settings.scales, PATCH)
    all_tracks = [start_tracks(np.zeros((0, 2)), settings.length) for _ in scales]
    for number, field in enumerate(flow):
        pictures = trajectory_picture_pyramid(frames[number], scales)
        homography = np.eye(3)
        if settings.camera:
            # One generator a frame: the result does not depend on the frames before.
            generator = np.random.default_rng([settings.seed, number])
            homography = camera_homography(pictures[0], field, generator)
        fields = trajectory_flow_pyramid(field, scales)
        for index, scale in enumerate(scales):
            to_frame = scale.to_frame
            # Up to the frame, along with its camera, and down again.
            at_scale = np.linalg.inv(to_frame) @ homography @ to_frame
            step = _Step(number, pictures[index], fields[index], at_scale)
            tracks = _advanced(all_tracks[index], step, settings)
            # A track ends after L steps even where its point could be followed: the flow drifts.
            is_finished = tracks.age == settings.length
            all_tracks[index] = tracks.chosen(~is_finished)
            finished = _finished(tracks.chosen(is_finished), scale, number + 1, frames.shape)
            if len(finished.information):
                yield finished


def _advanced(tracks: Tracks, step: _Step, settings: DenseSettings) -> Tracks:
    """The tracks of one scale in the next frame; those that leave it are dropped."""
    points = new_track_points(step.frame, tracks.last_points, settings.spacing, settings.quality)
    tracks = with_new_tracks(tracks, points)
    if not len(tracks.age):
        return tracks
    last_points = tracks.last_points
    next_points = last_points + median_track_flow(step.flow, last_points)
    # The point as the next frame shows it when that is brought back; see `flow_without_camera`.
    own_motion = (
        points_through_homography(np.linalg.inv(step.homography), next_points) - last_points
    )
    # Of this frame. Votes are of the flow without the camera's motion, but the point itself follows
    # all of it.
    sums = trajectory_vote_sums(
        trajectory_votes_of_frame(step.frame, flow_without_camera(step.flow, step.homography))
    )
    tracks = moved_tracks(
        tracks, next_points, own_motion, trajectory_point_histograms(sums, last_points)
    )
    return tracks.chosen(tracks_within_frame(next_points, *step.frame.shape))


# ---- finished tracks -----------------------------------------------------------------------------


def _finished(
    tracks: Tracks, scale: Scale, end_frame: int, video_shape: tuple[int, ...]
) -> Trajectories:
    """The finished tracks that are neither static nor erratic, with their descriptors."""
    # Limits are in pixels of the frame at every scale. Only differences count here, so that the
    # half pixel of `Scale.to_frame` is left out.
    factor = np.array(scale.factor)
    points, motion = tracks.points * factor, tracks.displacements * factor
    is_valid = _is_valid(points) & _moves_by_itself(motion)
    points, motion = points[is_valid], motion[is_valid]
    length = motion.shape[1]
    # Not 0: a track that stands still was left out above.
    total = np.linalg.norm(motion, axis=-1).sum(1)
    shape = motion.reshape(len(motion), 2 * length) / total[:, None]
    # The mean over the frames of a third.
    histograms = tracks.histograms[is_valid] / max(length // TIMES, 1)
    return Trajectories(
        _information(points, scale, end_frame, video_shape),
        shape.astype(np.float32),
        *_divided(histograms),
    )


def _is_valid(points: NDArray) -> NDArray:
    """Which tracks [n, L + 1, 2] are neither static nor erratic, [n]."""
    deviation = points.std(1)
    steps = np.linalg.norm(np.diff(points, axis=1), axis=-1)
    is_static = (deviation < _LEAST_DEVIATION).all(1)
    is_wild = (deviation > _MOST_DEVIATION).any(1)
    longest, path = steps.max(1), steps.sum(1)
    is_jump = (longest > _LONGEST_STEP) & (longest > _LARGEST_SHARE * path)
    return ~(is_static | is_wild | is_jump)


def _moves_by_itself(motion: NDArray) -> NDArray:
    """Which tracks [n, L, 2] move where the camera's motion is taken off, [n]."""
    return np.linalg.norm(motion, axis=-1).max(1) > _LEAST_OWN_MOTION


def _information(
    points: NDArray, scale: Scale, end_frame: int, video_shape: tuple[int, ...]
) -> NDArray:
    """The ten numbers before the descriptors, [n, 10] float32."""
    frames, height, width = video_shape
    count, length = len(points), points.shape[1] - 1
    mean, deviation = points.mean(1), points.std(1)
    path = np.linalg.norm(np.diff(points, axis=1), axis=-1).sum(1)
    # Half of the trajectory lies before its middle.
    time = np.full(count, (end_frame - length / 2) / frames)
    relative = np.stack([mean[:, 0] / width, mean[:, 1] / height, time], 1)
    columns = [
        np.full((count, 1), end_frame),
        mean,
        deviation,
        path[:, None],
        np.full((count, 1), scale.factor[0]),
        # Below 1, so that they can be counted into cells.
        np.clip(relative, 0, 0.999),
    ]
    return np.concatenate(columns, 1).astype(np.float32)


def _divided(histograms: NDArray) -> list[NDArray]:
    """HOG, HOF, MBHx and MBHy of histograms [n, 3, FRAME_WIDTH]; the time is the slowest index."""
    parts, start = [], 0
    for bins in BINS.values():
        stop = start + CELLS * CELLS * bins
        width = TIMES * (stop - start)
        parts.append(histograms[:, :, start:stop].reshape(len(histograms), width))
        start = stop
    return parts
