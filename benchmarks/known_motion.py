"""Pairs of drawn pictures whose motion is known exactly, for tests and benchmarks of flow."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import ndimage

HEIGHT, WIDTH = 120, 160
MARGIN = 30
"""Pixels around the second picture from which motion comes into the first."""

FIELDS: dict[str, Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]] = {
    "subpixel": lambda x, y: (0.6 + 0 * x, -0.4 + 0 * x),
    "shift": lambda x, y: (3.3 + 0 * x, -2.1 + 0 * x),
    "far": lambda x, y: (8.0 + 0 * x, 5.0 + 0 * x),
    "turn": lambda x, y: (
        (np.cos(0.04) - 1) * x - np.sin(0.04) * y,
        np.sin(0.04) * x + (np.cos(0.04) - 1) * y,
    ),
    "affine": lambda x, y: (0.03 * x + 0.02 * y + 1, -0.02 * x + 0.04 * y - 0.5),
    "two halves": lambda x, y: (np.where(x < 0, 2.0, -2.0), 0.5 + 0 * x),
}
"""The displacement (u, v) in pixels at x, y from the middle of the picture, by name."""


def known_motion(
    field: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]], seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draws two pictures [H, W] uint8 of a smooth random texture, and their flow [H, W, 2]."""
    noise = np.random.default_rng(seed).normal(size=(HEIGHT + 2 * MARGIN, WIDTH + 2 * MARGIN))
    # Several scales, as in natural images: one alone would suit one level of a pyramid.
    texture = sum(ndimage.gaussian_filter(noise, sigma) * sigma for sigma in (1.5, 3, 6))
    texture = (texture - texture.min()) / np.ptp(texture) * 255
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(float)
    u, v = field(x - (WIDTH - 1) / 2, y - (HEIGHT - 1) / 2)
    # The first picture is sampled from the second, so the flow of its pixels is the field itself.
    first = ndimage.map_coordinates(texture, [y + v + MARGIN, x + u + MARGIN], order=5)
    second = texture[MARGIN:-MARGIN, MARGIN:-MARGIN]
    first, second = (np.uint8(np.clip(np.round(frame), 0, 255)) for frame in (first, second))
    return first, second, np.stack([u, v], -1)
