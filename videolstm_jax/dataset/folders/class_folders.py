"""Finds the videos in class folders, and in class folders within train/, val/ and test/."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from etils import epath

from videolstm_jax.dataset.folders import video_names
from videolstm_jax.dataset.folders.files_below import (
    FilesBelow,
    content_of,
    is_link,
    is_video_name,
    look_into_unknown,
    real_path,
    reasons_left_out,
)
from videolstm_jax.dataset.lists.labels_csv import PART_SPELLINGS
from videolstm_jax.dataset.lists.official_lists import LIST_FOLDERS
from videolstm_jax.errors import FileError
from videolstm_jax.files import PathLike


class FoundVideo(NamedTuple):
    """A video file, its class, and where it lies.

    `folder` is the path below the class folder, empty in that itself; `part_folder` is the name of
    the folder around the class folders, such as "val", and `part` what it stands for.
    """

    label: str
    stem: str
    folder: str
    path: epath.Path
    part_folder: str = ""
    part: str = ""


class FolderContent(NamedTuple):
    """The videos of a folder, and for people to read, which files are not taken and why."""

    videos: list[FoundVideo]
    notes: list[str]


class _ClassFolder(NamedTuple):
    path: epath.Path
    part_folder: str = ""


# Names of folders that hold a part, beside those that a table may have.
_PART_FOLDERS = PART_SPELLINGS | {"dev": "valid", "eval": "valid", "evaluation": "valid"}
# Words that people put behind the name of a part, as in "train_set" and "test-videos".
_PART_ENDING = r"[\W_]*(?:set|data|split|videos?|clips?)$"


def find_videos(folder: PathLike) -> FolderContent:
    """Every video file in the class folders of a folder, and in the folders within these.

    A file is a video by the end of its name. Where that is unknown, FFmpeg looks at the content.
    Without class folders, videos in the folder itself are taken if all have names like those of
    UCF101, which contain the class: v_Archery_g01_c01.avi. THUMOS13 packs them so.

    Raises:
      FileError: no class folders, one without videos, or a name that cannot be used.
    """
    folder = epath.Path(folder)
    class_folders = _class_folders(folder)
    files = [FilesBelow(class_folder.path) for class_folder in class_folders]
    look_into_unknown(files)
    places_of_parts = _parts_within_classes(files)
    videos = []
    classes_with_videos = set()
    for class_folder, content in zip(class_folders, files, strict=True):
        label = class_folder.path.name
        video_names.check_label(label, str(class_folder.path))
        for place, path in sorted(content.videos):
            stem = video_names.without_extension(path.name)
            video_names.check_stem(stem, path)
            part_folder = class_folder.part_folder
            if places_of_parts:
                part_folder, _, place = place.partition("/")
            video = FoundVideo(label, stem, place, path, part_folder, _part(part_folder))
            videos.append(video)
            classes_with_videos.add(label)
    for class_folder, content in zip(class_folders, files, strict=True):
        if class_folder.path.name not in classes_with_videos:
            raise FileError(
                f"{class_folder.path}: class {class_folder.path.name} has no clips; "
                f"{content_of(content)}; expected videos, or no such folder"
            )
    if not videos:
        return FolderContent(_find_loose_files(folder), [])
    videos, copies = _drop_links_to_copies(videos)
    return FolderContent(videos, _notes(folder, files, copies))


def name_videos(videos: Sequence[FoundVideo]) -> list[str]:
    """The name "Class/stem" of each video.

    Files of one name in several folders of a class are told apart by the folder: "walk/cam1_01" and
    "walk/cam2_01".

    Raises:
      FileError: two files of a class whose names differ in their suffix only.
    """
    copies = Counter((video.label, video.stem) for video in videos)
    names: dict[str, epath.Path] = {}
    for video in videos:
        stem = video.stem
        if copies[video.label, video.stem] > 1:
            places = [video.part_folder, *video.folder.split("/"), stem]
            stem = "_".join(place for place in places if place)
            video_names.check_stem(stem, video.path)
        name = f"{video.label}/{stem}"
        if name in names:
            raise FileError(
                f"{video.path}: {name} is also {names[name]}; expected one file of each name in a "
                "class"
            )
        names[name] = video.path
    return list(names)


# ---- folders -------------------------------------------------------------------------------------


def _class_folders(folder: epath.Path) -> list[_ClassFolder]:
    """The folders of classes, which may lie in train/, val/ and test/.

    Raises:
      FileError: class folders lie in and beside such folders, or these hold videos without a class.
    """
    folders = _subfolders(folder)
    part_folders = [path for path in folders if _part(path.name)]
    parts = {_part(path.name) for path in part_folders}
    if "train" not in parts or len(parts) < 2:
        _check_one_level_more(folders)
        return [_ClassFolder(path) for path in folders]
    others = [path for path in folders if path not in part_folders and FilesBelow(path).videos]
    without_class = [path for path in part_folders if _has_direct_videos(path)]
    if others and without_class:
        # Classes may be called "train" and "test" too.
        return [_ClassFolder(path) for path in folders]
    names = ", ".join(path.name for path in part_folders)
    if without_class:
        raise FileError(
            f"{without_class[0]} holds videos without class folders; {names} are taken for parts. "
            "Expected class folders in these, or labels.csv"
        )
    if others:
        raise FileError(
            f"{others[0]} has videos and lies beside {names}; expected all class folders in these, "
            "or none"
        )
    class_folders = []
    for path in part_folders:
        class_folders.extend(
            _ClassFolder(class_path, path.name) for class_path in _subfolders(path)
        )
    return class_folders


def _check_one_level_more(folders: Sequence[epath.Path]) -> None:
    """Raises FileError where the only folder seems to hold the class folders."""
    if len(folders) != 1 or _has_direct_videos(folders[0]):
        return
    classes = [path for path in _subfolders(folders[0]) if FilesBelow(path).videos]
    if len(classes) > 1:
        raise FileError(
            f"{folders[0]} is the only class folder, and holds {len(classes)} folders of videos; "
            f"expected two classes or more. If those are the classes, give "
            f"--data.videos={folders[0]}"
        )


def _parts_within_classes(files: Sequence[FilesBelow]) -> bool:
    """Whether each class has its own train/, with test/ or val/ beside it, and nothing else."""
    parts = set()
    for content in files:
        for place, _ in content.videos:
            parts.add(_part(place.split("/")[0]))
    return "train" in parts and len(parts) > 1 and "" not in parts


def _part(name: str) -> str:
    """The part that a folder may be of by its name; empty where it is of none."""
    word = re.sub(_PART_ENDING, "", name.casefold())
    part = _PART_FOLDERS.get(word, "")
    return "" if part == "unused" else part


def _subfolders(folder: epath.Path) -> list[epath.Path]:
    """The folders in `folder`, but those that are hidden, of the system or of published lists."""
    folders = []
    for path in sorted(folder.iterdir()):
        if video_names.is_passed_over(path.name) or path.name in LIST_FOLDERS:
            continue
        if path.is_dir():
            folders.append(path)
    return folders


def _has_direct_videos(folder: epath.Path) -> bool:
    return any(is_video_name(path.name) for path in folder.iterdir())


# ---- links and loose files -----------------------------------------------------------------------


def _drop_links_to_copies(videos: Sequence[FoundVideo]) -> tuple[list[FoundVideo], int]:
    """Takes a file once that several links of a class lead to: a split could divide them.

    Returns:
      The videos without such links, and their number.

    Raises:
      FileError: a file is in two classes, or in two parts.
    """
    first_of: dict[str, int] = {}
    # Files before links, so that the file's own name is the one that is kept.
    for at in sorted(range(len(videos)), key=lambda at: is_link(videos[at].path)):
        video = videos[at]
        first = videos[first_of.setdefault(real_path(video.path), at)]
        if (first.label, first.part) != (video.label, video.part):
            raise FileError(
                f"{video.path} and {first.path} are one file; expected it in one class and one part"
            )
    kept = [videos[at] for at in sorted(first_of.values())]
    return kept, len(videos) - len(kept)


def _find_loose_files(folder: epath.Path) -> list[FoundVideo]:
    """Video files in the folder itself, whose names must contain the class as UCF101's do."""
    loose = [path for path in sorted(folder.iterdir()) if is_video_name(path.name)]
    videos = []
    for path in loose:
        stem = video_names.without_extension(path.name)
        ucf101_name = re.fullmatch(r"v_(.+)_g\d+_c\d+", stem)
        if not ucf101_name:
            raise FileError(
                f"{folder}: no class folders with videos, but videos beside them ({loose[0].name} "
                "..): put each in a folder named as its class, or write labels.csv"
            )
        video_names.check_stem(stem, path)
        videos.append(FoundVideo(ucf101_name[1], stem, "", path))
    if not videos:
        raise FileError(f"{folder}: no class folders with videos")
    return videos


def _notes(folder: epath.Path, files: Sequence[FilesBelow], copies: int) -> list[str]:
    """One line on the files that are not taken; none where all are."""
    reasons = reasons_left_out(files)
    if copies:
        reasons.append(f"{copies} links to videos that are taken already")
    loose = [path.name for path in sorted(folder.iterdir()) if is_video_name(path.name)]
    if loose:
        reasons.append(f"videos beside the class folders: {len(loose)}, such as {loose[0]}")
    return [f"left out: {'; '.join(reasons)}"] if reasons else []
