"""Takes over features that others stored: the authors' h5 files, one a video, and Sharma's, one a
list.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from etils import epath

from videolstm_jax.dataset.lists import without_extension
from videolstm_jax.dataset.splits import groups
from videolstm_jax.errors import FileError
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.features.writer import FeatureWriter
from videolstm_jax.files import PathLike
from videolstm_jax.types import Dataset, Video

PARTS = ("train", "valid", "test")
_DATASET = "features"
"""What both call the array in their files."""


class Found(NamedTuple):
    """One video of theirs: how many records it has, of which shape, and how they are read, float
    [n, *shape].
    """

    frames: int
    shape: tuple[int, ...]
    read: Callable[[], np.ndarray]


def authors(folder: PathLike) -> dict[str, Found]:
    """The authors' features: `<stem>.h5` a video, `features` (T, D, N, N) with the channel first,
    or (T, D).

    They ran `image_0001.jpg` to the last but one, so a video of L frames has T = L - 1, as ours.

    Returns:
      By stem, such as v_ApplyEyeMakeup_g08_c01.

    Raises:
      FileError: no files, one that is damaged, or an array of another form.
    """
    where = epath.Path(folder)
    paths = (
        sorted(path for path in where.iterdir() if path.name.endswith(".h5"))
        if where.is_dir()
        else []
    )
    if not paths:
        raise FileError(f"{folder}: has no .h5 files; expected one a video")
    return {path.name.removesuffix(".h5"): _of_authors(path) for path in paths}


def _of_authors(path: epath.Path) -> Found:
    shape = _shape(path)
    square = len(shape) == 4 and shape[2] == shape[3]
    if not (square or len(shape) == 2) or min(shape) < 1:
        raise FileError(
            f"{path}: {_DATASET} is {list(shape)}; expected [T, D, N, N], channel first, or [T, D]"
        )
    if len(shape) == 2 or shape[2] == 1:
        return Found(shape[0], shape[1:2], lambda: _read(path, 0, shape[0]).reshape(shape[:2]))
    return Found(
        shape[0], (*shape[2:], shape[1]), lambda: np.moveaxis(_read(path, 0, shape[0]), 1, 3)
    )


def sharma(folder: PathLike, *, side: int = 7) -> dict[str, Found]:
    """Sharma's features: `<part>_features.h5`, `features` (all frames of a list, N * N * D) in
    Fortran order.

    MATLAB wrote a row as an N*N x D array column by column, so that the region runs fastest, then
    the channel; regions themselves run along the rows of the picture. `<part>_framenum.txt` and
    `<part>_filename.txt` say which rows are whose.

    Args:
      folder: of the three files of each part, train, valid or test.
      side: N.

    Returns:
      By file name without extension, such as cartwheel/some_clip.

    Raises:
      FileError: no files, one that is damaged, or lists and rows that do not agree.
    """
    found: dict[str, Found] = {}
    for part in PARTS:
        path = epath.Path(folder) / f"{part}_features.h5"
        if not path.exists():
            continue
        rows, columns = _two(path)
        if columns % (side * side):
            raise FileError(
                f"{path}: rows of {columns} values; expected a multiple of {side} x {side}"
            )
        names, lengths = _names(folder, part), _numbers(folder, part, "framenum")
        if sum(lengths) != rows or min(lengths) < 1:
            raise FileError(
                f"{path}: has {rows} rows; the lengths of {part}_framenum.txt sum to {sum(lengths)}; "
                "expected as many, and at least 1 a video"
            )
        starts = (np.cumsum(lengths) - lengths).tolist()
        for name, start, length in zip(names, starts, lengths, strict=True):
            if name in found:
                raise FileError(f"{path}: {name} is listed twice")
            found[name] = Found(
                length, (side, side, columns // side**2), _of_sharma(path, start, length, side)
            )
    if not found:
        raise FileError(f"{folder}: has no {', '.join(f'{part}_features.h5' for part in PARTS)}")
    return found


def _of_sharma(path: epath.Path, start: int, length: int, side: int) -> Callable[[], np.ndarray]:
    def read() -> np.ndarray:
        return np.moveaxis(_read(path, start, start + length).reshape(length, -1, side, side), 1, 3)

    return read


def listed(folder: PathLike, found: Mapping[str, Found]) -> Dataset:
    """The videos that the lists of both layouts name, for a work folder without videos.

    `<part>_filenames.txt` (or `_filename`) and `<part>_labels.txt`, one label a line. A class is
    called as the folder of its videos, or as UCF101's stems say, else by its number. There are no
    pictures, so width, height and rate are 0, and L is one more than the records.

    Raises:
      FileError: no lists, lists of different lengths, several labels in a line, or a video without
        features.
    """
    rows = [
        (name, label, part)
        for part in PARTS
        if _list(folder, part, "filenames", "filename")
        for name, label in zip(_names(folder, part), _numbers(folder, part, "labels"), strict=True)
    ]
    if not rows:
        raise FileError(
            f"{folder}: has no train_filenames.txt or test_filenames.txt; expected the lists"
        )
    called = {label: _class(name, label) for name, label, _ in rows}
    order = sorted(called)
    if len(set(called.values())) < len(called) or any(
        called[label] != _class(name, label) for name, label, _ in rows
    ):
        raise FileError(f"{folder}: labels and the classes that file names tell do not agree")
    names = [f"{called[label]}/{name.rsplit('/', 1)[-1]}" for name, label, _ in rows]
    videos = {}
    for (their, label, part), name, group in zip(rows, names, groups(names), strict=True):
        if name in videos:
            raise FileError(f"{folder}: {name} is listed twice")
        videos[name] = Video(
            name,
            "",
            order.index(label),
            part,
            group,
            _of(their, found, folder).frames + 1,
            0,
            0,
            0.0,
        )
    return Dataset(
        tuple(called[label] for label in order), tuple(videos[name] for name in sorted(videos))
    )


def import_features(
    found: Mapping[str, Found],
    dataset: Dataset,
    target: PathLike,
    about: dict[str, Any],
    *,
    dtype: str = "float16",
) -> FeatureStore:
    """Writes the features of every listed video as a store; goes on where it was killed.

    A video of L frames takes L - 1 records. Where theirs has L, one a frame, the last is left out,
    since it has no flow.

    Args:
      found: of `authors` or `sharma`.
      dataset: the videos; theirs are found by "Class/stem" or by stem. Of the part `unused` none is
        needed.
      target: the folder of the store.
      about: what is known of the features.
      dtype: of the store.

    Raises:
      FileError: a video without features or with another number of records, or features of other
        shapes.
    """
    videos = [video for video in dataset.videos if video.part != "unused"]
    theirs = {video.name: _of(video.name, found, target) for video in videos}
    shapes = {one.shape for one in theirs.values()}
    if len(shapes) != 1:
        raise FileError(f"{target}: features of the shapes {sorted(shapes)}; expected one")
    for video in videos:
        if theirs[video.name].frames not in (video.frames - 1, video.frames):
            raise FileError(
                f"{target}: {video.name} has {theirs[video.name].frames} records; expected "
                f"{video.frames - 1} or {video.frames} for {video.frames} frames"
            )
    writer = FeatureWriter(target, shapes.pop(), about, dtype=dtype)
    left = set(writer.missing(theirs))
    for video in videos:
        if video.name in left:
            writer.write(video.name, theirs[video.name].read()[: video.frames - 1])
    return writer.finish(theirs, train=[video.name for video in videos if video.part == "train"])


def _of(name: str, found: Mapping[str, Found], where: PathLike) -> Found:
    for spelt in (name, name.rsplit("/", 1)[-1]):
        if spelt in found:
            return found[spelt]
    raise FileError(
        f"{where}: there are no features of {name}; expected them of every listed video"
    )


def _class(name: str, label: int) -> str:
    told = re.fullmatch(r"v_(.+)_g\d+_c\d+", name.rsplit("/", 1)[-1])
    return name.rsplit("/", 2)[-2] if "/" in name else told[1] if told else f"class{label:03d}"


def _list(folder: PathLike, part: str, *kinds: str) -> epath.Path | None:
    paths = [epath.Path(folder) / f"{part}_{kind}.txt" for kind in kinds]
    return next((path for path in paths if path.exists()), None)


def _names(folder: PathLike, part: str) -> list[str]:
    return [without_extension(line) for line in _lines(folder, part, "filenames", "filename")]


def _numbers(folder: PathLike, part: str, kind: str) -> list[int]:
    lines = _lines(folder, part, kind)
    if not all(re.fullmatch(r"\d+", line) for line in lines):
        wrong = next(line for line in lines if not re.fullmatch(r"\d+", line))
        raise FileError(f"{folder}/{part}_{kind}.txt: {wrong!r}; expected one number a line")
    if (names := len(_names(folder, part))) != len(lines):
        raise FileError(
            f"{folder}/{part}_{kind}.txt: {len(lines)} lines for {names} videos; expected as many"
        )
    return [int(line) for line in lines]


def _lines(folder: PathLike, part: str, *kinds: str) -> list[str]:
    path = _list(folder, part, *kinds)
    if path is None:
        raise FileError(
            f"{folder}/{part}_{kinds[0]}.txt is missing; expected the lists beside the features"
        )
    return [line.strip() for line in path.read_text().splitlines() if line.strip()]


def _shape(path: epath.Path) -> tuple[int, ...]:
    return _opened(path, lambda features: tuple(map(int, features.shape)))


def _two(path: epath.Path) -> tuple[int, int]:
    shape = _shape(path)
    if len(shape) != 2 or min(shape) < 1:
        raise FileError(f"{path}: {_DATASET} is {list(shape)}; expected [frames, N * N * D]")
    return shape[0], shape[1]


def _read(path: epath.Path, start: int, stop: int) -> np.ndarray:
    return _opened(path, lambda features: np.asarray(features[start:stop]))


def _opened(path: epath.Path, use: Callable[[Any], Any]) -> Any:
    import h5py  # comes with TensorFlow; only who reads such a file pays for it

    try:
        with path.open("rb") as file, h5py.File(file, "r") as root:
            if not isinstance(root.get(_DATASET), h5py.Dataset):
                raise FileError(f"{path}: has {sorted(root)}; expected an array called {_DATASET}")
            return use(root[_DATASET])
    except (OSError, RuntimeError, KeyError) as error:  # h5py's words for damage
        raise FileError(f"{path}: cannot be read as HDF5: {error}") from error
