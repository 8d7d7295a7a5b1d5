"""How a picture of any shape becomes the square that a backbone reads, and the way back.

All that knows the shape of videos goes through `square_window`: the pixels of frames and flow
images, the cells under a box, and the saliency that boxes are made of.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray


class PictureFit(NamedTuple):
    """How the pixels of pictures are brought to a square.

    `kind` is the setting `data.fit`. `fill` has the value of each channel beside the picture, which
    only `pad` needs.
    """

    kind: str = "squash"
    fill: tuple[int, ...] = ()


SQUASH = PictureFit()
"""Both sides are scaled to the square, each by its own factor (Sec. 5.1)."""


class Window(NamedTuple):
    """The rectangle of a picture's plane that becomes the square, in pixels of the picture.

    It is the picture itself with `squash`, reaches beyond it with `pad`, and lies within it with
    `crop`. `left` and `top` may be halves: the rectangle has the centre of the picture, so that a
    mirrored picture lies in the square as the picture itself does, mirrored.
    """

    left: float
    top: float
    width: float
    height: float

    def to_square(self, boxes: NDArray, side: float = 1.0) -> NDArray:
        """Boxes x0 y0 x1 y1 [.., 4] in pixels of the picture, in units of which the square has S.

        What lies outside the square stays outside: nothing is clipped.
        """
        corner = np.array([self.left, self.top] * 2)
        return (np.asarray(boxes, float) - corner) * side / self._sides

    def to_picture(self, boxes: NDArray, side: float = 1.0) -> NDArray:
        """The inverse of `to_square`."""
        corner = np.array([self.left, self.top] * 2)
        return np.asarray(boxes, float) * self._sides / side + corner

    def visible(self, size: tuple[int, int]) -> NDArray:
        """The box [4] of a picture of H, W = `size` that lies in the square."""
        height, width = size
        left, top = max(self.left, 0), max(self.top, 0)
        right = min(self.left + self.width, width)
        bottom = min(self.top + self.height, height)
        return np.array([left, top, right, bottom], float)

    @property
    def _sides(self) -> NDArray:
        return np.array([self.width, self.height] * 2, float)


def square_window(fit: str, size: tuple[int, int]) -> Window:
    """The part of the plane of a picture of H, W = `size` that becomes the square.

    Args:
      fit: the setting `data.fit`. `squash`: the picture. `pad`: a square as large as its longer
        side. `crop`: a square as large as its shorter side. Both have the centre of the picture.
      size: H, W in pixels. It may be that of the same picture at another scale: the rectangle
        scales with it.

    Raises:
      ValueError: a `fit` of another name.
    """
    height, width = size
    if fit == "squash":
        return Window(0, 0, width, height)
    if fit == "pad":
        side = max(height, width)
    elif fit == "crop":
        side = min(height, width)
    else:
        raise ValueError(f"fit is {fit!r}; expected 'squash', 'pad' or 'crop'")
    # About the centre: half of what is left over on each side, less than 0 where the square is
    # larger.
    return Window((width - side) / 2, (height - side) / 2, side, side)


def square_source_region(
    image: NDArray, fit: PictureFit
) -> tuple[NDArray, tuple[float, float, float, float] | None]:
    """The image with a border where the square reaches beyond it, and the box that becomes it.

    Args:
      image: [H, W, ch] uint8.
      fit: how it is brought to a square.

    Returns:
      An image, and the box x0, y0, x1, y1 in its pixels. The box is None where it is the whole
      image: a square image is the same bytes with all values of `data.fit`.
    """
    height, width = image.shape[:2]
    part = square_window(fit.kind, (height, width))
    if part == (0, 0, width, height):
        return image, None
    # Whole pixels on either side: the window may begin in the middle of the outermost ones.
    across, down = int(np.ceil(max(0, -part.left))), int(np.ceil(max(0, -part.top)))
    if across or down:
        bordered = np.empty((height + 2 * down, width + 2 * across, image.shape[2]), np.uint8)
        bordered[:] = _fill_values(fit.fill, image.shape[2])
        bordered[down : down + height, across : across + width] = image
        image = bordered
    left, top = part.left + across, part.top + down
    return image, (left, top, left + part.width, top + part.height)


def _fill_values(fill: Sequence[int], channels: int) -> NDArray:
    if len(fill) != channels:
        raise ValueError(f"padding of {len(fill)} channels for a picture of {channels}")
    return np.array(fill, np.uint8)
