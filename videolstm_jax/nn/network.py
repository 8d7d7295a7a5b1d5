"""The image network of a stream as one record, whichever kind of network it is."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import jax
import numpy as np

from videolstm_jax.errors import ConfigError

if TYPE_CHECKING:
    import flax.linen as nn
    from etils import epath

    from videolstm_jax.types import Array, NDArray, PyTree


class ImageNetWeights(NamedTuple):
    """Published parameters of a network that reads R, G, B, under our names.

    Attributes:
      leaves: by dotted name, such as `block1_conv1.kernel` [3, 3, I, O] or `fc1.bias` [F].
      preprocessing: of the images it was trained with; empty where that is unknown.
    """

    leaves: dict[str, NDArray]
    preprocessing: str


class WeightsReader(NamedTuple):
    """How a network takes the parameters that others published.

    Attributes:
      installed: `installed() -> path` of the file that a package brought; None for a network whose
        weights must be named.
      convert: `convert(arrays) -> ImageNetWeights`, of the arrays of a file by its names.
      starting_leaves: `starting_leaves(weights, names, channels) -> leaves`, those that the network
        starts from; `names` are of all its parameters.
    """

    installed: Callable[[], epath.Path] | None
    convert: Callable[[Mapping[str, NDArray]], ImageNetWeights]
    starting_leaves: Callable[[ImageNetWeights, Collection[str], int], dict[str, NDArray]]


class Cut(NamedTuple):
    """A place below a block of a network, where the network can be computed in two parts.

    Attributes:
      shape: of the map that the block reads of one image, [N', N', D'].
      needs: the layers of `params` that this map depends on.
      below: `below(params, inputs) -> map` [n, N', N', D'], from prepared images.
      above: `above(params, map) -> {layer: array [n, ..]}`, of all layers of the network. With
        `output=layer` it returns that array alone, and `params` need not have what is above.
    """

    shape: tuple[int, ...]
    needs: frozenset[str]
    below: Callable[[PyTree, Array], Array]
    above: Callable[..., dict[str, Array] | Array]


class ImageNetwork(NamedTuple):
    """An image network as pure functions, and all that the rest of the project needs of it.

    Cells read the layers `pool5`, a map, and `fc7`, a vector. These are the names of the VGG; a
    network of another kind gives its own map and its own vector under them.

    Attributes:
      identity: the kind of the network; of a hook its name and its version.
      init: `init(key) -> params`, a tree {layer: {part: array}}.
      prepare: `prepare(images) -> inputs`, [n, S, S, ch] uint8 to what `apply` reads; on the host.
      apply: `apply(params, inputs, *, dropout_key=None) -> {layer: array [n, ..]}`.
      input_shape: of one prepared image.
      layers: the shape of one image's output, [N, N, D] or [D], by the name of the layer.
      needs: for each of these layers the layers of `params` that it depends on.
      signed: the layers whose values may be below zero.
      preprocessing: a name in `preprocessing.PREPROCESSING`, used where no weights say another.
      least_batch: images that must be given at once for values that do not depend on the batch.
      weights: how published parameters are read; None for a network without.
      cuts: by the name of a block, such as `block5`, the place below it; in the order of the
        network, and empty for a network without blocks.
    """

    identity: str
    init: Callable[[Array], PyTree]
    prepare: Callable[[NDArray], NDArray]
    apply: Callable[..., dict[str, Array]]
    input_shape: tuple[int, ...]
    layers: Mapping[str, tuple[int, ...]]
    needs: Mapping[str, frozenset[str]]
    signed: frozenset[str]
    preprocessing: str
    least_batch: int = 1
    weights: WeightsReader | None = None
    cuts: Mapping[str, Cut] = MappingProxyType({})


LAST_BLOCK = "last_block"
"""Stands for the last block of any network."""


def find_network_block(network: ImageNetwork, name: str) -> str:
    """Returns the block of a network that a setting names.

    Args:
      network: the network.
      name: of a block, or `last_block`.

    Raises:
      ConfigError: the network has no such block.
    """
    blocks = list(network.cuts)
    if not blocks:
        raise ConfigError(
            f"the backbone {network.identity} has no blocks; expected vgg or lite0, or no "
            "train.backbone_from"
        )
    if name == LAST_BLOCK:
        return blocks[-1]
    if name not in network.cuts:
        raise ConfigError(
            f"train.backbone_from is {name!r}; the backbone {network.identity} can be trained from "
            f"{', '.join(blocks)} on; expected one of them, or {LAST_BLOCK}"
        )
    return name


def network_tap_layer(block: str) -> str:
    """The name, as a layer, of the map that a block reads."""
    return f"below_{block}"


def network_with_tap(network: ImageNetwork, block: str) -> ImageNetwork:
    """Returns the same network with one layer more: the map that a block reads.

    Args:
      network: the network.
      block: one of its `cuts`.
    """
    cut, tap = network.cuts[block], network_tap_layer(block)

    def apply(params: PyTree, x: Array, *, dropout_key: Array | None = None) -> dict[str, Array]:
        features = cut.below(params, x)
        return {**cut.above(params, features, dropout_key=dropout_key), tap: features}

    # The blocks of a VGG end in a ReLU; where its pool5 has a sign, as in Lite0, so has the tap.
    signed = network.signed
    if "pool5" in signed:
        signed = signed | {tap}
    return network._replace(
        apply=apply,
        layers={**network.layers, tap: cut.shape},
        needs={**network.needs, tap: cut.needs},
        signed=signed,
    )


def tapped_network(network: ImageNetwork, name: str) -> ImageNetwork:
    """Returns a network with the layers that `extract` stores for a `train.backbone_from`.

    Args:
      network: the network.
      name: of a block, or `last_block`; empty gives the network itself.

    Raises:
      ConfigError: the network has no such block.
    """
    if not name:
        return network
    return network_with_tap(network, find_network_block(network, name))


def network_module_cut(
    module: nn.Module, number: int, shape: tuple[int, ...], needs: frozenset[str]
) -> Cut:
    """Returns the place below a block of a Flax module that takes `first` and `output`.

    Args:
      module: a VGG or a Lite0.
      number: of the block.
      shape: of the map that the block reads of one image.
      needs: the layers of parameters that this map depends on.
    """

    def below(params: PyTree, x: Array) -> Array:
        return module.apply({"params": params}, x, output=network_tap_layer(f"block{number}"))

    def above(
        params: PyTree, x: Array, *, output: str = "", dropout_key: Array | None = None
    ) -> dict[str, Array] | Array:
        # Flax decides by the presence of the name whether to drop anything.
        rngs = None
        if dropout_key is not None:
            rngs = {"dropout": dropout_key}
        layers = module.apply({"params": params}, x, first=number, output=output, rngs=rngs)
        # A VGG has its layers as a record.
        if isinstance(layers, tuple):
            return layers._asdict()
        return layers

    return Cut(shape, needs, below, above)


def network_params_for_layers(
    network: ImageNetwork, params: PyTree, layers: Sequence[str]
) -> PyTree:
    """Returns parameters with which `apply` still gives some layers; the rest take no memory.

    Nine tenths of a VGG-16 are dense layers, which pool5 does not depend on. A jitted function that
    returns only pool5 never reads them.

    Args:
      network: the network.
      params: its parameters.
      layers: names of the layers that are wanted.

    Returns:
      The same tree; parameters that the layers do not depend on are zeros without memory.
    """
    needed: set[str] = set()
    for layer in layers:
        needed |= network.needs[layer]

    def without_memory(leaf: Array) -> np.ndarray:
        # One zero, repeated with strides of 0: the shape stays that of the parameter.
        return np.broadcast_to(np.zeros((), leaf.dtype), leaf.shape)

    reduced = {}
    for name, layer_params in params.items():
        if name in needed:
            reduced[name] = layer_params
        else:
            reduced[name] = jax.tree.map(without_memory, layer_params)
    return reduced
