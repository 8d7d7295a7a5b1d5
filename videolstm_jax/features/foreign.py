"""Reads features that others stored: the authors' h5 files, Sharma's, and plain NumPy arrays.

The authors wrote one file a video, Sharma one a list of videos. Both call the array `features`. A
plain array lies in one .npy or .npz file a video.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from etils import epath

from videolstm_jax.errors import FileError
from videolstm_jax.features.foreign_lists import read_foreign_names, read_foreign_numbers
from videolstm_jax.files import PathLike, reading
from videolstm_jax.numpy_files import NumpyFile, open_numpy
from videolstm_jax.safe_readers.hdf5 import find_hdf5_dataset, open_hdf5
from videolstm_jax.types import PARTS

_ARRAY_NAME = "features"


class ForeignFeatures(NamedTuple):
    """The features of one video in somebody else's file.

    Attributes:
      frames: n, the records of the video.
      shape: of one record, [N, N, D] or [D].
      read: reads them, float [n, *shape].
    """

    frames: int
    shape: tuple[int, ...]
    read: Callable[[], np.ndarray]


def authors_features(folder: PathLike) -> dict[str, ForeignFeatures]:
    """Opens the authors' features: `<stem>.h5` for each video.

    A file holds `features` [T, D, N, N] with the channel first, or [T, D]. The authors ran from
    `image_0001.jpg` to the last image but one, so a video of L frames has T = L - 1 records, as
    here.

    Args:
      folder: of the files.

    Returns:
      The features by stem, such as v_ApplyEyeMakeup_g08_c01.

    Raises:
      FileError: no files, one that is damaged, or an array of another form.
    """
    folder = epath.Path(folder)
    features = {}
    # Not `folder.glob`: the name of a folder may hold characters that are patterns.
    paths = []
    if folder.is_dir():
        paths = sorted(folder.iterdir())
    for path in paths:
        if path.name.endswith(".h5"):
            features[path.name.removesuffix(".h5")] = _authors_video(path)
    if not features:
        raise FileError(f"{folder}: has no .h5 files; expected one a video")
    return features


def _authors_video(path: epath.Path) -> ForeignFeatures:
    shape = _array_shape(path)
    is_map = len(shape) == 4 and shape[2] == shape[3]
    if not (is_map or len(shape) == 2) or min(shape) < 1:
        raise FileError(
            f"{path}: {_ARRAY_NAME} is {list(shape)}; expected [T, D, N, N], channel first, or "
            "[T, D]"
        )
    frames, depth = shape[:2]

    def read_map() -> np.ndarray:
        return np.moveaxis(_read_rows(path, 0, frames), 1, 3)

    def read_vector() -> np.ndarray:
        return _read_rows(path, 0, frames).reshape(frames, depth)

    # Fully connected layers are stored as [T, D] or as maps of side 1.
    if len(shape) == 2 or shape[2] == 1:
        return ForeignFeatures(frames, (depth,), read_vector)
    return ForeignFeatures(frames, (*shape[2:], depth), read_map)


def sharma_features(folder: PathLike, *, side: int = 7) -> dict[str, ForeignFeatures]:
    """Opens Sharma's features: `<part>_features.h5`, all frames of a list one after another.

    A file holds `features` [frames, N N D] in Fortran order: MATLAB wrote a row as an N N x D array
    column by column, so that the region runs fastest, then the channel. Regions themselves run
    along the rows of the image. `<part>_filename.txt` and `<part>_framenum.txt` list which rows
    belong to which video.

    Args:
      folder: of the three files of each part: train, valid, test.
      side: N.

    Returns:
      The features by file name without extension, such as cartwheel/some_clip.

    Raises:
      FileError: no files, one that is damaged, or lists and rows that do not agree.
    """
    features: dict[str, ForeignFeatures] = {}
    for part in PARTS:
        path = epath.Path(folder) / f"{part}_features.h5"
        if not path.exists():
            continue
        for name, video in _sharma_part(path, folder, part, side):
            # The parts share one store, where the second file would replace the first.
            if name in features:
                raise FileError(f"{path}: {name} is listed twice")
            features[name] = video
    if not features:
        expected = ", ".join(f"{part}_features.h5" for part in PARTS)
        raise FileError(f"{folder}: has no {expected}")
    return features


def _sharma_part(
    path: epath.Path, folder: PathLike, part: str, side: int
) -> list[tuple[str, ForeignFeatures]]:
    """Returns the name and the features of each video of a part, in the order of the list."""
    names = read_foreign_names(folder, part)
    lengths = read_foreign_numbers(folder, part, "framenum")
    shape = _array_shape(path)
    problem = _sharma_problem(shape, side, lengths, part)
    if problem:
        raise FileError(f"{path}: {problem}")
    videos = []
    start = 0
    map_shape = (side, side, shape[1] // side**2)
    for name, length in zip(names, lengths, strict=True):
        read = _sharma_reader(path, start, start + length, side)
        videos.append((name, ForeignFeatures(length, map_shape, read)))
        start += length
    return videos


def _sharma_problem(shape: tuple[int, ...], side: int, lengths: list[int], part: str) -> str:
    """Why an array is not the features of listed videos; empty where it is."""
    if len(shape) != 2 or min(shape) < 1:
        return f"{_ARRAY_NAME} is {list(shape)}; expected [frames, N * N * D]"
    rows, columns = shape
    if columns % (side * side):
        return f"rows of {columns} values; expected a multiple of {side} x {side}"
    # Rows are cut into videos by these lengths alone, so one too many would shift all that follow.
    if sum(lengths) != rows or min(lengths) < 1:
        return (
            f"has {rows} rows; the lengths of {part}_framenum.txt sum to {sum(lengths)}; expected "
            "as many, and at least 1 a video"
        )
    return ""


def _sharma_reader(path: epath.Path, start: int, stop: int, side: int) -> Callable[[], np.ndarray]:
    """Returns what reads some rows as [n, N, N, D]."""

    def read() -> np.ndarray:
        # Fortran order of [N N, D] is C order of [D, N N].
        maps = _read_rows(path, start, stop).reshape(stop - start, -1, side, side)
        return np.moveaxis(maps, 1, 3)

    return read


# ---- plain arrays --------------------------------------------------------------------------------


def array_features(folder: PathLike) -> dict[str, ForeignFeatures]:
    """Opens plain NumPy arrays: `<stem>.npy` or `<stem>.npz` for each video, in folders or not.

    An array is [T, N, N, D], channel last, or [T, D]. An .npz file holds one array, or one that is
    called `features`. Arrays of objects are refused, since they could run any code.

    Args:
      folder: of the files.

    Returns:
      The features by the path below the folder without its suffix, such as Archery/clip_1.

    Raises:
      FileError: no files, one that is damaged, or an array of another form.
    """
    folder = epath.Path(folder)
    features: dict[str, ForeignFeatures] = {}
    for path in _array_files(folder):
        name = str(path.relative_to(folder)).rpartition(".")[0]
        if name in features:
            raise FileError(f"{path}: there are two files of {name}; expected one")
        features[name] = _array_video(path)
    if not features:
        raise FileError(f"{folder}: has no .npy or .npz files; expected one a video")
    return features


def _array_files(folder: epath.Path) -> list[epath.Path]:
    """Returns all files of arrays below a folder, in order."""
    files = []
    if not folder.is_dir():
        return []
    # Not `folder.glob`: the name of a folder may hold characters that are patterns.
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            files += _array_files(path)
        elif path.suffix in (".npy", ".npz"):
            files.append(path)
    return files


def _array_video(path: epath.Path) -> ForeignFeatures:
    # The header is enough: the arrays of a data set may be larger than the memory.
    with _open_array(path) as (file, name):
        shape, dtype = file.headers[name]
    is_map = len(shape) == 4 and shape[1] == shape[2]
    if not (is_map or len(shape) == 2) or min(shape) < 1 or dtype.kind != "f":
        raise FileError(
            f"{path}: the array is {list(shape)} of kind {dtype.kind}; expected floats "
            "[T, N, N, D], channel last, or [T, D]"
        )

    def read() -> np.ndarray:
        with _open_array(path) as (file, name):
            return file.read(name)

    return ForeignFeatures(shape[0], tuple(shape[1:]), read)


@contextlib.contextmanager
def _open_array(path: epath.Path) -> Iterator[tuple[NumpyFile, str]]:
    """Yields an open file of arrays, and the name of the one with the features."""
    with (
        # zipfile, zlib, tokenize and numpy raise many kinds of errors for one cause: damage.
        reading(path, "cannot be read as an array of NumPy", Exception),
        path.open("rb") as opened,
        open_numpy(opened) as file,
    ):
        names = list(file.headers)
        name = _ARRAY_NAME
        if len(names) == 1:
            name = names[0]
        if name not in names:
            raise FileError(
                f"has the arrays {sorted(names)}; expected one, or one called {_ARRAY_NAME}"
            )
        yield file, name


# ---- HDF5 ----------------------------------------------------------------------------------------


def _array_shape(path: epath.Path) -> tuple[int, ...]:
    return _with_array(path, lambda array: tuple(map(int, array.shape)))


def _read_rows(path: epath.Path, start: int, stop: int) -> np.ndarray:
    return _with_array(path, lambda array: np.asarray(array[start:stop]))


def _with_array(path: epath.Path, function: Callable[[Any], Any]) -> Any:
    """Opens the array of a file, calls a function on it, and closes the file."""
    with (
        reading(path),
        # Through `epath`, so that the file may lie in a bucket.
        path.open("rb") as file,
        open_hdf5(file, "") as root,
    ):
        array = find_hdf5_dataset(root, _ARRAY_NAME)
        if array is None:
            raise FileError(f"has {sorted(root)}; expected an array called {_ARRAY_NAME}")
        if array.dtype.kind not in "fiu":
            raise FileError(f"{_ARRAY_NAME} holds {array.dtype}; expected numbers")
        return function(array)
