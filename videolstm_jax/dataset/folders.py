"""Which videos a folder holds, and which of them are for what; none is opened."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from typing import NamedTuple

from etils import epath

from videolstm_jax.config import DataConfig
from videolstm_jax.dataset import lists, official, splits
from videolstm_jax.dataset.lists import ListWarning
from videolstm_jax.dataset.splits import Listed
from videolstm_jax.errors import FileError
from videolstm_jax.files import PathLike


class Choice(NamedTuple):
    """The videos with their parts, the classes in order, and in words where the parts are from."""

    videos: list[Listed]
    classes: tuple[str, ...]
    about: str


def choose(cfg: DataConfig, *, seed: int = 0, root: PathLike | None = None) -> Choice:
    """Lists a folder as `scan` does, without opening a video.

    Parts come, the first that is there: from `cfg.hold_out`; from labels.csv; from the lists of
    UCF101 or HMDB51 (`official.read`); from a split by whole groups. `cfg.validation` then takes
    whole groups out of the training list. What official lists name as unused, or not at all, is
    left out; a warning says which were named nowhere, and where there are other numbers of videos
    than were published.

    Args:
      cfg: where to look, and how to split.
      seed: of the splits that are made here.
      root: the folder, where it is not `cfg.videos`.

    Raises:
      FileError: no videos, or lists that do not fit them.
    """
    folder = folder_of(cfg, root)
    videos = listed(folder)
    table = lists.find_table(folder)
    found = (
        None
        if table and not cfg.lists
        else official.read(folder, {video.label for video in videos}, cfg.split, given=cfg.lists)
    )
    index = found.index if found and found.index else folder / "classInd.txt"
    named = (
        lists.read_classes(index)
        if index.exists()
        else tuple(sorted({video.label for video in videos}))
    )
    videos = splits.spelled(videos, named)
    classes = official.chosen(cfg.classes, named)
    if cfg.classes:
        videos = [video for video in videos if video.label in classes]
    _check_classes(videos, classes, index)
    given, about = True, ""
    if cfg.hold_out:
        videos, about = splits.hold_out_group(videos, cfg.hold_out), f", {cfg.hold_out} held out"
    elif found:
        videos, about = _official(
            videos, named, classes, found.only(classes) if cfg.classes else found, cfg.split
        )
    elif not videos[0].part:
        videos, given = (
            splits.hold_out_share(videos, cfg.test_fraction, seed=seed, part="test", rest="train"),
            False,
        )
    if cfg.validation and not any(video.part == "valid" for video in videos):
        train = [video for video in videos if video.part == "train"]
        train = splits.hold_out_share(train, cfg.validation, seed=seed, part="valid", rest="train")
        videos = sorted([video for video in videos if video.part != "train"] + train)
    splits.check_parts(videos, classes, given=given)
    return Choice(videos, classes, about)


def find_clips(folder: PathLike) -> dict[str, epath.Path]:
    """Every video file in the class folders of a folder, by "Class/stem".

    Without class folders, the videos that lie there are taken if each is called as UCF101's are,
    which says its class: v_Archery_g01_c01.avi, as THUMOS13 packs them.

    Raises:
      FileError: no class folders, one without videos, two files of one stem, or a name that is not
        UTF-8.
    """
    folder = epath.Path(folder)
    found: dict[str, epath.Path] = {}
    for place in sorted(
        path
        for path in folder.iterdir()
        if path.is_dir() and not path.name.startswith(".") and path.name not in official.FOLDERS
    ):
        files = sorted(
            path
            for path in place.iterdir()
            if lists.video_extension(path.name) and not path.name.startswith(".")
        )
        if not files:
            raise FileError(
                f"{place}: class {place.name} has no clips; expected files "
                f"{' '.join(lists.EXTENSIONS)}, or no such folder"
            )
        for file in files:
            _add(found, f"{place.name}/{lists.without_extension(file.name)}", file)
    if not found:
        loose = [path.name for path in sorted(folder.iterdir()) if lists.video_extension(path.name)]
        told = [re.fullmatch(r"v_(.+)_g\d+_c\d+", lists.without_extension(name)) for name in loose]
        if loose and all(told):
            for name, one in zip(loose, told, strict=True):
                _add(found, f"{one[1]}/{one[0]}", folder / name)
            return found
        raise FileError(
            f"{folder}: no class folders with videos"
            + (
                f", but videos beside them ({loose[0]} ..): put each in a folder named as its class, "
                "or write labels.csv"
                if loose
                else ""
            )
        )
    return found


def folder_of(cfg: DataConfig, root: PathLike | None = None) -> epath.Path:
    """The folder of videos: `root`, or what `cfg.videos` says.

    Raises:
      FileError: neither says one, or it is not there.
    """
    if root is None and not cfg.videos:
        raise FileError("data.videos is empty; expected a folder of videos")
    folder = epath.Path(root if root is not None else cfg.videos)
    if not folder.is_dir():
        raise FileError(
            f"{folder}: no such folder; expected one that holds class folders of videos"
        )
    return folder


def _add(found: dict[str, epath.Path], name: str, file: epath.Path) -> None:
    if not name.isascii() and name.encode("utf-8", "ignore").decode() != name:
        raise FileError(
            f"{str(file)!r}: the name is not UTF-8; expected one that is (HMDB51's lists have _ there)"
        )
    if name in found:
        raise FileError(
            f"{file}: {name} is also {found[name]}; expected one file of each name in a class"
        )
    found[name] = file


def _official(
    videos: Sequence[Listed],
    named: Sequence[str],
    classes: Sequence[str],
    found: official.Lists,
    split: int,
) -> tuple[list[Listed], str]:
    """The videos of the lists with their parts, and which lists; warns of videos in no list and of
    lists cut short.
    """
    all_of_them = splits.from_lists(videos, named, found.train, found.test)
    name, short = official.published(classes, split, len(found.train), len(found.test))
    if short:
        warnings.warn(f"{found.folder}: {short}", ListWarning, stacklevel=3)
    known = {splits.plain(row.name) for row in found.unused}
    left = [video.name for video in all_of_them if video.part == "unused"]
    unlisted = [one for one in left if splits.plain(one) not in known]
    if unlisted:
        warnings.warn(
            f"{len(unlisted)} videos are in no list of split {split} in {found.folder} and are left out, "
            f"such as {', '.join(unlisted[:8])}",
            ListWarning,
            stacklevel=3,
        )
    return (
        [video for video in all_of_them if video.part != "unused"],
        f", split {split} of {name + ' in ' if name else ''}{found.folder}"
        + f", {len(left)} unused" * bool(left),
    )


def listed(root: epath.Path) -> list[Listed]:
    """Every video of labels.csv, or else of the class folders; those that no list names too.

    Raises:
      FileError: no videos, or a damaged table.
    """
    table = lists.find_table(root)
    return _from_table(root, lists.read_table(table)) if table else _from_folders(root)


def _from_folders(root: epath.Path) -> list[Listed]:
    clips = root / "videos"
    found = find_clips(clips if clips.is_dir() else root)
    names = sorted(found)
    return [
        Listed(name, str(found[name]), name.split("/")[0], group)
        for name, group in zip(names, splits.groups(names), strict=True)
    ]


def _from_table(root: epath.Path, rows: Sequence[lists.TableRow]) -> list[Listed]:
    found: dict[str, epath.Path] = {}
    about: dict[str, lists.TableRow] = {}
    for row in rows:
        places = [place / row.path for place in (root, root / "videos")]
        file = next((place for place in places if place.is_file()), None)
        if file is None:
            raise FileError(f"{row.where}: {row.path} is not there; looked for {places[0]}")
        name = f"{row.label}/{lists.without_extension(file.name)}"
        _add(found, name, file)
        about[name] = row
    names = sorted(found)
    told = splits.groups(names)
    return [
        Listed(
            name, str(found[name]), about[name].label, about[name].group or group, about[name].part
        )
        for name, group in zip(names, told, strict=True)
    ]


def _check_classes(videos: Sequence[Listed], classes: Sequence[str], index: epath.Path) -> None:
    found = {video.label for video in videos}
    unknown, empty = sorted(found - set(classes)), sorted(set(classes) - found)
    if unknown:
        raise FileError(
            f"{index}: does not name class {unknown[0]}, which has videos; it names {len(classes)} classes"
        )
    if empty:
        raise FileError(
            f"{index}: names class {empty[0]}, which has no clips; expected clips of each "
            "(data.classes takes some of them)"
        )
    if len(classes) < 2:
        raise FileError(f"only one class, {classes[0]}; expected two or more")
