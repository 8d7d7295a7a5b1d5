"""Gives listed videos the parts of train and test lists, whose names may be spelled otherwise."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence

from videolstm_jax.dataset.lists.list_files import ListRow, add_list_row
from videolstm_jax.dataset.splits.parts import (
    ListedVideo,
    abbreviated_group_names,
    videos_with_parts,
)
from videolstm_jax.errors import FileError


def assign_parts(
    videos: Sequence[ListedVideo],
    classes: Sequence[str],
    train: Sequence[ListRow],
    test: Sequence[ListRow],
) -> list[ListedVideo]:
    """Gives each video the part that the official lists say, and `unused` to those in neither.

    A listed name also matches a file whose `plain_video_name` is the same.

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
    rows_of: dict[int, ListRow] = {}
    absent = []
    for part, rows in (("train", train), ("test", test)):
        for row in rows:
            _check_class_number(row, numbers, classes)
            at = index.find(row)
            if at is None:
                absent.append(f"{row.name} ({row.where})")
                continue
            # By the file: two spellings in a list may be of one.
            add_list_row(rows_of, at, row)
            parts[at] = part
    _check_none_absent(absent)
    return videos_with_parts(videos, parts)


def _check_none_absent(absent: Sequence[str]) -> None:
    # All are named in one message: often a whole archive is not unpacked yet.
    if absent:
        raise FileError(
            f"{len(absent)} listed videos are not there: {abbreviated_group_names(absent)}"
        )


def _class_numbers(classes: Sequence[str]) -> dict[str, int]:
    """The number of each class, by its name in small letters."""
    numbers = {}
    for number, name in enumerate(classes, 1):
        numbers[name.casefold()] = number
    return numbers


def _check_class_number(row: ListRow, numbers: dict[str, int], classes: Sequence[str]) -> None:
    """Raises FileError where a row's class is unknown, or has another number than the row says."""
    expected = numbers.get(row.name.split("/")[0].casefold())
    problem = ""
    if expected is None:
        problem = (
            f"class of {row.name} is unknown; expected one of {abbreviated_group_names(classes)}"
        )
    elif row.number not in (None, expected):
        problem = f"{row.name} has class number {row.number}; expected {expected}, since classes "
        problem += "count from 1"
    if problem:
        raise FileError(f"{row.where}: {problem}")


class _VideoIndex:
    """Finds videos by their exact name, or else by a name that is spelled alike."""

    def __init__(self, videos: Sequence[ListedVideo]):
        self.exact: dict[str, int] = {}
        self.alike: dict[str, list[str]] = defaultdict(list)
        for at, video in enumerate(videos):
            self.exact[video.name] = at
            self.alike[plain_video_name(video.name)].append(video.name)

    def find(self, row: ListRow) -> int | None:
        """The index of a listed video, None where there is none; refuses two that fit."""
        # The exact name goes first: two files whose names differ in case only are two videos.
        if row.name in self.exact:
            return self.exact[row.name]
        matches = self.alike.get(plain_video_name(row.name), [])
        if not matches:
            return None
        if len(matches) > 1:
            names = abbreviated_group_names(matches)
            raise FileError(
                f"{row.where}: {row.name} is not there, but may be any of {names}; expected the "
                "listed spelling"
            )
        return self.exact[matches[0]]


def plain_video_name(name: str) -> str:
    """A name without what archives and file systems change.

    Case is folded, and a character that is neither letter, digit nor slash becomes _.
    """
    # UCF101 writes both HandstandPushups and HandStandPushups. Archives unpack HMDB51's !, +, #, [
    # and ; in several spellings. macOS stores an umlaut as two characters, the lists have one: NFC
    # joins them, so that both become one _.
    composed = unicodedata.normalize("NFC", name)
    return re.sub(r"[^a-z0-9/]", "_", composed.casefold())


def match_video_spelling(
    videos: Sequence[ListedVideo], classes: Sequence[str]
) -> list[ListedVideo]:
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
