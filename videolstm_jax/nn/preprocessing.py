"""Makes pixels the input of a backbone: their mean is taken off, and they are scaled."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from videolstm_jax.square import PictureFit

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray, Stream


class Pixels(NamedTuple):
    """The numbers that make a pixel's channels a backbone's input: (pixel - mean) * scale."""

    mean: tuple[float, ...]
    scale: tuple[float, ...]


# By the weights they belong to, in the order R, G, B: the ImageNet mean of Caffe's VGG, the mean
# and deviation of torchvision, and the range [-1, 1] of EfficientNet-Lite. `raw` leaves pixels to a
# backbone of the user's own. Flow loses the grey of no motion. Where RGB is scaled, flow is scaled
# by the mean of the three, since its first kernel is theirs averaged.
PREPROCESSING = {
    "caffe": {
        "rgb": Pixels((123.68, 116.779, 103.939), (1.0, 1.0, 1.0)),
        "flow": Pixels((128.0, 128.0), (1.0, 1.0)),
    },
    "torch": {
        "rgb": Pixels((123.675, 116.28, 103.53), (1 / 58.395, 1 / 57.12, 1 / 57.375)),
        "flow": Pixels((128.0, 128.0), (1 / 57.63, 1 / 57.63)),
    },
    "lite0": {
        "rgb": Pixels((127.0, 127.0, 127.0), (1 / 128, 1 / 128, 1 / 128)),
        "flow": Pixels((128.0, 128.0), (1 / 128, 1 / 128)),
    },
    "raw": {
        "rgb": Pixels((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
        "flow": Pixels((0.0, 0.0), (1.0, 1.0)),
    },
}

STREAM_CHANNELS: dict[Stream, int] = {"rgb": 3, "flow": 2}
STREAM_OF_CHANNELS: dict[int, Stream] = {3: "rgb", 2: "flow"}


def network_pixels(
    stream: Stream, preprocessing: str = "caffe", pixel_scale: float = 1.0
) -> Pixels:
    """Mean and scale of a stream's channels.

    Args:
      stream: `rgb` or `flow`.
      preprocessing: a name in PREPROCESSING, as the weights were trained.
      pixel_scale: a further factor: 1 for ImageNet weights, smaller for nets from scratch.
    """
    mean, scale = PREPROCESSING[preprocessing][stream]
    return Pixels(mean, tuple(factor * pixel_scale for factor in scale))


def network_picture_fit(fit: str, stream: Stream, preprocessing: str) -> PictureFit:
    """How pictures of a stream are brought to the square of a backbone, and what fills it.

    The border of `pad` has the mean that preprocessing takes off: the backbone reads zeros there,
    which its first layer cannot tell from the zeros beyond the edge of every picture. For flow that
    is the grey of no motion. A backbone of the user's own takes off its mean itself, and nearly all
    take ImageNet's.

    Args:
      fit: the setting `data.fit`.
      stream: `rgb` or `flow`.
      preprocessing: a name in PREPROCESSING.
    """
    if preprocessing == "raw":
        preprocessing = "caffe"
    means = PREPROCESSING[preprocessing][stream].mean
    return PictureFit(fit, tuple(round(mean) for mean in means))


def preprocess_for_network(
    images: NDArray, stream: Stream, *, preprocessing: str = "caffe", pixel_scale: float = 1.0
) -> NDArray:
    """The input of a backbone, in training and extraction: pixels minus their mean, scaled.

    RGB keeps the order R, G, B. Weights made for B, G, R have the channels of their first kernel
    reversed when they are read.

    Args:
      images: [.., ch] uint8, 0 to 255.
      stream: whose mean is subtracted.
      preprocessing: see `network_pixels`.
      pixel_scale: see `network_pixels`.

    Returns:
      float32 of the same shape.
    """
    mean, scale = network_pixels(stream, preprocessing, pixel_scale)
    # Arrays of float32 on both sides: a float64 would double the memory of the whole batch.
    return (images.astype(np.float32) - np.array(mean, np.float32)) * np.array(scale, np.float32)
