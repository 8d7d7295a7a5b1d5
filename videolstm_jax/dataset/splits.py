"""Decides which videos are for training, for validation and for testing, without parting what
belongs together.
"""

from __future__ import annotations

import re
import unicodedata
import warnings
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from videolstm_jax.dataset.lists import ListWarning, Row
from videolstm_jax.errors import FileError
from videolstm_jax.types import Part

_HMDB51_TAIL = r"_[fhlu]_[cn]m_np\d+_(?:ba|fr|le|ri)_(?:bad|goo|med)_\d+"
"""Body parts seen, camera motion, people, camera direction, quality, clip number."""


class Listed(NamedTuple):
    """A video before it is opened: `name` "Class/stem", `label` its class's name, `part` empty
    where unsaid.
    """

    name: str
    path: str
    label: str
    group: str
    part: Part | str = ""


def groups(names: Sequence[str]) -> list[str]:
    """What each video was cut from or who acts in it, told by its name; clips of one group are
    never parted.

    UCF101's "v_Archery_g03_c01" is of group g03, HMDB51's "RATRACE_wave_f_nm_np1_fr_goo_37" of
    RATRACE_wave. Where every stem ends with its class ("bend/anna_bend"), the group is what stands
    before the first underscore. Otherwise the stem is a group of its own.

    Args:
      names: "Class/stem" of all videos.

    Returns:
      The groups in the same order.
    """
    pairs = [name.rsplit("/", 1) for name in names]
    by_actor = all(re.fullmatch(rf"[^_]+_(.*_)?{re.escape(label)}", stem) for label, stem in pairs)
    found = []
    for _, stem in pairs:
        told = re.search(r"_(g\d+)_", stem) or re.fullmatch(rf"(.+){_HMDB51_TAIL}", stem)
        found.append(told[1] if told else stem.split("_", 1)[0] if by_actor else stem)
    return found


def from_lists(
    videos: Sequence[Listed], classes: Sequence[str], train: Sequence[Row], test: Sequence[Row]
) -> list[Listed]:
    """Gives each video the part that the official lists say.

    A listed name is also found when only its case differs, or a character that is neither letter
    nor digit: UCF101 writes both HandstandPushups and HandStandPushups, and HMDB51's !, +, #, [, ;
    and umlauts come out of archives in several spellings. Videos in neither list become `unused`.

    Args:
      videos: what lies on disk.
      classes: the class names; the numbers in the lists count them from 1.
      train: lines of the training list.
      test: lines of the test list.

    Returns:
      The videos in the same order, with their parts.

    Raises:
      FileError: listed videos that are not there, an unknown class, a number that is another
        class's, a video in both lists, or a name that two videos are spelled alike.
    """
    exact = {video.name: at for at, video in enumerate(videos)}
    alike: dict[str, list[int]] = defaultdict(list)
    for at, video in enumerate(videos):
        alike[plain(video.name)].append(at)
    known = {name.casefold(): number for number, name in enumerate(classes, 1)}
    parts: dict[int, tuple[str, str]] = {}
    absent = []
    for part, row in [("train", row) for row in train] + [("test", row) for row in test]:
        number = known.get(row.name.split("/")[0].casefold())
        if number is None:
            raise FileError(
                f"{row.where}: class of {row.name} is unknown; expected one of {_some(classes)}"
            )
        if row.number not in (None, number):
            raise FileError(
                f"{row.where}: {row.name} has class number {row.number}; expected {number}, since classes "
                "count from 1"
            )
        like = [exact[row.name]] if row.name in exact else alike.get(plain(row.name), [])
        if len(like) > 1:
            raise FileError(
                f"{row.where}: {row.name} is not there, but may be any of "
                f"{_some([videos[at].name for at in like])}; expected the listed spelling"
            )
        at = like[0] if like else None
        if at is None:
            absent.append(f"{row.name} ({row.where})")
        elif at in parts:
            raise FileError(f"{row.where}: {row.name} is listed twice, first at {parts[at][1]}")
        else:
            parts[at] = part, row.where
    if absent:
        raise FileError(f"{len(absent)} listed videos are not there: {_some(absent)}")
    return [
        video._replace(part=parts[at][0] if at in parts else "unused")
        for at, video in enumerate(videos)
    ]


def plain(name: str) -> str:
    """A name without what archives and file systems change: case, and what is neither letter, digit
    nor slash.
    """
    return re.sub(r"[^a-z0-9/]", "_", unicodedata.normalize("NFC", name).casefold())


def spelled(videos: Sequence[Listed], classes: Sequence[str]) -> list[Listed]:
    """The videos with the labels that differ from a class in case only spelled as it is."""
    known = {name.casefold(): name for name in classes} | {name: name for name in classes}
    return [
        video._replace(label=known.get(video.label, known.get(video.label.casefold(), video.label)))
        for video in videos
    ]


def summary(videos: Sequence[Listed]) -> str:
    """How many videos and groups each part has."""
    said = []
    for part in ("train", "valid", "test", "unused"):
        groups_of = [video.group for video in videos if video.part == part]
        if groups_of:
            said.append(f"{part} {len(groups_of)} ({len(set(groups_of))} groups)")
    return ", ".join(said)


def hold_out_group(videos: Sequence[Listed], group: str) -> list[Listed]:
    """Makes one group the test list, and all others train (leave-one-group-out).

    Raises:
      FileError: no video is of that group.
    """
    known = sorted({video.group for video in videos})
    if group not in known:
        raise FileError(f"data.hold_out is {group!r}; expected one of the groups {_some(known)}")
    return [video._replace(part="test" if video.group == group else "train") for video in videos]


def hold_out_share(
    videos: Sequence[Listed], share: float, *, seed: int, part: Part, rest: Part
) -> list[Listed]:
    """Splits by whole groups so that about the same share of every class is held out.

    Groups are taken one by one, each time the one that brings the held out shares of all classes
    closest to the share asked for; ties fall as the seed says. Every class that has two groups or
    more ends up on both sides where that is possible.

    Args:
      videos: with labels and groups.
      share: of the clips of each class, 0 to 1.
      seed: shuffles the groups.
      part: what the held out videos become.
      rest: what the others become.

    Returns:
      The videos in the same order, with their parts.

    Raises:
      FileError: nothing can be held out, since every group is the last of some class.
    """
    labels, label = np.unique([video.label for video in videos], return_inverse=True)
    names, group = np.unique([video.group for video in videos], return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(names))
    counts = np.zeros((len(names), len(labels)))
    np.add.at(counts, (order[group], label), 1)
    taken = _chosen_groups(counts, share)
    held = taken[order[group]]
    if not held.any():
        raise FileError(
            f"no group can be held out for {part}: {len(names)} groups in {len(labels)} classes, and each "
            "is the last of some class; give lists, or more groups"
        )
    lacking = sorted(
        set(labels.tolist()) - {video.label for video, out in zip(videos, held, strict=True) if out}
    )
    if lacking:
        warnings.warn(
            f"no clip of {_some(lacking)} is held out for {part}: too few groups",
            ListWarning,
            stacklevel=2,
        )
    return [
        video._replace(part=part if out else rest) for video, out in zip(videos, held, strict=True)
    ]


def _chosen_groups(counts: np.ndarray, share: float) -> np.ndarray:
    """Which of the groups, given their clips of each class [G, C], are held out: bool [G].

    Groups with the same clips are of one kind, and a kind is weighed once; the first of a kind is
    taken first.
    """
    _, first, kind, free = np.unique(
        counts, axis=0, return_index=True, return_inverse=True, return_counts=True
    )
    queue = np.argsort(kind.ravel(), kind="stable")
    following = np.cumsum(free) - free
    ends = following + free
    counts, size = counts[first], counts.sum(0)
    present, tie = (counts > 0).astype(float), np.argsort(first)
    excess, left = -share * size, (present * free[:, None]).sum(0)

    def best(among: np.ndarray, limit: float) -> int | None:
        """The kind that lowers the sum over classes of (held - share)^2 most, where one changes it
        by below a limit.
        """
        change = counts @ (2 * excess / size**2) + np.square(counts) @ (1 / size**2)
        change[~among | (following == ends) | (present @ (left < 2).astype(float) > 0)] = np.inf
        change = change[tie].round(9)  # sums in another order must not break ties
        at = int(change.argmin())
        return int(tie[at]) if change[at] < limit else None

    def take(at: int) -> None:
        following[at] += 1
        excess[:] += counts[at]
        left[:] -= present[at]

    while (at := best(np.ones(len(counts), bool), 0.0)) is not None:
        take(at)
    for label in range(len(size)):
        none_held = excess[label] + share * size[label] < 0.5
        if none_held and (at := best(present[:, label] > 0, np.inf)) is not None:
            take(at)
    taken = np.zeros(len(queue), bool)
    for at, end in enumerate(following):
        taken[queue[ends[at] - free[at] : end]] = True
    return taken


def check_parts(videos: Sequence[Listed], classes: Sequence[str], *, given: bool) -> None:
    """Checks that every class is learnt and that no group is trained on and tested on.

    Args:
      videos: with labels, groups and parts.
      classes: the class names.
      given: whether the parts come from lists, whose authors may have had their reasons: shared
        groups and classes without test clips then only warn.

    Raises:
      FileError: a class without training clips, no test list, or, unless given, a group on both
        sides.
    """
    for part in ("train", "test"):
        lacking = sorted(set(classes) - {video.label for video in videos if video.part == part})
        if lacking and (part == "train" or len(lacking) == len(classes)):
            raise FileError(
                f"no clip in the {part} list of {'any class' if part == 'test' else _some(lacking)}"
            )
        if lacking and given:
            warnings.warn(
                f"no clip in the test list of {_some(lacking)}", ListWarning, stacklevel=2
            )
    sides: dict[str, set[str]] = {}
    for video in videos:
        if video.part != "unused":
            sides.setdefault(video.group, set()).add(video.part)
    shared = sorted(group for group, parts in sides.items() if len(parts) > 1)
    if shared:
        message = f"{len(shared)} groups are on both sides of the split: {_some(shared)}"
        if not given:
            raise FileError(message)
        warnings.warn(message, ListWarning, stacklevel=2)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (f" .. ({len(names)} in all)" if len(names) > 8 else "")
