"""Takes a MATLAB file of version 5 to 7 apart into data elements, and checks every length.

The format: a header of 128 bytes, then data elements. A data element is a tag (its kind and its
size) and that many bytes. A variable is an element of the kind "matrix", which may be compressed.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from videolstm_jax.errors import FileError

# A compressed variable of a few kilobytes can unpack to any size. These bound what all variables of
# a file may unpack to together: bytes, and bytes for each byte of the file. Numbers may become
# eight times as wide as they are stored.
_UNPACKED_LIMIT = 1 << 25
_MOST_EXPANSION = 100

_HEADER_BYTES = 128
# The last two bytes of the header are written as a number, so they show the byte order.
_BYTE_ORDERS = {b"IM": "<", b"MI": ">"}

# Kinds of data elements.
_MATRIX, _COMPRESSED = 14, 15

SMALLEST_ELEMENT = 8
"""Bytes: every element has a tag."""


class Element(NamedTuple):
    """A data element: its kind and its bytes."""

    kind: int
    data: bytes


def matlab_byte_order(data: bytes) -> str:
    """Checks the header and returns the byte order, as `struct` writes it."""
    order = _BYTE_ORDERS.get(data[_HEADER_BYTES - 2 : _HEADER_BYTES])
    problem = ""
    # A file of version 7.3 is HDF5 behind a MATLAB header, or plain HDF5.
    if b"HDF5" in data[:600] or b"MATLAB 7.3" in data[:_HEADER_BYTES]:
        problem = "is a MATLAB 7.3 file (HDF5); expected an older one: save(.., '-v7')"
    elif len(data) < _HEADER_BYTES + SMALLEST_ELEMENT or order is None:
        problem = f"is not a MATLAB file of version 5 to 7: no header in its {len(data)} bytes"
    if problem:
        raise FileError(problem)
    return order


def matlab_variable_bytes(data: bytes, order: str) -> Iterator[bytes]:
    """Yields the bytes of the matrix of each variable behind the header.

    Args:
      data: the whole file.
      order: of bytes, "<" or ">".

    Raises:
      FileError: a variable is cut short, is no matrix, or unpacks to too much.
    """
    limit = budget = _UNPACKED_LIMIT + _MOST_EXPANSION * len(data)
    for element in matlab_elements_of(data, order, start=_HEADER_BYTES):
        if element.kind == _COMPRESSED:
            unpacked = _unpacked(element.data, budget)
            if unpacked is None:
                raise FileError(f"unpacks to more than {limit >> 20} MiB from {len(data)} bytes")
            budget -= len(unpacked)
            # A compressed element holds exactly one element; more or fewer is damage.
            (element,) = matlab_elements_of(unpacked, order)
        if element.kind != _MATRIX:
            raise FileError(f"has a variable of kind {element.kind}; expected a matrix")
        yield element.data


def _unpacked(data: bytes, budget: int) -> bytes | None:
    """Decompresses a variable to at most `budget` bytes; None where it is larger."""
    unpacker = zlib.decompressobj()
    unpacked = unpacker.decompress(data, max(budget, 1))  # zlib takes 0 for "no limit"
    if unpacker.eof:
        return unpacked
    # Bytes are left over because the limit was reached, before the end of the stream.
    if unpacker.unconsumed_tail:
        return None
    raise FileError("is not a whole MATLAB file: a compressed variable is cut short")


def matlab_elements_of(data: bytes, order: str, *, start: int = 0) -> Iterator[Element]:
    """Yields the data elements of some bytes, from `start` to their end.

    Raises:
      FileError: an element that reaches beyond the bytes.
    """
    position = start
    while position < len(data):
        kind, size = struct.unpack_from(f"{order}II", data, position)
        # An element of at most four bytes may be "small": the upper half of the first number is its
        # size, and its bytes lie where the size of a large one would be.
        small = bool(kind >> 16)
        begin = position + 8
        if small:
            kind, size = kind & 0xFFFF, kind >> 16
            begin = position + 4
        if begin + size > len(data) or (small and size > 4):
            raise FileError(
                f"is not a whole MATLAB file: an element ends at byte {begin + size} of {len(data)}"
            )
        yield Element(kind, data[begin : begin + size])
        # Elements are padded to a multiple of eight bytes; compressed ones are not.
        if small:
            position += 8
        elif kind == _COMPRESSED:
            position = begin + size
        else:
            position = begin + size + -size % 8


def next_matlab_bytes(elements: Iterator[Element]) -> bytes:
    """Returns the bytes of the next element of a matrix."""
    element = next(elements, None)
    if element is None:
        raise FileError("is not a whole MATLAB file: a matrix lacks its values")
    return element.data
