"""The tracks of one scale: points that follow the flow, and what is gathered along them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from videolstm_jax.trajectories.histograms import FRAME_WIDTH

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray

TIMES = 3
"""n_t, the cells of a volume along time."""


class Tracks(NamedTuple):
    """n unfinished tracks of at most L displacements.

    Attributes:
      age: [n] displacements so far.
      points: [n, L + 1, 2] x and y in pixels of the scale.
      displacements: [n, L, 2] without the camera's motion.
      histograms: [n, 3, FRAME_WIDTH], sums over the frames of each third.
    """

    age: NDArray
    points: NDArray
    displacements: NDArray
    histograms: NDArray

    def chosen(self, rows: NDArray) -> Tracks:
        """Some of the tracks, by a mask or by numbers."""
        return Tracks(*(field[rows] for field in self))

    @property
    def last_points(self) -> NDArray:
        """Where the tracks are now, [n, 2]."""
        return self.points[np.arange(len(self.age)), self.age]


def start_tracks(points: NDArray, length: int) -> Tracks:
    """Tracks that begin at points [n, 2]."""
    count = len(points)
    path = np.zeros((count, length + 1, 2), np.float32)
    path[:, 0] = points
    return Tracks(
        np.zeros(count, int),
        path,
        np.zeros((count, length, 2), np.float32),
        np.zeros((count, TIMES, FRAME_WIDTH), np.float32),
    )


def with_new_tracks(tracks: Tracks, points: NDArray) -> Tracks:
    """The tracks, and new ones that begin at points [m, 2]."""
    new = start_tracks(points, tracks.displacements.shape[1])
    return Tracks(*map(np.concatenate, zip(tracks, new, strict=True)))


def median_track_flow(flow: NDArray, points: NDArray) -> NDArray:
    """The median of the flow in 3 x 3 pixels around each point, [n, 2]: M * w of the paper.

    Only at the points, which are far fewer than the pixels of a frame.
    """
    height, width = flow.shape[:2]
    centre = np.floor(points + 0.5).astype(int)
    offsets = np.arange(-1, 2)
    x = np.clip(centre[:, 0, None] + offsets, 0, width - 1)
    y = np.clip(centre[:, 1, None] + offsets, 0, height - 1)
    # [n, 9, 2]: nine neighbours, and x and y have medians of their own.
    window = flow[y[:, :, None], x[:, None, :]].reshape(len(points), 9, 2)
    # The fifth of nine; `np.median` would also look for NaN, at every step of every scale.
    return np.partition(window, 4, axis=1)[:, 4]


def moved_tracks(
    tracks: Tracks, points: NDArray, displacements: NDArray, histograms: NDArray
) -> Tracks:
    """The tracks one frame later.

    Args:
      tracks: all of them unfinished.
      points: [n, 2] where they are in the next frame.
      displacements: [n, 2] of this step, without the camera's motion.
      histograms: [n, FRAME_WIDTH] around the points of this frame.
    """
    length = tracks.displacements.shape[1]
    rows = np.arange(len(tracks.age))
    # In place: the arrays were made by `with_new_tracks` in this step, and nobody else has them.
    tracks.points[rows, tracks.age + 1] = points
    tracks.displacements[rows, tracks.age] = displacements
    third = tracks.age // max(length // TIMES, 1)
    # Where L is not divisible by three, the last frames belong to no cell.
    is_inside = third < TIMES
    tracks.histograms[rows[is_inside], third[is_inside]] += histograms[is_inside]
    return tracks._replace(age=tracks.age + 1)


def tracks_within_frame(points: NDArray, height: int, width: int) -> NDArray:
    """Which points [n, 2] are inside the frame, [n]."""
    x, y = points[:, 0], points[:, 1]
    return (x > 0) & (x < width) & (y > 0) & (y < height)
