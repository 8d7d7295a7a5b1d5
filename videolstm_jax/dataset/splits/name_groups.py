"""Recognises by their names which clips were cut from one recording, or show one person.

Clips of one recording look alike. If a model is trained on some and tested on others, its accuracy
is too high.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from videolstm_jax.dataset.splits.doubtful_rules import doubtful_group_rules
from videolstm_jax.dataset.splits.name_rules import NamedClip, Rule, certain_group_rules
from videolstm_jax.errors import ConfigError


def group_by_name(names: Sequence[str]) -> list[str]:
    """The group of each video by its name; a video without a known form is a group of its own.

    Args:
      names: "Class/stem" of all videos.

    Returns:
      The groups in the same order.
    """
    clips = []
    for name in names:
        clips.append(NamedClip(*name.rsplit("/", 1)))
    groups = []
    for clip, group in zip(clips, recognise_groups(clips), strict=True):
        groups.append(group or clip.stem)
    return groups


def recognise_groups(clips: Sequence[NamedClip]) -> list[str]:
    """The group of each clip, empty where its name says nothing.

    The rules that name a recording or a person are certain. The date and the text before a running
    number are not: where they would make one group of a whole class, the class is grouped without
    them. Then "walk/park_01" .. "walk/park_40" are 40 groups, since "park" may be just the name
    that somebody gave to the class. A group that other classes have too is kept.

    Args:
      clips: all of them; some rules depend on the others.

    Returns:
      The groups in the same order.
    """
    certain = _fill_groups([""] * len(clips), clips, certain_group_rules(clips))
    members_of: dict[str, list[int]] = defaultdict(list)
    for at, clip in enumerate(clips):
        members_of[clip.label].append(at)
    groups = list(certain)
    for doubtful in doubtful_group_rules(clips):
        # The second round replaces the groups of the first where it makes more than one of a class.
        proposed = _fill_groups(certain, clips, doubtful)
        usable = _groups_of_divided_classes(members_of, clips, proposed)
        for members in members_of.values():
            names = set()
            for at in members:
                names.add(proposed[at])
            # A class of one clip cannot be divided, so its group hides nothing.
            if len(members) == 1 or names & usable:
                for at in members:
                    groups[at] = proposed[at]
    return groups


def are_unrecognised_groups(clips: Sequence[NamedClip], groups: Sequence[str]) -> list[bool]:
    """Whether the name of each clip shows no recording that is known to be one.

    A text before a number, in one name only, may be a recording or not.

    Args:
      clips: all of them.
      groups: of the clips, by `recognise_groups`.
    """
    certain = _fill_groups([""] * len(clips), clips, certain_group_rules(clips))
    # "park" of "park_1" alone may be a place or a recording; in two names it links them.
    sizes = Counter(groups)
    doubtful = []
    for group, certain_group in zip(groups, certain, strict=True):
        is_alone = not certain_group and sizes[group] == 1
        doubtful.append(not group or is_alone)
    return doubtful


def _fill_groups(
    groups: Sequence[str], clips: Sequence[NamedClip], rules: Sequence[Rule]
) -> list[str]:
    """The groups of the clips; where one is empty, that by the first rule that applies."""
    filled = []
    for group, clip in zip(groups, clips, strict=True):
        for rule in rules:
            group = group or rule(clip)
        filled.append(group)
    return filled


def _groups_of_divided_classes(
    members_of: Mapping[str, Sequence[int]], clips: Sequence[NamedClip], groups: Sequence[str]
) -> set[str]:
    """The groups, or stems, of the classes that have two or more of them."""
    usable: set[str] = set()
    for members in members_of.values():
        names = set()
        for at in members:
            names.add(groups[at] or clips[at].stem)
        if len(names) > 1:
            usable |= names
    return usable


# ---- a rule of the user's ------------------------------------------------------------------------


def group_by_pattern(pattern: str, clips: Sequence[NamedClip], paths: Sequence[str]) -> list[str]:
    """The group of each clip by `--data.group_pattern`.

    Args:
      pattern: a regular expression with a group, called `group` or the first one. It is searched in
        the stem; one that has a slash, in the path.
      clips: all of them.
      paths: of their files below the folder of videos, with / between the names.

    Returns:
      What the group of the pattern matched.

    Raises:
      ConfigError: the pattern does not fit every clip.
    """
    compiled = re.compile(pattern)
    # The user may need other brackets before the one that finds the group.
    group = "group" if "group" in compiled.groupindex else 1
    groups, unmatched = [], []
    for clip, path in zip(clips, paths, strict=True):
        # `search`, as in the help: a pattern need not fit the whole name.
        match = compiled.search(path if "/" in pattern else clip.stem)
        if match and match[group]:
            groups.append(match[group])
        else:
            unmatched.append(path)
    if unmatched:
        raise ConfigError(
            f"data.group_pattern {pattern!r} finds no group in {len(unmatched)} of {len(clips)} "
            f"videos, such as {', '.join(unmatched[:3])}; expected a match in each"
        )
    return groups
