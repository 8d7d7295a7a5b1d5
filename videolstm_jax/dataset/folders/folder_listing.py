"""Lists the video files of a folder by class, from class folders or labels.csv; decodes none."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import NamedTuple

from etils import epath

from videolstm_jax.config import DataConfig
from videolstm_jax.dataset.folders import class_folders, files_below, video_names
from videolstm_jax.dataset.folders.class_folders import FolderVideo
from videolstm_jax.dataset.lists import labels_csv
from videolstm_jax.dataset.lists.labels_csv import LabelsRow
from videolstm_jax.dataset.splits import name_groups
from videolstm_jax.dataset.splits.name_rules import NamedClip
from videolstm_jax.dataset.splits.parts import ListedVideo
from videolstm_jax.errors import FileError
from videolstm_jax.files import PathLike
from videolstm_jax.folders import leads_out_by_link


class FolderListing(NamedTuple):
    """The videos of a folder in the order of their names, and lines for people to read.

    `unrecognised` are the names of videos that are groups of their own because nothing says which
    recording they are of.
    """

    videos: list[ListedVideo]
    notes: list[str]
    unrecognised: frozenset[str] = frozenset()


def videos_folder(cfg: DataConfig, root: PathLike | None = None) -> epath.Path:
    """The folder of videos: `root`, or else `cfg.videos`.

    Raises:
      FileError: neither is set, or there is no such folder.
    """
    if root is None:
        root = cfg.videos
    folder = epath.Path(root)
    problem = ""
    # An empty path would be the current folder, which nobody has named.
    if not root:
        problem = "data.videos is empty; expected a folder of videos"
    elif not folder.is_dir():
        problem = f"{folder}: no such folder; expected one that holds class folders of videos"
    if problem:
        raise FileError(problem)
    return folder


def list_videos_of_folder(
    root: epath.Path, *, group_pattern: str = "", follow_links: bool = False
) -> FolderListing:
    """Every video of labels.csv, or else of the class folders, also those that no list names.

    Args:
      root: the folder of videos.
      group_pattern: a regular expression that finds the group; it wins over labels.csv.
      follow_links: whether labels.csv may name a file through a link that leads out of `root`.

    Raises:
      FileError: no videos, or a damaged table.
      ConfigError: the pattern does not fit every video.
    """
    table = labels_csv.find_labels_csv(root)
    notes: list[str] = []
    table_groups = None
    if table:
        files, table_groups = _table_files(root, table, follow_links=follow_links)
        paths = [file.path for file in files]
        notes = files_below.count_unlisted_videos(root, paths, table.name)
    else:
        # Our own folders hold the clips in videos/, beside the lists.
        clips = root / "videos"
        files, notes = class_folders.find_videos(clips if clips.is_dir() else root)
    names = class_folders.name_folder_videos(files)
    groups = _groups(root, files, table_groups, group_pattern)
    videos = []
    unrecognised = set()
    for file, name, group in zip(files, names, groups, strict=True):
        if not group.is_known:
            unrecognised.add(name)
        # A clip without a group is one of its own.
        video_group = group.name or name.rsplit("/", 1)[-1]
        videos.append(ListedVideo(name, str(file.path), file.label, video_group, file.part))
    # The order of the file system differs between machines.
    return FolderListing(sorted(videos), notes, frozenset(unrecognised))


class _Group(NamedTuple):
    """The group of a video, empty where it has none, and whether it is known to be a recording."""

    name: str
    is_known: bool = True


def _groups(
    root: epath.Path,
    videos: Sequence[FolderVideo],
    table_groups: Sequence[str] | None,
    pattern: str,
) -> list[_Group]:
    """The group of each video: by the pattern, else of the table, else by its name.

    `table_groups` is None in class folders, whose own folders may be recordings. Those of a table
    may be anything, such as the parts of an archive.
    """
    clips = []
    paths = []
    for video in videos:
        folder = video.folder if table_groups is None else ""
        stem = video.stem
        if stem == video.path.name:
            # A suffix that is none of a video's stays in the stem, and says nothing of recordings.
            stem = video.path.stem
        clips.append(NamedClip(video.label, stem, folder))
        paths.append(str(video.path).removeprefix(f"{root}/"))
    # The user's own rule goes before the table, and the table before a guess from names.
    if pattern:
        return list(map(_Group, name_groups.group_by_pattern(pattern, clips, paths)))
    if table_groups and all(table_groups):
        return list(map(_Group, table_groups))
    names = name_groups.recognise_groups(clips)
    are_unrecognised = name_groups.are_unrecognised_groups(clips, names)
    groups = []
    for name, is_unrecognised in zip(names, are_unrecognised, strict=True):
        groups.append(_Group(name, not is_unrecognised))
    return groups


# ---- labels.csv ----------------------------------------------------------------------------------


def _table_files(
    root: epath.Path, table: epath.Path, *, follow_links: bool
) -> tuple[list[FolderVideo], list[str]]:
    """The file of each row of a table, and its group, empty where the table has none."""
    rows = labels_csv.read_labels_csv(table)
    files = []
    groups = []
    for row in rows:
        files.append(_find_row(root, row, follow_links=follow_links))
        groups.append(row.group)
    _check_each_once(rows, files)
    return files, groups


def _find_row(root: epath.Path, row: LabelsRow, *, follow_links: bool) -> FolderVideo:
    """The file of a row; its folder tells files of one name apart."""
    place = _find_place(root, row)
    path = place / row.path
    # Whoever wrote the table may have packed the link beside it.
    if not follow_links and leads_out_by_link(place, path):
        raise FileError(
            f"{row.where}: path {row.path!r} leads out of {place} through a symbolic link; give "
            "--data.follow_links if the link is your own"
        )
    stem = video_names.without_video_extension(path.name)
    video_names.check_stem(stem, path)
    return FolderVideo(row.label, stem, row.path.rpartition("/")[0], path, part=row.part)


def _find_place(root: epath.Path, row: LabelsRow) -> epath.Path:
    """The folder that the file of a row lies below: that of the table, or its folder videos/."""
    for place in (root, root / "videos"):
        # A name that is longer than the file system allows is an error, not a missing file.
        with contextlib.suppress(OSError):
            if (place / row.path).is_file():
                return place
    raise FileError(f"{row.where}: {row.path} is not there; looked for {root / row.path}")


def _check_each_once(rows: Sequence[LabelsRow], files: Sequence[FolderVideo]) -> None:
    """Raises FileError where two rows lead to one file, by links or by the folder videos/."""
    first_of: dict[str, LabelsRow] = {}
    for row, file in zip(rows, files, strict=True):
        first = first_of.setdefault(files_below.real_video_path(file.path), row)
        if first is not row:
            raise FileError(
                f"{row.where}: path {row.path} is the same file as {first.path}, first at "
                f"{first.where}; expected each file once"
            )
