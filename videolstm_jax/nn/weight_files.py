"""Reads the arrays of a file of weights by name, told apart by suffix: .h5, .pth, .safetensors,
.npz.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from typing import BinaryIO

import numpy as np
from etils import epath

from videolstm_jax.errors import FileError
from videolstm_jax.files import PathLike
from videolstm_jax.safe_readers.torch_file import from_bfloat16, read_torch

_SAFE_TYPES = {
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
_HEADER_LIMIT = 100_000_000


def is_weight_file(path: PathLike) -> bool:
    """Whether the name is that of a file of weights, and not of a folder."""
    return _suffix(path) in _READERS


def read_weights(path: PathLike) -> dict[str, np.ndarray]:
    """Every array of the file under the name it has there; nothing in the file is executed.

    Arrays of a Keras file are called "layer/weight" whichever of its layouts it has.

    Raises:
      FileError: the file is missing, damaged, or of none of the four kinds.
    """
    path = epath.Path(path)
    reader = _READERS.get(_suffix(path))
    if reader is None:
        raise FileError(f"{path}: a file of weights ends in one of {', '.join(_READERS)}")
    if not path.is_file():
        raise FileError(
            f"{path} is missing; expected a file of weights; `python -m launch.fetch_weights` fetches "
            "those of ImageNet"
        )
    with path.open("rb") as file:
        return reader(file, str(path))


def sha256_of(path: PathLike) -> str:
    """The sha256 of a file's bytes."""
    with epath.Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _suffix(path: PathLike) -> str:
    return epath.Path(path).suffix.lower()


def _read_h5(file: BinaryIO, name: str) -> dict[str, np.ndarray]:
    """Keras' three layouts: weights of layers by name at the root or under model_weights, or
    numbered variables.

    In the last the folder that holds them has the layer's name as an attribute.
    """
    import h5py  # comes with TensorFlow; only who reads such a file pays for it

    found = {}

    def visit(inner: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            layer = item.parent.attrs.get("name")
            layer = layer.decode() if isinstance(layer, bytes) else layer
            key = (
                f"{layer}/{inner.rpartition('/')[2]}"
                if layer
                else inner.removeprefix("model_weights/")
            )
            if item.external or item.is_virtual:
                raise FileError(f"{name}: {inner} lies in another file; expected its numbers here")
            found[key] = item[()]

    try:
        with h5py.File(file, "r") as root:
            root.visititems(visit)
    except FileError:
        raise
    except (
        OSError,
        RuntimeError,
        ValueError,
        TypeError,
        KeyError,
    ) as error:  # h5py's words for damage
        raise FileError(f"{name}: cannot be read as HDF5: {error}") from error
    return {key: np.asarray(value) for key, value in found.items()}


def _read_safetensors(file: BinaryIO, name: str) -> dict[str, np.ndarray]:
    """A length of 8 bytes, a JSON header of that length, then the numbers."""
    start = file.read(8)
    length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
    if not 2 <= length <= _HEADER_LIMIT:
        raise FileError(f"{name}: its header is {length} bytes long; not a safetensors file")
    try:
        header = json.loads(file.read(length))
        header.pop("__metadata__", None)
        rows = {
            key: (str(row["dtype"]), tuple(row["shape"]), first, last)
            for key, row in header.items()
            for first, last in [row["data_offsets"]]
        }
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise FileError(f"{name}: cannot be read as safetensors: {error!r}") from error
    data, found = file.read(), {}
    for key, (kind, shape, first, last) in rows.items():
        if kind not in _SAFE_TYPES:
            raise FileError(f"{name}: {key} is {kind}; expected one of {', '.join(_SAFE_TYPES)}")
        dtype = np.dtype(_SAFE_TYPES[kind])
        whole = all(isinstance(number, int) and number >= 0 for number in (*shape, first, last))
        if not whole or last > len(data) or last - first != math.prod(shape) * dtype.itemsize:
            raise FileError(
                f"{name}: {key} of {kind} {list(shape)} lies at bytes {first} to {last} of "
                f"{len(data)}; the file is damaged or cut short"
            )
        try:
            array = np.frombuffer(data, dtype, math.prod(shape), first).reshape(shape)
        except (
            ValueError,
            OverflowError,
        ) as error:  # no numbers, in a shape that NumPy cannot have
            raise FileError(
                f"{name}: {key} of {kind} {list(shape)}: {error}; the file is damaged"
            ) from error
        found[key] = from_bfloat16(array) if kind == "BF16" else array
    return found


def _read_npz(file: BinaryIO, name: str) -> dict[str, np.ndarray]:
    try:
        with np.load(file, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except (
        Exception
    ) as error:  # zipfile, zlib, tokenize and numpy raise many kinds for one cause: damage
        raise FileError(
            f"{name}: cannot be read as arrays, the file is damaged: {error}"
        ) from error


_READERS = {
    ".h5": _read_h5,
    ".hdf5": _read_h5,
    ".pth": read_torch,
    ".pt": read_torch,
    ".bin": read_torch,
    ".safetensors": _read_safetensors,
    ".npz": _read_npz,
}
