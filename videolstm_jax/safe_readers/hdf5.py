"""Opens HDF5 files that never lead to another file of the machine, nor to more than they hold.

HDF5 has three ways to refer to other files: links, arrays whose bytes lie elsewhere ("external"),
and arrays put together from others ("virtual"). A file from the internet could name any file of the
machine, whose bytes would then come out as numbers.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import Any, BinaryIO

from videolstm_jax.errors import FileError
from videolstm_jax.files import reading

# What h5py raises for damage.
_DAMAGE_ERRORS = (
    OSError,
    RuntimeError,
    ValueError,
    TypeError,
    KeyError,
    OverflowError,
    MemoryError,
    AttributeError,
)

# Deflate, the usual packing of HDF5, makes a thousand bytes of one. Features with many zeros pack
# less than twentyfold.
_MOST_EXPANSION = 100
SMALL_BYTES = 1 << 26
"""Small arrays may be all zeros, which pack well."""


@contextlib.contextmanager
def open_hdf5(file: BinaryIO, name: object) -> Iterator[Any]:
    """Opens a file as `h5py.File`; errors inside the block become one FileError.

    Args:
      file: open for reading, seekable.
      name: of the file, which opens the messages; empty where a caller adds it.
    """
    import h5py  # comes with TensorFlow; imported here, since few commands need it

    with reading(name, "cannot be read as HDF5", *_DAMAGE_ERRORS), h5py.File(file, "r") as root:
        yield root


def find_hdf5_dataset(root: Any, name: str) -> Any:
    """Returns the array of a name at the root, checked; None where there is none."""
    import h5py

    # Asked for the link itself: following it would open the file that it names.
    link = root.get(name, getlink=True)
    if link is None:
        return None
    if not isinstance(link, h5py.HardLink):
        raise FileError(f"{name} is a link; expected its numbers here")
    dataset = root[name]
    if not isinstance(dataset, h5py.Dataset):
        return None
    check_hdf5_dataset(name, dataset)
    return dataset


def check_hdf5_dataset(path: str, dataset: Any) -> None:
    """Raises FileError where the numbers of an array lie elsewhere, or cannot be in the file.

    Args:
      path: of the array within the file.
      dataset: an `h5py.Dataset`.
    """
    if dataset.external or dataset.is_virtual:
        raise FileError(f"{path} lies in another file; expected its numbers here")
    largest = dataset.id.get_storage_size()
    chunk = 0
    if dataset.chunks:
        chunk = math.prod(dataset.chunks) * dataset.dtype.itemsize
        # Only arrays in chunks can be packed. One without any stored chunk is all fill values.
        if largest:
            largest = SMALL_BYTES + _MOST_EXPANSION * largest
    # Checked before reading, so that a damaged shape does not fill the memory. A chunk is unpacked
    # as a whole, and may be larger than the array.
    if max(dataset.nbytes, chunk if dataset.nbytes else 0) > largest:
        shape = list(dataset.shape)
        raise FileError(f"{path} has the shape {shape}, more than the file can hold; it is damaged")


def most_hdf5_bytes(size: int) -> int:
    """The bytes that all arrays of a file of `size` bytes may have together.

    Arrays may share their bytes, so each of them may be small enough and all of them too many.
    """
    return SMALL_BYTES + _MOST_EXPANSION * size
