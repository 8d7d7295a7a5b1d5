"""Opens .npy and .npz files, and refuses those whose arrays do not have the size they declare."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator, Mapping
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.lib import format as npy_format

from videolstm_jax.errors import FileError

# Deflate packs zeros a thousandfold, so 4 MB may unpack to 4 GB. Features with many zeros, and
# scores, pack less than twentyfold.
_MOST_EXPANSION = 100
# Small arrays may be all zeros.
_SMALL_BYTES = 1 << 26

# The versions of the format by which NumPy writes arrays of numbers and text.
_HEADER_READERS = {
    (1, 0): npy_format.read_array_header_1_0,
    (2, 0): npy_format.read_array_header_2_0,
}


class ArrayHeader(NamedTuple):
    """What an .npy file declares of its array.

    Attributes:
      shape: of the array.
      dtype: of its elements.
    """

    shape: tuple[int, ...]
    dtype: np.dtype


class NumpyFile(NamedTuple):
    """The arrays of an open file, none of which is read yet.

    Attributes:
      headers: of each array by name; an .npy file has one array, whose name is empty.
      archive: reads the arrays of an .npz file; None for an .npy file.
      file: the open file.
    """

    headers: Mapping[str, ArrayHeader]
    archive: np.lib.npyio.NpzFile | None
    file: BinaryIO

    def read(self, name: str) -> np.ndarray:
        """Reads one array.

        Raises:
          ValueError: it holds Python objects, which could run any code.
        """
        if self.archive is not None:
            return self.archive[name]
        self.file.seek(0)
        return np.load(self.file, allow_pickle=False)


@contextlib.contextmanager
def open_numpy(file: BinaryIO) -> Iterator[NumpyFile]:
    """Opens an .npy or .npz file, and checks the sizes that it declares before memory is taken.

    NumPy takes the memory of an array as its header says, before it reads the first number. A file
    of a few bytes can thus ask for all memory of a machine.

    Args:
      file: open for reading, at its start.

    Raises:
      FileError: an array is larger or smaller than its bytes, or the arrays are far larger than the
        file.
      Exception: of zipfile, zlib, tokenize or NumPy, where the file is damaged.
    """
    # By content and not by name: a caller may have the bytes alone.
    magic = file.read(len(npy_format.MAGIC_PREFIX))
    file.seek(0)
    if magic == npy_format.MAGIC_PREFIX:
        yield NumpyFile({"": _header(file, "the array", _size(file))}, None, file)
        return
    # Reads the table of contents alone.
    with np.load(file, allow_pickle=False) as archive:
        yield NumpyFile(_member_headers(archive, _size(file)), archive, file)


def _size(file: BinaryIO) -> int:
    """Bytes of an open file, which is left where it stands."""
    position = file.tell()
    size = file.seek(0, os.SEEK_END)
    file.seek(position)
    return size


def _member_headers(archive: np.lib.npyio.NpzFile, size: int) -> dict[str, ArrayHeader]:
    """The headers of all arrays of an .npz file of `size` bytes."""
    members = archive.zip.infolist()
    # As the zip declares it; `_header` compares it with each array.
    unpacked = sum(member.file_size for member in members)
    most = _SMALL_BYTES + _MOST_EXPANSION * size
    if unpacked > most:
        raise FileError(
            f"has {size} bytes and unpacks to {unpacked}; expected at most {most}, since a file "
            "that grows so much may be made to fill the memory"
        )
    headers = {}
    for member in members:
        name = member.filename.removesuffix(".npy")
        with archive.zip.open(member) as file:
            headers[name] = _header(file, name, member.file_size)
    return headers


def _header(file: BinaryIO, name: str, size: int) -> ArrayHeader:
    """Reads the header at the start of an .npy file of `size` bytes, and compares the two."""
    version = npy_format.read_magic(file)
    if version not in _HEADER_READERS:
        raise FileError(f"{name} is of version {version} of .npy; expected 1.0 or 2.0")
    shape, _, dtype = _HEADER_READERS[version](file)
    declared = math.prod(shape) * dtype.itemsize
    present = size - file.tell()
    # The bytes of Python objects are a pickle of any length; NumPy refuses these by name.
    if declared != present and not dtype.hasobject:
        raise FileError(
            f"{name} is declared as {dtype} {list(shape)}, {declared} bytes; the file has "
            f"{present} for it"
        )
    return ArrayHeader(tuple(shape), dtype)
