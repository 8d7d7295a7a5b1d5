"""Reads the arrays of a file of weights by name: .h5, .pth, .safetensors or .npz.

This module reads file formats. `weight_layouts` finds the layer that an array belongs to.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from dataclasses import dataclass
from typing import Annotated, BinaryIO, Literal

import numpy as np
from annotated_types import Interval
from etils import epath

from videolstm_jax.errors import FileError
from videolstm_jax.files import PathLike, reading
from videolstm_jax.json_records import json_record, parse_record
from videolstm_jax.numpy_files import open_numpy
from videolstm_jax.safe_readers.hdf5 import check_hdf5_dataset, most_hdf5_bytes, open_hdf5
from videolstm_jax.safe_readers.torch_file import read_torch, torch_from_bfloat16
from videolstm_jax.sealed_json import parse_json

# Types of a safetensors header. NumPy has no bfloat16, so its bits are read as uint16.
_SAFETENSORS_TYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "<u2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "<i1",
    "U8": "<u1",
    "BOOL": "?",
}

# The library of safetensors refuses longer headers, too.
_LONGEST_HEADER = 100_000_000


def is_weight_file(path: PathLike) -> bool:
    """Returns whether a path names a file of weights, by its suffix, and not a folder."""
    return _suffix(path) in _READERS


def read_weights(path: PathLike) -> dict[str, np.ndarray]:
    """Reads every array of a file under the name it has there; nothing in the file is executed.

    Arrays of a Keras file are called "layer/weight" whichever of its layouts it has.

    Raises:
      FileError: the file is missing, damaged, or of none of the four formats.
    """
    path = epath.Path(path)
    problem = ""
    if not is_weight_file(path):
        problem = f": a file of weights ends in one of {', '.join(_READERS)}"
    elif not path.is_file():
        problem = (
            " is missing; expected a file of weights; `videolstm fetch_weights` fetches those of "
            "ImageNet"
        )
    if problem:
        raise FileError(f"{path}{problem}")
    with path.open("rb") as file:
        return _READERS[_suffix(path)](file, str(path))


def weights_sha256(path: PathLike) -> str:
    """Returns the sha256 of a file's bytes."""
    with epath.Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _suffix(path: PathLike) -> str:
    return epath.Path(path).suffix.lower()


# ---- HDF5 ----------------------------------------------------------------------------------------


def _read_h5(file: BinaryIO, name: str) -> dict[str, np.ndarray]:
    """Reads a Keras file in any of its three layouts.

    Weights lie under the names of layers at the root (weights of Keras 1 and 2), or below
    `model_weights` (a whole model), or as numbered variables (Keras 3). In the last case the folder
    of the variables has the layer's name as an attribute.
    """
    import h5py  # comes with TensorFlow; imported here, since no other format needs it

    arrays: dict[str, np.ndarray] = {}
    free_bytes = most_hdf5_bytes(epath.Path(name).stat().length)

    def visit(path: str, item: object) -> None:
        nonlocal free_bytes
        # Texts are no weights, and each element of a list of texts may be the same long one.
        if not isinstance(item, h5py.Dataset) or item.dtype.hasobject:
            return
        check_hdf5_dataset(path, item)
        free_bytes -= item.nbytes
        if free_bytes < 0:
            raise FileError(f"{path} and those before it are larger than the file can hold")
        layer = item.parent.attrs.get("name")
        if isinstance(layer, bytes):
            layer = layer.decode()
        weight = path.rpartition("/")[2]
        key = path.removeprefix("model_weights/")
        if layer:
            key = f"{layer}/{weight}"
        arrays[key] = np.asarray(item[()])

    # `visititems` follows no links, which could lead to other files.
    with open_hdf5(file, name) as root:
        root.visititems(visit)
    return arrays


# ---- safetensors ---------------------------------------------------------------------------------


# Larger numbers are no size of a file.
_Size = Annotated[int, Interval(ge=0, le=1 << 62)]


@json_record()
@dataclass(frozen=True)
class _HeaderRow:
    """A tensor of a safetensors header: its type, shape, and its first byte and the one behind."""

    dtype: Literal["F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8", "BOOL"]
    shape: tuple[_Size, ...]
    data_offsets: tuple[_Size, _Size]


def _read_safetensors(file: BinaryIO, name: str) -> dict[str, np.ndarray]:
    """Reads a safetensors file: the length of a JSON header in eight bytes, the header, numbers."""
    header = _safetensors_header(file, name)
    data = file.read()
    arrays = {}
    used_bytes = 0
    for key, row in header.items():
        # A tensor without numbers can have a shape that NumPy cannot have.
        damage = (ValueError, OverflowError)
        with reading(
            f"{name}: {key} of {row.dtype} {list(row.shape)}", "the file is damaged", *damage
        ):
            arrays[key] = _safetensors_array(row, data)
        # The format has no shared bytes. Bfloat16 is copied, so shared ones would fill the memory.
        used_bytes += row.data_offsets[1] - row.data_offsets[0]
        if used_bytes > len(data):
            raise FileError(f"{name}: {key} shares bytes with other tensors; the file is damaged")
    return arrays


def _safetensors_header(file: BinaryIO, name: str) -> dict[str, _HeaderRow]:
    length_bytes = file.read(8)
    length = 0
    if len(length_bytes) == 8:
        (length,) = struct.unpack("<Q", length_bytes)
    # Checked before reading, so that a damaged length does not fill the memory. "{}" is shortest.
    if not 2 <= length <= _LONGEST_HEADER:
        raise FileError(f"{name}: its header is {length} bytes long; not a safetensors file")
    with reading(name, "cannot be read as safetensors", RecursionError):
        encoded = file.read(length)
        if len(encoded) < length:
            raise FileError(f"its header has {len(encoded)} bytes; expected {length}")
        rows = parse_json(encoded, "its header")
        # Text about the file stands among the tensors, and is none.
        if isinstance(rows, dict):
            rows.pop("__metadata__", None)
        return parse_record(json.dumps(rows).encode(), dict[str, _HeaderRow], "its header")


def _safetensors_array(row: _HeaderRow, data: bytes) -> np.ndarray:
    """Returns one tensor; its numbers must lie in the file and be as many as its shape gives."""
    dtype = np.dtype(_SAFETENSORS_TYPES[row.dtype])
    first, last = row.data_offsets
    if last > len(data) or last - first != math.prod(row.shape) * dtype.itemsize:
        raise FileError(
            f"lies at bytes {first} to {last} of {len(data)}; the file is damaged or cut short"
        )
    array = np.frombuffer(data, dtype, math.prod(row.shape), first).reshape(row.shape)
    if row.dtype == "BF16":
        return torch_from_bfloat16(array)
    return array


# ---- npz -----------------------------------------------------------------------------------------


def _read_npz(file: BinaryIO, name: str) -> dict[str, np.ndarray]:
    with (
        # zipfile, zlib, tokenize and numpy raise many kinds of errors for one cause: damage.
        reading(name, "cannot be read as arrays, the file is damaged", Exception),
        # Arrays of objects are pickles, which could run anything; they are refused.
        open_numpy(file) as arrays,
    ):
        return {key: arrays.read(key) for key in arrays.headers}


_READERS = {
    ".h5": _read_h5,
    ".hdf5": _read_h5,
    ".pth": read_torch,
    ".pt": read_torch,
    ".bin": read_torch,
    ".safetensors": _read_safetensors,
    ".npz": _read_npz,
}
