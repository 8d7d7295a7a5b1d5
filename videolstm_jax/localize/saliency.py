"""Saliency: attention maps at the size of the video, with values in [0, 255] (Sec. 4).

The paper upscales each map and blurs it with a Gaussian. Both steps are linear and treat rows and
columns separately, so together they are one small matrix on either side of the map:
`saliency_upscale_matrix(H) @ A_t @ saliency_upscale_matrix(W).T`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from videolstm_jax.config import LocalizeConfig
from videolstm_jax.square import square_window

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray

PAPER_SETTINGS = LocalizeConfig()
"""The settings of the paper, which every function of this package takes by default."""
INPUT_SIDE = 224
"""Height and width of the network's input in pixels; sigma is given on this scale."""


def saliency(
    attention: NDArray,
    size: tuple[int, int],
    *,
    settings: LocalizeConfig = PAPER_SETTINGS,
    fit: str = "squash",
) -> NDArray:
    """Scales attention maps to the size of the video and to the range [0, 255].

    A map is upscaled linearly between the centres of its cells: with frames that are squashed, the
    centre of pixel y lies at (y + .5) N / H - .5 cells, and beyond the outer centres the value is
    held. Then it is blurred and scaled so that the maximum is 255.

    Args:
      attention: [T, N, N], not negative.
      size: H, W of the video in pixels.
      settings: `sigma`, `normalise` and `causal` are used. With frames that are squashed the
        Gaussian has sigma H / 224 rows and sigma W / 224 columns.
      fit: the setting `data.fit`, how the map lies on the frame. Attention that lies on padding is
        left out; what a crop left out has no saliency.

    Returns:
      [T, H, W] float32. A map of zeros stays zero.

    Raises:
      ValueError: the attention is not finite [T, N, N], or it is negative.
    """
    # Blurred before the maximum is taken: the Gaussian lowers a sharp peak.
    maps = upscale_saliency_maps(check_attention_for_boxes(attention), size, settings.sigma, fit)
    peaks = _peaks_by_frame(maps.max(axis=(1, 2)), settings)
    return scale_saliency_to_255(maps, peaks[:, None, None])


def saliency_frames(
    attention: NDArray, size: tuple[int, int], settings: LocalizeConfig, fit: str = "squash"
) -> Iterator[NDArray]:
    """Yields `saliency` frame by frame, so that a long video is never in memory at full size."""
    frame_at = saliency_by_frame(attention, settings, fit)
    for t in range(len(attention)):
        yield frame_at(t, size)


def saliency_by_frame(
    attention: NDArray, settings: LocalizeConfig, fit: str = "squash"
) -> Callable[[int, tuple[int, int]], NDArray]:
    """Returns a function that computes `saliency` of one frame at any size.

    Args:
      attention: [T, N, N], checked.
      settings: as `saliency`.
      fit: as `saliency`.

    Returns:
      A function of the frame t and the size (H, W) in pixels, which gives [H, W] in [0, 255].
    """

    # The maximum over the video costs one pass over all maps: once for each size is enough.
    @functools.cache
    def peaks_at(size: tuple[int, int]) -> NDArray:
        maxima = []
        for frame in attention:
            maxima.append(upscale_saliency_maps(frame[None], size, settings.sigma, fit).max())
        return _peaks_by_frame(np.array(maxima), settings)

    def frame_at(t: int, size: tuple[int, int]) -> NDArray:
        frame = upscale_saliency_maps(attention[t : t + 1], size, settings.sigma, fit)[0]
        # A frame that is scaled by itself needs no pass over the video.
        if settings.normalise == "frame":
            peak = frame.max()
        else:
            peak = peaks_at(size)[t]
        return scale_saliency_to_255(frame, peak)

    return frame_at


def _peaks_by_frame(maxima: NDArray, settings: LocalizeConfig) -> NDArray:
    """Returns the value that becomes 255 on each frame [T], from the maximum of each frame [T]."""
    if settings.normalise == "frame":
        return maxima
    if settings.causal:
        return np.maximum.accumulate(maxima)  # a stream has only the maximum so far
    return np.full_like(maxima, maxima.max())


def upscale_saliency_maps(
    attention: NDArray, size: tuple[int, int], sigma: float, fit: str = "squash"
) -> NDArray:
    """Upscales and blurs maps [T, N, N] without scaling their values: [T, H, W] float32."""
    height, width = size
    part = square_window(fit, size)
    # sigma is in pixels of the network's input, which is the window: the picture itself, squashed.
    rows = saliency_upscale_matrix(
        attention.shape[1],
        height,
        sigma * part.height / INPUT_SIDE,
        span=(part.top, part.height),
    )
    columns = saliency_upscale_matrix(
        attention.shape[2],
        width,
        sigma * part.width / INPUT_SIDE,
        span=(part.left, part.width),
    )
    return rows @ attention.astype(np.float32, copy=False) @ columns.T


def scale_saliency_to_255(maps: NDArray, peak: NDArray) -> NDArray:
    """Multiplies maps by 255 / peak, so that the peak is exactly 255; zeros where it is 0."""
    # Dividing first makes the peak exactly 1. Multiplying by 255 / peak would round it.
    return np.divide(maps, peak, out=np.zeros_like(maps), where=peak > 0) * np.float32(255)


@functools.lru_cache(maxsize=64)
def saliency_upscale_matrix(
    cells: int, pixels: int, sigma: float, *, span: tuple[float, float] | None = None
) -> NDArray:
    """Returns the matrix that upscales and blurs along one axis.

    Args:
      cells: N.
      pixels: H or W.
      sigma: of the Gaussian along this axis, in pixels; 0 does not blur.
      span: where the cells begin, in pixels, and how many pixels they cover; None is all pixels.

    Returns:
      [pixels, cells] float32, read only. Each row sums to 1, but those of pixels whose centres lie
      beyond the cells are 0.
    """
    start, length = span or (0, pixels)
    centre = np.arange(pixels) + 0.5
    covered = (centre >= start) & (centre <= start + length)
    # Position of each pixel's centre in cells, held at the outer centres.
    position = np.clip((centre[covered] - start) * cells / length - 0.5, 0, cells - 1)
    # A hat of width one cell on either side: linear interpolation between two centres.
    visible = np.maximum(0, 1 - np.abs(position[:, None] - np.arange(cells)))
    # Blurred within the visible pixels only: nothing comes in from padding, or leaves a crop.
    if sigma > 0:
        visible = ndimage.gaussian_filter1d(visible, sigma, axis=0, mode="reflect")
    weights = np.zeros((pixels, cells), np.float32)
    weights[covered] = visible
    weights.flags.writeable = False  # the cache returns the same array to every caller
    return weights


def check_attention_for_boxes(attention: NDArray) -> NDArray:
    """Returns the maps as an array.

    Raises:
      ValueError: they are not finite [T, N, N], or they are negative.
    """
    attention = np.asarray(attention)
    if attention.ndim != 3 or attention.shape[1] != attention.shape[2] or not attention.size:
        raise ValueError(
            f"attention has shape {attention.shape}; expected [T, N, N], none of them 0"
        )
    if not np.isfinite(attention).all() or attention.min() < 0:
        low, high = attention.min(), attention.max()
        raise ValueError(
            f"attention has values from {low} to {high}; expected finite and not negative"
        )
    return attention
