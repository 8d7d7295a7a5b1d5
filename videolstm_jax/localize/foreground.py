"""The foreground of feature maps: the axis along which the places of training frames vary most.

Deep descriptor transforming (Wei, Zhang, Wu, Shen, Zhou, "Unsupervised Object Discovery and
Co-Localization by Deep Descriptor Transforming", 2019) makes an indicator map of the first
principal component of the descriptors of all pictures. Here the pictures are training frames of all
classes, so that no label is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray


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
    places = maps.reshape(-1, maps.shape[-1]).astype(np.float32)
    mean = places.mean(axis=0, dtype=np.float64)
    centred = places - mean.astype(np.float32)
    covariance = (centred.T @ centred).astype(np.float64) / len(places)
    variances, axes = np.linalg.eigh(covariance)
    # The variances rise, so the last axis has most of it.
    if not variances[-1] > 0:
        raise ValueError(f"all {len(places)} places of the maps are equal; expected that they vary")
    axis = axes[:, -1]
    projection = centred.astype(np.float64) @ axis
    # The third moment: positive where few places lie far above the mean.
    if (projection**3).sum() < 0:
        axis = -axis
    return ForegroundAxis(axis, float(mean @ axis))


def foreground_maps(x: NDArray, foreground: ForegroundAxis) -> NDArray:
    """Returns how far each place lies on the side of the foreground: max(0, x . axis - offset).

    Args:
      x: [T, N, N, D] features.
      foreground: of the training list.

    Returns:
      [T, N, N] float64, not scaled; a map of zeros where a frame has no foreground.
    """
    return np.maximum(x.astype(np.float64) @ foreground.axis - foreground.offset, 0)
