"""The rules that recognise a recording or a person in the place of one clip, without doubt.

A rule takes a clip and returns its group, or an empty text where it does not apply.
docs/datasets.md has the table of rules.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import NamedTuple

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
# `film-00.00.12.345-00.00.20.123-seg2`, as programs that cut videos write it.
CLOCK = r"\d{1,2}[-.:_h]\d\d[-.:_m]\d\d(?:[.,]\d{1,3})?s?"
_CLOCK_RANGE = rf"(.+?)[\s_.-]+({CLOCK})(?:[\s_-]+|[\s_-]*to[\s_-]*)({CLOCK})(?:[\s_-]*seg\d+)?"
_YOUTUBE_ID = r"(?:v_)?(?=.*[A-Z\d])[\w-]{11}"


class NamedClip(NamedTuple):
    """What the place of a video says: its class, the stem of its file, the folder in the class."""

    label: str
    stem: str
    folder: str = ""


Rule = Callable[[NamedClip], str]
"""Returns the group of a clip, or an empty text where the rule does not apply."""


# ---- rules that name a recording or a person -----------------------------------------------------


def certain_group_rules(clips: Sequence[NamedClip]) -> list[Rule]:
    """The rules that name a recording or a person, in the order in which they are tried.

    Args:
      clips: all of a set; some rules apply to all of them or to none.
    """
    rules = [_published, _person, _gopro]
    # Weizmann's "bend/anna_bend"; other names may contain the class by chance, so all must fit.
    if all(map(_ends_with_class, clips)):
        # Before the rules of persons and recordings, which may fit a part of such a name by chance.
        rules.insert(1, lambda clip: clip.stem.split("_", 1)[0])
    ranges = _bases_of_time_ranges(clips)
    rules.append(lambda clip: _time_range(clip, ranges))
    rules.append(_clock_range)
    if _folders_are_groups(clips):
        rules.append(lambda clip: clip.folder)
    return rules


def _ends_with_class(clip: NamedClip) -> bool:
    return bool(re.fullmatch(rf"[^_]+_(.*_)?{re.escape(clip.label)}", clip.stem))


def _first_bracket(match: re.Match[str] | None) -> str:
    return match[1] if match else ""


def _published(clip: NamedClip) -> str:
    """UCF101's "v_Archery_g03_c01" is g03, HMDB51's "RATRACE_wave_f_nm_np1_fr_goo_37" its film."""
    match = (
        re.search(r"_(g\d+)_", clip.stem)
        or re.fullmatch(rf"(.+){_HMDB51_TAIL}", clip.stem)
        or re.match(_NTU, clip.stem)
    )
    return _first_bracket(match)


def _person(clip: NamedClip) -> str:
    match = re.search(_PERSON, clip.stem, re.IGNORECASE)
    return _first_bracket(match).casefold()


def _gopro(clip: NamedClip) -> str:
    old = re.match(_GOPRO_OLD, clip.stem, re.IGNORECASE)
    if old:
        return f"GOPR{old[1]}"
    new = re.match(_GOPRO_NEW, clip.stem, re.IGNORECASE)
    if new:
        return f"{new[1].upper()}{new[2]}"
    return ""


def _bases_of_time_ranges(clips: Sequence[NamedClip]) -> set[str]:
    """The texts that are followed by a beginning and an end in every clip that has them.

    "park_0002_0001" shows that the numbers of "park" are no times.
    """
    # One clip whose numbers cannot be times shows that those of its neighbours are none either.
    with_times: set[str] = set()
    with_other_numbers: set[str] = set()
    for clip in clips:
        match = re.fullmatch(_TIME_RANGE, clip.stem, re.IGNORECASE)
        if not match:
            continue
        if _is_time_range(*match.groups()):
            with_times.add(match[1])
        else:
            with_other_numbers.add(match[1])
    return with_times - with_other_numbers


def _is_time_range(base: str, begin: str, end: str) -> bool:
    if float(begin) >= float(end):
        return False
    # Short whole numbers are a recording and its part, as in park_01_003.
    same_width = len(begin) == len(end) >= 4
    return same_width or "." in begin + end or bool(re.fullmatch(_YOUTUBE_ID, base))


def _time_range(clip: NamedClip, bases: set[str]) -> str:
    match = re.fullmatch(_TIME_RANGE, clip.stem, re.IGNORECASE)
    base = _first_bracket(match)
    if base in bases:
        return base
    return ""


def _clock_range(clip: NamedClip) -> str:
    """The recording of "film 00-01-10 00-01-20", which is a clip of it from one time to another."""
    match = re.fullmatch(_CLOCK_RANGE, clip.stem, re.IGNORECASE)
    if match and _clock_numbers(match[2]) < _clock_numbers(match[3]):
        return match[1]
    return ""


def _clock_numbers(clock: str) -> list[int]:
    return list(map(int, re.findall(r"\d+", clock)))


def _folders_are_groups(clips: Sequence[NamedClip]) -> bool:
    """Whether the clips of every class lie in two or more folders, and none beside these."""
    folders: dict[str, set[str]] = defaultdict(set)
    for clip in clips:
        folders[clip.label].add(clip.folder)
    return all(len(names) > 1 and "" not in names for names in folders.values())
