"""Groups of videos that belong together, and splits that never part a group."""

from __future__ import annotations

import re
import warnings
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence

import numpy as np

from videolstm_jax.dataset.lists.list_files import ListWarning
from videolstm_jax.dataset.splits.parts import (
    ListedVideo,
    abbreviated_group_names,
    groups_of,
    videos_with_parts,
)
from videolstm_jax.errors import FileError
from videolstm_jax.types import Part

# A group with more than this share of a class leaves too little for the other part.
_LARGE_GROUP = 0.75
# Of fewer videos, most may be in one group by chance.
_SMALLEST_CLASS = 5


def describe_groups(videos: Sequence[ListedVideo]) -> list[str]:
    """One line on the groups of several videos, so that wrong ones are seen; none without any."""
    members: dict[str, list[str]] = defaultdict(list)
    for video in videos:
        members[video.group].append(video.name)
    shared = []
    count = 0
    for group, names in members.items():
        if len(names) > 1:
            shared.append(group)
            count += len(names)
    if not shared:
        return []
    # The first by name, not by place: the note must not depend on the order of the list.
    example = min(shared)
    return [
        f"{count} videos are in {len(shared)} groups of two or more, such as {example}: "
        f"{abbreviated_group_names(members[example])}"
    ]


def warn_of_look_alike_groups(
    videos: Sequence[ListedVideo], unrecognised: Collection[str] | None = None
) -> None:
    """Warns where clips that are groups of their own have names that differ in numbers only.

    Such clips may be parts of one recording, and the split would put some in either part.

    Args:
      videos: with their groups.
      unrecognised: the names of videos of which nothing says the recording; None takes those whose
        group is called as their file, since a video without a group gets its name.
    """
    # Within a class: "walk/01" and "run/01" need not have anything in common.
    alike: dict[tuple[str, str], list[str]] = defaultdict(list)
    for video in videos:
        stem = video.name.rsplit("/", 1)[-1]
        is_alone = video.group == stem
        if unrecognised is not None:
            is_alone = video.name in unrecognised
        if is_alone:
            alike[video.label, re.sub(r"\d+", "#", stem)].append(video.name)
    names = []
    for members in alike.values():
        if len(members) > 1:
            names.extend(members)
    if names:
        warnings.warn(
            f"no recordings are recognised in the names of {len(names)} videos such as "
            f"{', '.join(names[:3])}: each is a group of its own. If several are of one recording, "
            "the accuracy will be too high: give --data.group_pattern=REGEX, or a column group in "
            "labels.csv",
            ListWarning,
            stacklevel=4,
        )


def warn_of_large_groups(videos: Sequence[ListedVideo]) -> None:
    """Warns of groups that hold most videos of a class, which can be in one part only.

    The group may be a word that stands in the names of clips that have nothing to do with each
    other.
    """
    counts: Counter[tuple[str, str]] = Counter()
    sizes: Counter[str] = Counter()
    for video in videos:
        counts[video.label, video.group] += 1
        sizes[video.label] += 1
    messages = []
    for (label, group), count in sorted(counts.items()):
        if sizes[label] >= _SMALLEST_CLASS and _LARGE_GROUP * sizes[label] < count < sizes[label]:
            messages.append(f"{count} of {sizes[label]} videos of {label} are in the group {group}")
    if messages:
        warnings.warn(
            f"{'; '.join(messages)}: all of a group are in one part. If they are not of one "
            "recording, give --data.group_pattern=REGEX, or a column group in labels.csv",
            ListWarning,
            stacklevel=4,
        )


def hold_out_group(videos: Sequence[ListedVideo], group: str) -> list[ListedVideo]:
    """Makes one group the test list, and all others train (leave-one-group-out).

    Raises:
      FileError: no video is of that group.
    """
    groups = sorted(groups_of(videos))
    if group not in groups:
        names = abbreviated_group_names(groups)
        raise FileError(f"data.hold_out is {group!r}; expected one of the groups {names}")
    split = []
    for video in videos:
        part = "test" if video.group == group else "train"
        split.append(video._replace(part=part))
    return split


def hold_out_share_of_groups(
    videos: Sequence[ListedVideo], share: float, *, seed: int, part: Part, other_part: Part
) -> list[ListedVideo]:
    """Splits by whole groups so that about the same share of every class is held out.

    Groups are taken one by one, see `_GroupChoice`; the seed decides between equal ones. Every
    class that has two groups or more ends up on both sides where that is possible.

    Args:
      videos: with labels and groups.
      share: of the clips of each class, 0 to 1.
      seed: shuffles the groups.
      part: of the held out videos.
      other_part: of all others.

    Returns:
      The videos in the same order, with their parts.

    Raises:
      FileError: nothing can be held out, since every group is the last of some class.
    """
    labels, label = np.unique([video.label for video in videos], return_inverse=True)
    names, group = np.unique([video.group for video in videos], return_inverse=True)
    # Groups with as many clips of each class are equal; their shuffled order decides between them.
    position = np.random.default_rng(seed).permutation(len(names))
    counts = np.zeros((len(names), len(labels)))  # clips of each class in each shuffled group
    # `np.add.at` counts repeated indices; `counts[..] += 1` would count each pair once.
    np.add.at(counts, (position[group], label), 1)
    is_held = _GroupChoice(counts, share).choose()[position[group]]
    if not is_held.any():
        raise FileError(
            f"no group can be held out for {part}: {len(names)} groups in {len(labels)} classes, "
            "and each is the last of some class; give lists, or other groups by "
            "--data.group_pattern=REGEX or a column group in labels.csv"
        )
    _warn_of_classes_without(part, np.setdiff1d(labels, labels[label[is_held]]).tolist())
    return videos_with_parts(videos, np.where(is_held, part, other_part).tolist())


def _warn_of_classes_without(part: Part, labels: Sequence[str]) -> None:
    # No error: training and measuring still work, for the other classes.
    if labels:
        warnings.warn(
            f"no clip of {abbreviated_group_names(labels)} is held out for {part}: too few groups",
            ListWarning,
            stacklevel=3,
        )


class _GroupChoice:
    """Chooses which of G groups are held out, by their clips of each of C classes.

    The group that is taken next brings the held out shares of all classes closest to the wanted
    share. Groups with the same clips are interchangeable and form one kind. A kind is weighed once,
    which makes the choice among thousands of single videos fast; its groups are taken in their
    order.
    """

    def __init__(self, counts: np.ndarray, share: float):
        """Takes the clips of each class in each group [G, C] and the share to hold out."""
        kinds, first, kind, members = np.unique(
            counts, axis=0, return_index=True, return_inverse=True, return_counts=True
        )
        self.kinds = kinds  # clips of each class in a group of the kind [K, C]
        self.has_class = (kinds > 0).astype(float)
        # `queue` holds the groups kind by kind; kind k owns queue[begin[k]:end[k]], of which
        # queue[begin[k]:next[k]] are held out.
        self.queue = np.argsort(kind.ravel(), kind="stable")
        self.begin = np.cumsum(members) - members
        self.end = self.begin + members
        self.next = self.begin.copy()
        self.by_first = np.argsort(first)  # kinds in the order of their first groups
        self.size = counts.sum(0)
        self.wanted = share * self.size
        self.excess = -self.wanted  # held out clips of each class, minus the wanted ones
        self.groups_left = (self.has_class * members[:, None]).sum(0)

    def choose(self) -> np.ndarray:
        """Which groups are held out: bool [G]."""
        every_kind = np.ones(len(self.kinds), bool)
        while (kind := self._best(every_kind, 0.0)) is not None:
            self._take(kind)
        # A class with few groups may have none so far, since each would hold out too much of it.
        for label in range(len(self.size)):
            if self.excess[label] + self.wanted[label] < 0.5:
                kind = self._best(self.has_class[:, label] > 0, np.inf)
                if kind is not None:
                    self._take(kind)
        is_held = np.zeros(len(self.queue), bool)
        for begin, stop in zip(self.begin, self.next, strict=True):
            is_held[self.queue[begin:stop]] = True
        return is_held

    def _best(self, candidates: np.ndarray, limit: float) -> int | None:
        """The candidate [K] whose group brings the shares closest to the wanted one.

        The distance is the sum over classes of (excess / size)^2. None is best where each changes
        it by `limit` or more, has no group left, or is the last group of some class.
        """
        # ((excess + n) / size)^2 - (excess / size)^2 = (2 n excess + n^2) / size^2, summed over
        # classes.
        change = self.kinds @ (2 * self.excess / self.size**2)
        change += np.square(self.kinds) @ (1 / self.size**2)
        exhausted = self.next == self.end
        is_last = self.has_class @ (self.groups_left < 2).astype(float) > 0
        change[~candidates | exhausted | is_last] = np.inf
        # Rounded, since sums in another order must not break ties in another way.
        change = change[self.by_first].round(9)
        at = int(change.argmin())
        if change[at] >= limit:
            return None
        return int(self.by_first[at])

    def _take(self, kind: int) -> None:
        self.next[kind] += 1
        self.excess += self.kinds[kind]
        self.groups_left -= self.has_class[kind]
