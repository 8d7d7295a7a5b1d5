"""Flow as images in [0, 255], and the grey frames it is computed from."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

PAPER_WIDTH, PAPER_BOUND = 340, 20.0
"""The authors' flow images: 340 pixels wide, displacements of +-20 pixels."""


def grey(frames: np.ndarray) -> np.ndarray:
    """Rec. 601 luma, .299 R + .587 G + .114 B, rounded.

    Args:
      frames: [.., 3] uint8 RGB.

    Returns:
      [..] uint8.
    """
    red, green, blue = (frames[..., at].astype(np.uint32) for at in range(3))
    return ((299 * red + 587 * green + 114 * blue + 500) // 1000).astype(np.uint8)


def scaled_bound(bound: float, width: int, height: int) -> float:
    """A bound in pixels at a longer side of 340, in pixels at W x H: the same motion at any size."""
    return bound * max(width, height) / PAPER_WIDTH


def limit(bound: float, *, scaled: bool) -> Callable[[int, int], float]:
    """The displacement in pixels that becomes 255, from (W, H); `scaled` bounds hold at a longer
    side of 340.
    """
    return functools.partial(scaled_bound, bound) if scaled else lambda width, height: bound


def to_image(flow: np.ndarray, bound: float) -> np.ndarray:
    """Maps +-bound pixels to [0, 255], Sec. 5.1: round(255 (u + bound) / (2 bound)), clipped.

    Args:
      flow: [.., 2] pixels.
      bound: pixels, more than 0.

    Returns:
      [.., 2] uint8; no motion is 128.
    """
    levels = 255 * (np.asarray(flow, np.float32) + np.float32(bound)) / np.float32(2 * bound)
    return np.clip(np.floor(levels + np.float32(0.5)), 0, 255).astype(np.uint8)


def from_image(image: np.ndarray, bound: float) -> np.ndarray:
    """Maps [0, 255] back to pixels, to within half a level; see `to_image`.

    Args:
      image: [.., 2] uint8.
      bound: pixels.

    Returns:
      [.., 2] float32.
    """
    return np.asarray(image, np.float32) * np.float32(2 * bound / 255) - np.float32(bound)
