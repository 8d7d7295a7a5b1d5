"""The colours of attention, and how they are blended with a frame.

Frames are uint8 [H, W, 3]; saliency is [H, W] in [0, 255].
"""

from __future__ import annotations

import functools

import numpy as np
from matplotlib import colormaps

GREY_WEIGHTS = (0.299, 0.587, 0.114)
"""Rec. 601 luma."""


def heat_colours(saliency: np.ndarray) -> np.ndarray:
    """Colours a saliency map with matplotlib's `inferno`, opaque in proportion to saliency.

    Args:
      saliency: [H, W] in [0, 255].

    Returns:
      RGBA uint8 [H, W, 4]; where saliency is 0 the alpha is 0 too.

    Raises:
      ValueError: values outside [0, 255] or not finite.
    """
    level = _levels(saliency)
    return np.concatenate([_inferno()[level], level[..., None]], axis=-1)


def _levels(saliency: np.ndarray) -> np.ndarray:
    """Saliency rounded to uint8, checked."""
    saliency = np.asarray(saliency)
    # Written so that NaN is refused too: both comparisons are false for it. Resizing may leave a
    # value slightly above 255.
    if saliency.size and not (saliency.min() >= 0 and saliency.max() <= 255.001):
        raise ValueError(
            f"saliency runs from {saliency.min()} to {saliency.max()}; expected 0 to 255"
        )
    return np.minimum(np.rint(saliency), 255).astype(np.uint8)


@functools.cache
def _inferno() -> np.ndarray:
    """The colours of the 256 levels, [256, 3] uint8.

    The lowest quarter of inferno is near black and would only dim the frame, so the map starts
    above it.
    """
    return colormaps["inferno"](np.linspace(0.25, 1.0, 256), bytes=True)[:, :3]


def blend_heat(frame: np.ndarray, saliency: np.ndarray, alpha: float = 0.8) -> np.ndarray:
    """Blends a frame, faded to grey, with the colours of its saliency.

    Args:
      frame: uint8 [H, W, 3].
      saliency: [H, W] in [0, 255].
      alpha: opacity where saliency is 255, in [0, 1]; 0 leaves the frame as it is.

    Returns:
      uint8 [H, W, 3].

    Raises:
      ValueError: maps of different sizes, or `alpha` outside [0, 1].
    """
    if frame.shape[:2] != saliency.shape:
        raise ValueError(
            f"a frame of {frame.shape[:2]} and a saliency map of {saliency.shape}; expected one "
            "size"
        )
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha is {alpha}; expected 0 to 1")
    # Colours and opacities are tables of 256 levels, and the sums are made in place: a film blends
    # every frame.
    opacity = (np.arange(256, dtype=np.float32) / 255 * np.float32(alpha))[:, None]
    heat_part, frame_part = _inferno().astype(np.float32) * opacity, 1 - opacity
    level = _levels(saliency)
    picture = frame.astype(np.float32)
    # The frame fades to grey, so that colours of the scene are not taken for heat.
    grey = picture @ np.array(GREY_WEIGHTS, np.float32)
    picture *= np.float32(1 - alpha)
    picture += (grey * np.float32(alpha))[..., None]
    picture *= frame_part[level]
    picture += heat_part[level]
    return np.rint(picture, out=picture).clip(0, 255).astype(np.uint8)
