"""Saliency: attention maps brought to the pixels of the video (Sec. 4).

The paper upscales each map and blurs it with a Gaussian. Both are linear and act on rows and
columns apart, so the chain is one small matrix on either side of the map: `columns(H) @ A_t @
columns(W).T`.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray

INPUT_SIDE = 224
"""Pixels a side of the network's input, in which sigma is given."""


def saliency(
    attention: NDArray, size: tuple[int, int], *, sigma: float = 20.0, normalise: str = "frame"
) -> NDArray:
    """Attention maps at the size of the video, in [0, 255].

    The map is upscaled linearly between the centres of its cells (the centre of pixel y lies at (y
    + .5) N / H - .5 cells; beyond the outer centres the value is held), blurred, and scaled so that
    the maximum is 255. Rows and columns have their own factors, since frames are squashed to a
    square before the network sees them.

    Args:
      attention: [T, N, N], not negative.
      size: H, W in pixels.
      sigma: of the Gaussian, in pixels of a 224 x 224 input: sigma H / 224 rows and sigma W / 224
        columns.
      normalise: `frame`: the maximum of each frame is 255; `video`: that of all T frames is.

    Returns:
      [T, H, W] float32. A map of zeros stays zero.

    Raises:
      ValueError: attention that is not finite [T, N, N] or negative, or an unknown `normalise`.
    """
    attention = checked_attention(attention)
    if normalise not in ("frame", "video"):
        raise ValueError(f"normalise is {normalise!r}; expected 'frame' or 'video'")
    maps = upscaled(attention, size, sigma=sigma)
    peak = (
        maps.max(axis=(1, 2), keepdims=True, initial=0)
        if normalise == "frame"
        else maps.max(initial=0)
    )
    return scaled(maps, peak)


def upscaled(attention: NDArray, size: tuple[int, int], *, sigma: float) -> NDArray:
    """Maps [T, N, N] upscaled and blurred but not yet scaled: [T, H, W] float32."""
    height, width = size
    rows, columns = (
        axis_matrix(cells, side, sigma * side / INPUT_SIDE)
        for cells, side in zip(attention.shape[1:], (height, width), strict=True)
    )
    return rows @ attention.astype(np.float32, copy=False) @ columns.T


def scaled(maps: NDArray, peak: NDArray) -> NDArray:
    """Maps times 255 / peak; the peak itself comes out as exactly 255."""
    return np.divide(maps, peak, out=np.zeros_like(maps), where=peak > 0) * np.float32(255)


@functools.lru_cache(maxsize=64)
def axis_matrix(cells: int, pixels: int, sigma: float) -> NDArray:
    """What upscaling and the Gaussian do along one axis: [pixels, cells] float32, rows that sum to
    1.

    Args:
      cells: N.
      pixels: H or W.
      sigma: of the Gaussian along this axis, in pixels; 0 does not blur.
    """
    at = np.clip((np.arange(pixels) + 0.5) * cells / pixels - 0.5, 0, cells - 1)
    weights = np.maximum(0, 1 - np.abs(at[:, None] - np.arange(cells)))
    if sigma > 0:
        weights = ndimage.gaussian_filter1d(weights, sigma, axis=0, mode="reflect")
    weights = weights.astype(np.float32)
    weights.flags.writeable = False
    return weights


def checked_attention(attention: NDArray) -> NDArray:
    """The maps as an array.

    Raises:
      ValueError: they are not finite [T, N, N] or negative.
    """
    attention = np.asarray(attention)
    if attention.ndim != 3 or attention.shape[1] != attention.shape[2] or not attention.size:
        raise ValueError(
            f"attention has shape {attention.shape}; expected [T, N, N], none of them 0"
        )
    if not np.isfinite(attention).all() or attention.min() < 0:
        raise ValueError(
            f"attention has values from {attention.min()} to {attention.max()}; expected finite and not "
            "negative"
        )
    return attention
