"""Sorts the files below a folder into videos and others, and says why others are left out."""

from __future__ import annotations

import os
import posixpath
from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from etils import epath

from videolstm_jax.dataset.folders import video_content, video_names


class FilesBelow:
    """The files below a class folder: videos, unknown ones, and by their kind all others.

    `videos` and `unknown` hold the path of the folder below the class folder, and that of the file.
    `other` have names of other files, FFmpeg refused those of `no_videos`, and those of
    `unreadable` are no files at all.
    """

    def __init__(self, folder: epath.Path, excluded: Collection[str] = ()):
        """Sorts the files below a folder, but none whose real path is in `excluded`."""
        self.videos: list[tuple[str, epath.Path]] = []
        self.unknown: list[tuple[str, epath.Path]] = []
        self.other: Counter[str] = Counter()
        self.no_videos: Counter[str] = Counter()
        self.unreadable: Counter[str] = Counter()
        for place, path in _files_with_places(folder, "", (os.path.realpath(folder),)):
            suffix = video_names.video_suffix(path.name)
            if excluded and real_video_path(path) in excluded:
                continue
            if suffix in video_names.OTHER_SUFFIXES:
                self.other[suffix] += 1
            elif suffix not in video_names.VIDEO_SUFFIXES:
                self.unknown.append((place, path))
            elif not video_content.is_regular_video_file(path):
                self.unreadable[_unreadable_kind(path)] += 1
            elif suffix in video_names.TEXT_SUFFIXES and video_content.video_begins_with_text(path):
                self.other[suffix] += 1
            else:
                self.videos.append((place, path))


def _files_with_places(
    folder: epath.Path, place: str, ancestors: tuple[str, ...]
) -> Iterator[tuple[str, epath.Path]]:
    """Every file below a folder with its place there."""
    for path in sorted(folder.iterdir()):
        if video_names.is_passed_over_video_name(path.name):
            continue
        # A bucket answers `is_dir` slowly, so files of known names are not asked about.
        suffix = video_names.video_suffix(path.name)
        is_known = suffix in video_names.VIDEO_SUFFIXES or suffix in video_names.OTHER_SUFFIXES
        if (is_known and _in_bucket(path)) or not path.is_dir():
            yield place, path
            continue
        # A link to a folder above would never end, or take other classes for this one.
        real_path = os.path.realpath(path)
        if real_path not in ancestors and not ancestors[-1].startswith(f"{real_path}/"):
            yield from _files_with_places(
                path, posixpath.join(place, path.name), (*ancestors, real_path)
            )


def find_unknown_videos(files: Sequence[FilesBelow]) -> None:
    """Moves the files of unknown names that FFmpeg can read to the videos."""
    # Together, so that several worker processes open the files of all classes.
    paths = []
    for files_of_class in files:
        for _, path in files_of_class.unknown:
            paths.append(path)
    if not paths:
        return
    are_videos = dict(zip(paths, video_content.are_video_files(paths), strict=True))
    for files_of_class in files:
        for place, path in files_of_class.unknown:
            if are_videos[path]:
                files_of_class.videos.append((place, path))
            else:
                files_of_class.no_videos[_kind(path)] += 1


def describe_folder_without_videos(files: FilesBelow) -> str:
    """Describes a folder without videos."""
    counts = _counted(files.other + files.no_videos + files.unreadable)
    if not counts:
        return "it is empty"
    return f"it has only {counts}"


def reasons_files_are_no_videos(files: Sequence[FilesBelow]) -> list[str]:
    """How many files of which kinds are no videos, and why."""
    other_names: Counter[str] = Counter()
    no_videos: Counter[str] = Counter()
    unreadable: Counter[str] = Counter()
    # The reasons are of the whole folder: a line for each class would hide them.
    for files_of_class in files:
        other_names += files_of_class.other
        no_videos += files_of_class.no_videos
        unreadable += files_of_class.unreadable
    reasons = []
    if other_names:
        reasons.append(f"{_counted(other_names)} (their names are not those of videos)")
    if no_videos:
        reasons.append(f"{_counted(no_videos)} (FFmpeg finds no video of two frames in them)")
    if unreadable:
        reasons.append(f"{_counted(unreadable)} (they are no files)")
    return reasons


def no_videos_note(reasons: Sequence[str]) -> list[str]:
    """One line with the reasons why files are left out; none without reasons."""
    if not reasons:
        return []
    return [f"left out: {'; '.join(reasons)}"]


def _counted(kinds: Counter[str]) -> str:
    """Such as "3 .txt, 1 .jpg", the most frequent first."""
    # By name among equally many, so that the line is the same on every machine.
    ordered = sorted(kinds.items(), key=lambda counted_kind: (-counted_kind[1], counted_kind[0]))
    phrases = []
    for kind, count in ordered:
        phrases.append(f"{count} {kind}")
    return ", ".join(phrases)


def _unreadable_kind(path: epath.Path) -> str:
    if os.path.islink(path):
        return "broken link"
    return "device or pipe"


def _kind(path: epath.Path) -> str:
    return video_names.video_suffix(path.name) or "without a suffix"


def count_unlisted_videos(
    folder: epath.Path, listed: Sequence[epath.Path], table: str
) -> list[str]:
    """One line on the files below a folder that a table does not name; none where it names all.

    Files of unknown names are counted, but not opened: nobody asked for them.

    Args:
      folder: with the table.
      listed: the videos of the table.
      table: its name, for the reason.
    """
    files = FilesBelow(folder, excluded=set(map(real_video_path, listed)))
    # Beside the table lie lists, boxes and notes, which need no mention.
    for path in folder.iterdir():
        suffix = video_names.video_suffix(path.name)
        if suffix in video_names.OTHER_SUFFIXES and files.other[suffix] and path.is_file():
            files.other[suffix] -= 1
    unlisted: Counter[str] = Counter()
    for _, path in [*files.videos, *files.unknown]:
        unlisted[_kind(path)] += 1
    reasons = []
    if unlisted:
        reasons.append(f"{_counted(unlisted)} ({table} does not name them)")
    reasons.extend(reasons_files_are_no_videos([files]))
    return no_videos_note(reasons)


# ---- paths ---------------------------------------------------------------------------------------


def is_video_name(name: str) -> bool:
    """Whether a file is a video by its name."""
    return not video_names.is_passed_over_video_name(name) and bool(
        video_names.video_extension(name)
    )


def real_video_path(path: epath.Path) -> str:
    """Where a file lies after all links; buckets have none."""
    if _in_bucket(path):
        return str(path)
    return os.path.realpath(path)


def real_video_paths(paths: Sequence[epath.Path]) -> list[str]:
    """The real path of each file; links above a folder are followed once for all its files."""
    real_folders: dict[str, str] = {}
    real_paths = []
    for path in paths:
        if _in_bucket(path):
            real_paths.append(real_video_path(path))
            continue
        folder, name = os.path.split(os.fspath(path))
        if folder not in real_folders:
            real_folders[folder] = os.path.realpath(folder)
        file = os.path.join(real_folders[folder], name)
        # Most files are no links. To ask for one is a single call of the system.
        if os.path.islink(file):
            file = os.path.realpath(file)
        real_paths.append(file)
    return real_paths


def is_linked_video_file(path: epath.Path, real_path: str) -> bool:
    """Whether a link leads to a file, its own or that of a folder above, from its real path."""
    return not _in_bucket(path) and real_path != os.path.abspath(path)


def _in_bucket(path: epath.Path) -> bool:
    return "://" in str(path)
