"""Decides which folders are those of classes, and which are those of parts around or in them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from etils import epath

from videolstm_jax.dataset.folders import video_names
from videolstm_jax.dataset.folders.files_below import FilesBelow, is_video_name
from videolstm_jax.dataset.lists.labels_csv import PART_SPELLINGS
from videolstm_jax.dataset.lists.official_lists import LIST_FOLDERS
from videolstm_jax.errors import FileError

# Names of folders that hold a part, beside those that a table may have.
_PART_FOLDERS = PART_SPELLINGS | {"dev": "valid", "eval": "valid", "evaluation": "valid"}
# Words that people put behind the name of a part, as in "train_set" and "test-videos".
_PART_ENDING = r"[\W_]*(?:set|data|split|videos?|clips?)$"


class ClassFolder(NamedTuple):
    """The folder of a class, and the name of the folder of a part around it, such as "val"."""

    path: epath.Path
    part_folder: str = ""


def find_class_folders(folder: epath.Path) -> list[ClassFolder]:
    """The folders of classes, which may lie in train/, val/ and test/.

    Raises:
      FileError: class folders lie in and beside such folders, or these hold videos without a class.
    """
    folders = _subfolders(folder)
    part_folders = []
    other_folders = []
    parts = set()
    for path in folders:
        part = part_of_folder(path.name)
        if part:
            part_folders.append(path)
            parts.add(part)
        else:
            other_folders.append(path)
    # The name of one part alone may be that of a class.
    if "train" not in parts or len(parts) < 2:
        _check_one_level_more(folders)
        return list(map(ClassFolder, folders))
    # Folders beside those of the parts matter only if they have videos: notes and lists may lie
    # there.
    beside_parts = _with_videos(other_folders)
    without_class = list(filter(direct_videos, part_folders))
    if beside_parts and without_class:
        # Classes may be called "train" and "test" too.
        return list(map(ClassFolder, folders))
    _check_part_folders(part_folders, beside_parts, without_class)
    class_folders = []
    for path in part_folders:
        for class_path in _subfolders(path):
            class_folders.append(ClassFolder(class_path, path.name))
    return class_folders


def _check_part_folders(
    part_folders: Sequence[epath.Path],
    beside_parts: Sequence[epath.Path],
    without_class: Sequence[epath.Path],
) -> None:
    """Raises FileError where videos have a part and no class, or a class and no part."""
    names = ", ".join(path.name for path in part_folders)
    problem = ""
    if without_class:
        problem = (
            f"{without_class[0]} holds videos without class folders; {names} are taken for parts. "
            "Expected class folders in these, or labels.csv"
        )
    elif beside_parts:
        # A class outside of the parts would be in none of them.
        problem = (
            f"{beside_parts[0]} has videos and lies beside {names}; expected all class folders in "
            "these, or none"
        )
    if problem:
        raise FileError(problem)


def _check_one_level_more(folders: Sequence[epath.Path]) -> None:
    """Raises FileError where the only folder seems to hold the class folders."""
    if len(folders) != 1 or direct_videos(folders[0]):
        return
    classes = _with_videos(_subfolders(folders[0]))
    if len(classes) > 1:
        raise FileError(
            f"{folders[0]} is the only class folder, and holds {len(classes)} folders of videos; "
            f"expected two classes or more. If those are the classes, give "
            f"--data.videos={folders[0]}"
        )


def class_folders_have_parts(files: Sequence[FilesBelow]) -> bool:
    """Whether each class has its own train/, with test/ or val/ beside it, and nothing else."""
    parts = set()
    for files_of_class in files:
        for place, _ in files_of_class.videos:
            parts.add(part_of_folder(place.split("/")[0]))
    # The empty part is that of a file which lies in none of these folders.
    return "train" in parts and len(parts) > 1 and "" not in parts


def part_of_folder(name: str) -> str:
    """The part that a folder may be of by its name; empty where it is of none."""
    # "train_set", "Train" and "trainvideos" are all the training part.
    plain_name = re.sub(_PART_ENDING, "", name.casefold())
    part = _PART_FOLDERS.get(plain_name, "")
    # "unused" is a part of tables only: a folder of that name is more likely a class.
    if part == "unused":
        return ""
    return part


def _subfolders(folder: epath.Path) -> list[epath.Path]:
    """The folders in `folder`, but those that are hidden, of the system or of published lists."""
    folders = []
    for path in sorted(folder.iterdir()):
        if video_names.is_passed_over_video_name(path.name) or path.name in LIST_FOLDERS:
            continue
        if path.is_dir():
            folders.append(path)
    return folders


def _with_videos(folders: Sequence[epath.Path]) -> list[epath.Path]:
    with_videos = []
    for path in folders:
        if FilesBelow(path).videos:
            with_videos.append(path)
    return with_videos


def direct_videos(folder: epath.Path) -> list[epath.Path]:
    """The videos in the folder itself, by their names."""
    videos = []
    for path in sorted(folder.iterdir()):
        if is_video_name(path.name):
            videos.append(path)
    return videos
