"""Reads the tensors of a .pth file without PyTorch and without running anything in the file.

Such a file is a pickle, which may name any function of Python and have it called. Here a pickle may
name only what plain tensors are made of; every other name is refused.

The pickle does not hold the numbers. It describes tensors as views of "storages", which are runs of
numbers of one type. Storages lie beside the pickle: as members of a zip file, or, in files from
before PyTorch 1.6, behind it.
"""

from __future__ import annotations

import io
import math
import os
import pickle
import reprlib
import struct
import zipfile
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

import numpy as np

from videolstm_jax.errors import FileError
from videolstm_jax.files import reading
from videolstm_jax.safe_readers.torch_pickle import Storage, Tensor, read_tensor_pickle

# The first two pickles of a file from before PyTorch 1.6.
_LEGACY_MAGIC, _LEGACY_PROTOCOL = 0x1950A86A20F9469CFC6C, 1001

# How often the numbers of a file may be in its tensors, and the bytes that are never too many.
_MOST_COPIES, _SMALL = 16, 1 << 20

# What Python raises when a damaged file does not fit the format.
_DAMAGE_ERRORS = (
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    OSError,  # of a place before the start of the file
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


def read_torch(file: BinaryIO, name: str) -> dict[str, np.ndarray]:
    """Returns the tensors of a saved state_dict by name; bfloat16 becomes float32.

    Args:
      file: open for reading at its start, seekable; a zip file of today, or a file from before
        PyTorch 1.6.
      name: of the file, for messages.

    Raises:
      FileError: the file is damaged, is no such file, or asks for more than tensors need.
    """
    with reading(name, "cannot be read as tensors that PyTorch saved", *_DAMAGE_ERRORS):
        if zipfile.is_zipfile(file):
            return _read_zip(file)
        return _read_legacy(file)


def torch_from_bfloat16(bits: np.ndarray) -> np.ndarray:
    """Returns bfloat16 numbers, given as uint16 bits, as float32: they are its upper half."""
    return (bits.astype("<u4") << 16).view("<f4")


# ---- the two kinds of files ----------------------------------------------------------------------


def _read_zip(file: BinaryIO) -> dict[str, np.ndarray]:
    """Reads a zip: `<root>data.pkl` is the pickle, `<root>data/<key>` the numbers of a storage."""
    with zipfile.ZipFile(file) as archive:
        root = _zip_root(archive, file.seek(0, os.SEEK_END))
        tree = read_tensor_pickle(io.BytesIO(archive.read(f"{root}data.pkl")))

        def storage_bytes(storage: Storage) -> bytes:
            return archive.read(f"{root}data/{storage.key}")

        return _arrays(tree, storage_bytes)


def _zip_root(archive: zipfile.ZipFile, size: int) -> str:
    """Checks the members of a zip of `size` bytes; returns what all their names begin with."""
    members = {member.filename: member for member in archive.infolist()}
    roots = []
    for name in members:
        # The root is named after the file that was saved, so the member is searched for.
        if name.rpartition("/")[2] == "data.pkl":
            roots.append(name.removesuffix("data.pkl"))
    problem = ""
    if len(roots) != 1:
        problem = f"a zip with {len(roots)} members called data.pkl; expected one"
    # A compressed member could unpack to any size; torch.save never compresses.
    elif any(member.compress_type != zipfile.ZIP_STORED for member in members.values()):
        problem = "its members are compressed, which those of torch.save are not"
    # Members may overlap, so that a small file has many large ones.
    elif sum(member.file_size for member in members.values()) > size:
        problem = f"its members are larger than the file of {size} bytes"
    # Older versions of PyTorch wrote no such member, and were little-endian.
    elif f"{roots[0]}byteorder" in members:
        order = archive.read(f"{roots[0]}byteorder").decode()
        if order != "little":
            problem = f"its byte order is {order}; expected little"
    if problem:
        raise FileError(problem)
    return roots[0]


def _read_legacy(file: BinaryIO) -> dict[str, np.ndarray]:
    """Reads five pickles, then every storage: its length and its numbers.

    The pickles are a magic number, a protocol number, a description of the machine, the state_dict,
    and the keys of the storages in their order.
    """
    file.seek(0)
    magic = read_tensor_pickle(file)
    protocol = read_tensor_pickle(file)
    if magic != _LEGACY_MAGIC or protocol != _LEGACY_PROTOCOL:
        # `repr` would follow every path of values that share others.
        numbers = f"{reprlib.repr(magic)[:40]}, {reprlib.repr(protocol)[:40]}"
        raise FileError(f"begins with {numbers}; expected a file that torch.save wrote")
    machine = read_tensor_pickle(file)
    if not machine.get("little_endian", True):
        raise FileError("its byte order is big; expected little")
    tree = read_tensor_pickle(file)
    keys = read_tensor_pickle(file)
    # The length counts numbers, and only a tensor records how wide those of its storage are. A
    # storage without a tensor is an error, since what follows it cannot be found.
    classes = {}
    for tensor in _state_dict(tree).values():
        classes[tensor.storage.key] = tensor.storage.kind
    storages = {}
    if not all(isinstance(key, (str, int)) for key in keys):
        raise FileError("has keys of storages that are no text")
    for key in map(str, keys):
        (count,) = struct.unpack("<q", file.read(8))
        size = count * _width(classes[key].dtype)
        # A damaged length may be negative, and read(-1) would take the rest of the file.
        storages[key] = file.read(max(size, 0))
        if len(storages[key]) != size:
            raise FileError("ends inside the numbers of a tensor")
    return _arrays(tree, lambda storage: storages[storage.key])


# ---- tensors -------------------------------------------------------------------------------------


def _state_dict(tree: Any) -> dict[str, Tensor]:
    """Returns the tensors by name; a checkpoint may hold them under `state_dict`."""
    if isinstance(tree, Mapping) and isinstance(tree.get("state_dict"), Mapping):
        tree = tree["state_dict"]
    problem = _tree_problem(tree)
    if problem:
        raise FileError(f"{problem}; expected a state_dict, tensors by name")
    return dict(tree)


def _tree_problem(tree: Any) -> str:
    """Why a value of the pickle is no table of tensors by name; empty where it is one."""
    if not isinstance(tree, Mapping):
        return f"holds a {type(tree).__name__}"
    for key, value in tree.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            return f"{reprlib.repr(key)} holds no tensor"
    if not tree:
        return "it holds no tensor"
    return ""


def _arrays(tree: Any, storage_bytes: Callable[[Storage], bytes]) -> dict[str, np.ndarray]:
    """Returns the tensors as arrays; a storage that several tensors share is read once."""
    storages: dict[str, bytes] = {}
    arrays = {}
    copied = 0
    for key, tensor in _state_dict(tree).items():
        storage_key = tensor.storage.key
        if storage_key not in storages:
            storages[storage_key] = storage_bytes(tensor.storage)
        problem = _view_problem(tensor, storages[storage_key])
        if problem:
            raise FileError(f"{key} {problem}")
        # Layers may share weights. A file of a few numbers under a million names would fill the
        # memory, since each tensor is copied.
        copied += math.prod(tensor.size) * _width(tensor.storage.kind.dtype)
        if copied > _MOST_COPIES * sum(map(len, storages.values())) + _SMALL:
            raise FileError(f"{key} shares its numbers with too many other tensors")
        arrays[key] = _array(tensor, storages[storage_key])
    return arrays


def _view_problem(tensor: Tensor, data: bytes) -> str:
    """Why a tensor is no view of its storage; empty where it is one.

    `as_strided` checks nothing: a view that leaves its storage would read foreign memory. All
    checks of size, strides and offset are therefore made here.
    """
    storage, offset, size, stride = tensor
    are_counts = True
    for number in (offset, storage.start, *size, *stride):
        if not isinstance(number, int) or number < 0:
            are_counts = False
    if len(size) != len(stride) or not are_counts:
        return f"has size {size}, stride {stride} and offset {offset}; expected whole numbers"
    width = _width(storage.kind.dtype)
    first = storage.start + offset
    last = first
    for length, step in zip(size, stride, strict=True):
        last += (length - 1) * step
    count = math.prod(size)
    if count and (last + 1) * width > len(data):
        return f"reaches to number {last + 1} of {len(data) // width} in the file"
    # Strides of 0 repeat numbers, so that a small file could describe an array of any size.
    if count and count > last + 1 - first:
        return f"has size {size} but {last + 1 - first} numbers in the file"
    return ""


def _array(tensor: Tensor, data: bytes) -> np.ndarray:
    """Copies the numbers of one tensor, which `_view_problem` has checked, out of its storage."""
    storage, offset, size, stride = tensor
    width = _width(storage.kind.dtype)
    first = storage.start + offset
    dtype = storage.kind.dtype
    if dtype == "bfloat16":
        dtype = "<u2"  # its bits; NumPy has no such type
    values = np.frombuffer(data, dtype, len(data) // width)
    # Strides count numbers in a file of PyTorch, and bytes in NumPy.
    byte_strides = [step * width for step in stride]
    view = np.lib.stride_tricks.as_strided(values[first:], size, byte_strides, writeable=False)
    if storage.kind.dtype == "bfloat16":
        return torch_from_bfloat16(view)
    # A copy, so that one small tensor does not keep the bytes of a large storage alive.
    return view.copy()


def _width(dtype: str) -> int:
    """Returns the bytes of one number."""
    if dtype == "bfloat16":
        return 2
    return np.dtype(dtype).itemsize
