"""Single images: brought to size, mirrored, moved or cut."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from videolstm_jax.types import Stream

# ---- size and place ------------------------------------------------------------------------------


def squashed(images: np.ndarray, side: int) -> np.ndarray:
    """Images [n, H, W, ch] uint8 squashed to [n, S, S, ch] by Pillow's bilinear filter, no crop."""
    if images.shape[1:3] == (side, side):
        return images
    if not len(images):
        return images[:, :side, :side]  # `stack` refuses a list of nothing
    return np.stack([_resized(image, side, side) for image in images])


def cropped(image: np.ndarray, box: Sequence[int]) -> np.ndarray:
    """The part x0, y0, x1, y1 of the image [H, W, ch] uint8, resized to H x W by Pillow."""
    left, top, right, bottom = box
    return _resized(image, image.shape[1], image.shape[0], (left, top, right, bottom))


def _resized(
    image: np.ndarray, width: int, height: int, box: tuple[int, ...] | None = None
) -> np.ndarray:
    """An image [H, W, ch], or a box of it, at another size.

    Each channel is resized alone, since Pillow has no image of two channels.
    """
    planes = []
    for channel in range(image.shape[-1]):
        plane = Image.fromarray(np.ascontiguousarray(image[..., channel]))
        planes.append(np.asarray(plane.resize((width, height), Image.Resampling.BILINEAR, box)))
    return np.stack(planes, -1)


def mirrored(image: np.ndarray, stream: Stream) -> np.ndarray:
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


def shifted(image: np.ndarray, down: int, right: int) -> np.ndarray:
    """The image [H, W, ch] moved by whole pixels; the edge is repeated where nothing is left."""
    rows = np.clip(np.arange(image.shape[0]) - down, 0, image.shape[0] - 1)
    columns = np.clip(np.arange(image.shape[1]) - right, 0, image.shape[1] - 1)
    return image[rows][:, columns]
