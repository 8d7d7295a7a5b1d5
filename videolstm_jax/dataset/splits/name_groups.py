"""Recognises by their names which clips were cut from one recording, or show one person.

Clips of one recording look alike. If a model is trained on some and tested on others, its accuracy
is too high. docs/datasets.md has the table of rules.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from videolstm_jax.errors import ConfigError

# The end of HMDB51's stems: body parts seen, camera motion, people, camera direction, quality, and
# the number of the clip.
_HMDB51_TAIL = r"_[fhlu]_[cn]m_np\d+_(?:ba|fr|le|ri)_(?:bad|goo|med)_\d+"
# NTU RGB+D has setup, camera, performer, replication and action: S001C002P003R002A013.
_NTU = r"S\d{3}C\d{3}(P\d{3})R\d{3}A\d{3}"
# A number behind a word for people, such as KTH's person01_boxing_d1.
_PERSON = (
    r"(?:^|[\W_])((?:person|subject|subj|actor|performer|participant|user|volunteer)[\W_]?\d+)"
)
# A camera of GoPro's names the files of one recording GOPR0123, GP010123, GP020123, or GX010123,
# GX020123; the last four digits count the recordings.
_GOPRO_OLD = r"(?:GOPR|GP\d\d)(\d{4})"
_GOPRO_NEW = r"(G[HLX])\d\d(\d{4})"
# `id_000010_000020`, `id_12.5_22.5`, `id_t10_t20`, `id_10s-20s`.
_NUMBER = r"[stef]?(\d+(?:\.\d+)?)(?:s|ms)?"
_TIME_RANGE = rf"(.+?)[\s_-]+{_NUMBER}(?:[\s_-]+|[\s_-]*to[\s_-]*){_NUMBER}"
_YOUTUBE_ID = r"(?:v_)?(?=.*[A-Z\d])[\w-]{11}"
_DATE = r"(?<!\d)((?:19|20)\d\d)[-_.]?(0[1-9]|1[0-2])[-_.]?(0[1-9]|[12]\d|3[01])(?=\d{6}|\D|$)"
# `park_01_003`, `park-3`, `park part 3`, `park (3)`.
_PART_WORD = r"(?:part|pt|clip|seg|segment|cut|shot|chunk|take)"
_RUNNING_NUMBER = rf"(.+?)(?:[\s_.-]+(?:{_PART_WORD}[\s_.-]*)?#?\d+|[\s_.-]*\(\d+\))"
# Words that cameras and programs write before the number of a recording.
_GENERIC_WORDS = """
    capture clip clips dji dsc dscf dscn file film frame img item mov movie mvi output part pxl rec
    record recording sample scene screen segment seq sequence shot take trim untitled v vid video
    videos webcam
"""
_GENERIC = frozenset(_GENERIC_WORDS.split())


class NamedClip(NamedTuple):
    """What the place of a video says: its class, the stem of its file, the folder in the class."""

    label: str
    stem: str
    folder: str = ""


def group_by_name(names: Sequence[str]) -> list[str]:
    """The group of each video by its name; a video without a known form is a group of its own.

    Args:
      names: "Class/stem" of all videos.

    Returns:
      The groups in the same order.
    """
    clips = [NamedClip(*name.rsplit("/", 1)) for name in names]
    groups = recognise_groups(clips)
    return [group or clip.stem for group, clip in zip(groups, clips, strict=True)]


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
    rules = _certain_rules(clips)
    certain = [_first(clip, rules) for clip in clips]
    of_class: dict[str, list[int]] = defaultdict(list)
    for at, clip in enumerate(clips):
        of_class[clip.label].append(at)
    groups = list(certain)
    for doubtful in ((_running_number,), (_date, _running_number)):
        # The second round replaces the groups of the first where it makes more than one of a class.
        tried = [
            group or _first(clip, doubtful) for group, clip in zip(certain, clips, strict=True)
        ]
        usable = _groups_of_divided_classes(of_class, clips, tried)
        for members in of_class.values():
            if len(members) == 1 or any(tried[at] in usable for at in members):
                for at in members:
                    groups[at] = tried[at]
    return groups


def _groups_of_divided_classes(
    of_class: Mapping[str, Sequence[int]], clips: Sequence[NamedClip], groups: Sequence[str]
) -> set[str]:
    """The groups, or stems, of the classes that have two or more of them."""
    usable: set[str] = set()
    for members in of_class.values():
        names = {groups[at] or clips[at].stem for at in members}
        if len(names) > 1:
            usable |= names
    return usable


def _first(clip: NamedClip, rules: Sequence[Callable[[NamedClip], str]]) -> str:
    """The group by the first rule that fits."""
    for rule in rules:
        group = rule(clip)
        if group:
            return group
    return ""


# ---- rules that name a recording or a person -----------------------------------------------------


def _certain_rules(clips: Sequence[NamedClip]) -> list[Callable[[NamedClip], str]]:
    rules = [_published, _person, _gopro]
    # Weizmann's "bend/anna_bend"; other names may contain the class by chance, so all must fit.
    if all(re.fullmatch(rf"[^_]+_(.*_)?{re.escape(clip.label)}", clip.stem) for clip in clips):
        rules.insert(1, lambda clip: clip.stem.split("_", 1)[0])
    ranges = _bases_of_time_ranges(clips)
    rules.append(lambda clip: _time_range(clip, ranges))
    if _folders_are_groups(clips):
        rules.append(lambda clip: clip.folder)
    return rules


def _published(clip: NamedClip) -> str:
    """UCF101's "v_Archery_g03_c01" is g03, HMDB51's "RATRACE_wave_f_nm_np1_fr_goo_37" its film."""
    match = (
        re.search(r"_(g\d+)_", clip.stem)
        or re.fullmatch(rf"(.+){_HMDB51_TAIL}", clip.stem)
        or re.match(_NTU, clip.stem)
    )
    return match[1] if match else ""


def _person(clip: NamedClip) -> str:
    match = re.search(_PERSON, clip.stem, re.IGNORECASE)
    return match[1].casefold() if match else ""


def _gopro(clip: NamedClip) -> str:
    old = re.match(_GOPRO_OLD, clip.stem, re.IGNORECASE)
    if old:
        return f"GOPR{old[1]}"
    new = re.match(_GOPRO_NEW, clip.stem, re.IGNORECASE)
    return f"{new[1].upper()}{new[2]}" if new else ""


def _bases_of_time_ranges(clips: Sequence[NamedClip]) -> set[str]:
    """The texts that are followed by a beginning and an end in every clip that has them.

    "park_0002_0001" shows that the numbers of "park" are no times.
    """
    is_range: dict[str, bool] = {}
    for clip in clips:
        match = re.fullmatch(_TIME_RANGE, clip.stem, re.IGNORECASE)
        if match:
            fits = _is_time_range(*match.groups())
            is_range[match[1]] = is_range.get(match[1], True) and fits
    return {base for base, fits in is_range.items() if fits}


def _is_time_range(base: str, begin: str, end: str) -> bool:
    if float(begin) >= float(end):
        return False
    # Short whole numbers are a recording and its part, as in park_01_003.
    same_width = len(begin) == len(end) >= 4
    return same_width or "." in begin + end or bool(re.fullmatch(_YOUTUBE_ID, base))


def _time_range(clip: NamedClip, bases: set[str]) -> str:
    match = re.fullmatch(_TIME_RANGE, clip.stem, re.IGNORECASE)
    return match[1] if match and match[1] in bases else ""


def _folders_are_groups(clips: Sequence[NamedClip]) -> bool:
    """Whether the clips of every class lie in two or more folders, and none beside these."""
    folders: dict[str, set[str]] = defaultdict(set)
    for clip in clips:
        folders[clip.label].add(clip.folder)
    return all(len(names) > 1 and "" not in names for names in folders.values())


# ---- rules that may be wrong ---------------------------------------------------------------------


def _date(clip: NamedClip) -> str:
    match = re.search(_DATE, clip.stem)
    return "-".join(match.groups()) if match else ""


def _running_number(clip: NamedClip) -> str:
    """The text before the number that counts the parts of a recording.

    The class is left out of the text, so that "walk_anna_2" and "run_anna_1" are one group.
    """
    match = re.fullmatch(_RUNNING_NUMBER, clip.stem, re.IGNORECASE)
    if not match:
        return ""
    base = match[1]
    tokens = re.findall(r"[^\W_]+", base.casefold())
    without_class = [token for token in tokens if not _names_class(token, clip.label)]
    names = [token for token in without_class if token not in _GENERIC]
    if not names:
        # The class's own name, or a camera's: the number counts recordings, as in walk_01.
        return ""
    has_letters = any(not token.isdigit() for token in names)
    if len(without_class) < len(tokens) and has_letters:
        return "_".join(without_class)
    return base


def _names_class(token: str, label: str) -> bool:
    """Whether a word of a name is the class or a part of it: "walk" of "walking", "v_Walk"."""
    plain = re.sub(r"[\W_]", "", label.casefold())
    if token == plain:
        return True
    shorter, longer = sorted((token, plain), key=len)
    return len(shorter) >= 3 and shorter in longer


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
    wanted = "group" if "group" in compiled.groupindex else 1
    groups, unmatched = [], []
    for clip, path in zip(clips, paths, strict=True):
        match = compiled.search(path if "/" in pattern else clip.stem)
        if match and match[wanted]:
            groups.append(match[wanted])
        else:
            unmatched.append(path)
    if unmatched:
        raise ConfigError(
            f"data.group_pattern {pattern!r} finds no group in {len(unmatched)} of {len(clips)} "
            f"videos, such as {', '.join(unmatched[:3])}; expected a match in each"
        )
    return groups
