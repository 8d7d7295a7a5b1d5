"""Reads MATLAB files of version 5 to 7 into dicts, lists and arrays, and checks every length.

SciPy reads these files too, but some damaged files crash the interpreter inside it. This reader
reads fewer kinds of values, and no file can make it read outside its own bytes.

The bytes of a matrix are data elements (see `matlab_elements`): flags, dimensions, name, then the
values.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from etils import epath

from videolstm_jax.errors import FileError
from videolstm_jax.files import reading
from videolstm_jax.safe_readers.matlab_elements import (
    SMALLEST_ELEMENT,
    Element,
    matlab_byte_order,
    matlab_elements_of,
    matlab_variable_bytes,
    next_matlab_bytes,
)

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
    order = matlab_byte_order(data)
    with reading("", "is not a whole MATLAB file", *_DAMAGE_ERRORS):
        return dict(_matrix(matrix, order) for matrix in matlab_variable_bytes(data, order))


def matlab_list(value: Any) -> list:
    """Returns an array of structs, or a cell, as a list.

    MATLAB drops the array around a single struct and writes no structs as an empty matrix; both
    become lists here.
    """
    if isinstance(value, list):
        return value
    if isinstance(value, np.ndarray) and not value.size:
        return []
    return [value]


def matlab_integer(value: Any) -> int:
    """Returns the whole number that MATLAB keeps as a matrix of one value.

    Raises:
      ValueError: there is not exactly one value, or it is not whole.
    """
    (number,) = np.asarray(value, float).ravel().tolist()
    if not number.is_integer():
        raise ValueError(f"{number} is not a whole number")
    return int(number)


def matlab_string(value: Any) -> str:
    """Returns a value that must be a line of text.

    Raises:
      ValueError: it is not text.
    """
    if not isinstance(value, str):
        raise ValueError(f"a {type(value).__name__}; expected text")
    return value


# ---- matrices ------------------------------------------------------------------------------------


def _matrix(data: bytes, order: str) -> tuple[str, Any]:
    """Returns the name and the value of one matrix."""
    if not data:  # MATLAB writes an empty field as a matrix of no bytes at all
        return "", np.zeros((0, 0))
    elements = matlab_elements_of(data, order)
    flags = next_matlab_bytes(elements)
    dimensions = next_matlab_bytes(elements)
    name = next_matlab_bytes(elements)
    (flag_bits,) = struct.unpack_from(f"{order}I", flags)
    matrix_class = flag_bits & 0xFF
    shape = tuple(np.frombuffer(dimensions, f"{order}i4").tolist())
    refused = _REFUSED_CLASSES.get(matrix_class)
    if flag_bits & _COMPLEX_FLAG:
        refused = refused or "a complex matrix"
    elif min(shape, default=-1) < 0:
        refused = refused or f"a matrix of {list(shape)}"
    if refused:
        raise FileError(f"holds {refused}; expected numbers, text, cells and structs")
    if matrix_class == _STRUCT:
        value = _structs(shape, elements, order, len(data))
    elif matrix_class == _CELL:
        value = _cells(shape, elements, order, len(data))
    else:
        value = _values(matrix_class, shape, elements, order)
    return name.decode("latin1"), value


def _structs(shape: tuple[int, ...], elements: Iterator[Element], order: str, size: int) -> Any:
    """Returns one struct as a dict, or an array of them as a list; `size` is the matrix' bytes."""
    name_length = next_matlab_bytes(elements)
    names = next_matlab_bytes(elements)
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
    _check_count(count * len(fields), size)
    structs = []
    for _ in range(count):
        struct_fields = {}
        for field in fields:
            # The name of a matrix inside a struct is empty; the struct has the names.
            _, struct_fields[field] = _matrix(next_matlab_bytes(elements), order)
        structs.append(struct_fields)
    if count == 1:
        return structs[0]
    return structs


def _cells(shape: tuple[int, ...], elements: Iterator[Element], order: str, size: int) -> list[Any]:
    """Returns the values of a cell array in MATLAB's order; `size` is the matrix' bytes."""
    count = math.prod(shape)
    _check_count(count, size)
    values = []
    for _ in range(count):
        _, value = _matrix(next_matlab_bytes(elements), order)
        values.append(value)
    return values


def _check_count(count: int, size: int) -> None:
    """Raises FileError where `size` bytes cannot hold so many values of fields or cells."""
    # A damaged shape must not make us build more values than there are bytes.
    if count * SMALLEST_ELEMENT > size:
        raise FileError(f"has {count} fields or cells in {size} bytes; expected fewer")


def _values(
    matrix_class: int, shape: tuple[int, ...], elements: Iterator[Element], order: str
) -> str | np.ndarray:
    """Returns the text of a char matrix, or the numbers of another one."""
    # An empty matrix may lack the element of its values.
    stored = next(elements, Element(2, b""))
    if matrix_class == _CHAR:
        coding = _TEXT_CODINGS[stored.kind]
        if coding in _WIDE_CODINGS:
            # Without an order in its name, the codec takes that of this machine, not of the file.
            coding += "-le" if order == "<" else "-be"
        return stored.data.decode(coding)
    stored_type = np.dtype(_STORED_TYPES[stored.kind]).newbyteorder(order)
    values = np.frombuffer(stored.data, stored_type).astype(_NUMBER_CLASSES[matrix_class])
    return values.reshape(shape, order="F")  # MATLAB writes columns one after another
