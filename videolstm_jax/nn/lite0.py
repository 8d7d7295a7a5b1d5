"""EfficientNet-Lite0, a small ImageNet network whose features serve as a frozen backbone.

The architecture is that of Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional
Neural Networks" (2019), B0 in its Lite form: no squeeze-and-excite, ReLU6 in place of swish.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import flax.linen as nn
import jax.numpy as jnp

from videolstm_jax.nn.convolutions import (
    Convolution,
    lite0_depthwise,
    lite0_full_convolution,
    lite0_pointwise,
    lite0_relu6,
)
from videolstm_jax.nn.network import network_tap_layer

if TYPE_CHECKING:
    from videolstm_jax.types import Array

# Sizes of B0 in the paper's Table 1. The Lite form does not scale its stem and head.
STEM = 32
"""Channels of the first convolution, which has stride 2."""
HEAD = 1280
"""Channels of the last convolution, whose mean over places is what ImageNet's classes read."""

_he = nn.initializers.he_normal()


class Stage(NamedTuple):
    """Some blocks of one width; the first of them has the stride.

    `expand` is the factor by which a block widens its input before the depthwise convolution.
    """

    blocks: int
    kernel: int
    stride: int
    expand: int
    width: int


# Table 1 of the paper, stages 2 to 8; its stage 1 is the stem.
STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)
"""The seven stages of Lite0."""


class Block(NamedTuple):
    """One block: its number from 1 on over all stages, its stage, its stride, and its `map_name`.

    The map of the last block of a stage is the map of the stage.
    """

    number: int
    stage: Stage
    stride: int
    map_name: str


def blocks_of_lite0(stages: Sequence[Stage]) -> list[Block]:
    """The blocks of a network in order, numbered as in the files of published weights."""
    blocks = []
    for number, stage in enumerate(stages, 1):
        for index in range(stage.blocks):
            stride = stage.stride if index == 0 else 1
            blocks.append(Block(len(blocks) + 1, stage, stride, f"stage{number}"))
    return blocks


MAPS: Mapping[str, int] = {"stage5": 5, "stage7": 7, "head": 8}
"""The maps that `convnet.map_layer` names, and after which stage they come; 8 is the head."""


class Lite0(nn.Module):
    """EfficientNet-Lite with its batch normalisation folded into kernels and biases.

    The statistics of the normalisation are ImageNet's and never change here, so that each
    normalisation is a factor and a term of every channel: the reader of the weights multiplies them
    into the convolution before it. Padding is TensorFlow's SAME, which puts the odd row or column
    of zeros below and to the right.

    Dropout comes before the classes. It draws from the `dropout` rng and is off without one.
    Parameters and logits are float32 whatever `dtype` is. `depthwise` replaces the convolution of
    the device, for benchmarks.
    """

    classes: int
    map_layer: str = "stage7"
    channels: int = 3
    dropout: float = 0.2
    dtype: str = "float32"
    stem: int = STEM
    stages: tuple[Stage, ...] = STAGES
    head: int = HEAD
    depthwise: Convolution | None = None

    @nn.compact
    def __call__(self, x: Array, *, first: int = 1, output: str = "") -> dict[str, Array] | Array:
        """Returns pool5 (the chosen map), fc7 (the mean of the head) and logits, or one output.

        Args:
          x: preprocessed images [B, S, S, channels], or with another `first` the maps that this
            block reads.
          first: number of the first block that is computed. With 1 the stem is computed too.
          output: the only layer that is returned, pool5, fc7, or `network_tap_layer` of a
            block. What is above it is not computed and needs no parameters. Empty returns all.
        """
        dtype = jnp.dtype(self.dtype)
        maps = {}
        x = x.astype(dtype)
        if first == 1:
            x = self._stem(x, dtype)
        for block in blocks_of_lite0(self.stages):
            if block.number < first:
                continue
            name = f"block{block.number}"
            if output == network_tap_layer(name):
                return x
            x = self._block(x, name, block.stage, block.stride, dtype)
            # The last block of a stage makes the map of the stage.
            maps[block.map_name] = x
        if output == "pool5" and self.map_layer in maps:
            return maps[self.map_layer]
        maps["head"] = lite0_relu6(_Layer(lite0_pointwise, 1, 1, self.head, dtype, name="head")(x))
        if output == "pool5":
            return maps["head"]
        fc7 = maps["head"].mean(axis=(1, 2))
        if output == "fc7":
            return fc7
        # The layer is what dropout reads, so that features do not change with a dropout key.
        dropped = nn.Dropout(self.dropout, deterministic=not self.has_rng("dropout"))(fc7)
        logits = nn.Dense(self.classes, kernel_init=_he, dtype=dtype, name="logits")(dropped)
        return {"pool5": maps[self.map_layer], "fc7": fc7, "logits": logits.astype(jnp.float32)}

    def _stem(self, x: Array, dtype: jnp.dtype) -> Array:
        """The convolution of the images before the first block."""
        if x.shape[-1] != self.channels:
            raise ValueError(f"the images have {x.shape[-1]} channels; expected {self.channels}")
        return lite0_relu6(_Layer(lite0_full_convolution, 3, 2, self.stem, dtype, name="stem")(x))

    def _block(self, x: Array, name: str, stage: Stage, stride: int, dtype: jnp.dtype) -> Array:
        """Widens, convolves every channel by itself, and narrows again, without a ReLU at the end.

        The input is added where it has the shape of the output.
        """
        # Widening by 1 would be one more product without a use, and the weights have none there.
        wide = x
        if stage.expand > 1:
            width = stage.expand * x.shape[-1]
            wide = lite0_relu6(
                _Layer(lite0_pointwise, 1, 1, width, dtype, name=f"{name}_expand")(x)
            )
        convolve = self.depthwise or lite0_depthwise
        layer = _Layer(
            convolve, stage.kernel, stride, wide.shape[-1], dtype, 1, name=f"{name}_depthwise"
        )
        wide = lite0_relu6(layer(wide))
        y = _Layer(lite0_pointwise, 1, 1, stage.width, dtype, name=f"{name}_project")(wide)
        return x + y if x.shape == y.shape else y


class _Layer(nn.Module):
    """A convolution with its kernel and its bias.

    `inputs` are the input channels of each output channel; 0 for all that there are.
    """

    convolve: Convolution
    kernel: int
    stride: int
    width: int
    dtype: jnp.dtype
    inputs: int = 0

    @nn.compact
    def __call__(self, x: Array) -> Array:
        shape = (self.kernel, self.kernel, self.inputs or x.shape[-1], self.width)
        kernel = self.param("kernel", _he, shape, jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, (self.width,), jnp.float32)
        z = self.convolve(x, kernel.astype(self.dtype), self.stride)
        return z + bias.astype(self.dtype).reshape(1, 1, 1, -1)
