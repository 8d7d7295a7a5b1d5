"""Flow as images in [0, 255], and the grey frames from which flow is computed."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

PAPER_WIDTH, PAPER_BOUND = 340, 20.0
"""The authors' flow images: 340 pixels wide, displacements of +-20 pixels."""


def grey_frames_for_flow(frames: np.ndarray) -> np.ndarray:
    """Computes Rec. 601 luma, .299 R + .587 G + .114 B, rounded.

    In integers, so that every machine gives the same bytes.

    Args:
      frames: [.., 3] uint8 RGB.

    Returns:
      [..] uint8.
    """
    # 32 bits, because a thousand times a byte does not fit in 16.
    red = frames[..., 0].astype(np.uint32)
    green = frames[..., 1].astype(np.uint32)
    blue = frames[..., 2].astype(np.uint32)
    # Half of the divisor is added before the division, which rounds.
    return ((299 * red + 587 * green + 114 * blue + 500) // 1000).astype(np.uint8)


def scaled_flow_bound(bound: float, width: int, height: int) -> float:
    """Converts a bound at a longer side of 340 pixels to W x H pixels: the same motion."""
    return bound * max(width, height) / PAPER_WIDTH


def flow_limit(bound: float, *, scaled: bool) -> Callable[[int, int], float]:
    """Returns a function from (W, H) to the displacement in pixels that becomes 255.

    Args:
      bound: pixels.
      scaled: whether the bound holds for frames with a longer side of 340 pixels.
    """
    if scaled:
        return functools.partial(scaled_flow_bound, bound)
    return lambda width, height: bound


def flow_to_image(flow: np.ndarray, bound: float) -> np.ndarray:
    """Maps +-bound pixels to [0, 255], Sec. 5.1: round(255 (u + bound) / (2 bound)), clipped.

    In float32 and with floor(x + 0.5), since numpy's own rounding takes halves to even numbers.

    Args:
      flow: [.., 2] pixels.
      bound: pixels, more than 0.

    Returns:
      [.., 2] uint8; no motion is 128.
    """
    # Numbers of float32 on every side, or NumPy would compute in float64 and round elsewhere.
    levels = 255 * (np.asarray(flow, np.float32) + np.float32(bound)) / np.float32(2 * bound)
    return np.clip(np.floor(levels + np.float32(0.5)), 0, 255).astype(np.uint8)


def flow_from_image(image: np.ndarray, bound: float) -> np.ndarray:
    """Maps [0, 255] back to pixels, to within half a level; see `flow_to_image`.

    Args:
      image: [.., 2] uint8.
      bound: pixels.

    Returns:
      [.., 2] float32.
    """
    return np.asarray(image, np.float32) * np.float32(2 * bound / 255) - np.float32(bound)
