"""Turns ImageNet weights of any layout into checked parameters that a backbone starts from.

`weight_files` reads the arrays of a file, `weight_layouts` gives them our names and axes, and this
module checks the result and chooses the parameters for a network.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

import numpy as np

from videolstm_jax.errors import FileError
from videolstm_jax.nn.network import ImageNetWeights
from videolstm_jax.nn.weight_layouts import LAYER, LOGITS, convert_weight_layout

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray

FIRST_KERNEL = "block1_conv1.kernel"


def vgg_weights(arrays: Mapping[str, NDArray]) -> ImageNetWeights:
    """Returns the arrays of a file as float32 parameters of our VGG.

    Args:
      arrays: as the file has them, by its names.

    Raises:
      FileError: names of no known layout, shapes that no VGG has, or numbers that are not finite.
    """
    weights = convert_weight_layout(arrays)
    # Checked under our names and axes, so that one check serves all layouts.
    _check_leaves(weights.leaves)
    leaves = {name: np.asarray(leaf, np.float32) for name, leaf in weights.leaves.items()}
    return ImageNetWeights(leaves, weights.preprocessing)


def starting_vgg_leaves(
    weights: ImageNetWeights, names: Collection[str], channels: int
) -> dict[str, NDArray]:
    """Chooses the parameters that a backbone starts from: all but those of the last layer.

    Args:
      weights: of another VGG.
      names: of all parameters of the backbone.
      channels: of its images: 3 for frames, 2 for flow. For other numbers than 3 the first kernel
        is averaged over R, G, B and repeated.

    Returns:
      Parameters by name. Dense layers are absent where the weights have none at all.

    Raises:
      FileError: the backbone has a layer that the weights lack.
    """
    leaves = {}
    for name, leaf in weights.leaves.items():
        if not name.startswith(f"{LOGITS}."):  # the classes are ImageNet's
            leaves[name] = leaf
    has_dense = any(name.startswith("fc") for name in leaves)
    missing = []
    for name in names:
        # Files with convolutions alone are common; dense layers then start from random numbers.
        may_lack = name.startswith(f"{LOGITS}.") or (name.startswith("fc") and not has_dense)
        if name not in leaves and not may_lack:
            missing.append(name)
    if missing:
        present = list(leaves)
        raise FileError(
            f"there is no {', '.join(missing[:3])}; found {', '.join(present[:3])} .. "
            f"{', '.join(present[-1:])}"
        )
    return leaves | {FIRST_KERNEL: first_network_kernel(leaves[FIRST_KERNEL], channels)}


def first_network_kernel(kernel: NDArray, channels: int) -> NDArray:
    """Adapts the first kernel [3, 3, 3, O] to other channels: its mean over R, G, B, repeated.

    As in Wang et al., "Towards good practices for very deep two-stream ConvNets" (2015).

    Args:
      kernel: [3, 3, 3, O].
      channels: of the images; 3 leaves the kernel as it is.

    Returns:
      [3, 3, channels, O].
    """
    if channels == kernel.shape[2]:
        return kernel
    # The mean, not the sum: flow images fill [0, 255] as frames do, in fewer channels.
    return np.repeat(kernel.mean(axis=2, keepdims=True), channels, axis=2)


def _check_leaves(leaves: Mapping[str, NDArray]) -> None:
    """Raises FileError where a parameter has no place in a VGG, another shape, or bad numbers."""
    problem = ""
    if FIRST_KERNEL not in leaves:
        present = ", ".join(list(leaves)[:3]) or "no layer"
        problem = f"there is no {FIRST_KERNEL}; found {present}"
    for name, leaf in leaves.items():
        problem = problem or _leaf_problem(name, leaf)
    if problem:
        raise FileError(problem)


def _leaf_problem(name: str, leaf: NDArray) -> str:
    """Why an array is no parameter of a VGG; empty where it is one."""
    layer, _, part = name.rpartition(".")
    if not LAYER.fullmatch(layer) or part not in ("kernel", "bias"):
        return f"there is no place for {name} in a VGG"
    if leaf.dtype.kind != "f" or not np.isfinite(leaf).all():
        return f"{name} of {leaf.dtype} holds numbers that are not finite floats"
    if part == "kernel":
        return _kernel_problem(name, layer, leaf)
    return ""


def _kernel_problem(name: str, layer: str, kernel: NDArray) -> str:
    """Why a kernel's shape is not that of its layer; empty where it is.

    A transposed kernel is what a file in the layout of another library looks like.
    """
    sides, expected = (), "[I, F]"
    if layer.startswith("block"):
        sides, expected = (3, 3), "[3, 3, I, O]"
    fits = kernel.ndim == len(sides) + 2 and kernel.shape[:-2] == sides
    if name == FIRST_KERNEL:
        # Weights of other channels cannot be averaged over R, G, B.
        expected = "[3, 3, 3, O]"
        fits = fits and kernel.shape[2] == 3
    if fits:
        return ""
    return f"{name} has shape {kernel.shape}; expected {expected}"
