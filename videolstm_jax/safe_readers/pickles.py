"""Reads pickles of numbers, text and arrays; nothing that such a file names is ever executed.

A pickle is a program for a small stack machine. It may name any function of Python and have it
called, so reading an unknown pickle can run anything. This reader has three defences:

1. The program is scanned before it runs. An opcode that builds objects in another way than arrays
   need, or that would take more memory than the file has bytes, is refused.
2. Seven names are known, those that NumPy writes arrays with. All others are refused.
3. A known name is not answered by the function itself, but by a stand-in of this module.
"""

from __future__ import annotations

import io
import pickle
import reprlib
from collections.abc import Callable
from typing import Any

import numpy as np

from videolstm_jax.errors import FileError
from videolstm_jax.files import reading
from videolstm_jax.safe_readers.opcodes import check_pickle_opcodes


def read_pickle(data: bytes) -> Any:
    """Reads a pickle of plain values and NumPy arrays, written by Python 2 or 3.

    Plain values are dicts, lists, tuples, numbers, text and bytes.

    Args:
      data: the whole file.

    Returns:
      The value, arrays as read-only `numpy.ndarray`.

    Raises:
      FileError: the file is cut short or no pickle, or it asks for anything else, which the message
        names. The message does not name the file.
    """
    # A damaged pickle raises whatever its last readable opcode happens to raise.
    with reading("", "not a whole pickle of plain arrays", Exception):
        check_pickle_opcodes(data)
        value = _PlainUnpickler(data).load()
        return _without_stand_ins(value, {})


# ---- what a file may ask for ---------------------------------------------------------------------


class _PlainUnpickler(pickle.Unpickler):
    """An unpickler that accepts only the names which plain arrays need."""

    def __init__(self, data: bytes):
        super().__init__(io.BytesIO(data), encoding="latin1")
        # A file writes each text once. One that has a large text copied again and again would fill
        # the memory.
        self._budget = _Budget(1024 + 4 * len(data))

    def find_class(self, module: str, name: str) -> Any:
        """Answers a name of `_STAND_INS`; called by pickle.

        NumPy 2 renamed its module `core` to `_core`; both spellings are known.
        """
        stand_in = _STAND_INS.get((module.replace("numpy._core", "numpy.core"), name))
        if stand_in is None:
            raise FileError(f"asks for {module}.{name}; expected plain arrays, numbers and text")
        return _AllowedName(f"{module}.{name}", stand_in, self._budget)


class _Budget:
    """The bytes that a file may still have copied."""

    __slots__ = ("left",)

    def __init__(self, left: int):
        self.left = left

    def spend(self, value: object) -> None:
        if isinstance(value, (str, bytes, bytearray)):
            self.left -= len(value)
        if self.left < 0:
            raise FileError("has its values copied again and again; expected each once")


class _AllowedName:
    """A name of the file: it can be called, and has no state that the file could set."""

    # No `__dict__`, and a `__setstate__` that refuses: the opcode BUILD cannot change it.
    __slots__ = ("budget", "name", "stand_in")

    def __init__(self, name: str, stand_in: Callable, budget: _Budget):
        self.name, self.stand_in, self.budget = name, stand_in, budget

    def __call__(self, *arguments: Any) -> Any:
        for argument in arguments:
            self.budget.spend(argument)
        plain_object = self.stand_in(*arguments)
        if isinstance(plain_object, _Array):
            plain_object.budget = self.budget
        return plain_object

    def __setstate__(self, state: object) -> None:
        raise FileError(f"sets the state of {self.name}; expected plain arrays, numbers and text")


# ---- stand-ins -----------------------------------------------------------------------------------


class _DType:
    """Stands in for numpy.dtype: a kind and a width only, no objects and no fields."""

    __slots__ = ("dtype",)

    def __init__(self, code: object, align: object = False, copy: object = False):
        # "O" would be objects, "V" records; "u1,O" and the like are refused by the digits.
        if not isinstance(code, str) or code[:1] not in "uifUSb" or not code[1:].isdigit():
            raise FileError(
                f"holds values of type {reprlib.repr(code)[:40]}; expected plain numbers or text"
            )
        self.dtype = np.dtype(code)

    def __setstate__(self, state: tuple) -> None:
        # NumPy's state of a dtype: version, byte order, then what only records have.
        byte_order = state[1]
        if byte_order in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(byte_order)


class _Array:
    """Stands in for numpy.ndarray: made empty, then filled from raw bytes."""

    __slots__ = ("budget", "value")

    def __init__(self) -> None:
        self.value = np.zeros(0)
        self.budget = _Budget(0)

    def __setstate__(self, state: tuple) -> None:
        _version, shape, dtype, is_fortran, data = state
        self.budget.spend(data)
        order = "F" if is_fortran else "C"
        self.value = _array_from_bytes(data, dtype, shape, order)


def _array_from_bytes(
    data: bytes | bytearray | str, dtype: _DType, shape: tuple, order: str
) -> np.ndarray:
    # Python 2 wrote bytes as text, which was decoded as latin1 on the way here.
    if isinstance(data, str):
        data = data.encode("latin1")
    values = np.frombuffer(bytes(data), dtype.dtype)
    # The order is part of the file; whatever it is, only these two reach NumPy.
    if order == "F":
        return values.reshape(shape, order="F")
    return values.reshape(shape, order="C")


def _scalar(dtype: _DType, data: bytes | str) -> Any:
    return _array_from_bytes(data, dtype, (), "C").item()


def _reconstruct(kind: _AllowedName, shape: object, code: object) -> _Array:
    if not isinstance(kind, _AllowedName) or kind.stand_in is not _refuse_ndarray_call:
        raise FileError("builds an array of a kind of its own; expected numpy.ndarray")
    return _Array()


def _frombuffer(data: bytes, dtype: _DType, shape: tuple, order: str) -> np.ndarray:
    return _array_from_bytes(data, dtype, shape, order)


def _refuse_ndarray_call(*arguments: object) -> None:
    # NumPy names ndarray only as an argument of `_reconstruct`; calling it could ask for any size.
    raise FileError("makes a numpy.ndarray by hand; expected one written by NumPy")


def _encode(text: str, encoding: str) -> bytes:
    # Protocol 2 has no bytes; Python 3 writes them as `_codecs.encode(text, "latin1")`.
    if encoding != "latin1":
        raise FileError(f"encodes text as {reprlib.repr(encoding)[:40]}; expected latin1")
    return text.encode("latin1")


def _empty_bytes(*arguments: object) -> bytes:
    # Protocol 2 writes empty bytes as `bytes()`; `bytes(2**40)` would fill the memory.
    if arguments:
        raise FileError("makes bytes of something else; expected none")
    return b""


_STAND_INS: dict[tuple[str, str], Callable] = {
    ("numpy", "dtype"): _DType,
    ("numpy", "ndarray"): _refuse_ndarray_call,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.numeric", "_frombuffer"): _frombuffer,
    ("_codecs", "encode"): _encode,
    ("__builtin__", "bytes"): _empty_bytes,
}


def _without_stand_ins(value: Any, converted: dict[int, Any]) -> Any:
    """Returns a value with arrays in place of their stand-ins.

    Args:
      value: as the unpickler made it.
      converted: results by the identity of their origin. A value that occurs twice is converted
        once: a short file can nest lists so that walking every path takes forever.
    """
    if id(value) in converted:
        return converted[id(value)]
    if isinstance(value, _Array):
        return value.value
    if isinstance(value, (_AllowedName, _DType)):
        raise FileError(
            "holds a name or a type where a value should be; expected plain arrays, numbers and "
            "text"
        )
    # Containers are registered before they are filled, since a pickle can put one into itself.
    if isinstance(value, dict):
        result = converted[id(value)] = {}
        for key, item in value.items():
            result[_without_stand_ins(key, converted)] = _without_stand_ins(item, converted)
        return result
    if isinstance(value, list):
        result = converted[id(value)] = []
        for item in value:
            result.append(_without_stand_ins(item, converted))
        return result
    if isinstance(value, tuple):
        # A tuple cannot be filled later; in a pickle it cannot contain itself except through one of
        # the containers above.
        result = tuple(_without_stand_ins(item, converted) for item in value)
        converted[id(value)] = result
        return result
    return value
