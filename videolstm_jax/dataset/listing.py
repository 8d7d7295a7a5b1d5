"""Decides which videos of a folder are used, in which part, and which classes they have."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Sequence
from typing import NamedTuple

from etils import epath

from videolstm_jax.config import DataConfig
from videolstm_jax.dataset.folders import folder_listing
from videolstm_jax.dataset.lists import labels_csv, list_files, official_lists
from videolstm_jax.dataset.lists.list_files import ListWarning
from videolstm_jax.dataset.lists.official_lists import OfficialLists
from videolstm_jax.dataset.splits import groups, list_parts, parts
from videolstm_jax.dataset.splits.parts import ListedVideo
from videolstm_jax.errors import FileError
from videolstm_jax.files import PathLike, reading


class Listing(NamedTuple):
    """The used videos with their parts, the classes in order, and where the parts come from.

    `origin` and `notes` are for people to read. `origin` is empty where the parts come from
    labels.csv or were made here; each note is a line, such as which files were left out.
    """

    videos: list[ListedVideo]
    classes: tuple[str, ...]
    origin: str
    notes: tuple[str, ...] = ()


class _Candidates(NamedTuple):
    """The videos of the used classes in a folder, before they have parts.

    `all_classes` are those of the whole set, which the numbers in lists count. `official` are the
    rows of the used classes, None without official lists.
    """

    folder: epath.Path
    videos: list[ListedVideo]
    classes: tuple[str, ...]
    all_classes: tuple[str, ...]
    official: OfficialLists | None


class _Split(NamedTuple):
    """Videos with parts, and whether lists decided these and not a split made here."""

    videos: list[ListedVideo]
    origin: str
    from_lists: bool = True


def list_videos(cfg: DataConfig, *, seed: int = 0, root: PathLike | None = None) -> Listing:
    """Lists a folder of videos with classes and parts, without opening a video.

    Parts come from the first of these that exists: `cfg.hold_out`; labels.csv, or folders called
    train, val and test; the lists of UCF101 or HMDB51 (`find_official_lists`); a split by whole
    groups. `cfg.validation` then takes whole groups out of the training list. Videos that official
    lists name as unused, or do not name, are left out. A warning names the latter, and another
    shows where the lists are shorter than the published ones.

    Args:
      cfg: where to look, and how to split.
      seed: of the splits that are made here.
      root: the folder, where it is not `cfg.videos`.

    Raises:
      FileError: no videos, or lists that do not fit them.
      ConfigError: `cfg.group_pattern` does not fit every video.
    """
    folder = folder_listing.videos_folder(cfg, root)
    listed = folder_listing.list_videos_of_folder(
        folder, group_pattern=cfg.group_pattern, follow_links=cfg.follow_links
    )
    candidates = _choose_videos(cfg, folder, listed.videos)
    # After the classes were chosen: shares and groups are of the videos that are used.
    split = _split(cfg, seed, candidates)
    videos, note = parts.test_on_validation_part(split.videos)
    notes = list(listed.notes)
    if note:
        notes.append(note)
    if cfg.validation and not parts.videos_of_part(videos, "valid"):
        videos = _hold_out_validation(videos, cfg.validation, seed)
    with reading(folder):
        parts.check_parts(videos, candidates.classes, from_lists=split.from_lists)
    # Published lists have parts by authors who knew the recordings; any other split depends on the
    # groups, so the user should see them.
    if not split.from_lists or cfg.hold_out or cfg.validation:
        groups.warn_of_look_alike_groups(videos, listed.unrecognised)
        groups.warn_of_large_groups(videos)
        notes.extend(groups.describe_groups(videos))
    return Listing(videos, candidates.classes, split.origin, tuple(notes))


def _choose_videos(
    cfg: DataConfig, folder: epath.Path, videos: Sequence[ListedVideo]
) -> _Candidates:
    """Finds the official lists and the classes, and leaves out videos of classes not used."""
    official = _find_lists(cfg, folder, videos)
    index = folder / "classInd.txt"
    if official and official.index:
        index = official.index
    all_classes = _read_classes(index, videos)
    # Folders may spell a class in another case than classInd.txt does.
    videos = list_parts.match_video_spelling(videos, all_classes)
    classes = official_lists.choose_dataset_classes(cfg.classes, all_classes)
    if cfg.classes:
        videos = _videos_of_classes(videos, classes)
        if official:
            official = official.only(classes)
    _check_classes(videos, classes, index)
    return _Candidates(folder, videos, classes, all_classes, official)


def _videos_of_classes(
    videos: Sequence[ListedVideo], classes: Collection[str]
) -> list[ListedVideo]:
    selected = []
    for video in videos:
        if video.label in classes:
            selected.append(video)
    return selected


def _find_lists(
    cfg: DataConfig, folder: epath.Path, videos: Sequence[ListedVideo]
) -> OfficialLists | None:
    """The official lists; a labels.csv or folders of parts go before lists that nobody names."""
    has_own_parts = bool(videos[0].part) or labels_csv.find_labels_csv(folder) is not None
    if has_own_parts and not cfg.lists:
        return None
    labels = parts.labels_of_videos(videos)
    return official_lists.find_official_lists(folder, labels, cfg.split, folder=cfg.lists)


def _read_classes(index: epath.Path, videos: Sequence[ListedVideo]) -> tuple[str, ...]:
    """All classes in the order of classInd.txt, or else of their names."""
    if index.exists():
        return list_files.read_class_list(index)
    return tuple(sorted(parts.labels_of_videos(videos)))


def _check_classes(
    videos: Sequence[ListedVideo], classes: Sequence[str], index: epath.Path
) -> None:
    """Raises FileError where the classes are not those of the videos, or are no two classes."""
    with_videos = parts.labels_of_videos(videos)
    unknown = sorted(with_videos - set(classes))
    empty = sorted(set(classes) - with_videos)
    problem = _spelling_problem(classes)
    if problem:
        problem = f"{index.parent}: {problem}"
    # The list of classes first: of one that does not fit the videos, no spelling has to be mended.
    if unknown:
        problem = f"{index}: does not name class {unknown[0]}, which has videos; it names "
        problem += f"{len(classes)} classes"
    elif empty:
        problem = f"{index}: names class {empty[0]}, which has no clips; expected clips of each "
        problem += "(data.classes takes some of them)"
    elif len(classes) < 2:
        problem = f"{index.parent}: only one class, {classes[0]}; expected two or more"
    if problem:
        raise FileError(problem)


def _spelling_problem(classes: Sequence[str]) -> str:
    """Which classes differ in case only: they are one, spelled in two ways; empty where none do."""
    spelling: dict[str, str] = {}
    for name in sorted(classes):
        first = spelling.setdefault(name.casefold(), name)
        if first != name:
            return f"classes {first} and {name} differ in case only; expected one spelling"
    return ""


# ---- parts ---------------------------------------------------------------------------------------


def _split(cfg: DataConfig, seed: int, candidates: _Candidates) -> _Split:
    """Gives each video its part, from the first source there is."""
    videos = candidates.videos
    # Before all others, since the user names the group for this one run.
    if cfg.hold_out:
        held_out = groups.hold_out_group(videos, cfg.hold_out)
        return _Split(held_out, f"{cfg.hold_out} held out")
    if candidates.official:
        return _split_by_lists(candidates, candidates.official, cfg.split)
    # Of labels.csv, which has parts in every line or in none, or of folders, where all lie in one.
    if videos[0].part:
        _check_own_parts(candidates)
        return _Split(videos, "")
    videos = groups.hold_out_share_of_groups(
        videos, cfg.test_fraction, seed=seed, part="test", other_part="train"
    )
    return _Split(videos, "", from_lists=False)


def _check_own_parts(candidates: _Candidates) -> None:
    """Raises FileError where labels.csv or the folders have only one part."""
    names = {video.part for video in candidates.videos}
    place = labels_csv.find_labels_csv(candidates.folder) or candidates.folder
    if "train" not in names or not names & {"test", "valid"}:
        raise FileError(
            f"{place}: the part of every video is {' or '.join(sorted(names))}; expected train, "
            "and test or val. Without any part, a split is made here"
        )


def _split_by_lists(candidates: _Candidates, official: OfficialLists, split: int) -> _Split:
    """The videos of the lists with their parts; warns of unlisted videos and of short lists."""
    # Class numbers in the lists count all classes of the set, also where only some are used.
    assigned = list_parts.assign_parts(
        candidates.videos, candidates.all_classes, official.train, official.test
    )
    name, difference = official_lists.compare_published_lists(
        candidates.classes, split, len(official.train), len(official.test)
    )
    if difference:
        warnings.warn(f"{official.folder}: {difference}", ListWarning, stacklevel=4)
    # HMDB51's lists name unused videos; any other unused video is in no list.
    named_unused = set()
    for row in official.unused:
        named_unused.add(list_parts.plain_video_name(row.name))
    used = []
    unlisted = []
    for video in assigned:
        if video.part != "unused":
            used.append(video)
        elif list_parts.plain_video_name(video.name) not in named_unused:
            unlisted.append(video.name)
    if unlisted:
        warnings.warn(
            f"{len(unlisted)} videos are in no list of split {split} in {official.folder} and are "
            f"left out, such as {', '.join(unlisted[:8])}",
            ListWarning,
            stacklevel=4,
        )
    source = f"{name} in {official.folder}" if name else str(official.folder)
    origin = f"split {split} of {source}"
    if len(used) < len(assigned):
        origin += f", {len(assigned) - len(used)} unused"
    return _Split(used, origin)


def _hold_out_validation(
    videos: Sequence[ListedVideo], share: float, seed: int
) -> list[ListedVideo]:
    """Moves whole groups of the training list to the validation part."""
    train = parts.videos_of_part(videos, "train")
    listed = []
    for video in videos:
        if video.part != "train":
            listed.append(video)
    # Only of the training list: a test clip must never become one of validation.
    listed += groups.hold_out_share_of_groups(
        train, share, seed=seed, part="valid", other_part="train"
    )
    # Back to the order of names, which the stages after this one rely on.
    return sorted(listed)
