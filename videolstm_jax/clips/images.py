"""Single images: brought to size, mirrored, moved or cut, and made the input of a backbone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from videolstm_jax.types import Stream

STREAM_CHANNELS = {"rgb": 3, "flow": 2}


class Pixels(NamedTuple):
    """The numbers that make a pixel's channels a backbone's input: (pixel - mean) * scale."""

    mean: tuple[float, ...]
    scale: tuple[float, ...]


# By the weights they belong to, in the order R, G, B: the ImageNet mean of Caffe's VGG, and the
# mean and deviation of torchvision. Flow loses the grey of no motion. Where RGB is brought to unit
# deviation, flow is divided by the mean of the three, since its first kernel is theirs averaged.
PREPROCESSING = {
    "caffe": {
        "rgb": Pixels((123.68, 116.779, 103.939), (1.0, 1.0, 1.0)),
        "flow": Pixels((128.0, 128.0), (1.0, 1.0)),
    },
    "torch": {
        "rgb": Pixels((123.675, 116.28, 103.53), (1 / 58.395, 1 / 57.12, 1 / 57.375)),
        "flow": Pixels((128.0, 128.0), (1 / 57.63, 1 / 57.63)),
    },
}


def pixels(stream: Stream, preprocessing: str = "caffe", pixel_scale: float = 1.0) -> Pixels:
    """Mean and scale of a stream's channels.

    Args:
      stream: `rgb` or `flow`.
      preprocessing: `caffe` or `torch`, as the weights were trained.
      pixel_scale: a further factor: 1 for ImageNet weights, smaller for nets from scratch.
    """
    mean, scale = PREPROCESSING[preprocessing][stream]
    return Pixels(mean, tuple(factor * pixel_scale for factor in scale))


def preprocess(
    images: np.ndarray, stream: Stream, *, preprocessing: str = "caffe", pixel_scale: float = 1.0
) -> np.ndarray:
    """The input of every backbone, in training and extraction: pixels minus their mean, scaled.

    RGB keeps the order R, G, B. Weights made for B, G, R have the channels of their first kernel
    reversed when they are read.

    Args:
      images: [.., ch] uint8, 0 to 255.
      stream: whose mean is subtracted.
      preprocessing: see `pixels`.
      pixel_scale: see `pixels`.

    Returns:
      float32 of the same shape.
    """
    mean, scale = pixels(stream, preprocessing, pixel_scale)
    return (images.astype(np.float32) - np.array(mean, np.float32)) * np.array(scale, np.float32)


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
