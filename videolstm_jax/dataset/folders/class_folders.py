"""Finds the videos in class folders, and in class folders within train/, val/ and test/."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from etils import epath

from videolstm_jax.dataset.folders import video_names
from videolstm_jax.dataset.folders.class_layout import (
    ClassFolder,
    class_folders_have_parts,
    direct_videos,
    find_class_folders,
    part_of_folder,
)
from videolstm_jax.dataset.folders.files_below import (
    FilesBelow,
    describe_folder_without_videos,
    find_unknown_videos,
    is_linked_video_file,
    no_videos_note,
    real_video_paths,
    reasons_files_are_no_videos,
)
from videolstm_jax.errors import FileError
from videolstm_jax.files import PathLike


class FolderVideo(NamedTuple):
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

    videos: list[FolderVideo]
    notes: list[str]


def find_videos(folder: PathLike) -> FolderContent:
    """Every video file in the class folders of a folder, and in the folders within these.

    A file is a video by the end of its name. Where that is unknown, FFmpeg looks at the content.
    Without class folders, videos in the folder itself are taken if all have names like those of
    UCF101, which contain the class: v_Archery_g01_c01.avi. THUMOS13 packs them so.

    Raises:
      FileError: no class folders, one without videos, or a name that cannot be used.
    """
    folder = epath.Path(folder)
    class_folders = find_class_folders(folder)
    files = []
    for class_folder in class_folders:
        files.append(FilesBelow(class_folder.path))
    # Before the parts are looked for: a video of an unknown name may lie beside all parts.
    find_unknown_videos(files)
    has_parts = class_folders_have_parts(files)
    videos = []
    for class_folder, files_of_class in zip(class_folders, files, strict=True):
        videos += _videos_of_class(class_folder, files_of_class, has_parts=has_parts)
    _check_no_class_is_empty(class_folders, files, videos)
    # After that check, so only where there is no class folder at all.
    if not videos:
        return FolderContent(_find_loose_files(folder), [])
    videos, copies = _drop_links_to_copies(videos)
    return FolderContent(videos, _notes(folder, files, copies))


def _videos_of_class(
    class_folder: ClassFolder, files: FilesBelow, *, has_parts: bool
) -> list[FolderVideo]:
    """The videos below one class folder, in the order of their folders.

    With `has_parts` the first folder below it is that of a part.
    """
    label = class_folder.path.name
    video_names.check_class_label(label, str(class_folder.path))
    videos = []
    for place, path in sorted(files.videos):
        stem = video_names.without_video_extension(path.name)
        video_names.check_stem(stem, path)
        part_folder = class_folder.part_folder
        if has_parts:
            part_folder, _, place = place.partition("/")
        videos.append(
            FolderVideo(label, stem, place, path, part_folder, part_of_folder(part_folder))
        )
    return videos


def _check_no_class_is_empty(
    class_folders: Sequence[ClassFolder],
    files: Sequence[FilesBelow],
    videos: Sequence[FolderVideo],
) -> None:
    # By their labels: a class may have videos in train/, and none in test/.
    labels = set()
    for video in videos:
        labels.add(video.label)
    for class_folder, files_of_class in zip(class_folders, files, strict=True):
        if class_folder.path.name not in labels:
            contents = describe_folder_without_videos(files_of_class)
            raise FileError(
                f"{class_folder.path}: class {class_folder.path.name} has no clips; {contents}; "
                "expected videos, or no such folder"
            )


def name_folder_videos(videos: Sequence[FolderVideo]) -> list[str]:
    """The name "Class/stem" of each video.

    Files of one name in several folders of a class are distinguished by the folder:
    "walk/cam1_01" and "walk/cam2_01".

    Raises:
      FileError: two files of a class whose names differ in their suffix only.
    """
    # Counted first: the first of two files of one name must get its folder's name too.
    copies: Counter[tuple[str, str]] = Counter()
    for video in videos:
        copies[video.label, video.stem] += 1
    names: dict[str, epath.Path] = {}
    for video in videos:
        stem = video.stem
        # Only then: names of other data sets, such as lists, have no folders.
        if copies[video.label, video.stem] > 1:
            places = [video.part_folder, *video.folder.split("/"), stem]
            stem = "_".join(filter(None, places))
            video_names.check_stem(stem, video.path)
        name = f"{video.label}/{stem}"
        if name in names:
            raise FileError(
                f"{video.path}: {name} is also {names[name]}; expected one file of each name in a "
                "class"
            )
        names[name] = video.path
    return list(names)


# ---- links and loose files -----------------------------------------------------------------------


def _drop_links_to_copies(videos: Sequence[FolderVideo]) -> tuple[list[FolderVideo], int]:
    """Takes a file once that several links of a class lead to: a split could divide them.

    Returns:
      The videos without such links, and their number.

    Raises:
      FileError: a file is in two classes, or in two parts.
    """
    # All at once: folders that many files share are then followed once.
    real_paths = real_video_paths([video.path for video in videos])
    file_rows, link_rows = [], []
    for row, video in enumerate(videos):
        if is_linked_video_file(video.path, real_paths[row]):
            link_rows.append(row)
        else:
            file_rows.append(row)
    # By the row in `videos`, to keep its order.
    first_of: dict[str, int] = {}
    # Files before links, so that the file's own name is the one that is kept.
    for row in [*file_rows, *link_rows]:
        video = videos[row]
        first = videos[first_of.setdefault(real_paths[row], row)]
        if (first.label, first.part) != (video.label, video.part):
            raise FileError(
                f"{video.path} and {first.path} are one file; expected it in one class and one part"
            )
    distinct = []
    for row in sorted(first_of.values()):
        distinct.append(videos[row])
    return distinct, len(videos) - len(distinct)


def _find_loose_files(folder: epath.Path) -> list[FolderVideo]:
    """Video files in the folder itself, whose names must contain the class as UCF101's do."""
    loose = direct_videos(folder)
    videos = []
    for path in loose:
        stem = video_names.without_video_extension(path.name)
        ucf101_name = re.fullmatch(r"v_(.+)_g\d+_c\d+", stem)
        if not ucf101_name:
            raise FileError(
                f"{folder}: no class folders with videos, but videos beside them ({loose[0].name} "
                "..): put each in a folder named as its class, or write labels.csv"
            )
        video_names.check_stem(stem, path)
        videos.append(FolderVideo(ucf101_name[1], stem, "", path))
    if not videos:
        raise FileError(f"{folder}: no class folders with videos")
    return videos


def _notes(folder: epath.Path, files: Sequence[FilesBelow], copies: int) -> list[str]:
    """One line on the files that are not taken; none where all are."""
    reasons = reasons_files_are_no_videos(files)
    if copies:
        reasons.append(f"{copies} links to videos that are taken already")
    loose = direct_videos(folder)
    if loose:
        reasons.append(f"videos beside the class folders: {len(loose)}, such as {loose[0].name}")
    return no_videos_note(reasons)
