"""A backbone of the user's own: a frozen function of frames, which `convnet.backbone` names.

The contract: `FUNCTION(frames) -> maps`.

- `frames` is uint8 [n, S, S, 3], R, G, B, for any n from 1 up; S is `convnet.image_size`. For the
  flow stream it is [n, S, S, 2].
- `maps` are finite floats [n, N, N, D], one map a frame. N and D are always the same.
- Equal frames give equal maps, whatever n is: the function is frozen and draws no random numbers.
- It may have an attribute `version`, a text. Features of another version are refused.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from videolstm_jax.errors import ConfigError
from videolstm_jax.nn.network import ImageNetwork

if TYPE_CHECKING:
    from videolstm_jax.config import ConvNetConfig
    from videolstm_jax.types import Array, NDArray, PyTree

# As the last layers of the other backbones, so that they start from the same scale.
_he = jax.nn.initializers.he_normal()


def hook_network(
    cfg: ConvNetConfig, channels: int, classes: int, *, dtype: str = "float32"
) -> ImageNetwork:
    """Returns the user's function behind the interface of all backbones.

    The function makes the map, pool5; fc7 is the mean of the map over its places. A dense layer on
    that mean, the only thing that is ever trained, gives the classes.

    Args:
      cfg: backbone, the name of the function, and image_size.
      channels: of the images: 3 for frames, 2 for flow.
      classes: C.
      dtype: of the dense layer.

    Raises:
      ConfigError: the function cannot be imported, or does not keep the contract.
    """
    name, side = cfg.backbone, cfg.image_size
    function = find_hook(name)
    # The function declares no shape: one frame tells it before hours of extraction begin.
    map_shape = _map_shape(function, name, side, channels)
    depth = map_shape[-1]

    def init(key: Array) -> PyTree:
        kernel = _he(key, (depth, classes), jnp.float32)
        return {"logits": {"kernel": kernel, "bias": jnp.zeros((classes,), jnp.float32)}}

    # The function runs on the host, where pixels are prepared: it may be of another library than
    # JAX, and could not be traced inside `apply`.
    def prepare(images: NDArray) -> NDArray:
        return _checked_hook_maps(function, name, images, map_shape)

    version = getattr(function, "version", "")
    return ImageNetwork(
        identity=f"{name} {version}".strip(),
        init=init,
        prepare=prepare,
        apply=partial(_classify, dtype=dtype),
        input_shape=map_shape,
        layers={"pool5": map_shape, "fc7": (depth,), "logits": (classes,)},
        needs={
            "pool5": frozenset(),
            "fc7": frozenset(),
            "logits": frozenset({"logits"}),
        },
        # Nothing is known of its values, so none of them is stored without a sign.
        signed=frozenset({"pool5", "fc7", "logits"}),
        preprocessing="raw",
    )


def _classify(
    params: PyTree, x: Array, *, dtype: str, dropout_key: Array | None = None
) -> dict[str, Array]:
    """The layers of all backbones, from maps [n, N, N, D]."""
    del dropout_key  # there is nothing to drop before one small layer
    fc7 = x.mean(axis=(1, 2))
    kernel, bias = params["logits"]["kernel"], params["logits"]["bias"]
    logits = fc7.astype(dtype) @ kernel.astype(dtype)
    # [C] as [1, C]: JAX may be set to refuse a promotion of ranks.
    logits = logits.astype(jnp.float32) + bias[None]
    return {"pool5": x, "fc7": fc7, "logits": logits}


def find_hook(name: str) -> Callable[[NDArray], NDArray]:
    """Returns the function `package.module:ATTRIBUTE`.

    Raises:
      ConfigError: the module cannot be imported, or has no such function.
    """
    module_name, _, attribute = name.partition(":")
    try:
        module = importlib.import_module(module_name)
    # The module is the user's own: whatever it raises, one line must name the module and the cause.
    except Exception as error:
        cause = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise ConfigError(f"cannot import the module of the backbone {name!r}: {cause}") from error
    function = getattr(module, attribute, None)
    if not callable(function):
        raise ConfigError(
            f"the backbone {name!r} is {type(function).__name__}; expected a function of frames"
        )
    return function


def _checked_hook_maps(
    function: Callable[[NDArray], NDArray],
    name: str,
    images: NDArray,
    map_shape: tuple[int, ...] | None = None,
) -> NDArray:
    """Calls the function, and checks what it returns against the contract.

    Args:
      function: of the user.
      name: of the function, for messages.
      images: [n, S, S, ch] uint8.
      map_shape: the shape of one map; None where that is not known yet.

    Returns:
      Maps, float32 [n, N, N, D].

    Raises:
      ConfigError: the function raised an error, or returned another number of maps than of frames,
        another shape, or values that are not finite.
    """
    called = f"the backbone {name!r} on uint8 {list(images.shape)}"
    try:
        maps = np.asarray(function(images))
    # The function is the user's own too.
    except Exception as error:
        cause = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise ConfigError(f"{called} raised {cause}") from error
    problem = _maps_problem(maps, len(images), map_shape)
    if problem:
        raise ConfigError(f"{called} returned {maps.dtype} {list(maps.shape)}{problem}")
    return maps.astype(np.float32)


def _maps_problem(maps: NDArray, frames: int, map_shape: tuple[int, ...] | None) -> str:
    """Why an array is not the maps of so many frames; empty where it is. It ends a sentence."""
    if maps.ndim != 4 or maps.shape[1] != maps.shape[2] or 0 in maps.shape[1:]:
        return f"; expected floats [{frames}, N, N, D], square maps"
    if len(maps) != frames:
        return f", {len(maps)} maps; expected {frames}, one a frame"
    if map_shape is not None and maps.shape[1:] != map_shape:
        return f"; expected maps {list(map_shape)}, as it returned before"
    if maps.dtype.kind != "f":
        return "; expected floats"
    # As float32, which they are stored and computed in: a large float64 becomes infinite there.
    infinite = int((~np.isfinite(maps.astype(np.float32))).sum())
    if infinite:
        return f", of which {infinite} values are not finite; expected none"
    return ""


# Cached, since a large network takes a while even for one frame.
@functools.lru_cache(maxsize=16)
def _map_shape(
    function: Callable[[NDArray], NDArray], name: str, side: int, channels: int
) -> tuple[int, ...]:
    """The shape of one map, found with a grey frame."""
    frame = np.full((1, side, side, channels), 128, np.uint8)
    return _checked_hook_maps(function, name, frame).shape[1:]
