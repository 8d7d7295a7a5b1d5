"""Reads the pickle of a PyTorch file: it describes tensors, and may name only what they need."""

from __future__ import annotations

import collections
import pickle
import pickletools
import reprlib
from typing import Any, BinaryIO, NamedTuple

from videolstm_jax.errors import FileError
from videolstm_jax.safe_readers.keys import KeySizes
from videolstm_jax.safe_readers.opcodes import MEMO_OPCODES

# Storage classes of `torch` by name, and the type of their numbers. NumPy has no bfloat16.
_STORAGE_TYPES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "<i1",
    "ByteStorage": "<u1",
    "BoolStorage": "?",
}

_MOST_DIMENSIONS = 64


class StorageClass(NamedTuple):
    """Stands in for a storage class of PyTorch: the type of its numbers."""

    dtype: str


class Storage(NamedTuple):
    """A run of numbers that tensors are views of: `count` of them from `start` of storage `key`."""

    key: str
    kind: StorageClass
    count: int
    start: int = 0


class Tensor(NamedTuple):
    """A view of a storage as the pickle describes it: offset and strides in numbers, not bytes."""

    storage: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


class _TensorUnpickler(pickle.Unpickler):
    """Makes dicts, tuples, numbers and the stand-ins above, nothing else."""

    def __init__(self, file: BinaryIO, length: int):
        super().__init__(file, encoding="utf-8")
        self._allowed = _allowed_names(length)

    def find_class(self, module: str, name: str) -> Any:
        """Answers a name of the pickle with its stand-in; called by pickle."""
        if (module, name) not in self._allowed:
            raise FileError(
                f"asks for {module}.{name}, which plain tensors do not need; it was not run; "
                "expected the state_dict of a network"
            )
        return self._allowed[module, name]

    def persistent_load(self, pid: Any) -> Storage:
        """Returns a storage that the pickle refers to; called by pickle."""
        # The fourth value is the device, which does not matter. Old files may add a view.
        tag, kind, key, _device, count, *view = pid
        if tag != "storage" or not isinstance(kind, StorageClass) or not isinstance(count, int):
            raise pickle.UnpicklingError(f"a storage is described as {reprlib.repr(pid)}")
        if not isinstance(key, (str, int)):
            raise pickle.UnpicklingError(f"a storage is called {reprlib.repr(key)}")
        if view and view[0] is not None:
            _view_key, start, count = view[0]
            return Storage(str(key), kind, count, start)
        return Storage(str(key), kind, count)


def _allowed_names(length: int) -> dict[tuple[str, str], Any]:
    """Returns what a pickle of so many bytes may name, with the stand-in of each.

    The opcode BUILD can set attributes even of functions. The functions are therefore made anew for
    each file, so that no file can leave something behind in them.
    """
    left = length

    def ordered_dict(items=()):
        nonlocal left
        # Each item takes bytes of the file. One list that makes a dict again and again would fill
        # the memory.
        left -= len(items)
        if left < 0:
            raise FileError("makes dicts of the same items again and again; expected each once")
        return collections.OrderedDict(items)

    def rebuild_tensor(storage, offset, size, stride):
        return Tensor(storage, offset, _dimensions(size), _dimensions(stride))

    def rebuild_tensor_v2(storage, offset, size, stride, *_gradient_and_hooks):
        return Tensor(storage, offset, _dimensions(size), _dimensions(stride))

    def rebuild_parameter(tensor, *_gradient_and_hooks):
        return tensor

    names: dict[tuple[str, str], Any] = {
        ("collections", "OrderedDict"): ordered_dict,
        ("torch._utils", "_rebuild_tensor"): rebuild_tensor,
        ("torch._utils", "_rebuild_tensor_v2"): rebuild_tensor_v2,
        ("torch._utils", "_rebuild_parameter"): rebuild_parameter,
    }
    for storage_name, dtype in _STORAGE_TYPES.items():
        names["torch", storage_name] = StorageClass(dtype)
    return names


def _dimensions(numbers: Any) -> tuple[int, ...]:
    # PyTorch has 64 dimensions at most. A long list would be copied for every tensor.
    if len(numbers) > _MOST_DIMENSIONS:
        raise FileError(f"a tensor has {len(numbers)} dimensions; expected at most 64")
    return tuple(numbers)


def read_tensor_pickle(file: BinaryIO) -> Any:
    """Reads one pickle, from where the file stands.

    Raises:
      FileError: it asks for more than tensors need. The message does not name the file.
    """
    # The unpickler allocates its memo up to the largest number that the pickle stores a value
    # under. After `count` opcodes that can be `count` at most; a larger one only fills the memory.
    start = file.tell()
    sizes = KeySizes()
    for count, (opcode, argument, _position) in enumerate(pickletools.genops(file)):
        if opcode.name in MEMO_OPCODES and argument > count:
            raise FileError(f"remembers a value as number {argument}; expected at most {count}")
        sizes.follow(opcode, argument)
    length = file.tell() - start
    file.seek(start)
    return _TensorUnpickler(file, length).load()
