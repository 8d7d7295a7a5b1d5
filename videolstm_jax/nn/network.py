"""The image network of a stream as one record, whichever kind of network it is."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import jax
import numpy as np

if TYPE_CHECKING:
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


def params_for_layers(network: ImageNetwork, params: PyTree, layers: Sequence[str]) -> PyTree:
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
