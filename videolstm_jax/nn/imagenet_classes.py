"""ImageNet's 1,000 class probabilities of frames, by EfficientNet-Lite0 as it was published."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import jax
import numpy as np
from flax.traverse_util import unflatten_dict

from videolstm_jax.config import ConvNetConfig
from videolstm_jax.nn.lite0_network import lite0_network
from videolstm_jax.nn.lite0_weights import installed_lite0_path, lite0_weights
from videolstm_jax.nn.weight_files import read_weights

if TYPE_CHECKING:
    from videolstm_jax.types import Array, NDArray, PyTree

CLASSES = 1000


def imagenet_classifier(side: int, batch: int) -> Callable[[NDArray], NDArray]:
    """Returns a function from frames [n, S, S, 3] uint8 to probabilities [n, 1000] float32.

    Args:
      side: S; the network was trained at 224.
      batch: frames that are computed together.

    Raises:
      FileError: the package of the weights is not installed, or damaged.
    """
    network = lite0_network(ConvNetConfig(backbone="lite0", image_size=side), 3, CLASSES)
    # The file names a leaf with dots; Flax nests dictionaries.
    params = unflatten_dict(lite0_weights(read_weights(installed_lite0_path())).leaves, sep=".")

    @jax.jit
    def probabilities(params: PyTree, x: Array) -> Array:
        # The parameters are an argument: as constants, XLA would fold and copy them into the
        # program.
        return jax.nn.softmax(network.apply(params, x)["logits"])

    def classify(frames: NDArray) -> NDArray:
        rows = []
        for start in range(0, len(frames), batch):
            part = frames[start : start + batch]
            # The last batch is filled up, or XLA would compile it anew.
            filled = np.pad(part, [(0, batch - len(part)), (0, 0), (0, 0), (0, 0)])
            rows.append(np.asarray(probabilities(params, network.prepare(filled)))[: len(part)])
        return np.concatenate(rows)

    return classify
