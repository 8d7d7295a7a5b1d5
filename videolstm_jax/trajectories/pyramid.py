"""Frames and flow at several spatial scales, each smaller than the one before by the root of 2."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray

STRIDE = 2**0.5
"""The factor between two scales (Wang and Schmid 2013)."""


class Scale(NamedTuple):
    """A scale of the pyramid: its number of rows and columns, and the frame's size over its own.

    Attributes:
      height: rows.
      width: columns.
      factor: (x, y), 1 for the frame itself and larger for smaller pictures.
    """

    height: int
    width: int
    factor: tuple[float, float]

    @property
    def to_frame(self) -> NDArray:
        """The matrix [3, 3] from pixels of this scale to pixels of the frame.

        Centres of pixels have whole coordinates, so the corner of the picture is at -0.5.
        """
        x, y = self.factor
        return np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]])


def trajectory_pyramid_scales(
    height: int, width: int, most: int, smallest_side: int
) -> tuple[Scale, ...]:
    """The scales of a frame, the frame itself first.

    Args:
      height: of the frame.
      width: of the frame.
      most: scales at most.
      smallest_side: pixels that the shorter side must have at every scale but the first.
    """
    scales = []
    for number in range(most):
        factor = STRIDE**number
        # Each size is rounded from the frame's own, so that errors do not add up over the scales.
        rows, columns = round(height / factor), round(width / factor)
        if number and min(rows, columns) < smallest_side:
            break
        scales.append(Scale(rows, columns, (width / columns, height / rows)))
    return tuple(scales)


def resized_trajectory_picture(image: NDArray, height: int, width: int) -> NDArray:
    """A picture [H, W, ..] at another size, by bilinear interpolation."""
    if image.shape[:2] == (height, width):
        return image
    # Bilinear weights are products of one for each axis, so one axis is done after the other.
    for axis, size in ((0, height), (1, width)):
        old_size = image.shape[axis]
        # Centres of pixels are mapped on each other, as OpenCV does; beyond the outer ones the
        # border is repeated.
        position = (np.arange(size) + 0.5) * (old_size / size) - 0.5
        position = np.clip(position, 0, old_size - 1)
        low = position.astype(int)
        high = np.minimum(low + 1, old_size - 1)
        shape = [1] * image.ndim
        shape[axis] = size
        share = (position - low).astype(np.float32).reshape(shape)
        image = image.take(low, axis) * (1 - share) + image.take(high, axis) * share
    return image


def trajectory_picture_pyramid(picture: NDArray, scales: tuple[Scale, ...]) -> list[NDArray]:
    """A picture [H, W, ..] at every scale, float32; each is made from the one before."""
    pictures = [picture.astype(np.float32)]
    for scale in scales[1:]:
        pictures.append(resized_trajectory_picture(pictures[-1], scale.height, scale.width))
    return pictures


def trajectory_flow_pyramid(flow: NDArray, scales: tuple[Scale, ...]) -> list[NDArray]:
    """Flow [H, W, 2] at every scale, in pixels of that scale."""
    fields = []
    for field, scale in zip(trajectory_picture_pyramid(flow, scales), scales, strict=True):
        # A step of 10 pixels in the frame is one of 5 in a picture of half the size.
        fields.append(field / np.array(scale.factor, np.float32))
    return fields
