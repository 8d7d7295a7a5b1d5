"""VGG, the backbone of a stream, with the layers that recurrent cells read: pool5, fc7, logits."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from videolstm_jax.nn.network import (
    Cut,
    ImageNetwork,
    WeightsReader,
    network_module_cut,
    network_tap_layer,
)
from videolstm_jax.nn.preprocessing import STREAM_OF_CHANNELS, preprocess_for_network
from videolstm_jax.nn.weights import starting_vgg_leaves, vgg_weights

if TYPE_CHECKING:
    from videolstm_jax.config import ConvNetConfig
    from videolstm_jax.types import Array, PyTree

GROUPS = 8
"""Of group normalisation, `norm="group"`, which the paper's VGG does not have."""

_he = nn.initializers.he_normal()


class Taps(NamedTuple):
    """The outputs of the layers that are read.

    Attributes:
      pool5: [B, N, N, D], after the last max pool.
      fc7: [B, F], after the last dense ReLU.
      logits: [B, C].
    """

    pool5: Array
    fc7: Array
    logits: Array


class VGG(nn.Module):
    """Blocks of 3x3 convolutions, a 2x2 max pool after each, then dense layers; no mutable state.

    Dropout follows every dense layer below the classes. It draws from the `dropout` rng and is off
    without one. Parameters and logits are float32 whatever `dtype` is.
    """

    widths: tuple[int, ...]
    depths: tuple[int, ...]
    dense: tuple[int, ...]
    classes: int
    head: str = "flatten"
    norm: str = "none"
    dropout: float = 0.5
    channels: int = 3
    dtype: str = "float32"

    @classmethod
    def from_config(
        cls, cfg: ConvNetConfig, channels: int, classes: int, *, dtype: str = "float32"
    ) -> VGG:
        """Returns the configured network.

        Args:
          cfg: widths, depths, head and so on.
          channels: of the images: 3 for frames, 2 for flow.
          classes: C.
          dtype: of the large products.
        """
        return cls(
            widths=cfg.widths,
            depths=cfg.depths,
            dense=cfg.dense,
            classes=classes,
            head=cfg.head,
            norm=cfg.norm,
            dropout=cfg.dropout,
            channels=channels,
            dtype=dtype,
        )

    @nn.compact
    def __call__(self, x: Array, *, first: int = 1, output: str = "") -> Taps | Array:
        """Returns the taps of preprocessed images [B, S, S, channels], or one output.

        Args:
          x: the images, or with another `first` the maps that this block reads.
          first: number of the first block that is computed.
          output: the only layer that is returned, pool5, fc7, or `network_tap_layer` of a
            block. What is above it is not computed and needs no parameters. Empty returns the taps.
        """
        if first == 1 and x.shape[-1] != self.channels:
            raise ValueError(f"the images have {x.shape[-1]} channels; expected {self.channels}")
        dtype = jnp.dtype(self.dtype)
        x = x.astype(dtype)
        for block in range(first, len(self.widths) + 1):
            if output == network_tap_layer(f"block{block}"):
                return x
            x = self._block(x, block, dtype)
        pool5 = x
        if output == "pool5":
            return pool5
        x = {"flatten": vgg_flattened, "pooled": vgg_pooled}[self.head](pool5)
        fc7 = x
        # Counted from 1, where Caffe has fc6 and fc7. The last output is the tap fc7, whatever the
        # number of layers is.
        for layer, width in enumerate(self.dense, 1):
            fc7 = nn.relu(nn.Dense(width, kernel_init=_he, dtype=dtype, name=f"fc{layer}")(x))
            # The tap is what dropout reads, so that features do not change with a dropout key.
            x = nn.Dropout(self.dropout, deterministic=not self.has_rng("dropout"))(fc7)
        if output == "fc7":
            return fc7
        logits = nn.Dense(self.classes, kernel_init=_he, dtype=dtype, name="logits")(x)
        return Taps(pool5, fc7, logits.astype(jnp.float32))

    def _block(self, x: Array, block: int, dtype: jnp.dtype) -> Array:
        """The convolutions of a block, counted from 1, and the max pool behind them."""
        width, depth = self.widths[block - 1], self.depths[block - 1]
        for layer in range(1, depth + 1):
            name = f"block{block}_conv{layer}"
            x = nn.Conv(width, (3, 3), kernel_init=_he, dtype=dtype, name=name)(x)
            if self.norm == "group":
                # Fewer groups where the width is not a multiple of 8. Means and variances are
                # computed in float32: bfloat16 has too few digits for them.
                norm = nn.GroupNorm(math.gcd(GROUPS, width), name=f"block{block}_norm{layer}")
                x = norm(x.astype(jnp.float32)).astype(dtype)
            x = nn.relu(x)
        return nn.max_pool(x, (2, 2), (2, 2))


def vgg_flattened(x: Array) -> Array:
    """Flattens a map [B, N, N, D] to [B, N N D], as the paper's VGG does."""
    return x.reshape(x.shape[0], -1)


def vgg_pooled(x: Array) -> Array:
    """Reduces a map [B, N, N, D] to [B, 2 D]: its mean, then its maximum.

    The first dense layer has far fewer weights then, which small data sets need.
    """
    return jnp.concatenate([x.mean(axis=(1, 2)), x.max(axis=(1, 2))], axis=-1)


class VGGFunctions(NamedTuple):
    """A VGG as two pure functions.

    Attributes:
      init: `init(key) -> params`.
      apply: `apply(params, x, *, dropout_key=None) -> Taps`, for images [B, S, S, channels].
    """

    init: Callable[[Array], PyTree]
    apply: Callable[..., Taps]


def make_vgg(
    cfg: ConvNetConfig, channels: int, classes: int, *, dtype: str = "float32"
) -> VGGFunctions:
    """Returns the configured VGG as two pure functions, as `make_model` does for the cells.

    Args:
      cfg: widths, depths, head and so on.
      channels: of the images: 3 for frames, 2 for flow.
      classes: C.
      dtype: of the large products.
    """
    module = VGG.from_config(cfg, channels, classes, dtype=dtype)
    image = jax.ShapeDtypeStruct((1, cfg.image_size, cfg.image_size, channels), jnp.float32)

    def init(key: Array) -> PyTree:
        # `lazy_init` needs shapes only, so nothing is computed on an image to draw the parameters.
        return module.lazy_init(key, image)["params"]

    def apply(params: PyTree, x: Array, *, dropout_key: Array | None = None) -> Taps:
        # Flax decides by the presence of the name whether to drop anything.
        rngs = None
        if dropout_key is not None:
            rngs = {"dropout": dropout_key}
        return module.apply({"params": params}, x, rngs=rngs)

    return VGGFunctions(init, apply)


def vgg_network(
    cfg: ConvNetConfig, channels: int, classes: int, *, dtype: str = "float32"
) -> ImageNetwork:
    """Returns the configured VGG behind the interface of all backbones.

    Args:
      cfg: widths, depths, head, preprocessing and so on.
      channels: of the images: 3 for frames, 2 for flow.
      classes: C.
      dtype: of the large products.
    """
    init, taps = make_vgg(cfg, channels, classes, dtype=dtype)

    def apply(params: PyTree, x: Array, *, dropout_key: Array | None = None) -> dict[str, Array]:
        return taps(params, x, dropout_key=dropout_key)._asdict()

    # Every block halves the side, and the settings refuse a side that does not divide.
    side = cfg.image_size // 2 ** len(cfg.widths)
    # For fewer than four images, XLA adds up a group of group normalisation in another order;
    # features would round to other neighbours now and then, and scores would differ by 1e-5.
    least_batch = 4 if cfg.norm == "group" else 1
    return ImageNetwork(
        identity="vgg",
        init=init,
        prepare=partial(
            preprocess_for_network,
            stream=STREAM_OF_CHANNELS[channels],
            preprocessing=cfg.preprocessing,
            pixel_scale=cfg.pixel_scale,
        ),
        apply=apply,
        input_shape=(cfg.image_size, cfg.image_size, channels),
        layers={
            # Names of the original VGG-16 also for narrower ones, so that stores look alike.
            "pool5": (side, side, cfg.widths[-1]),
            "fc7": (cfg.dense[-1],),
            "logits": (classes,),
        },
        needs=_needed_layers(cfg),
        # ReLUs make pool5 and fc7.
        signed=frozenset({"logits"}),
        preprocessing="caffe",
        least_batch=least_batch,
        weights=WeightsReader(None, vgg_weights, starting_vgg_leaves),
        cuts=_cuts(cfg, VGG.from_config(cfg, channels, classes, dtype=dtype)),
    )


def _cuts(cfg: ConvNetConfig, module: VGG) -> dict[str, Cut]:
    """The places below each block but the first, which reads the images themselves."""
    cuts = {}
    needs: frozenset[str] = frozenset()
    for block in range(2, len(cfg.widths) + 1):
        needs |= _block_layers(block - 1, cfg.depths[block - 2])
        side = cfg.image_size // 2 ** (block - 1)
        shape = (side, side, cfg.widths[block - 2])
        cuts[f"block{block}"] = network_module_cut(module, block, shape, needs)
    return cuts


def _needed_layers(cfg: ConvNetConfig) -> dict[str, frozenset[str]]:
    """The layers of parameters that each tap depends on."""
    pool5: frozenset[str] = frozenset()
    for block, depth in enumerate(cfg.depths, 1):
        pool5 |= _block_layers(block, depth)
    fc7 = pool5 | {f"fc{layer}" for layer in range(1, len(cfg.dense) + 1)}
    return {"pool5": pool5, "fc7": fc7, "logits": fc7 | {"logits"}}


def _block_layers(block: int, depth: int) -> frozenset[str]:
    """The layers of parameters of one block."""
    # Names of normalisations are listed also where there are none; a name too many does no harm.
    names = set()
    for layer in range(1, depth + 1):
        names |= {f"block{block}_conv{layer}", f"block{block}_norm{layer}"}
    return frozenset(names)
