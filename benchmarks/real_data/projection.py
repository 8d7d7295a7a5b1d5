"""Principal components of maps: fewer channels for cells that are trained on few clips."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Projection(NamedTuple):
    """The mean [D] of the channels, and the axes [D, P] of most variance."""

    mean: np.ndarray
    axes: np.ndarray

    def __call__(self, maps: np.ndarray) -> np.ndarray:
        """Maps [.., D] as [.., P] components."""
        return (maps.astype(np.float32) - self.mean) @ self.axes


def principal_components(maps: Sequence[np.ndarray], channels: int) -> Projection:
    """Finds the axes of most variance over all places of all frames.

    Args:
      maps: of each video [L', N, N, D]; the training list only, since test videos may not choose.
      channels: P.
    """
    depth = maps[0].shape[-1]
    count, total, squares = 0, np.zeros(depth), np.zeros((depth, depth))
    # Video by video, since the frames of all would not fit in memory as floats.
    for video in maps:
        places = video.reshape(-1, depth).astype(np.float64)
        count += len(places)
        total += places.sum(0)
        squares += places.T @ places
    mean = total / count
    _, axes = np.linalg.eigh(squares / count - np.outer(mean, mean))
    # The eigenvalues rise, so the last axes have most variance.
    return Projection(mean.astype(np.float32), axes[:, ::-1][:, :channels].astype(np.float32))
