"""The convolutions a cell may be given: each maps `(kernel, map)` to a map of output channels.

A kernel [k, k, D, O] slides over maps [.., N, N, D] with zeros outside; a kernel [1, 1, D, O] or
[D, O] is a matrix product at every place. Leading axes are free: a frame has [B], a whole clip [T,
B].
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias

import jax
import jax.numpy as jnp
from jax import lax

if TYPE_CHECKING:
    from videolstm_jax.types import Array

Conv: TypeAlias = "Callable[[Array, Array], Array]"


def convolution_of_places(
    kernel: Array, x: Array, *, dtype: jax.typing.DTypeLike | None = None
) -> Array:
    """The matrix product over the last axis of `x`, at every place.

    Args:
      kernel: [D, O].
      x: [.., D].
      dtype: what both are cast to before the product; None takes the kernel's own.

    Returns:
      [.., O] in that dtype.
    """
    dtype = dtype or kernel.dtype
    # ((axes of x, axes of the kernel) that are summed over, no batch axes): D with D.
    contraction = (((x.ndim - 1,), (0,)), ((), ()))
    return lax.dot_general(x.astype(dtype), kernel.astype(dtype), contraction)


def im2col_convolution(
    kernel: Array, x: Array, *, dtype: jax.typing.DTypeLike | None = None
) -> Array:
    """The convolution as one matrix product over patches.

    XLA's own convolution is tens of times slower than this in the backward pass of a scan on CPUs,
    and only there.

    Args:
      kernel: [k, k, D, O] with odd k, or [D, O].
      x: [.., N, N, D].
      dtype: what both are cast to before the product; None takes the kernel's own.

    Returns:
      [.., N, N, O] in that dtype.
    """
    # One place has no neighbours, so there are no patches to make.
    if _is_point(kernel):
        return convolution_of_places(kernel.reshape(kernel.shape[-2:]), x, dtype=dtype)
    # The patches are k * k times the map: recomputed in the backward pass (copies, no products),
    # never kept.
    recomputed = jax.checkpoint(functools.partial(_patch_product, dtype=dtype), prevent_cse=False)
    return recomputed(kernel, x)


def native_convolution(
    kernel: Array, x: Array, *, dtype: jax.typing.DTypeLike | None = None
) -> Array:
    """The convolution that XLA has for the device; called as `im2col_convolution` is."""
    if _is_point(kernel):
        return convolution_of_places(kernel.reshape(kernel.shape[-2:]), x, dtype=dtype)
    dtype = dtype or kernel.dtype
    # XLA's convolution takes one batch axis, so T and B become one, and two again at the end.
    maps = x.reshape(-1, *x.shape[-3:]).astype(dtype)
    layout = ("NHWC", "HWIO", "NHWC")
    # For odd kernels SAME pads k // 2 zeros at each side, as `im2col_convolution` does.
    z = lax.conv_general_dilated(
        maps, kernel.astype(dtype), (1, 1), "SAME", dimension_numbers=layout
    )
    return z.reshape(*x.shape[:-1], kernel.shape[-1])


ENGINES: Mapping[str, Callable[..., Array]] = {
    "im2col": im2col_convolution,
    "native": native_convolution,
}


def convolution_in_scan(name: str) -> Callable[..., Array]:
    """The convolution inside the scan, by name; `auto` is the faster one of the backend."""
    if name == "auto":
        name = "native"
        if jax.default_backend() == "cpu":
            name = "im2col"
    return ENGINES[name]


def _is_point(kernel: Array) -> bool:
    """Whether a kernel reads one place only, as those of vector cells and of attention do."""
    return kernel.ndim == 2 or kernel.shape[:2] == (1, 1)


def _patch_product(kernel: Array, x: Array, *, dtype: jax.typing.DTypeLike | None) -> Array:
    """The convolution of maps [.., N, N, D] with [k, k, D, O] through patches [.., N, N, k k D]."""
    k = kernel.shape[0]
    n, m = x.shape[-3:-1]
    # Cast before the copies, which are then half as large in 16 bits.
    x = x.astype(dtype or kernel.dtype)
    # Only rows and columns get zeros around them.
    margin = [(0, 0)] * (x.ndim - 3) + [(k // 2, k // 2)] * 2 + [(0, 0)]
    padded = jnp.pad(x, margin)
    # The map shifted to each place of the window, in the order of the kernel's first three axes.
    shifted = []
    for i in range(k):
        for j in range(k):
            shifted.append(padded[..., i : i + n, j : j + m, :])
    patches = jnp.concatenate(shifted, axis=-1)
    return convolution_of_places(kernel.reshape(-1, kernel.shape[-1]), patches, dtype=dtype)
