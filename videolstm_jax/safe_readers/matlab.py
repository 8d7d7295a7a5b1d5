"""Reads MATLAB files of version 5 to 7 into dicts, lists and arrays, and checks every length.

SciPy reads these files too, but some damaged files crash the interpreter inside it. This reader
knows fewer kinds of values, and no file can make it read outside its own bytes.

The format: a header of 128 bytes, then data elements. A data element is a tag (its kind and its
size) and that many bytes. A variable is an element of the kind "matrix", whose bytes are elements
again: flags, dimensions, name, then the values.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from etils import epath

from videolstm_jax.errors import FileError

# A compressed variable of a few kilobytes can unpack to any size. This bounds what all variables of
# a file may unpack to together, in bytes.
_UNPACKED_LIMIT = 1 << 30

_HEADER_BYTES = 128
# The last two bytes of the header are written as a number, so they tell the byte order.
_BYTE_ORDERS = {b"IM": "<", b"MI": ">"}

# Kinds of data elements.
_MATRIX, _COMPRESSED = 14, 15

# Classes of matrices, in the lowest byte of a matrix' flags.
_CELL, _STRUCT, _CHAR = 1, 2, 4
_NUMBER_CLASSES = {
    6: "f8",
    7: "f4",
    8: "i1",
    9: "u1",
    10: "i2",
    11: "u2",
    12: "i4",
    13: "u4",
    14: "i8",
    15: "u8",
}
_REFUSED_CLASSES = {3: "an object", 5: "a sparse matrix", 16: "a function", 17: "an opaque object"}
_COMPLEX_FLAG = 0x0800

# How the values of a matrix lie in the file. MATLAB chooses the narrowest type that holds them, so
# this is often another type than that of the matrix' class.
_STORED_TYPES = {
    1: "i1",
    2: "u1",
    3: "i2",
    4: "u2",
    5: "i4",
    6: "u4",
    7: "f4",
    9: "f8",
    12: "i8",
    13: "u8",
}
_TEXT_CODINGS = {1: "latin1", 2: "latin1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
_WIDE_CODINGS = ("utf-16", "utf-32")

# An element takes at least a tag of eight bytes.
_SMALLEST_ELEMENT = 8

# What Python and NumPy raise when a damaged file does not fit the format.
_DAMAGE_ERRORS = (
    ValueError,
    TypeError,
    struct.error,
    zlib.error,
    RecursionError,
    MemoryError,
    KeyError,
)


class _Element(NamedTuple):
    """A data element: its kind and its bytes."""

    kind: int
    data: bytes


def read_matlab(path: str) -> dict[str, Any]:
    """Reads every variable of a .mat file by name.

    Structs become dicts, arrays of structs and cells become lists, text becomes str.

    Args:
      path: of the file.

    Returns:
      The variables by name.

    Raises:
      FileError: the file is cut short or damaged; it holds objects, functions, sparse or complex
        matrices; it would unpack to more than a gigabyte; or it is of version 7.3, which is another
        format. The message does not name the file.
    """
    data = epath.Path(path).read_bytes()
    order = _byte_order(data)
    try:
        return dict(_variables(data, order))
    except FileError:
        raise
    except _DAMAGE_ERRORS as error:
        raise FileError(f"is not a whole MATLAB file: {type(error).__name__}: {error}") from error


def as_list(value: Any) -> list:
    """Returns an array of structs, or a cell, as a list.

    MATLAB drops the array around a single struct and writes no structs as an empty matrix; both
    become lists here.
    """
    if isinstance(value, list):
        return value
    if isinstance(value, np.ndarray) and not value.size:
        return []
    return [value]


def as_integer(value: Any) -> int:
    """Returns the whole number that MATLAB keeps as a matrix of one value.

    Raises:
      ValueError: there is not exactly one value, or it is not whole.
    """
    (number,) = np.asarray(value, float).ravel().tolist()
    if not number.is_integer():
        raise ValueError(f"{number} is not a whole number")
    return int(number)


def as_text(value: Any) -> str:
    """Returns a value that must be a line of text.

    Raises:
      ValueError: it is not text.
    """
    if not isinstance(value, str):
        raise ValueError(f"a {type(value).__name__}; expected text")
    return value


# ---- data elements -------------------------------------------------------------------------------


def _byte_order(data: bytes) -> str:
    """Checks the header and returns the byte order, as `struct` writes it."""
    # A file of version 7.3 is HDF5 behind a MATLAB header, or plain HDF5.
    if b"HDF5" in data[:600] or b"MATLAB 7.3" in data[:_HEADER_BYTES]:
        raise FileError("is a MATLAB 7.3 file (HDF5); expected an older one: save(.., '-v7')")
    order = _BYTE_ORDERS.get(data[_HEADER_BYTES - 2 : _HEADER_BYTES])
    if len(data) < _HEADER_BYTES + _SMALLEST_ELEMENT or order is None:
        raise FileError(
            f"is not a MATLAB file of version 5 to 7: no header in its {len(data)} bytes"
        )
    return order


def _variables(data: bytes, order: str) -> Iterator[tuple[str, Any]]:
    """Yields the name and the value of each variable behind the header."""
    budget = _UNPACKED_LIMIT
    for element in _elements(data, order, start=_HEADER_BYTES):
        if element.kind == _COMPRESSED:
            unpacked = _unpacked(element.data, budget)
            budget -= len(unpacked)
            # A compressed element holds exactly one element; more or fewer is damage.
            (element,) = _elements(unpacked, order)
        if element.kind != _MATRIX:
            raise FileError(f"has a variable of kind {element.kind}; expected a matrix")
        yield _matrix(element.data, order)


def _unpacked(data: bytes, budget: int) -> bytes:
    """Decompresses a variable to at most `budget` bytes."""
    unpacker = zlib.decompressobj()
    unpacked = unpacker.decompress(data, max(budget, 1))  # zlib takes 0 for "no limit"
    # Bytes are left over because the limit was reached, before the end of the stream.
    if unpacker.unconsumed_tail and not unpacker.eof:
        raise FileError(f"unpacks to more than {_UNPACKED_LIMIT >> 20} MiB")
    if not unpacker.eof:
        raise FileError("is not a whole MATLAB file: a compressed variable is cut short")
    return unpacked


def _elements(data: bytes, order: str, *, start: int = 0) -> Iterator[_Element]:
    """Yields the data elements of some bytes, from `start` to their end."""
    position = start
    while position < len(data):
        kind, size = struct.unpack_from(f"{order}II", data, position)
        # An element of at most four bytes may be "small": the upper half of the first number is its
        # size, and its bytes lie where the size of a large one would be.
        small = bool(kind >> 16)
        if small:
            kind, size = kind & 0xFFFF, kind >> 16
        begin = position + (4 if small else 8)
        if begin + size > len(data) or (small and size > 4):
            raise FileError(
                f"is not a whole MATLAB file: an element ends at byte {begin + size} of {len(data)}"
            )
        yield _Element(kind, data[begin : begin + size])
        # Elements are padded to a multiple of eight bytes; compressed ones are not.
        if small:
            position += 8
        elif kind == _COMPRESSED:
            position = begin + size
        else:
            position = begin + size + -size % 8


def _next(elements: Iterator[_Element]) -> bytes:
    """Returns the bytes of the next element of a matrix."""
    element = next(elements, None)
    if element is None:
        raise FileError("is not a whole MATLAB file: a matrix lacks its values")
    return element.data


# ---- matrices ------------------------------------------------------------------------------------


def _matrix(data: bytes, order: str) -> tuple[str, Any]:
    """Returns the name and the value of one matrix."""
    if not data:  # MATLAB writes an empty field as a matrix of no bytes at all
        return "", np.zeros((0, 0))
    elements = _elements(data, order)
    flags, dimensions, name = _next(elements), _next(elements), _next(elements)
    (flag_bits,) = struct.unpack_from(f"{order}I", flags)
    matrix_class = flag_bits & 0xFF
    shape = tuple(np.frombuffer(dimensions, f"{order}i4").tolist())
    if matrix_class in _REFUSED_CLASSES or flag_bits & _COMPLEX_FLAG:
        content = _REFUSED_CLASSES.get(matrix_class, "a complex matrix")
        raise FileError(f"holds {content}; expected numbers, text, cells and structs")
    if min(shape, default=-1) < 0:
        raise FileError(f"has a matrix of {list(shape)}")
    if matrix_class == _STRUCT:
        value = _structs(shape, elements, order, len(data))
    elif matrix_class == _CELL:
        value = _cells(shape, elements, order, len(data))
    else:
        value = _values(matrix_class, shape, elements, order)
    return name.decode("latin1"), value


def _structs(shape: tuple[int, ...], elements: Iterator[_Element], order: str, size: int) -> Any:
    """Returns one struct as a dict, or an array of them as a list; `size` is the matrix' bytes."""
    name_length, names = _next(elements), _next(elements)
    # Names of fields lie side by side, each filled up with zeros to the same width.
    (width,) = struct.unpack(f"{order}i", name_length)
    if width < 1:
        raise FileError(f"has fields of {width} letters")
    fields = []
    for start in range(0, len(names), width):
        fields.append(names[start : start + width].split(b"\0")[0].decode("latin1"))
    if not fields:
        return []
    count = math.prod(shape)
    # A damaged shape must not make us build more structs than the bytes could hold.
    if count * len(fields) * _SMALLEST_ELEMENT > size:
        raise FileError(f"has {count} structs of {len(fields)} fields in {size} bytes")
    structs = []
    for _ in range(count):
        structs.append({field: _matrix(_next(elements), order)[1] for field in fields})
    return structs[0] if count == 1 else structs


def _cells(
    shape: tuple[int, ...], elements: Iterator[_Element], order: str, size: int
) -> list[Any]:
    """Returns the values of a cell array in MATLAB's order; `size` is the matrix' bytes."""
    count = math.prod(shape)
    if count * _SMALLEST_ELEMENT > size:
        raise FileError(f"has {count} cells in {size} bytes")
    return [_matrix(_next(elements), order)[1] for _ in range(count)]


def _values(
    matrix_class: int, shape: tuple[int, ...], elements: Iterator[_Element], order: str
) -> str | np.ndarray:
    """Returns the text of a char matrix, or the numbers of another one."""
    # An empty matrix may lack the element of its values.
    stored = next(elements, _Element(2, b""))
    if matrix_class == _CHAR:
        coding = _TEXT_CODINGS[stored.kind]
        if coding in _WIDE_CODINGS:
            coding += "-le" if order == "<" else "-be"
        return stored.data.decode(coding)
    stored_type = np.dtype(_STORED_TYPES[stored.kind]).newbyteorder(order)
    values = np.frombuffer(stored.data, stored_type).astype(_NUMBER_CLASSES[matrix_class])
    return values.reshape(shape, order="F")  # MATLAB writes columns one after another
