"""The rules that may take a name that somebody gave to a class for that of a recording.

`name_groups.recognise_groups` does not use them where they would make one group of a whole class.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Sequence

from videolstm_jax.dataset.splits.name_rules import CLOCK, NamedClip, Rule

_DATE = r"(?<!\d)((?:19|20)\d\d)[-_.]?(0[1-9]|1[0-2])[-_.]?(0[1-9]|[12]\d|3[01])(?=\d{6}|\D|$)"
# A date with the time of day behind it: it names a recording, and its last number counts nothing.
_TIME_OF_DAY = r"\d\d[-_.:h]?\d\d(?:[-_.:m]?\d\d(?:[.,]?\d{3})?)?s?"
_DATE_AND_TIME = rf"{_DATE}(?:[\sT_-]*(?:at\s*)?{_TIME_OF_DAY})?"
# `park_01_003`, `park-3`, `park part 3`, `park (3)`, `p01_r02`.
_PART_WORD = (
    r"(?:part|pt|clip|scene|seg|segment|section|fragment|frag|piece|cut|shot|chunk|take|trial|rep"
    r"|cam|camera|view|angle)"
)
_PART_NUMBER = rf"[\s_.-]+(?:{_PART_WORD}[\s_.-]*|[a-z])?#?\d+"
_RUNNING_NUMBER = rf"(.+?)(?:{_PART_NUMBER}|[\s_.-]*\(\d+\))"
# `park_1a`, `park_1b`.
_LETTER = r"(.*\d)[a-h]"
_LEADING_NUMBER = r"#?\d+[\s_.-]+(.+)"
# `film_0_90`, `film_90_180`.
_FRAMES = r"(.+?)[\s_-]+(\d+)[\s_-]+(\d+)"
# `park - Copy (2)`.
_COPY = r"[\s_-]*\b(?:copy|copie|kopie|copia)(?:[\s_]*\(?\d+\)?)?$"
_ENDING = r"[\s_.-]+[^\W\d_][^\W_]*$"
# Words that cameras and programs write before the number of a recording.
_GENERIC_WORDS = """
    capture clip clips dji dsc dscf dscn file film frame img item mov movie mvi output part pxl rec
    record recording sample scene screen segment seq sequence shot take trim untitled v vid video
    videos webcam
"""
_GENERIC = frozenset(_GENERIC_WORDS.split())


def doubtful_group_rules(clips: Sequence[NamedClip]) -> tuple[tuple[Rule, ...], ...]:
    """Two rounds of rules, see `name_groups.recognise_groups`.

    Args:
      clips: all of a set; some rules apply where several names agree.
    """
    names = _Names(clips)
    rules = (
        names.changed_copy,
        names.clock,
        names.frames,
        names.running_number,
        names.letter,
        names.leading_number,
    )
    return rules, (_date, *rules)


def _date(clip: NamedClip) -> str:
    match = re.search(_DATE, clip.stem)
    if match:
        return "-".join(match.groups())
    return ""


class _Names:
    """Rules that know the names of all clips."""

    def __init__(self, clips: Sequence[NamedClip]):
        self.stems: dict[str, set[str]] = defaultdict(set)
        for clip in clips:
            self.stems[clip.label].add(clip.stem)
        self.endings: dict[str, str] = {}
        for label, stems in self.stems.items():
            self.endings[label] = _common_ending(stems)
        self.ranges = self._frame_ranges(clips)
        self.letters: Counter[tuple[str, str]] = Counter()
        self.leading: Counter[str] = Counter()
        for clip in clips:
            self.letters[clip.label, self._before_letter(clip)] += 1
            self.leading[self._behind_number(clip)] += 1

    def _plain(self, clip: NamedClip) -> str:
        """The stem without what all clips of its class end with, and without "copy"."""
        stem = re.sub(_COPY, "", clip.stem, flags=re.IGNORECASE)
        return stem.removesuffix(self.endings[clip.label])

    def clock(self, clip: NamedClip) -> str:
        """The text before a time of day: "cam1" of "cam1_12-30-00"."""
        match = re.fullmatch(rf"(.+?)[\s_.-]+{CLOCK}", self._plain(clip), re.IGNORECASE)
        if not match or re.search(_DATE_AND_TIME, match[1]):
            return ""
        return _named(match[1], clip.label)

    def frames(self, clip: NamedClip) -> str:
        """The recording of "film_0_90" and "film_90_180", which are parts of it."""
        match = re.fullmatch(_FRAMES, self._plain(clip))
        if match and match[1] in self.ranges:
            return match[1]
        return ""

    def _frame_ranges(self, clips: Sequence[NamedClip]) -> set[str]:
        """The texts with several ranges that follow one another, or have one length."""
        ranges: dict[str, set[tuple[int, int]]] = defaultdict(set)
        for clip in clips:
            match = re.fullmatch(_FRAMES, self._plain(clip))
            if match:
                ranges[match[1]].add((int(match[2]), int(match[3])))
        usable = set()
        for base, spans in ranges.items():
            if _are_ranges(sorted(spans)):
                usable.add(base)
        return usable

    def running_number(self, clip: NamedClip) -> str:
        """The text before the number that counts the parts of a recording."""
        stem = self._plain(clip)
        if re.search(rf"{_DATE_AND_TIME}$", stem):
            return ""
        # Whole names only: a number in the middle may be anything.
        match = re.fullmatch(_RUNNING_NUMBER, stem, re.IGNORECASE)
        if match:
            return _named(match[1], clip.label)
        # What is left of "park - Copy" is the name of the other file.
        if stem != clip.stem and stem in self._stems(clip):
            return _named(stem, clip.label)
        return ""

    def letter(self, clip: NamedClip) -> str:
        """The text before the letter of a part, where two clips have it: "park_1a", "park_1b"."""
        base = self._before_letter(clip)
        if self.letters[clip.label, base] < 2:
            return ""
        return base

    def _before_letter(self, clip: NamedClip) -> str:
        match = re.fullmatch(_LETTER, self._plain(clip), re.IGNORECASE)
        if not match:
            return ""
        return _named(match[1], clip.label)

    def leading_number(self, clip: NamedClip) -> str:
        """The text behind a number, where two clips have it: "001_park" and "002_park"."""
        base = self._behind_number(clip)
        if self.leading[base] < 2:
            return ""
        return base

    def _behind_number(self, clip: NamedClip) -> str:
        stem = self._plain(clip)
        match = re.fullmatch(_LEADING_NUMBER, stem)
        if not match or re.match(_DATE, stem) or not re.search(r"[^\W\d_]", match[1]):
            return ""
        return _named(match[1], clip.label)

    def changed_copy(self, clip: NamedClip) -> str:
        """The clip that this one was made from: "park" of "park_flip", where both are there."""
        for cut in re.finditer(r"[\s_.-]+", clip.stem):
            original = clip.stem[: cut.start()]
            if original in self._stems(clip) and _named(original, clip.label):
                return self.running_number(clip._replace(stem=original)) or original
        return ""

    def _stems(self, clip: NamedClip) -> set[str]:
        return self.stems[clip.label]


def _common_ending(stems: set[str]) -> str:
    """The last word of all stems, such as "_rgb"; empty where they have none in common."""
    endings = set()
    for stem in stems:
        match = re.search(_ENDING, stem)
        endings.add(match[0] if match else "")
    # The ending of a single clip would be common to all, and say nothing.
    if len(endings) > 1 or len(stems) < 2:
        return ""
    return endings.pop()


def _are_ranges(spans: Sequence[tuple[int, int]]) -> bool:
    """Whether pairs of numbers, in order, are parts of one recording.

    Those of park_1_2, park_1_3 and park_2_1 are not: there the first number counts recordings.
    """
    begins = set()
    lengths = set()
    for begin, end in spans:
        if begin >= end:
            return False
        begins.add(begin)
        lengths.add(end - begin)
    if len(spans) < 2 or len(begins) < len(spans):
        return False
    if len(lengths) == 1:
        return True
    return all(next_begin >= end for (_, end), (next_begin, _) in itertools.pairwise(spans))


# ---- words ---------------------------------------------------------------------------------------


def _named(base: str, label: str) -> str:
    """The group that a text names; empty where it has nothing but the class and a camera's words.

    The class is left out of the text, so that "walk_anna" and "run_anna" are one group.
    """
    tokens = re.findall(r"[^\W_]+", base.casefold())
    names = []
    without_class = []
    for token in tokens:
        letters, number = _letters_and_number(token)
        if _names_class(token, label):
            continue
        if number and _names_class(letters, label):
            # The second recording of the class, as in walk2_001.
            names.append(number)
            continue
        without_class.append(token)
        if token not in _GENERIC:
            names.append(token)
    if not names:
        # The class's own name, or a camera's: the number counts recordings, as in walk_01.
        return ""
    has_letters = not all(map(str.isdigit, names))
    if len(without_class) < len(tokens) and has_letters:
        return "_".join(without_class)
    return base


def _letters_and_number(token: str) -> tuple[str, str]:
    match = re.fullmatch(r"(\D+)(\d+)", token)
    if not match:
        return token, ""
    return match[1], match[2]


@functools.cache
def _names_class(token: str, label: str) -> bool:
    """Whether a word of a name is the class or a part of it: "walk" of "walking", "v_Walk"."""
    # Folders spell a class with _, - or blanks, and clips without.
    plain = re.sub(r"[\W_]", "", label.casefold())
    if token == plain:
        return True
    if token[-1:].isdigit():
        return False
    shorter, longer = sorted((token, plain), key=len)
    return len(shorter) >= 3 and shorter in longer
