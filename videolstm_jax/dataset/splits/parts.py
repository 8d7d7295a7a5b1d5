"""Gives listed videos the parts of train and test lists, and checks the parts of any split."""

from __future__ import annotations

import re
import unicodedata
import warnings
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from videolstm_jax.dataset.lists.list_files import ListRow, ListWarning
from videolstm_jax.errors import FileError
from videolstm_jax.types import Part


class ListedVideo(NamedTuple):
    """A video before it is opened.

    `name` is "Class/stem", `label` the name of its class, `part` empty where it is not decided.
    """

    name: str
    path: str
    label: str
    group: str
    part: Part | str = ""


def videos_in(videos: Sequence[ListedVideo], part: str) -> list[ListedVideo]:
    """The videos of one part."""
    return [video for video in videos if video.part == part]


def labels_of(videos: Sequence[ListedVideo]) -> set[str]:
    """The names of the classes that the videos have."""
    return {video.label for video in videos}


def groups_of(videos: Sequence[ListedVideo]) -> set[str]:
    """The groups that the videos have."""
    return {video.group for video in videos}


def with_parts(videos: Sequence[ListedVideo], parts: Sequence[str]) -> list[ListedVideo]:
    """The videos in the same order, each with its part of the other list."""
    return [video._replace(part=part) for video, part in zip(videos, parts, strict=True)]


# ---- parts from lists ----------------------------------------------------------------------------


def assign_parts(
    videos: Sequence[ListedVideo],
    classes: Sequence[str],
    train: Sequence[ListRow],
    test: Sequence[ListRow],
) -> list[ListedVideo]:
    """Gives each video the part that the official lists say, and `unused` to those in neither.

    A listed name also matches a file whose `plain_name` is the same.

    Args:
      videos: the files on disk.
      classes: the class names; the numbers in the lists count them from 1.
      train: lines of the training list.
      test: lines of the test list.

    Returns:
      The videos in the same order, with their parts.

    Raises:
      FileError: listed videos that do not exist, an unknown class, a number of another class, a
        video in both lists, or a name that fits two videos.
    """
    index = _VideoIndex(videos)
    numbers = _class_numbers(classes)
    parts = ["unused"] * len(videos)
    places: dict[int, str] = {}
    # All absent videos are named in one message: often a whole archive is not unpacked yet.
    absent = []
    for part, rows in (("train", train), ("test", test)):
        for row in rows:
            _check_class_number(row, numbers, classes)
            at = index.find(row)
            if at is None:
                absent.append(f"{row.name} ({row.where})")
                continue
            if at in places:
                raise FileError(f"{row.where}: {row.name} is listed twice, first at {places[at]}")
            places[at] = row.where
            parts[at] = part
    if absent:
        raise FileError(f"{len(absent)} listed videos are not there: {abbreviated(absent)}")
    return with_parts(videos, parts)


def _class_numbers(classes: Sequence[str]) -> dict[str, int]:
    """The number of each class, by its name in small letters."""
    numbers = {}
    for number, name in enumerate(classes, 1):
        numbers[name.casefold()] = number
    return numbers


def _check_class_number(row: ListRow, numbers: dict[str, int], classes: Sequence[str]) -> None:
    expected = numbers.get(row.name.split("/")[0].casefold())
    if expected is None:
        raise FileError(
            f"{row.where}: class of {row.name} is unknown; expected one of {abbreviated(classes)}"
        )
    if row.number not in (None, expected):
        raise FileError(
            f"{row.where}: {row.name} has class number {row.number}; expected {expected}, since "
            "classes count from 1"
        )


class _VideoIndex:
    """Finds videos by their exact name, or else by a name that is spelled alike."""

    def __init__(self, videos: Sequence[ListedVideo]):
        self.exact: dict[str, int] = {}
        self.alike: dict[str, list[str]] = defaultdict(list)
        for at, video in enumerate(videos):
            self.exact[video.name] = at
            self.alike[plain_name(video.name)].append(video.name)

    def find(self, row: ListRow) -> int | None:
        """The index of a listed video, None where there is none; refuses two that fit."""
        # The exact name goes first: two files whose names differ in case only are two videos.
        if row.name in self.exact:
            return self.exact[row.name]
        matches = self.alike.get(plain_name(row.name), [])
        if not matches:
            return None
        if len(matches) > 1:
            names = abbreviated(matches)
            raise FileError(
                f"{row.where}: {row.name} is not there, but may be any of {names}; expected the "
                "listed spelling"
            )
        return self.exact[matches[0]]


def plain_name(name: str) -> str:
    """A name without what archives and file systems change.

    Case is folded, and a character that is neither letter, digit nor slash becomes _.
    """
    # UCF101 writes both HandstandPushups and HandStandPushups. Archives unpack HMDB51's !, +, #, [
    # and ; in several spellings. macOS stores an umlaut as two characters, the lists have one: NFC
    # joins them, so that both become one _.
    composed = unicodedata.normalize("NFC", name)
    return re.sub(r"[^a-z0-9/]", "_", composed.casefold())


def match_spelling(videos: Sequence[ListedVideo], classes: Sequence[str]) -> list[ListedVideo]:
    """Spells the label of each video as the class that differs from it in case only."""
    exact = set(classes)
    numbers = _class_numbers(classes)
    matched = []
    for video in videos:
        number = numbers.get(video.label.casefold())
        # A label that is a class already is not changed to another that differs in case only.
        if video.label not in exact and number is not None:
            video = video._replace(label=classes[number - 1])
        matched.append(video)
    return matched


# ---- any split -----------------------------------------------------------------------------------


def test_on_validation(videos: list[ListedVideo]) -> tuple[list[ListedVideo], str]:
    """Makes the validation part the test list where there is no test list.

    Returns:
      The videos, and a line for people to read, empty where nothing changes.
    """
    if videos_in(videos, "test") or not videos_in(videos, "valid"):
        return videos, ""
    changed = []
    for video in videos:
        if video.part == "valid":
            video = video._replace(part="test")
        changed.append(video)
    return changed, "there is no test list: the validation list is the test list"


def check_parts(videos: Sequence[ListedVideo], classes: Sequence[str], *, from_lists: bool) -> None:
    """Checks that every class has training clips, and that no group is trained on and tested on.

    Args:
      videos: with labels, groups and parts.
      classes: the class names.
      from_lists: whether the parts come from lists, whose authors may have had their reasons:
        shared groups and classes without test clips then only warn.

    Raises:
      FileError: a class without training clips, no test list, or, in a split made here, a group on
        both sides.
    """
    # No list can excuse this one: the classifier would never see the class.
    untrained = _classes_without(videos, classes, "train")
    if untrained:
        raise FileError(f"no clip in the train list of {abbreviated(untrained)}")
    untested = _classes_without(videos, classes, "test")
    if len(untested) == len(classes):
        raise FileError("no clip in the test list of any class")
    if untested and from_lists:
        warnings.warn(
            f"no clip in the test list of {abbreviated(untested)}", ListWarning, stacklevel=2
        )
    shared = _groups_of_several_parts(videos)
    if shared:
        message = f"{len(shared)} groups are on both sides of the split: {abbreviated(shared)}"
        if not from_lists:
            raise FileError(message)
        warnings.warn(message, ListWarning, stacklevel=2)


def _classes_without(videos: Sequence[ListedVideo], classes: Sequence[str], part: str) -> list[str]:
    return sorted(set(classes) - labels_of(videos_in(videos, part)))


def _groups_of_several_parts(videos: Sequence[ListedVideo]) -> list[str]:
    parts_of: dict[str, set[str]] = defaultdict(set)
    for video in videos:
        # An unused clip is neither trained on nor tested on, so its group may be anywhere.
        if video.part != "unused":
            parts_of[video.group].add(video.part)
    shared = []
    for group, parts in parts_of.items():
        if len(parts) > 1:
            shared.append(group)
    return sorted(shared)


def describe_parts(videos: Sequence[ListedVideo]) -> str:
    """How many videos and groups each part has, for people to read."""
    counts = []
    for part in ("train", "valid", "test", "unused"):
        of_part = videos_in(videos, part)
        if of_part:
            counts.append(f"{part} {len(of_part)} ({len(groups_of(of_part))} groups)")
    return ", ".join(counts)


def abbreviated(names: Sequence[str]) -> str:
    """The first of some names for a message, and how many there are."""
    text = ", ".join(names[:8])
    if len(names) > 8:
        text += f" .. ({len(names)} in all)"
    return text
