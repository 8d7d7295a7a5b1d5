"""VGG with the taps that the recurrent cells read: the last pooled map, the last dense layer, the
logits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

if TYPE_CHECKING:
    from videolstm_jax.config import ConvNetConfig
    from videolstm_jax.types import Array, PyTree

GROUPS = 8
_he = nn.initializers.he_normal()


class Taps(NamedTuple):
    """`pool5` [B, N, N, D] after the last max pool, `fc7` [B, F] after the last dense ReLU,
    `logits` [B, C].
    """

    pool5: Array
    fc7: Array
    logits: Array


class VGG(nn.Module):
    """Blocks of 3x3 convolutions that each end in a 2x2 max pool, then dense layers; no mutable
    state.

    Dropout follows every dense layer, below the classes; it draws from the `dropout` rng and is off
    without one. The parameters are float32 whatever `dtype` says, and so are the logits.
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
        """The configured network for images of so many channels: 3 for frames, 2 for flow."""
        return cls(
            cfg.widths,
            cfg.depths,
            cfg.dense,
            classes,
            cfg.head,
            cfg.norm,
            cfg.dropout,
            channels,
            dtype,
        )

    @nn.compact
    def __call__(self, x: Array) -> Taps:
        """Taps of preprocessed images [B, S, S, channels]."""
        if x.shape[-1] != self.channels:
            raise ValueError(f"the images have {x.shape[-1]} channels; expected {self.channels}")
        dtype = jnp.dtype(self.dtype)
        x = x.astype(dtype)
        for block, (width, depth) in enumerate(zip(self.widths, self.depths, strict=True), 1):
            for layer in range(1, depth + 1):
                name = f"block{block}_conv{layer}"
                x = nn.Conv(width, (3, 3), kernel_init=_he, dtype=dtype, name=name)(x)
                if self.norm == "group":  # fewer groups where the width is not a multiple of 8
                    norm = nn.GroupNorm(math.gcd(GROUPS, width), name=f"block{block}_norm{layer}")
                    x = norm(x.astype(jnp.float32)).astype(dtype)
                x = nn.relu(x)
            x = nn.max_pool(x, (2, 2), (2, 2))
        pool5 = x
        x = {"flatten": flattened, "pooled": pooled}[self.head](pool5)
        fc7 = x
        for layer, width in enumerate(self.dense, 1):
            fc7 = nn.relu(nn.Dense(width, kernel_init=_he, dtype=dtype, name=f"fc{layer}")(x))
            x = nn.Dropout(self.dropout, deterministic=not self.has_rng("dropout"))(fc7)
        logits = nn.Dense(self.classes, kernel_init=_he, dtype=dtype, name="logits")(x)
        return Taps(pool5, fc7, logits.astype(jnp.float32))


def flattened(x: Array) -> Array:
    """[B, N, N, D] as [B, N N D], as VGG."""
    return x.reshape(x.shape[0], -1)


def pooled(x: Array) -> Array:
    """[B, N, N, D] as [B, 2 D]: the mean over the map beside its maximum. Far fewer weights for
    small data sets.
    """
    return jnp.concatenate([x.mean(axis=(1, 2)), x.max(axis=(1, 2))], axis=-1)


class ConvNet(NamedTuple):
    """Two pure functions: `init(key) -> params` and `apply(params, x, *, dropout_key=None) ->
    Taps`.
    """

    init: Callable[[Array], PyTree]
    apply: Callable[..., Taps]


def make_convnet(
    cfg: ConvNetConfig, channels: int, classes: int, *, dtype: str = "float32"
) -> ConvNet:
    """The configured VGG as two pure functions, as `make_model` gives the recurrent models.

    Args:
      cfg: widths, depths, head and so on.
      channels: 3 for frames, 2 for flow.
      classes: C.
      dtype: what the large products are computed in.
    """
    module = VGG.from_config(cfg, channels, classes, dtype=dtype)
    image = jax.ShapeDtypeStruct((1, cfg.image_size, cfg.image_size, channels), jnp.float32)

    def init(key: Array) -> PyTree:
        return module.lazy_init(key, image)["params"]

    def apply(params: PyTree, x: Array, *, dropout_key: Array | None = None) -> Taps:
        rngs = None if dropout_key is None else {"dropout": dropout_key}
        return module.apply({"params": params}, x, rngs=rngs)

    return ConvNet(init, apply)


def needed(params: PyTree, layers: Sequence[str]) -> PyTree:
    """The parameters with which `apply` still gives these taps, the others as zeros that take no
    memory.

    Nine tenths of a VGG-16 are dense layers, which pool5 does not depend on: a jitted function that
    asks for pool5 alone never touches them.

    Args:
      params: of a `ConvNet`.
      layers: names of `Taps`.
    """
    last = max(Taps._fields.index(layer) for layer in layers)

    def kept(name: str) -> bool:
        return name.startswith("block") or (last >= 1 and name.startswith("fc")) or last == 2

    def nothing(leaf: Array) -> np.ndarray:
        return np.broadcast_to(np.zeros((), leaf.dtype), leaf.shape)

    return {
        name: part if kept(name) else jax.tree.map(nothing, part) for name, part in params.items()
    }
