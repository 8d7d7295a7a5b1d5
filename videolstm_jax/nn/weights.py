"""Turns the ImageNet weights of others into parameters of our VGG, whatever layout they lie in.

| layout | kernels | first dense layer reads | first kernel reads | preprocessing |
|---|---|---|---|---| | Keras (the Caffe model) | H W I O | rows, columns, channels | B, G, R |
caffe | | torchvision, timm | O I H W | channels, rows, columns | R, G, B | torch | | conv1_1_W ..
of the early TensorFlow VGG (the Caffe model) | H W I O | rows, columns, channels | R, G, B | caffe
| | our own names, `block1_conv1.kernel` .. | H W I O | rows, columns, channels | R, G, B | said in
the file |
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from videolstm_jax.errors import FileError

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray

PREPROCESSINGS = ("caffe", "torch")
LAST = "logits"
"""The layer of the classes, which are ImageNet's in the weights of others."""
_LAYER = re.compile(r"block\d+_conv\d+|fc\d+|logits|predictions")


class Weights(NamedTuple):
    """Parameters of a VGG for R, G, B by dotted name, such as `block1_conv1.kernel` [3, 3, I, O] or
    `fc1.bias` [F].

    `preprocessing` is the one they were trained with, or empty where that cannot be told.
    """

    leaves: dict[str, NDArray]
    preprocessing: str


def imported(arrays: Mapping[str, NDArray]) -> Weights:
    """Weights of any layout of the table above, told apart by their names.

    Args:
      arrays: as the file has them, by its names.

    Raises:
      FileError: names of no layout, shapes that no VGG has, or numbers that are not finite.
    """
    for knows, convert in _LAYOUTS:
        if any(re.search(knows, name) for name in arrays):
            weights = convert(arrays)
            break
    else:
        raise FileError(
            f"{', '.join(list(arrays)[:3]) or 'nothing'}: not the names of a VGG; expected those of "
            "Keras, torchvision, timm or our own"
        )
    _check(weights.leaves)
    return Weights(
        {name: np.asarray(leaf, np.float32) for name, leaf in weights.leaves.items()},
        weights.preprocessing,
    )


def taken(weights: Weights, names: Collection[str], channels: int) -> dict[str, NDArray]:
    """The leaves that a ConvNet starts from: all but the last layer's, its first kernel for so many
    channels.

    Args:
      weights: what there is.
      names: of all parameters of the ConvNet.
      channels: 3 for frames; else the first kernel is averaged over R, G, B and repeated, as for
        flow.

    Returns:
      By name; without dense layers where the weights have none at all.

    Raises:
      FileError: the ConvNet has a layer that the weights lack.
    """
    leaves = {
        name: leaf for name, leaf in weights.leaves.items() if not name.startswith(f"{LAST}.")
    }
    bare = not any(name.startswith("fc") for name in leaves)
    missing = [
        name
        for name in names
        if name not in leaves
        and not name.startswith(f"{LAST}.")
        and not (bare and name.startswith("fc"))
    ]
    if missing:
        raise FileError(
            f"there is no {', '.join(missing[:3])}; found {', '.join(list(leaves)[:3])} .. "
            f"{', '.join(list(leaves)[-1:])}"
        )
    first = "block1_conv1.kernel"
    return leaves | {first: for_channels(leaves[first], channels)}


def for_channels(kernel: NDArray, channels: int) -> NDArray:
    """The first kernel [3, 3, 3, O] for images of other channels: its mean over R, G, B, repeated;
    3 stay as they are.

    As in Wang et al., "Towards good practices for very deep two-stream ConvNets" (2015).
    """
    if channels == kernel.shape[2]:
        return kernel
    return np.repeat(kernel.mean(axis=2, keepdims=True), channels, axis=2)


def _keras(arrays: Mapping[str, NDArray]) -> Weights:
    leaves = {}
    for name, array in arrays.items():
        if found := _LAYER.search(name):
            layer = found[0].replace("predictions", LAST)
            leaves[f"{layer}.{'bias' if array.ndim == 1 else 'kernel'}"] = array
    first = leaves.get("block1_conv1.kernel")
    if first is not None and first.ndim == 4:
        leaves["block1_conv1.kernel"] = first[:, :, ::-1]  # B, G, R to R, G, B
    return Weights(leaves, "caffe")


def _early_tensorflow(arrays: Mapping[str, NDArray]) -> Weights:
    leaves = {}
    for name, array in arrays.items():
        if found := re.fullmatch(r"(?:conv(\d+)_(\d+)|fc(\d+))_[Wb]", name):
            block, layer, dense = found.groups()
            # Caffe counts the dense layers on from the five blocks: fc6, fc7, and fc8 for the
            # classes.
            called = (
                f"block{block}_conv{layer}"
                if block
                else LAST
                if dense == "8"
                else f"fc{int(dense) - 5}"
            )
            leaves[f"{called}.{'bias' if array.ndim == 1 else 'kernel'}"] = array
    return Weights(leaves, "caffe")


def _torch(arrays: Mapping[str, NDArray]) -> Weights:
    """Convolutions are numbered among ReLUs and pools: 2 on is the next of a block, 3 on the first
    of the next.
    """
    leaves, depth, block, layer, before = {}, 0, 1, 0, -2
    convolutions = {
        int(found[1]): name
        for name in arrays
        if (found := re.fullmatch(r"features\.(\d+)\.weight", name))
    }
    for at, name in sorted(convolutions.items()):
        kernel, bias = arrays[name], _bias(arrays, name)
        if kernel.ndim != 4 or at - before not in (2, 3):
            raise FileError(
                f"{name} has shape {kernel.shape} and comes {at - before} after the layer before; "
                "expected the kernels of a VGG without batch normalisation"
            )
        block, layer = (block + 1, 1) if at - before == 3 else (block, layer + 1)
        leaves[f"block{block}_conv{layer}.kernel"] = kernel.transpose(2, 3, 1, 0)
        leaves[f"block{block}_conv{layer}.bias"] = bias
        before, depth = at, kernel.shape[0]
    dense = _torch_dense(arrays)
    for number, (name, kernel) in enumerate(dense, 1):
        called = (
            LAST if number == len(dense) and not name.startswith("pre_logits") else f"fc{number}"
        )
        leaves[f"{called}.kernel"] = _as_rows_columns_channels(
            kernel, depth if number == 1 else kernel.shape[1], name
        )
        leaves[f"{called}.bias"] = _bias(arrays, name)
    # torchvision publishes convolutions alone that were trained with Caffe's preprocessing under
    # the same names.
    return Weights(leaves, "torch" if dense else "")


def _torch_dense(arrays: Mapping[str, NDArray]) -> list[tuple[str, NDArray]]:
    numbers = sorted(
        int(found[1])
        for name in arrays
        if (found := re.fullmatch(r"classifier\.(\d+)\.weight", name))
    )
    timm = sorted(name for name in arrays if re.fullmatch(r"pre_logits\.fc\d+\.weight", name))
    names = [f"classifier.{number}.weight" for number in numbers] or timm
    names += [name for name in ("head.fc.weight",) if name in arrays]
    return [(name, arrays[name]) for name in names]


def _as_rows_columns_channels(kernel: NDArray, depth: int, name: str) -> NDArray:
    """[F, D N N] or [F, D, N, N], flattened channels first, as [N N D, F], channels last."""
    cells = kernel[0].size // depth if depth and kernel.ndim in (2, 4) else 0
    side = math.isqrt(cells)
    if not cells or side * side * depth != kernel[0].size:
        raise FileError(
            f"{name} has shape {kernel.shape}; expected [F, {depth} N N] over a square map of the last "
            "convolution"
        )
    return (
        kernel.reshape(len(kernel), depth, side, side)
        .transpose(2, 3, 1, 0)
        .reshape(-1, len(kernel))
    )


def _bias(arrays: Mapping[str, NDArray], weight: str) -> NDArray:
    name = weight.removesuffix("weight") + "bias"
    if name not in arrays:
        raise FileError(f"there is no {name} beside {weight}")
    return arrays[name]


def _ours(arrays: Mapping[str, NDArray]) -> Weights:
    leaves = {name: array for name, array in arrays.items() if name != "preprocessing"}
    said = str(arrays.get("preprocessing", ""))
    if said and said not in PREPROCESSINGS:
        raise FileError(f"preprocessing is {said!r}; expected one of {', '.join(PREPROCESSINGS)}")
    return Weights(leaves, said)


def _check(leaves: Mapping[str, NDArray]) -> None:
    """Shapes of a VGG, layer upon layer, all numbers finite."""
    if "block1_conv1.kernel" not in leaves:
        raise FileError(
            f"there is no block1_conv1.kernel; found {', '.join(list(leaves)[:3]) or 'no layer'}"
        )
    for name, leaf in leaves.items():
        layer, _, part = name.rpartition(".")
        if not _LAYER.fullmatch(layer) or part not in ("kernel", "bias"):
            raise FileError(f"there is no place for {name} in a VGG")
        if leaf.dtype.kind != "f" or not np.isfinite(leaf).all():
            raise FileError(f"{name} of {leaf.dtype} holds numbers that are not finite floats")
        if part == "kernel":
            sides = (3, 3) if layer.startswith("block") else ()
            inputs = leaf.shape[-2] if leaf.ndim > 1 else 0
            if leaf.shape[:-2] != sides or (layer == "block1_conv1" and inputs != 3):
                wanted = (
                    "[3, 3, 3, O]"
                    if layer == "block1_conv1"
                    else "[3, 3, I, O]"
                    if sides
                    else "[I, F]"
                )
                raise FileError(f"{name} has shape {leaf.shape}; expected {wanted}")


_LAYOUTS: tuple[tuple[str, Callable[[Mapping[str, NDArray]], Weights]], ...] = (
    (r"^block\d+_conv\d+\.(kernel|bias)$", _ours),
    (r"(^|/)block\d+_conv\d+/", _keras),
    (r"^features\.\d+\.weight$", _torch),
    (r"^conv\d+_\d+_[Wb]$", _early_tensorflow),
)
"""How a layout is known, and what reads it."""
