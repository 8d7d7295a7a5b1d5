"""Reads the text files that lie beside others' features: names, lengths and labels, one a line."""

from __future__ import annotations

import re

from etils import epath

from videolstm_jax.dataset.folders.video_names import without_video_extension
from videolstm_jax.dataset.lists.list_files import read_list_text
from videolstm_jax.errors import FileError
from videolstm_jax.files import PathLike
from videolstm_jax.folders import leads_out

# The authors call the list of names `train_filenames.txt`, Sharma calls it `train_filename.txt`.
_NAME_LISTS = ("filenames", "filename")


def has_foreign_names(folder: PathLike, part: str) -> bool:
    """Returns whether the folder lists the videos of a part."""
    return _list_path(folder, part, _NAME_LISTS) is not None


def read_foreign_names(folder: PathLike, part: str) -> list[str]:
    """Returns the file names of a part without extension, in the order of the list.

    Raises:
      FileError: there is no list, or a name that leads out of a folder.
    """
    names = []
    for line in _read_lines(folder, part, _NAME_LISTS):
        names.append(without_video_extension(line))
        # The store writes a file of this name.
        if leads_out(names[-1]):
            raise FileError(
                f"{_list_path(folder, part, _NAME_LISTS)}: {line!r} leads out of a folder; "
                "expected the name of a video"
            )
    return names


def read_foreign_numbers(folder: PathLike, part: str, kind: str) -> list[int]:
    """Returns the numbers of `<part>_<kind>.txt`, one for each video of the part.

    Raises:
      FileError: a list is missing, a line is not one number, or there are not as many as videos.
    """
    lines = _read_lines(folder, part, (kind,))
    path = f"{folder}/{part}_{kind}.txt"
    problem = ""
    names = len(read_foreign_names(folder, part))
    if names != len(lines):
        problem = f"{len(lines)} lines for {names} videos; expected as many"
    for line in lines:
        # A line of several labels is of a data set where a video may have several classes.
        if not re.fullmatch(r"\d{1,9}", line):
            problem = f"{line!r}; expected one number a line"
            break
    if problem:
        raise FileError(f"{path}: {problem}")
    return [int(line) for line in lines]


def _list_path(folder: PathLike, part: str, kinds: tuple[str, ...]) -> epath.Path | None:
    """Returns the first of `<part>_<kind>.txt` that exists."""
    for kind in kinds:
        path = epath.Path(folder) / f"{part}_{kind}.txt"
        if path.exists():
            return path
    return None


def _read_lines(folder: PathLike, part: str, kinds: tuple[str, ...]) -> list[str]:
    path = _list_path(folder, part, kinds)
    if path is None:
        raise FileError(
            f"{folder}/{part}_{kinds[0]}.txt is missing; expected the lists beside the features"
        )
    lines = read_list_text(path).splitlines()
    # MATLAB and editors leave empty lines at the end, and spaces behind a name.
    return list(filter(None, map(str.strip, lines)))
