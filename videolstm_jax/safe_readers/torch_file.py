"""Reads the tensors that PyTorch saved in a .pth file, without PyTorch and without running anything
in the file.

Such a file is a pickle, which may name any function of Python and have it called. Here a pickle may
name only what plain tensors are made of; whatever else it asks for is refused by name.
"""

from __future__ import annotations

import collections
import io
import math
import pickle
import pickletools
import struct
import zipfile
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from videolstm_jax.errors import FileError

_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
_STORAGES = {
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
_WRONG = (
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    struct.error,
    EOFError,
    TypeError,
    ValueError,
    AttributeError,
    LookupError,
    OverflowError,
    MemoryError,
    RecursionError,
    ImportError,
    NotImplementedError,
    RuntimeError,
)


class _Kind(NamedTuple):
    """Stands for a storage class of PyTorch: how its numbers lie in the file."""

    dtype: str


class _Storage(NamedTuple):
    """A run of numbers that tensors look into: `count` of them from `start` of the storage called
    `key`.
    """

    key: str
    kind: _Kind
    count: int
    start: int = 0


class _Tensor(NamedTuple):
    """A view of a storage, as the pickle describes it: offset and strides in numbers, not bytes."""

    storage: _Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


class _Unpickler(pickle.Unpickler):
    """Makes dicts, tuples, numbers and the stand-ins above, nothing else."""

    def __init__(self, file: BinaryIO, name: str):
        super().__init__(file, encoding="utf-8")
        self._name = name
        # Made anew for each file, so that no file can leave something behind in them.
        self._known: dict[tuple[str, str], Any] = {
            ("collections", "OrderedDict"): collections.OrderedDict,
            ("torch._utils", "_rebuild_tensor"): lambda storage, offset, size, stride: _Tensor(
                storage, offset, tuple(size), tuple(stride)
            ),
            ("torch._utils", "_rebuild_tensor_v2"): lambda storage, offset, size, stride, *rest: (
                _Tensor(storage, offset, tuple(size), tuple(stride))
            ),
            ("torch._utils", "_rebuild_parameter"): lambda tensor, *rest: tensor,
            **{("torch", storage): _Kind(dtype) for storage, dtype in _STORAGES.items()},
        }

    def find_class(self, module: str, name: str) -> Any:
        """What the pickle may name; called by pickle."""
        if (module, name) not in self._known:
            raise FileError(
                f"{self._name}: asks for {module}.{name}, which plain tensors do not need; it was not "
                "run; expected the state_dict of a network"
            )
        return self._known[module, name]

    def persistent_load(self, pid: Any) -> _Storage:
        """A storage; called by pickle."""
        word, kind, key, _, count, *view = pid
        if word != "storage" or not isinstance(kind, _Kind) or not isinstance(count, int):
            raise pickle.UnpicklingError(f"a storage is described as {pid!r}")
        if view and view[0] is not None:
            _, start, count = view[0]
            return _Storage(str(key), kind, count, start)
        return _Storage(str(key), kind, count)


def _load(file: BinaryIO, name: str) -> Any:
    """One pickle, after a look through it: a place in its memory that it cannot need would take all
    of ours.
    """
    start = file.tell()
    for count, (opcode, argument, _) in enumerate(pickletools.genops(file)):
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and argument > count:
            raise FileError(
                f"{name}: remembers a value as number {argument}; expected at most {count}"
            )
    file.seek(start)
    return _Unpickler(file, name).load()


def read_torch(file: BinaryIO, name: str) -> dict[str, np.ndarray]:
    """The tensors of a saved state_dict by name; bfloat16 comes as float32.

    Args:
      file: open for reading at its start, seekable. Both the zip files of today and those from
        before version 1.6.
      name: what errors call it.

    Raises:
      FileError: damaged, not such a file, or one that asks for more than tensors need.
    """
    try:
        found = _read_zip(file, name) if zipfile.is_zipfile(file) else _read_legacy(file, name)
    except FileError:
        raise
    except _WRONG as error:
        raise FileError(
            f"{name}: cannot be read as tensors that PyTorch saved: {error!r}"
        ) from error
    return found


def _read_zip(file: BinaryIO, name: str) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(file) as archive:
        members = {member.filename: member for member in archive.infolist()}
        inner = [member for member in members if member.rpartition("/")[2] == "data.pkl"]
        if len(inner) != 1:
            raise FileError(
                f"{name}: a zip with {len(inner)} members called data.pkl; expected one"
            )
        root = inner[0].removesuffix("data.pkl")
        order = (
            archive.read(root + "byteorder").decode() if root + "byteorder" in members else "little"
        )
        if order != "little":
            raise FileError(f"{name}: its byte order is {order}; expected little")
        if any(member.compress_type != zipfile.ZIP_STORED for member in members.values()):
            raise FileError(
                f"{name}: its members are compressed, which those of torch.save are not"
            )
        tree = _load(io.BytesIO(archive.read(inner[0])), name)

        def data(storage: _Storage) -> bytes:
            return archive.read(f"{root}data/{storage.key}")

        return _tensors(tree, data, name)


def _read_legacy(file: BinaryIO, name: str) -> dict[str, np.ndarray]:
    """Five pickles, then every storage as its length and its numbers, in the order of the fifth."""
    file.seek(0)
    magic, protocol = (_load(file, name) for _ in range(2))
    if magic != _MAGIC or protocol != _PROTOCOL:
        raise FileError(
            f"{name}: begins with {str(magic)[:40]}, {str(protocol)[:40]}; expected a file that "
            "torch.save wrote"
        )
    if not _load(file, name).get("little_endian", True):
        raise FileError(f"{name}: its byte order is big; expected little")
    tree, keys = (_load(file, name) for _ in range(2))
    kinds = {tensor.storage.key: tensor.storage.kind for tensor in _flat(tree, name).values()}
    stored = {}
    for key in map(str, keys):
        (count,) = struct.unpack("<q", file.read(8))
        # A storage that no tensor looks into has no known width, and what follows cannot be found.
        size = count * _width(kinds[key].dtype)
        if size < 0 or len(data := file.read(size)) != size:
            raise FileError(f"{name}: ends inside the numbers of a tensor")
        stored[key] = data
    return _tensors(tree, lambda storage: stored[storage.key], name)


def _flat(tree: Any, name: str) -> dict[str, _Tensor]:
    if isinstance(tree, Mapping) and isinstance(tree.get("state_dict"), Mapping):
        tree = tree["state_dict"]
    if not isinstance(tree, Mapping):
        raise FileError(
            f"{name}: holds a {type(tree).__name__}; expected a state_dict, tensors by name"
        )
    others = [
        key
        for key, value in tree.items()
        if not (isinstance(key, str) and isinstance(value, _Tensor))
    ]
    if others or not tree:
        raise FileError(
            f"{name}: {str(others[:1])[1:-1] or 'it'} holds no tensor; expected a state_dict, tensors "
            "by name"
        )
    return dict(tree)


def _tensors(tree: Any, data: Callable[[_Storage], bytes], name: str) -> dict[str, np.ndarray]:
    storages: dict[str, bytes] = {}
    found = {}
    for key, tensor in _flat(tree, name).items():
        if tensor.storage.key not in storages:
            storages[tensor.storage.key] = data(tensor.storage)
        found[key] = _array(tensor, storages[tensor.storage.key], f"{name}: {key}")
    return found


def _array(tensor: _Tensor, data: bytes, name: str) -> np.ndarray:
    """The numbers of one tensor, copied; a view that leaves its storage is refused."""
    storage, offset, size, stride = tensor
    lengths = [offset, storage.start, *size, *stride]
    if len(size) != len(stride) or not all(
        isinstance(length, int) and length >= 0 for length in lengths
    ):
        raise FileError(
            f"{name} has size {size}, stride {stride} and offset {offset}; expected whole numbers"
        )
    width = _width(storage.kind.dtype)
    first = storage.start + offset
    last = first + sum((length - 1) * step for length, step in zip(size, stride, strict=True))
    if math.prod(size) and (last + 1) * width > len(data):
        raise FileError(f"{name} reaches to number {last + 1} of {len(data) // width} in the file")
    if math.prod(size) > last + 1 - first and math.prod(
        size
    ):  # strides of 0 make much out of little
        raise FileError(f"{name} has size {size} but {last + 1 - first} numbers in the file")
    half = storage.kind.dtype == "bfloat16"
    values = np.frombuffer(data, "<u2" if half else storage.kind.dtype, len(data) // width)
    view = np.lib.stride_tricks.as_strided(
        values[first:], size, [step * width for step in stride], writeable=False
    )
    return from_bfloat16(view) if half else view.copy()


def from_bfloat16(bits: np.ndarray) -> np.ndarray:
    """bfloat16 numbers, given as uint16 bits, as float32: they are its upper half."""
    return (bits.astype("<u4") << 16).view("<f4")


def _width(dtype: str) -> int:
    return 2 if dtype == "bfloat16" else np.dtype(dtype).itemsize
