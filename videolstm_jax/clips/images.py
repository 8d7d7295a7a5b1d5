"""What is done to single images: brought to size, turned, moved or cut, and made a ConvNet's input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from videolstm_jax.types import Stream

CHANNELS = {"rgb": 3, "flow": 2}


class Pixels(NamedTuple):
    """What makes a pixel's channels a ConvNet's input: (pixel - mean) * scale."""

    mean: tuple[float, ...]
    scale: tuple[float, ...]


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
"""By the weights it belongs to, in the order R, G, B. Flow loses the grey of no motion; where RGB
is brought to unit deviation flow is divided by the mean of the three, since its first kernel is
theirs averaged."""


def squashed(images: np.ndarray, side: int) -> np.ndarray:
    """Images [n, H, W, ch] uint8 squashed to [n, S, S, ch], channel by channel (Pillow's bilinear),
    no crop.
    """
    if images.shape[1:3] == (side, side):
        return images
    return (
        np.stack([_resized(image, side, side) for image in images])
        if len(images)
        else images[:, :side, :side]
    )


def _resized(
    image: np.ndarray, width: int, height: int, box: tuple[int, ...] | None = None
) -> np.ndarray:
    planes = [
        Image.fromarray(np.ascontiguousarray(image[..., at])) for at in range(image.shape[-1])
    ]
    return np.stack(
        [
            np.asarray(plane.resize((width, height), Image.Resampling.BILINEAR, box))
            for plane in planes
        ],
        -1,
    )


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
    """What every ConvNet is fed, in training and extraction: pixels minus their mean, times a
    factor.

    RGB keeps the order R, G, B; weights made for B, G, R have the channels of their first kernel
    turned when read.

    Args:
      images: [.., ch] uint8, 0 to 255.
      stream: whose mean is taken off.
      preprocessing: see `pixels`.
      pixel_scale: see `pixels`.

    Returns:
      float32 of the same shape.
    """
    mean, scale = pixels(stream, preprocessing, pixel_scale)
    return (images.astype(np.float32) - np.array(mean, np.float32)) * np.array(scale, np.float32)


def mirrored(image: np.ndarray, stream: Stream) -> np.ndarray:
    """The image [.., S, ch] uint8 seen in a mirror: left is right, and motion to the right goes to
    the left.

    Motion is what a byte differs from 128 by, so its other sign is min(256 - x, 255), and no motion
    stays none.
    """
    image = image[..., ::-1, :]
    if stream == "flow":
        image = np.stack([255 - (np.maximum(image[..., 0], 1) - 1), image[..., 1]], -1)
    return image


def shifted(image: np.ndarray, down: int, right: int) -> np.ndarray:
    """The image [H, W, ch] moved by whole pixels; what comes in repeats the edge."""
    rows = np.clip(np.arange(image.shape[0]) - down, 0, image.shape[0] - 1)
    columns = np.clip(np.arange(image.shape[1]) - right, 0, image.shape[1] - 1)
    return image[rows][:, columns]


def cropped(image: np.ndarray, box: Sequence[int]) -> np.ndarray:
    """The part x0, y0, x1, y1 of the image [H, W, ch] uint8, brought back to its size (Pillow's
    bilinear).
    """
    left, top, right, bottom = box
    return _resized(image, image.shape[1], image.shape[0], (left, top, right, bottom))
