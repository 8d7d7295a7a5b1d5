"""Flow as images in [0, 255] and back (Sec. 5.1)."""

from __future__ import annotations

import numpy as np

from videolstm_jax.config import ConfigError

WIDTH, BOUND = 340, 20.0
"""The authors' size and bound; other sizes scale the bound by their longer side."""


def to_image(flow: np.ndarray, bound: float) -> np.ndarray:
    """round(255 (u + bound) / (2 bound)), clipped to [0, 255].

    Args:
      flow: [.., 2] displacements in pixels.
      bound: the displacement that becomes 255.

    Returns:
      uint8 of the same shape; no motion is 128.

    Raises:
      ConfigError: a bound that is not positive.
    """
    if not bound > 0:
        raise ConfigError(f"the flow bound is {bound}; expected a positive number of pixels")
    scaled = (np.asarray(flow, np.float32) + bound) * (255 / (2 * bound))
    return np.clip(np.floor(scaled + 0.5), 0, 255).astype(np.uint8)


def from_image(image: np.ndarray, bound: float) -> np.ndarray:
    """Displacements in pixels, float32, from `to_image`; exact to bound / 255."""
    return np.asarray(image, np.float32) * (2 * bound / 255) - bound


def bound_for(width: int, height: int, bound: float) -> float:
    """The bound in pixels at a size: the given one, or where it is 0 the authors' 20 at 340 pixels, scaled."""
    return bound if bound > 0 else BOUND * max(width, height) / WIDTH
