"""The orientation in which players show a picture, from the display matrix of its file.

Cameras store pictures as the sensor lies and note in a 3x3 matrix how to turn them. A point (x, y)
of the stored picture is shown at (a x + c y, b x + d y), x to the right and y down. Translations do
not matter here: the shown picture fills its frame.
"""

from __future__ import annotations

import struct

import av
import numpy as np

MATRIX = "DISPLAYMATRIX"
"""FFmpeg's name of the side data of a picture that holds its display matrix."""
MATRIX_LAYOUT = struct.Struct("=9i")
"""Nine integers, row by row: a b u, c d v, x y w. FFmpeg gives them in the machine's byte order."""


def upright_video_picture(picture: av.VideoFrame) -> np.ndarray:
    """Returns [H, W, 3] RGB as players show it."""
    return oriented_video_picture(picture.to_ndarray(format="rgb24"), _display_matrix(picture))


def _display_matrix(picture: av.VideoFrame) -> tuple[int, int, int, int] | None:
    """Returns (a, b, c, d) of the display matrix of a picture, None where its file has none."""
    side_data = picture.side_data.get(MATRIX)
    if side_data is None:
        return None
    # The other numbers move the picture or give it a perspective; players do neither.
    a, b, _, c, d, _, _, _, _ = MATRIX_LAYOUT.unpack(bytes(side_data))
    return a, b, c, d


def oriented_video_picture(
    image: np.ndarray, matrix: tuple[int, int, int, int] | None
) -> np.ndarray:
    """Turns and mirrors an image [H, W, ..] by the nearest of the eight orientations.

    Returns:
      A view of the image. Where there is no matrix, or one that maps all points onto a line (some
      files hold zeros), the image itself; players ignore such a matrix too.
    """
    if matrix is None:
        return image
    a, b, c, d = matrix
    if a * d == b * c:
        return image
    if abs(a) + abs(d) >= abs(b) + abs(c):
        to_the_right, down = a, d
    else:
        # The stored rows are shown as columns.
        image = image.swapaxes(0, 1)
        to_the_right, down = c, b
    # Views, so that nothing is copied: `squashed_video_frame` makes the image contiguous later.
    if to_the_right < 0:
        image = image[:, ::-1]
    if down < 0:
        image = image[::-1]
    return image
