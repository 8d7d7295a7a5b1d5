"""The foreground of feature maps: the axis along which the places of training frames vary most.

Deep descriptor transforming (Wei, Zhang, Wu, Shen, Zhou, "Unsupervised Object Discovery and
Co-Localization by Deep Descriptor Transforming", 2019) makes an indicator map of the first
principal component of the descriptors of all pictures. Here the pictures are training frames of all
classes, so that no label is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray

_CHUNK = 4096
"""Places that are computed with at a time: the float64 copies of all of them would take 8 times
the memory of the maps.
"""


class ForegroundAxis(NamedTuple):
    """A direction `axis` [D] of length 1, and the projection `offset` of the mean feature on it."""

    axis: NDArray
    offset: float


def find_foreground(maps: NDArray) -> ForegroundAxis:
    """Returns the first principal component of the places of training frames.

    A component has no sign of its own. Here foreground is the side with the longer tail: what the
    videos are about covers fewer places than the background, and lies further from the mean.

    Args:
      maps: [n, N, N, D] features of frames of the training list.

    Raises:
      ValueError: the maps are not finite [n, N, N, D], or all places are equal.
    """
    if maps.ndim != 4 or not maps.size or not np.isfinite(maps).all():
        raise ValueError(f"maps have shape {maps.shape}; expected finite [n, N, N, D]")
    places = maps.reshape(-1, maps.shape[-1])
    mean = places.mean(axis=0, dtype=np.float64)
    covariance = np.zeros((len(mean), len(mean)))
    for centred in _centred(places, mean):
        covariance += centred.T @ centred
    variances, axes = np.linalg.eigh(covariance / len(places))
    # The variances rise, so the last axis has most of it.
    if not variances[-1] > 0:
        raise ValueError(f"all {len(places)} places are equal; expected that they vary")
    axis = axes[:, -1]
    # The third moment: positive where few places lie far above the mean.
    third_moment = sum(((centred @ axis) ** 3).sum() for centred in _centred(places, mean))
    if third_moment < 0:
        axis = -axis
    return ForegroundAxis(axis, float(mean @ axis))


def _centred(places: NDArray, mean: NDArray) -> Iterator[NDArray]:
    """Yields the places [n, D] without their mean, some at a time, float64."""
    for start in range(0, len(places), _CHUNK):
        yield places[start : start + _CHUNK] - mean


def foreground_maps(x: NDArray, foreground: ForegroundAxis) -> NDArray:
    """Returns how far each place lies on the side of the foreground: max(0, x . axis - offset).

    Args:
      x: [T, N, N, D] features.
      foreground: of the training list.

    Returns:
      [T, N, N] float32, not scaled; a map of zeros where a frame has no foreground.
    """
    # The projection is the small difference of two large numbers, so it is not taken in float32.
    projection = x.astype(np.float64) @ foreground.axis - foreground.offset
    return np.maximum(projection, 0).astype(np.float32)
