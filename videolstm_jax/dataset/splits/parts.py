"""A video with its part, and the checks that a split must pass."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from videolstm_jax.dataset.lists.list_files import ListWarning
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


def videos_of_part(videos: Sequence[ListedVideo], part: str) -> list[ListedVideo]:
    """The videos of one part."""
    return [video for video in videos if video.part == part]


def labels_of_videos(videos: Sequence[ListedVideo]) -> set[str]:
    """The names of the classes that the videos have."""
    return {video.label for video in videos}


def groups_of(videos: Sequence[ListedVideo]) -> set[str]:
    """The groups that the videos have."""
    return {video.group for video in videos}


def videos_with_parts(videos: Sequence[ListedVideo], parts: Sequence[str]) -> list[ListedVideo]:
    """The videos in the same order, each with its part of the other list."""
    divided = []
    for video, part in zip(videos, parts, strict=True):
        divided.append(video._replace(part=part))
    return divided


def test_on_validation_part(videos: list[ListedVideo]) -> tuple[list[ListedVideo], str]:
    """Makes the validation part the test list where there is no test list.

    Returns:
      The videos, and a line for people to read, empty where nothing changes.
    """
    if videos_of_part(videos, "test") or not videos_of_part(videos, "valid"):
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
    untrained = _classes_without(videos, classes, "train")
    untested = _classes_without(videos, classes, "test")
    shared = _groups_of_several_parts(videos)
    on_both_sides = ""
    if shared:
        names = abbreviated_group_names(shared)
        on_both_sides = f"{len(shared)} groups are on both sides of the split: {names}"
    problem = ""
    if untrained:
        # No list can excuse this one: the classifier would never see the class.
        problem = f"no clip in the train list of {abbreviated_group_names(untrained)}"
    elif len(untested) == len(classes):
        problem = "no clip in the test list of any class"
    elif not from_lists:
        problem = on_both_sides
    if problem:
        raise FileError(problem)
    # A split made here has warned already, where it knew that the groups were too few.
    if untested and from_lists:
        untested_names = abbreviated_group_names(untested)
        warnings.warn(f"no clip in the test list of {untested_names}", ListWarning, stacklevel=2)
    if on_both_sides:
        warnings.warn(on_both_sides, ListWarning, stacklevel=2)


def _classes_without(videos: Sequence[ListedVideo], classes: Sequence[str], part: str) -> list[str]:
    return sorted(set(classes) - labels_of_videos(videos_of_part(videos, part)))


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
        of_part = videos_of_part(videos, part)
        if of_part:
            counts.append(f"{part} {len(of_part)} ({len(groups_of(of_part))} groups)")
    return ", ".join(counts)


def abbreviated_group_names(names: Sequence[str]) -> str:
    """The first of some names for a message, and how many there are."""
    message = ", ".join(names[:8])
    if len(names) > 8:
        message += f" .. ({len(names)} in all)"
    return message
