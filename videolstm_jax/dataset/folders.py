"""Lists the video files of a folder by class, from class folders or labels.csv; opens none."""

from __future__ import annotations

import re
from collections.abc import Sequence

from etils import epath

from videolstm_jax.config import DataConfig
from videolstm_jax.dataset import labels_csv, lists
from videolstm_jax.dataset.groups import group_by_name
from videolstm_jax.dataset.labels_csv import LabelsRow
from videolstm_jax.dataset.official_lists import LIST_FOLDERS
from videolstm_jax.dataset.splits import ListedVideo
from videolstm_jax.errors import FileError
from videolstm_jax.files import PathLike


def videos_folder(cfg: DataConfig, root: PathLike | None = None) -> epath.Path:
    """The folder of videos: `root`, or else `cfg.videos`.

    Raises:
      FileError: neither is set, or there is no such folder.
    """
    if root is None and not cfg.videos:
        raise FileError("data.videos is empty; expected a folder of videos")
    folder = epath.Path(root if root is not None else cfg.videos)
    if not folder.is_dir():
        raise FileError(
            f"{folder}: no such folder; expected one that holds class folders of videos"
        )
    return folder


def list_folder(root: epath.Path) -> list[ListedVideo]:
    """Every video of labels.csv, or else of the class folders, also those that no list names.

    Raises:
      FileError: no videos, or a damaged table.
    """
    table = labels_csv.find_labels_csv(root)
    if table:
        return _list_table(root, labels_csv.read_labels_csv(table))
    return _list_class_folders(root)


def find_video_files(folder: PathLike) -> dict[str, epath.Path]:
    """Every video file in the class folders of a folder, by "Class/stem".

    Without class folders, videos in the folder itself are taken if all have names like those of
    UCF101, which contain the class: v_Archery_g01_c01.avi. THUMOS13 packs them so.

    Raises:
      FileError: no class folders, one without videos, two files of one stem, or a name that is not
        UTF-8.
    """
    folder = epath.Path(folder)
    paths: dict[str, epath.Path] = {}
    for class_folder in _class_folders(folder):
        names = [path for path in class_folder.iterdir() if not path.name.startswith(".")]
        videos = sorted(path for path in names if lists.video_extension(path.name))
        if not videos:
            raise FileError(
                f"{class_folder}: class {class_folder.name} has no clips; expected files "
                f"{' '.join(lists.EXTENSIONS)}, or no such folder"
            )
        for path in videos:
            stem = lists.without_extension(path.name)
            _add_path(paths, f"{class_folder.name}/{stem}", path)
    return paths or _find_loose_files(folder)


def _class_folders(folder: epath.Path) -> list[epath.Path]:
    """The folders in `folder`, but hidden ones and those of published lists."""
    folders = []
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not path.name.startswith(".") and path.name not in LIST_FOLDERS:
            folders.append(path)
    return folders


def _find_loose_files(folder: epath.Path) -> dict[str, epath.Path]:
    """Video files in the folder itself, whose names must contain the class as UCF101's do."""
    loose = [path for path in sorted(folder.iterdir()) if lists.video_extension(path.name)]
    paths: dict[str, epath.Path] = {}
    for path in loose:
        stem = lists.without_extension(path.name)
        ucf101_name = re.fullmatch(r"v_(.+)_g\d+_c\d+", stem)
        if not ucf101_name:
            raise FileError(
                f"{folder}: no class folders with videos, but videos beside them ({loose[0].name} "
                "..): put each in a folder named as its class, or write labels.csv"
            )
        _add_path(paths, f"{ucf101_name[1]}/{stem}", path)
    if not paths:
        raise FileError(f"{folder}: no class folders with videos")
    return paths


def _add_path(paths: dict[str, epath.Path], name: str, path: epath.Path) -> None:
    # Python keeps bytes that are not UTF-8 as lone surrogates, which no JSON file could hold.
    if not name.isascii() and name.encode("utf-8", "ignore").decode() != name:
        raise FileError(
            f"{str(path)!r}: the name is not UTF-8; expected one that is (HMDB51's lists have _ "
            "there)"
        )
    if name in paths:
        raise FileError(
            f"{path}: {name} is also {paths[name]}; expected one file of each name in a class"
        )
    paths[name] = path


def _list_class_folders(root: epath.Path) -> list[ListedVideo]:
    clips = root / "videos"
    paths = find_video_files(clips if clips.is_dir() else root)
    names = sorted(paths)  # the order of the file system differs between machines
    videos = []
    for name, group in zip(names, group_by_name(names), strict=True):
        videos.append(ListedVideo(name, str(paths[name]), name.split("/")[0], group))
    return videos


def _list_table(root: epath.Path, rows: Sequence[LabelsRow]) -> list[ListedVideo]:
    paths: dict[str, epath.Path] = {}
    row_of: dict[str, LabelsRow] = {}
    for row in rows:
        path = _find_table_file(root, row)
        name = f"{row.label}/{lists.without_extension(path.name)}"
        _add_path(paths, name, path)
        row_of[name] = row
    names = sorted(paths)
    videos = []
    for name, group in zip(names, group_by_name(names), strict=True):
        row = row_of[name]
        videos.append(ListedVideo(name, str(paths[name]), row.label, row.group or group, row.part))
    return videos


def _find_table_file(root: epath.Path, row: LabelsRow) -> epath.Path:
    """The file of a row, below the folder or below its folder videos/."""
    for place in (root, root / "videos"):
        if (place / row.path).is_file():
            return place / row.path
    raise FileError(f"{row.where}: {row.path} is not there; looked for {root / row.path}")
