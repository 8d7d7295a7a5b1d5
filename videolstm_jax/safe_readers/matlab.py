"""Reads MATLAB files of version 5 to 7 into dicts, lists and arrays.

SciPy reads them too, but crashes the interpreter on some damaged ones; this reader knows less and
checks every length.
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

_MOST = 1 << 30
"""Bytes that the compressed variables of a file may unpack to."""
_MATRIX, _COMPRESSED = 14, 15
_CELL, _STRUCT, _CHAR = 1, 2, 4
_NUMBERS = {
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
"""By class of a matrix, what its values are."""
_STORED = {
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
"""By kind of a data element, what it is stored in, which may be narrower."""
_TEXT = {1: "latin1", 2: "latin1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
_REFUSED = {3: "an object", 5: "a sparse matrix", 16: "a function", 17: "an opaque object"}


def load(path: str) -> dict[str, Any]:
    """Reads every variable of a .mat file: structs as dicts, arrays of structs and cells as lists,
    text as str.

    Raises:
      FileError: the file is cut short or damaged, holds objects, functions, sparse or complex
        matrices, would unpack to more than a gigabyte, or is of version 7.3, which is another
        format.
    """
    data = epath.Path(path).read_bytes()
    if b"HDF5" in data[:600] or b"MATLAB 7.3" in data[:128]:
        raise FileError("is a MATLAB 7.3 file (HDF5); expected an older one: save(.., '-v7')")
    if len(data) < 136 or data[126:128] not in (b"IM", b"MI"):
        raise FileError(
            f"is not a MATLAB file of version 5 to 7: no header in its {len(data)} bytes"
        )
    try:
        return dict(_variables(data, "<" if data[126:128] == b"IM" else ">"))
    except FileError:
        raise
    except (
        ValueError,
        TypeError,
        struct.error,
        zlib.error,
        RecursionError,
        MemoryError,
        KeyError,
    ) as error:
        raise FileError(f"is not a whole MATLAB file: {type(error).__name__}: {error}") from error


def rows(value: Any) -> list:
    """An array of structs or a cell as a list, also where MATLAB left away the array around a
    single one.
    """
    return (
        value
        if isinstance(value, list)
        else []
        if isinstance(value, np.ndarray) and not value.size
        else [value]
    )


def number(value: Any) -> int:
    """A whole number that MATLAB keeps as a matrix of one.

    Raises:
      ValueError: there is not one value, or it is not whole.
    """
    (found,) = np.asarray(value, float).ravel().tolist()
    if not found.is_integer():
        raise ValueError(f"{found} is not a whole number")
    return int(found)


def text(value: Any) -> str:
    """A line of text.

    Raises:
      ValueError: it is not text.
    """
    if not isinstance(value, str):
        raise ValueError(f"a {type(value).__name__}; expected text")
    return value


# ---- data elements -------------------------------------------------------------------------------


def _variables(data: bytes, order: str) -> Iterator[tuple[str, Any]]:
    room = _MOST
    for kind, body in _elements(data, 128, len(data), order):
        if kind == _COMPRESSED:
            unpacked = _unpacked(body, room)
            room -= len(unpacked)
            ((kind, body),) = _elements(unpacked, 0, len(unpacked), order)
        if kind != _MATRIX:
            raise FileError(f"has a variable of kind {kind}; expected a matrix")
        yield _matrix(body, order)


def _unpacked(data: bytes, room: int) -> bytes:
    unpacker = zlib.decompressobj()
    made = unpacker.decompress(data, max(room, 1))  # 0 would mean no limit
    if unpacker.unconsumed_tail and not unpacker.eof:
        raise FileError(f"unpacks to more than {_MOST >> 20} MiB")
    if not unpacker.eof:
        raise FileError("is not a whole MATLAB file: a compressed variable is cut short")
    return made


def _elements(data: bytes, at: int, end: int, order: str) -> Iterator[tuple[int, bytes]]:
    """The data elements between two bytes: a kind and its bytes, padded to eight; small ones keep
    four beside it.
    """
    while at < end:
        kind, size = struct.unpack_from(f"{order}II", data, at)
        start = at + 8
        if kind >> 16:
            kind, size, start = kind & 0xFFFF, kind >> 16, at + 4
        if start + size > end or (start == at + 4 and size > 4):
            raise FileError(
                f"is not a whole MATLAB file: an element ends at byte {start + size} of {end}"
            )
        yield kind, data[start : start + size]
        at = at + 8 if start == at + 4 else start + size + (0 if kind == _COMPRESSED else -size % 8)
    if at > end + 7:
        raise FileError(f"is not a whole MATLAB file: its padding ends at byte {at} of {end}")


def _matrix(data: bytes, order: str) -> tuple[str, Any]:
    """The name and the value of one matrix; of no bytes at all it is an empty one."""
    if not data:
        return "", np.zeros((0, 0))
    parts = _elements(data, 0, len(data), order)
    (_, flags), (_, sides), (_, name) = (_next(parts) for _ in range(3))
    (flag,) = struct.unpack_from(f"{order}I", flags)
    kind, shape = flag & 0xFF, tuple(np.frombuffer(sides, f"{order}i4").tolist())
    if kind in _REFUSED or flag & 0x0800:
        raise FileError(
            f"holds {_REFUSED.get(kind, 'a complex matrix')}; expected numbers, text, cells and structs"
        )
    if min(shape, default=-1) < 0:
        raise FileError(f"has a matrix of {list(shape)}")
    return name.decode("latin1"), _value(kind, shape, parts, order, len(data))


def _value(
    kind: int, shape: tuple[int, ...], parts: Iterator[tuple[int, bytes]], order: str, room: int
) -> Any:
    count = math.prod(shape)
    if kind == _STRUCT:
        (_, length), (_, names) = _next(parts), _next(parts)
        (width,) = struct.unpack(f"{order}i", length)
        if width < 1:
            raise FileError(f"has fields of {width} letters")
        fields = [
            names[at : at + width].split(b"\0")[0].decode("latin1")
            for at in range(0, len(names), width)
        ]
        if not fields:
            return []
        if count * len(fields) * 8 > room:
            raise FileError(f"has {count} structs of {len(fields)} fields in {room} bytes")
        made = [
            {field: _matrix(_next(parts)[1], order)[1] for field in fields} for _ in range(count)
        ]
        return made[0] if count == 1 else made
    if kind == _CELL:
        if count * 8 > room:
            raise FileError(f"has {count} cells in {room} bytes")
        return [_matrix(_next(parts)[1], order)[1] for _ in range(count)]
    stored, data = next(parts, (2, b""))
    if kind == _CHAR:
        coding = _TEXT[stored] + ({"<": "-le", ">": "-be"}[order] if stored in (4, 17, 18) else "")
        return data.decode(coding)
    values = np.frombuffer(data, np.dtype(_STORED[stored]).newbyteorder(order))
    return values.astype(_NUMBERS[kind]).reshape(shape, order="F")


def _next(parts: Iterator[tuple[int, bytes]]) -> tuple[int, bytes]:
    try:
        return next(parts)
    except StopIteration:
        raise FileError("is not a whole MATLAB file: a matrix lacks its values") from None
