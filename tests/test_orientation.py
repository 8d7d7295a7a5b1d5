"""The orientation in which players show a picture."""

import struct

import numpy as np
import pytest
from small_films import smooth
from sound_files import (
    SIDES,
)

from videolstm_jax.video import decode, encode, live, orientation

ORIENTATIONS = {
    "plain": ((1, 0, 0, 1), "abcd"),
    "a quarter to the right": ((0, 1, -1, 0), "cadb"),
    "upside down": ((-1, 0, 0, -1), "dcba"),
    "a quarter to the left": ((0, -1, 1, 0), "bdac"),
    "mirrored": ((-1, 0, 0, 1), "badc"),
    "flipped": ((1, 0, 0, -1), "cdab"),
    "transposed": ((0, 1, 1, 0), "acbd"),
    "transposed the other way": ((0, -1, -1, 0), "dbca"),
}
"""By name (a, b, c, d), and where the corners a b (above) and c d (below) are shown."""


@pytest.mark.parametrize("name", ORIENTATIONS)
def test_the_eight_orientations(tmp_path, name):
    matrix, corners = ORIENTATIONS[name]
    path = rotated_file(tmp_path, [value << 16 for value in matrix])
    stored = decode.read_video(tmp_path / "plain.mp4")
    shown = decode.read_video(path)
    sides = (3, 64, 48, 3) if matrix[0] == 0 else (3, 48, 64, 3)
    assert shown.shape == sides and decode.probe_video(path)[1:3] == sides[2:0:-1]
    at = {"a": (0, 0), "b": (0, -1), "c": (-1, 0), "d": (-1, -1)}
    for corner, (row, column) in zip(corners, at.values(), strict=True):
        source = at[corner]
        np.testing.assert_array_equal(shown[:, row, column], stored[:, source[0], source[1]])
    with live.open_live_video(path) as source:
        np.testing.assert_array_equal(list(source.frames), shown)


@pytest.mark.parametrize("matrix", [(0, 0, 0, 0), (65536, 0, 0, 0), (65536, 65536, 65536, 65536)])
def test_a_matrix_without_an_area_is_ignored(tmp_path, matrix):
    path = rotated_file(tmp_path, matrix)
    np.testing.assert_array_equal(
        decode.read_video(path), decode.read_video(tmp_path / "plain.mp4")
    )


def test_a_slanted_matrix_takes_the_nearest_orientation():
    image = np.arange(6).reshape(2, 3)
    np.testing.assert_array_equal(
        orientation.oriented_video_picture(image, (65000, 8000, -8000, 65000)), image
    )
    turned = orientation.oriented_video_picture(image, (8000, 65000, -65000, 8000))
    np.testing.assert_array_equal(turned, np.rot90(image, -1))


def rotated_file(folder, matrix):
    encode.write_video(folder / "plain.mp4", smooth(3, *SIDES))
    data = bytearray((folder / "plain.mp4").read_bytes())
    at = data.index(b"tkhd") + 44  # the matrix of a version 0 track header
    a, b, c, d = matrix
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    (folder / "turned.mp4").write_bytes(data)
    return folder / "turned.mp4"
