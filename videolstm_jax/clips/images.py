"""Single images: brought to size, mirrored, moved or cut."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from videolstm_jax.square import SQUASH, PictureFit, square_source_region

if TYPE_CHECKING:
    from videolstm_jax.types import Stream

# ---- size and place ------------------------------------------------------------------------------


def square_images(images: np.ndarray, side: int, fit: PictureFit = SQUASH) -> np.ndarray:
    """Images [n, H, W, ch] uint8 as squares [n, S, S, ch], by Pillow's bilinear filter.

    The values of flow images stay: their unit is a pixel of the picture that flow was computed in.
    That picture has the shape of the video with `pad` and `crop`, so x and y have one unit.

    Args:
      images: of one size.
      side: S.
      fit: how other shapes than a square are brought to one.
    """
    if images.shape[1:3] == (side, side):
        return images
    if not len(images):
        return images[:, :side, :side]  # `stack` refuses a list of nothing
    squares = []
    for image in images:
        region, box = square_source_region(image, fit)
        squares.append(_resized(region, side, side, box))
    return np.stack(squares)


def cropped_image(image: np.ndarray, box: Sequence[int]) -> np.ndarray:
    """The part x0, y0, x1, y1 of the image [H, W, ch] uint8, resized to H x W by Pillow."""
    left, top, right, bottom = box
    return _resized(image, image.shape[1], image.shape[0], (left, top, right, bottom))


def _resized(
    image: np.ndarray, width: int, height: int, box: tuple[float, ...] | None = None
) -> np.ndarray:
    """An image [H, W, ch], or a box of it, at another size.

    Each channel is resized alone, since Pillow has no image of two channels.
    """
    planes = []
    for channel in range(image.shape[-1]):
        plane = Image.fromarray(np.ascontiguousarray(image[..., channel]))
        planes.append(np.asarray(plane.resize((width, height), Image.Resampling.BILINEAR, box)))
    return np.stack(planes, -1)


def mirrored_image(image: np.ndarray, stream: Stream) -> np.ndarray:
    """The image [.., S, ch] uint8 with left and right exchanged; flow in x changes its sign.

    A byte x of flow means a motion of x - 128, so its opposite is min(256 - x, 255), and no motion
    stays none.
    """
    image = image[..., ::-1, :]
    if stream == "flow":
        # The same as min(256 - x, 255), without leaving the range of a byte.
        opposite = 255 - (np.maximum(image[..., 0], 1) - 1)
        image = np.stack([opposite, image[..., 1]], -1)
    return image


def shifted_image(image: np.ndarray, down: int, right: int) -> np.ndarray:
    """The image [H, W, ch] moved by whole pixels; the edge is repeated where nothing is left."""
    rows = np.clip(np.arange(image.shape[0]) - down, 0, image.shape[0] - 1)
    columns = np.clip(np.arange(image.shape[1]) - right, 0, image.shape[1] - 1)
    # One axis after the other: a single index of both would pair rows with columns.
    return image[rows][:, columns]
