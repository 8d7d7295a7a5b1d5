"""Reads pickles of numbers, text and arrays without trusting them: nothing that a file names is
ever executed.
"""

from __future__ import annotations

import io
import itertools
import pickle
import pickletools
from collections.abc import Callable
from typing import Any

import numpy as np

from videolstm_jax.errors import FileError


def loads(data: bytes) -> Any:
    """Reads a pickle of dicts, lists, tuples, numbers, text, bytes and plain NumPy arrays, of
    Python 2 or 3.

    Only seven names are known, those that arrays are written with, and each is answered by a
    stand-in below. The opcodes are looked through first: those that build objects in another way,
    or that ask for more memory than the file could fill, are refused before anything is read.

    Args:
      data: the whole file.

    Returns:
      The value, arrays as read-only `numpy.ndarray`.

    Raises:
      FileError: the file is cut short or no pickle, or asks for anything else, which is named.
    """
    try:
        _look_through(data)
        return _plain(_Reader(io.BytesIO(data), encoding="latin1").load(), {})
    except FileError:
        raise
    except Exception as error:  # a damaged pickle raises what its last readable opcode happens to
        raise FileError(
            f"not a whole pickle of plain arrays: {type(error).__name__}: {error}"
        ) from error


# ---- what a file may ask for ---------------------------------------------------------------------

_OPCODES = frozenset(
    (
        "PROTO",
        "FRAME",
        "STOP",
        "MARK",
        "POP",
        "POP_MARK",
        "NONE",
        "NEWTRUE",
        "NEWFALSE",
        "INT",
        "BININT",
        "BININT1",
        "BININT2",
        "LONG",
        "LONG1",
        "LONG4",
        "FLOAT",
        "BINFLOAT",
        "STRING",
        "BINSTRING",
        "SHORT_BINSTRING",
        "UNICODE",
        "BINUNICODE",
        "SHORT_BINUNICODE",
        "BINUNICODE8",
        "BINBYTES",
        "SHORT_BINBYTES",
        "BINBYTES8",
        "BYTEARRAY8",
        "EMPTY_LIST",
        "APPEND",
        "APPENDS",
        "LIST",
        "EMPTY_TUPLE",
        "TUPLE",
        "TUPLE1",
        "TUPLE2",
        "TUPLE3",
        "EMPTY_DICT",
        "DICT",
        "SETITEM",
        "SETITEMS",
        "GET",
        "BINGET",
        "LONG_BINGET",
        "PUT",
        "BINPUT",
        "LONG_BINPUT",
        "MEMOIZE",
        "GLOBAL",
        "STACK_GLOBAL",
        "REDUCE",
        "BUILD",
    )
)


def _look_through(data: bytes) -> None:
    known = {opcode.code.encode("latin1"): opcode for opcode in pickletools.opcodes}
    file = io.BytesIO(data)
    for count in itertools.count():
        position = file.tell()
        code = file.read(1)
        if code not in known:
            raise FileError(
                f"not a whole pickle: byte {position} of {len(data)} is {code!r}, no opcode"
            )
        name = known[code].name
        if name not in _OPCODES:
            raise FileError(
                f"has the opcode {name} at byte {position}; expected plain arrays, numbers and text"
            )
        if name == "STOP":
            break
        if (
            name == "STRING"
        ):  # whose reader in the standard library takes ASCII only, where Python 2 kept bytes
            argument = file.readline()
        else:
            argument = known[code].arg.reader(file) if known[code].arg else None
        if name in ("PUT", "BINPUT", "LONG_BINPUT") and argument > count:
            raise FileError(
                f"remembers a value as number {argument} at byte {position}; expected at most {count}"
            )
    if file.tell() != len(data):
        raise FileError(f"ends at byte {file.tell()}; {len(data) - file.tell()} more bytes follow")


class _Reader(pickle.Unpickler):
    """An unpickler that knows no name but those that plain arrays need."""

    def find_class(self, module: str, name: str) -> Any:
        """Answers the names of `_NAMES`, under NumPy's older and newer modules, and refuses all
        others.
        """
        answer = _NAMES.get((module.replace("numpy._core", "numpy.core"), name))
        if answer is None:
            raise FileError(f"asks for {module}.{name}; expected plain arrays, numbers and text")
        return _Named(f"{module}.{name}", answer)


class _Named:
    """One name of the file: it can be called, and has no state that the file could set."""

    __slots__ = ("answer", "name")

    def __init__(self, name: str, answer: Callable):
        self.name, self.answer = name, answer

    def __call__(self, *arguments: Any) -> Any:
        return self.answer(*arguments)

    def __setstate__(self, state: object) -> None:
        raise FileError(f"sets the state of {self.name}; expected plain arrays, numbers and text")


# ---- stand-ins -----------------------------------------------------------------------------------


class _DType:
    """Stands in for numpy.dtype: kind and width only, and no objects."""

    __slots__ = ("dtype",)

    def __init__(self, code: object, align: object = False, copy: object = False):
        if not isinstance(code, str) or code[:1] not in "uifUSb" or not code[1:].isdigit():
            raise FileError(
                f"holds values of type {str(code)[:40]!r}; expected plain numbers or text"
            )
        self.dtype = np.dtype(code)

    def __setstate__(self, state: tuple) -> None:
        if state[1] in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(state[1])


class _Array:
    """Stands in for numpy.ndarray: filled from raw bytes."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = np.zeros(0)

    def __setstate__(self, state: tuple) -> None:
        _, shape, dtype, fortran, data = state
        self.value = _filled(data, dtype, shape, "F" if fortran else "C")


def _filled(data: bytes | bytearray | str, dtype: _DType, shape: tuple, order: str) -> np.ndarray:
    raw = (
        data.encode("latin1") if isinstance(data, str) else bytes(data)
    )  # Python 2 wrote bytes as text
    return np.frombuffer(raw, dtype.dtype).reshape(shape, order="F" if order == "F" else "C")


def _scalar(dtype: _DType, data: bytes | str) -> Any:
    return _filled(data, dtype, (), "C").item()


def _reconstruct(kind: _Named, shape: object, code: object) -> _Array:
    if not isinstance(kind, _Named) or kind.answer is not _refused_array:
        raise FileError("builds an array of a kind of its own; expected numpy.ndarray")
    return _Array()


def _frombuffer(data: bytes, dtype: _DType, shape: tuple, order: str) -> np.ndarray:
    return _filled(data, dtype, shape, order)


def _refused_array(*arguments: object) -> None:
    raise FileError("makes a numpy.ndarray by hand; expected one written by NumPy")


def _encode(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise FileError(f"encodes text as {str(encoding)[:40]!r}; expected latin1")
    return text.encode("latin1")


def _no_bytes(*arguments: object) -> bytes:
    if arguments:
        raise FileError("makes bytes of something else; expected none")
    return b""


_NAMES: dict[tuple[str, str], Callable] = {
    ("numpy", "dtype"): _DType,
    ("numpy", "ndarray"): _refused_array,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.numeric", "_frombuffer"): _frombuffer,
    ("_codecs", "encode"): _encode,
    ("__builtin__", "bytes"): _no_bytes,
}


def _plain(value: Any, done: dict[int, Any]) -> Any:
    """The value without stand-ins; `done` holds by identity what was met before, so that each is
    taken once.
    """
    if id(value) in done:
        return done[id(value)]
    if isinstance(value, _Array):
        return value.value
    if isinstance(value, (_Named, _DType)):
        raise FileError(
            "holds a name or a type where a value should be; expected plain arrays, numbers and text"
        )
    if isinstance(value, dict):
        made = done[id(value)] = {}
        made.update((_plain(key, done), _plain(item, done)) for key, item in value.items())
    elif isinstance(value, list):
        made = done[id(value)] = []
        made.extend(_plain(item, done) for item in value)
    elif isinstance(value, tuple):
        made = done[id(value)] = tuple(_plain(item, done) for item in value)
    else:
        made = value
    return made
