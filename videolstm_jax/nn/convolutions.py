"""Convolutions of maps [B, H, W, I] with TensorFlow's SAME padding, as EfficientNet-Lite has."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import jax
import jax.numpy as jnp
from jax import lax

if TYPE_CHECKING:
    from videolstm_jax.types import Array

Convolution: TypeAlias = "Callable[[Array, Array, int], Array]"
"""Maps [B, H, W, I], a kernel [k, k, I, O] and a stride to maps [B, H / stride, W / stride, O]."""


def lite0_relu6(x: Array) -> Array:
    """Returns x between 0 and 6."""
    return jnp.clip(x, 0, 6)


def lite0_full_convolution(x: Array, kernel: Array, stride: int) -> Array:
    """The convolution over all channels with a kernel [k, k, I, O]."""
    return lite0_device_convolution(x, kernel, stride, groups=1)


def lite0_pointwise(x: Array, kernel: Array, stride: int) -> Array:
    """The matrix product at every place, of a kernel [1, 1, I, O]; the stride is 1."""
    # Written as the matrix product that it is, which XLA need not recognise in a convolution.
    return jnp.einsum("bhwi,io->bhwo", x, kernel[0, 0])


def lite0_depthwise(x: Array, kernel: Array, stride: int) -> Array:
    """The convolution of every channel by itself with a kernel [k, k, 1, C].

    XLA's grouped convolution is several times slower on CPUs than the sum over shifted maps; see
    `benchmarks/lite0.py`.
    """
    if jax.default_backend() == "cpu":
        return lite0_depthwise_shifted(x, kernel, stride)
    return lite0_device_convolution(x, kernel, stride, groups=x.shape[-1])


def lite0_depthwise_shifted(x: Array, kernel: Array, stride: int) -> Array:
    """`lite0_depthwise` as a sum of k * k shifted and scaled maps."""
    size = kernel.shape[0]
    # Of the output: the sides over the stride, rounded up, as SAME has it.
    rows, columns = -(-x.shape[1] // stride), -(-x.shape[2] // stride)
    padding = [
        _same_padding(x.shape[1], size, stride),
        _same_padding(x.shape[2], size, stride),
    ]
    padded = jnp.pad(x, [(0, 0), *padding, (0, 0)])
    total = jnp.zeros((), x.dtype)
    for row in range(size):
        for column in range(size):
            # Every stride-th pixel from this place of the window on, [B, rows, columns, C].
            shifted = padded[
                :,
                row : row + (rows - 1) * stride + 1 : stride,
                column : column + (columns - 1) * stride + 1 : stride,
            ]
            # Slices, not indices, since all four axes are needed: ranks are never promoted here.
            total = total + shifted * kernel[row : row + 1, column : column + 1]
    return total


def _same_padding(side: int, kernel: int, stride: int) -> tuple[int, int]:
    """Zeros before and after a side, as TensorFlow pads it."""
    steps = -(-side // stride)
    # What the last window needs beyond the side.
    total = max((steps - 1) * stride + kernel - side, 0)
    # An odd zero goes behind. PyTorch pads both ends alike, which moves the windows of stride 2.
    return total // 2, total - total // 2


def lite0_device_convolution(x: Array, kernel: Array, stride: int, *, groups: int) -> Array:
    """The convolution that XLA has for the device; every group of channels by itself."""
    return lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        "SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=groups,
    )
