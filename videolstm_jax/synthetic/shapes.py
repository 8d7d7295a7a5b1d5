"""The one shape that figures and scenery are drawn of, and the type of a colour."""

from __future__ import annotations

import numpy as np
from PIL import ImageDraw

Colour = tuple[int, int, int]


def draw_capsule(
    draw: ImageDraw.ImageDraw, a: np.ndarray, b: np.ndarray, width: float, fill: int | Colour
) -> None:
    """Draws a bar with round ends from a to b; a disc where they are one point."""
    # Pillow's lines have square ends, so the round ones are discs.
    (ax, ay), (bx, by), r = a, b, width / 2
    draw.ellipse((ax - r, ay - r, ax + r, ay + r), fill=fill)
    if ax != bx or ay != by:
        draw.ellipse((bx - r, by - r, bx + r, by + r), fill=fill)
        draw.line((ax, ay, bx, by), fill=fill, width=max(1, round(width)))
