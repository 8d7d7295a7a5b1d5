"""Finds the videos in class folders, and in class folders within train/, val/ and test/."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from etils import epath

from videolstm_jax.dataset.folders import video_content, video_names
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
    files = [_Files(class_folder.path) for class_folder in class_folders]
    _look_into_unknown(files)
    videos = []
    classes_with_videos = set()
    for class_folder, content in zip(class_folders, files, strict=True):
        label = class_folder.path.name
        video_names.check_label(label, str(class_folder.path))
        part = _part(class_folder.part_folder)
        for place, path in sorted(content.videos):
            stem = video_names.without_extension(path.name)
            video_names.check_stem(stem, path)
            videos.append(FoundVideo(label, stem, place, path, class_folder.part_folder, part))
            classes_with_videos.add(label)
    for class_folder, content in zip(class_folders, files, strict=True):
        if class_folder.path.name not in classes_with_videos:
            raise FileError(
                f"{class_folder.path}: class {class_folder.path.name} has no clips; "
                f"{_content_of(content)}; expected videos, or no such folder"
            )
    if not videos:
        return FolderContent(_find_loose_files(folder), [])
    return FolderContent(videos, _notes(folder, files))


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
        return [_ClassFolder(path) for path in folders]
    others = [path for path in folders if path not in part_folders and _Files(path).videos]
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


def _part(name: str) -> str:
    """The part that a folder may be of by its name; empty where it is of none."""
    part = PART_SPELLINGS.get(name.casefold(), "")
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
    return any(_is_video_name(path.name) for path in folder.iterdir())


def _is_video_name(name: str) -> bool:
    return not video_names.is_passed_over(name) and bool(video_names.video_extension(name))


# ---- files ---------------------------------------------------------------------------------------


class _Files:
    """The files below a class folder: videos, others by their suffix, and unknown ones.

    `videos` and `unknown` hold the path of the folder below the class folder, and that of the file.
    """

    def __init__(self, folder: epath.Path):
        self.videos: list[tuple[str, epath.Path]] = []
        self.unknown: list[tuple[str, epath.Path]] = []
        self.other: Counter[str] = Counter()
        self.no_videos: Counter[str] = Counter()
        for place, path in _walk(folder, "", (os.path.realpath(folder),)):
            suffix = video_names.suffix_of(path.name)
            if suffix in video_names.OTHER_SUFFIXES:
                self.other[suffix] += 1
            elif suffix not in video_names.VIDEO_SUFFIXES:
                self.unknown.append((place, path))
            elif suffix in video_names.TEXT_SUFFIXES and video_content.begins_with_text(path):
                self.other[suffix] += 1
            else:
                self.videos.append((place, path))


def _walk(
    folder: epath.Path, place: str, ancestors: tuple[str, ...]
) -> Iterator[tuple[str, epath.Path]]:
    """Every file below a folder with its place there."""
    for path in sorted(folder.iterdir()):
        if video_names.is_passed_over(path.name):
            continue
        suffix = video_names.suffix_of(path.name)
        # A bucket answers `is_dir` slowly, so files of known names are not asked about.
        is_known = suffix in video_names.VIDEO_SUFFIXES or suffix in video_names.OTHER_SUFFIXES
        if is_known or not path.is_dir():
            yield place, path
            continue
        # A link to a folder above would never end.
        real = os.path.realpath(path)
        if real not in ancestors:
            deeper = f"{place}/{path.name}" if place else path.name
            yield from _walk(path, deeper, (*ancestors, real))


def _look_into_unknown(files: Sequence[_Files]) -> None:
    """Moves the files of unknown names that FFmpeg can read to the videos."""
    paths = [path for content in files for _, path in content.unknown]
    if not paths:
        return
    are_videos = dict(zip(paths, video_content.are_videos(paths), strict=True))
    for content in files:
        for place, path in content.unknown:
            if are_videos[path]:
                content.videos.append((place, path))
            else:
                content.no_videos[video_names.suffix_of(path.name) or "without a suffix"] += 1


def _content_of(content: _Files) -> str:
    counts = _counted(content.other + content.no_videos)
    return f"it has only {counts}" if counts else "it is empty"


def _notes(folder: epath.Path, files: Sequence[_Files]) -> list[str]:
    """One line on the files that are not taken; none where all are."""
    other: Counter[str] = Counter()
    no_videos: Counter[str] = Counter()
    for content in files:
        other += content.other
        no_videos += content.no_videos
    reasons = []
    if other:
        reasons.append(f"{_counted(other)} (their names are not those of videos)")
    if no_videos:
        reasons.append(f"{_counted(no_videos)} (FFmpeg finds no video of two frames in them)")
    loose = [path.name for path in sorted(folder.iterdir()) if _is_video_name(path.name)]
    if loose:
        reasons.append(f"videos beside the class folders: {len(loose)}, such as {loose[0]}")
    return [f"left out: {'; '.join(reasons)}"] if reasons else []


def _counted(kinds: Counter[str]) -> str:
    """Such as "3 .txt, 1 .jpg", the most frequent first."""
    ordered = sorted(kinds.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count} {kind}" for kind, count in ordered)


def _find_loose_files(folder: epath.Path) -> list[FoundVideo]:
    """Video files in the folder itself, whose names must contain the class as UCF101's do."""
    loose = [path for path in sorted(folder.iterdir()) if _is_video_name(path.name)]
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
