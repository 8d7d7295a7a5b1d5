"""Gives the arrays of others' VGG files our names and our order of axes.

Our parameters are called `block1_conv1.kernel` [3, 3, I, O], `fc1.bias` [F] and so on. Our VGG
reads R, G, B, and its first dense layer reads a map flattened as rows, columns, channels.

| layout | kernels | first dense layer reads | first kernel reads | preprocessing |
|---|---|---|---|---|
| Keras (the Caffe model) | H W I O | rows, columns, channels | B, G, R | caffe |
| torchvision, timm | O I H W | channels, rows, columns | R, G, B | torch |
| `conv1_1_W` .. of the early TensorFlow VGG | H W I O | rows, columns, channels | R, G, B | caffe |
| our own, `block1_conv1.kernel` .. | H W I O | rows, columns, channels | R, G, B | in the file |
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from videolstm_jax.errors import FileError
from videolstm_jax.nn.network import ImageNetWeights

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray

PREPROCESSINGS = ("caffe", "torch")

LOGITS = "logits"
"""The layer of the classes, which are ImageNet's in the weights of others."""

LAYER = re.compile(r"block\d+_conv\d+|fc\d+|logits|predictions")
"""Names of layers, ours and Keras' (`predictions` is its name of the last one)."""


def convert_weight_layout(arrays: Mapping[str, NDArray]) -> ImageNetWeights:
    """Converts arrays of any layout of the table above; the names decide the layout.

    Shapes and numbers are not checked beyond what the conversion needs; `weights` does that.

    Raises:
      FileError: names of no known layout, or arrays that do not fit theirs.
    """
    # One name is enough: files of others hold further arrays, such as those of an optimizer.
    for pattern, convert in _LAYOUTS:
        if any(re.search(pattern, name) for name in arrays):
            return convert(arrays)
    names = ", ".join(list(arrays)[:3]) or "nothing"
    raise FileError(
        f"{names}: not the names of a VGG; expected those of Keras, torchvision, timm or our own"
    )


def _part(array: NDArray) -> str:
    """Tells a bias from a kernel by its shape."""
    # The layouts call them W and b, weight and bias, kernel and bias; only the shape is the same.
    return "bias" if array.ndim == 1 else "kernel"


# ---- layouts with kernels H W I O ----------------------------------------------------------------


def _from_ours(arrays: Mapping[str, NDArray]) -> ImageNetWeights:
    leaves = dict(arrays)
    # .npz holds arrays only, so this text lies in the file as an array without axes.
    preprocessing = str(leaves.pop("preprocessing", ""))
    if preprocessing and preprocessing not in PREPROCESSINGS:
        expected = ", ".join(PREPROCESSINGS)
        raise FileError(f"preprocessing is {preprocessing!r}; expected one of {expected}")
    return ImageNetWeights(leaves, preprocessing)


def _from_keras(arrays: Mapping[str, NDArray]) -> ImageNetWeights:
    leaves = {}
    for name, array in arrays.items():
        match = LAYER.search(name)
        if match:
            layer = match[0].replace("predictions", LOGITS)
            leaves[f"{layer}.{_part(array)}"] = array
    first = leaves.get("block1_conv1.kernel")
    if first is not None and first.ndim == 4:
        leaves["block1_conv1.kernel"] = first[:, :, ::-1]  # B, G, R to R, G, B
    return ImageNetWeights(leaves, "caffe")


def _from_early_tensorflow(arrays: Mapping[str, NDArray]) -> ImageNetWeights:
    leaves = {}
    for name, array in arrays.items():
        match = re.fullmatch(r"(?:conv(\d+)_(\d+)|fc(\d+))_[Wb]", name)
        if not match:
            continue
        block, convolution, dense = match.groups()
        if block:
            layer = f"block{block}_conv{convolution}"
        elif dense == "8":
            layer = LOGITS
        else:
            # Caffe counts the dense layers on from the five blocks: fc6, fc7, then fc8 for classes.
            layer = f"fc{int(dense) - 5}"
        leaves[f"{layer}.{_part(array)}"] = array
    return ImageNetWeights(leaves, "caffe")


# ---- PyTorch, with kernels O I H W ---------------------------------------------------------------


def _from_torch(arrays: Mapping[str, NDArray]) -> ImageNetWeights:
    leaves = {}
    depth = _add_torch_convolutions(leaves, arrays)
    dense = _torch_dense_names(arrays)
    for number, name in enumerate(dense, 1):
        kernel = arrays[name]
        is_last = number == len(dense) and not name.startswith("pre_logits")
        layer = LOGITS if is_last else f"fc{number}"
        # Only the first dense layer reads a map; of the others every input is a channel.
        inputs = depth if number == 1 else kernel.shape[1]
        leaves[f"{layer}.kernel"] = _channels_last(kernel, inputs, name)
        leaves[f"{layer}.bias"] = _torch_bias(arrays, name)
    # torchvision publishes convolutions alone, trained with Caffe's preprocessing, under the same
    # names. Without dense layers the preprocessing is therefore unknown.
    return ImageNetWeights(leaves, "torch" if dense else "")


def _add_torch_convolutions(leaves: dict[str, NDArray], arrays: Mapping[str, NDArray]) -> int:
    """Adds the convolutions, `features.<number>.weight`, and returns the channels of the last.

    The number counts convolutions, ReLUs and max pools. The next convolution of a block is 2 on,
    and the first of the next block is 3 on. With batch normalisation the steps would be others.
    """
    convolutions = {}
    for name in arrays:
        match = re.fullmatch(r"features\.(\d+)\.weight", name)
        if match:
            convolutions[int(match[1])] = name
    depth, block, layer = 0, 1, 0
    previous = -2  # so that number 0 is "the next of block 1"
    for number, name in sorted(convolutions.items()):
        kernel, bias = arrays[name], _torch_bias(arrays, name)
        step = number - previous
        if kernel.ndim != 4 or step not in (2, 3):
            raise FileError(
                f"{name} has shape {kernel.shape} and comes {step} after the layer before; "
                "expected the kernels of a VGG without batch normalisation"
            )
        if step == 3:
            block, layer = block + 1, 1
        else:
            layer += 1
        leaves[f"block{block}_conv{layer}.kernel"] = kernel.transpose(2, 3, 1, 0)
        leaves[f"block{block}_conv{layer}.bias"] = bias
        previous, depth = number, kernel.shape[0]
    return depth


def _torch_dense_names(arrays: Mapping[str, NDArray]) -> list[str]:
    """Returns the names of the dense kernels in order, torchvision's or timm's."""
    numbers = []
    for name in arrays:
        match = re.fullmatch(r"classifier\.(\d+)\.weight", name)
        if match:
            numbers.append(int(match[1]))
    names = [f"classifier.{number}.weight" for number in sorted(numbers)]
    if not names:
        # timm keeps all but the last one apart; they are fc1 and fc2, so sorting is in order.
        for name in sorted(arrays):
            if re.fullmatch(r"pre_logits\.fc\d+\.weight", name):
                names.append(name)
    if "head.fc.weight" in arrays:
        names.append("head.fc.weight")
    return names


def _channels_last(kernel: NDArray, depth: int, name: str) -> NDArray:
    """Reorders a dense kernel that reads a map channels first to one that reads channels last.

    Args:
      kernel: [F, D N N], or [F, D, N, N] as timm has it.
      depth: D.
      name: of the kernel, for messages.

    Returns:
      [N N D, F].
    """
    inputs = kernel[0].size
    # A depth of 0 comes from a file without convolutions, whose map nobody knows.
    places = 0
    if depth and kernel.ndim in (2, 4):
        places = inputs // depth
    side = math.isqrt(places)
    if not places or side * side * depth != inputs:
        raise FileError(
            f"{name} has shape {kernel.shape}; expected [F, {depth} N N] over a square map of the "
            "last convolution"
        )
    # [F, D, N, N] to [N, N, D, F], and the first three axes as one.
    maps = kernel.reshape(len(kernel), depth, side, side)
    return maps.transpose(2, 3, 1, 0).reshape(-1, len(kernel))


def _torch_bias(arrays: Mapping[str, NDArray], weight: str) -> NDArray:
    name = weight.removesuffix("weight") + "bias"
    if name not in arrays:
        raise FileError(f"there is no {name} beside {weight}")
    return arrays[name]


# A pattern of names that only this layout has, and what converts it.
_LAYOUTS: tuple[tuple[str, Callable[[Mapping[str, NDArray]], ImageNetWeights]], ...] = (
    (r"^block\d+_conv\d+\.(kernel|bias)$", _from_ours),
    (r"(^|/)block\d+_conv\d+/", _from_keras),
    (r"^features\.\d+\.weight$", _from_torch),
    (r"^conv\d+_\d+_[Wb]$", _from_early_tensorflow),
)
