"""The upper part of a backbone as a part of a model, which trains it together with its cell."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp

from videolstm_jax.backbone.convnet import convnet_config
from videolstm_jax.config import ConvNetConfig
from videolstm_jax.core.model import make_model
from videolstm_jax.nn.backbones import image_network
from videolstm_jax.nn.network import Cut, ImageNetwork, network_tap_layer
from videolstm_jax.types import JointParams, Params

if TYPE_CHECKING:
    from videolstm_jax.config import ModelConfig
    from videolstm_jax.types import Array, PyTree


class TrainedBlock(NamedTuple):
    """The part of a backbone from one block on, as a function of the maps that this block reads.

    The frozen part below it has been computed once, by `extract`. Settings only: a record that held
    functions could not be copied to another process.

    Attributes:
      convnet: settings of the backbone.
      channels: of its images.
      classes: C.
      first: the first block of the part, such as `block5`.
      layer: its output that the cell reads, `pool5` or `fc7`.
    """

    convnet: ConvNetConfig
    channels: int
    classes: int
    first: str
    layer: str

    @property
    def network(self) -> ImageNetwork:
        """The backbone."""
        return image_network(self.convnet, self.channels, self.classes)

    @property
    def tap(self) -> str:
        """The layer that is stored, and that the part reads."""
        return network_tap_layer(self.first)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the output of one frame, [N, N, D] or [D]."""
        return self.network.layers[self.layer]

    def init(self, key: Array) -> PyTree:
        """Draws parameters; a training starts from those of the fitted backbone instead."""
        return self.params_of(self.network.init(key))

    def params_of(self, params: PyTree) -> PyTree:
        """The parameters of this part, from those of the backbone."""
        network = self.network
        # What the layer needs beyond what the stored maps needed already.
        own_layers = network.needs[self.layer] - network.cuts[self.first].needs
        own_params = {}
        for name, layer in params.items():
            if name in own_layers:
                own_params[name] = layer
        return own_params

    def apply(self, params: PyTree, x: Array) -> Array:
        """The features that the cell reads.

        Dropout of the backbone's own dense layers is off, as it was when features were stored.

        Args:
          params: of this part.
          x: as `extract` stored them, [B, T, N', N', D'].

        Returns:
          float32 [B, T, N, N, D], or [B, T, D] of a vector.
        """
        # All frames of all clips as one batch, and outside the scan over time: a convolution in the
        # backward pass of a scan is tens of times slower on CPUs.
        frames = jnp.asarray(x).astype(jnp.float32).reshape(-1, *x.shape[2:])
        cut: Cut = self.network.cuts[self.first]
        features = cut.above(params, frames, output=self.layer)
        return features.reshape(*x.shape[:2], *features.shape[1:])

    def record(self) -> dict[str, Any]:
        """The block as config.json of a run holds it; see `trained_block_of_record`."""
        return self._asdict() | {"convnet": dataclasses.asdict(self.convnet)}


def trained_block_of_record(record: Mapping[str, Any] | None) -> TrainedBlock | None:
    """The block of a run from its config.json; None where the run trained its cell alone."""
    if record is None:
        return None
    return TrainedBlock(**{**record, "convnet": convnet_config(record["convnet"])})


def without_trained_block_params(params: Params | JointParams) -> Params:
    """The parameters of the cell and its head, which `core` takes, without those of a block."""
    return Params(params.cell, params.start, params.head)


def trained_block_params_like(
    config: ModelConfig, block: TrainedBlock | None
) -> Params | JointParams:
    """The shapes of the parameters of a model; nothing is drawn.

    Args:
      config: of the cell and its head.
      block: that the model trains too, or None.
    """
    key = jax.random.key(0)
    params = jax.eval_shape(make_model(config).init, key)
    if block is None:
        return params
    return JointParams(*params, jax.eval_shape(block.init, key))
