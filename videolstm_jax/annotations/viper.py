"""Reads the annotations of THUMOS13, one ViPER file (.xgtf) a video, into tubes of 24 classes."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from typing import NamedTuple
from xml.etree import ElementTree
from xml.parsers import expat

import numpy as np
from etils import epath

from videolstm_jax.annotations.records import Annotated, checked
from videolstm_jax.annotations.ucf24 import CLASSES
from videolstm_jax.errors import FileError
from videolstm_jax.types import Detection, Tube

SUFFIX = ".xgtf"
_OLD = {
    "basketball_shooting": "Basketball",
    "biking": "Biking",
    "diving": "Diving",
    "golf_swing": "GolfSwing",
    "horse_riding": "HorseRiding",
    "soccer_juggling": "SoccerJuggling",
    "tennis_swing": "TennisSwing",
    "trampoline_jumping": "TrampolineJumping",
    "volleyball_spiking": "VolleyballSpiking",
    "walking": "WalkingWithDog",
}
"""What files taken over from the older 11-class set call their actions."""


_MOST = 1_000_000
"""Frames that a file may speak of."""


class _Person(NamedTuple):
    """One person: boxes x0 y0 x1 y1 by frame from 0, the frames where the action is marked, and if
    it ever is.
    """

    boxes: dict[int, tuple[float, ...]]
    acting: set[int]
    actor: bool


def read_viper(path: str) -> Annotated:
    """Reads `Class/stem.xgtf`, or a folder of them.

    Frames count from 1 and spans include their last frame; x and y count from 0. A tube is a run of
    frames on which a person has a box and the action of the file's folder is marked; where a file
    marks it for nobody, every person acts. Boxes are clipped to the frame, and what lies behind
    NUMFRAMES is left: `notes` counts both.

    Raises:
      FileError: no files, a file that is cut short or no ViPER file, one with a document type
        (which could define entities), a class that is none of the 24, or a span or box that is not
        numbers.
    """
    place = epath.Path(path)
    files = (
        sorted([*place.glob(f"*{SUFFIX}"), *place.glob(f"*/*{SUFFIX}")])
        if place.is_dir()
        else [place]
    )
    if not files:
        raise FileError(f"{path}: holds no *{SUFFIX}")
    frames: dict[str, int] = {}
    sizes: dict[str, tuple[int, int]] = {}
    truth: list[Detection] = []
    changed: Counter[str] = Counter()
    for file in files:
        stem = re.sub(
            r"_C(\d+)$", r"_c\1", file.name.removesuffix(SUFFIX)
        )  # v_RopeClimbing_g02_C01 is spelled so
        name = f"{file.parent.name}/{stem}"
        if file.parent.name not in CLASSES:
            raise FileError(
                f"{file}: lies in the folder {file.parent.name}; expected one of the 24 classes"
            )
        if name in frames:
            raise FileError(f"{file}: {name} is there twice")
        try:
            source = _source(file.read_bytes(), stem)
            frames[name], sizes[name] = _information(source, "NUMFRAMES"), _size(source)
            label = CLASSES.index(file.parent.name)
            truth += [
                Detection(name, label, 1.0, tube)
                for tube in _tubes(
                    source, file.parent.name, frames[name] or _MOST, sizes[name], changed
                )
            ]
        except (
            ElementTree.ParseError,
            expat.ExpatError,
            ValueError,
            LookupError,
        ) as error:  # also unknown encodings
            raise FileError(f"{file}: not a whole ViPER file: {error}") from error
    notes = tuple(f"{count} {what}" for what, count in sorted(changed.items()))
    return checked(path, Annotated(CLASSES, frames, sizes, truth, notes=notes))


# ---- one file ------------------------------------------------------------------------------------


def _source(data: bytes, stem: str) -> ElementTree.Element:
    """The part of the file that speaks of this video: some files hold others before or behind it."""
    guard = expat.ParserCreate()
    guard.StartDoctypeDeclHandler = _refuse_doctype
    guard.Parse(data, True)
    root = ElementTree.fromstring(data)
    sources = [one for one in root.iter() if _tag(one) == "sourcefile"]
    named = [
        one
        for one in sources
        if re.split(r"[\\/]", one.get("filename", ""))[-1].startswith(stem + ".")
    ]
    filled = [one for one in (*named, *sources) if any(_tag(child) == "object" for child in one)]
    if not sources:
        raise ValueError("holds no sourcefile")
    return filled[0] if filled else sources[0]


def _refuse_doctype(name: str, *rest: object) -> None:
    raise ValueError(f"declares the document type {name}; expected none")


def _size(source: ElementTree.Element) -> tuple[int, int]:
    return _information(source, "H-FRAME-SIZE"), _information(source, "V-FRAME-SIZE")


def _information(source: ElementTree.Element, name: str) -> int:
    """A number of the file's own description, 0 where it is not said."""
    for one in source.iter():
        if _tag(one) == "attribute" and one.get("name", "").upper() == name:
            value = int(next((child.attrib["value"] for child in one), "0"))
            if not 0 <= value <= _MOST:
                raise ValueError(f"says {name} {value}; expected 0 to {_MOST}")
            return value
    return 0


def _tubes(
    source: ElementTree.Element,
    action: str,
    frames: int,
    size: tuple[int, int],
    changed: Counter[str],
) -> list[Tube]:
    people = [
        _person(one, action, frames, size, changed)
        for one in source
        if _tag(one) == "object" and one.get("name", "").upper() == "PERSON"
    ]
    marked = any(person.actor for person in people)
    tubes = []
    for person in people:
        there = sorted(person.boxes.keys() & person.acting if marked else person.boxes)
        for _, run in itertools.groupby(enumerate(there), key=lambda pair: pair[1] - pair[0]):
            span = [frame for _, frame in run]
            tubes.append(
                Tube(span[0], np.array([person.boxes[frame] for frame in span], np.float64))
            )
    return tubes


def _person(
    one: ElementTree.Element, action: str, frames: int, size: tuple[int, int], changed: Counter[str]
) -> _Person:
    parts = {
        _OLD.get(part.get("name", ""), part.get("name", "")): part
        for part in one
        if _tag(part) == "attribute"
    }
    whole = _frames(one.attrib["framespan"], frames)
    boxes: dict[int, tuple[float, ...]] = {}
    location = next((part for name, part in parts.items() if name.upper() == "LOCATION"), ())
    for box in location:
        span = _frames(box.attrib["framespan"], frames)
        if _last(box.attrib["framespan"]) > frames:
            changed["spans of boxes cut at the video's last frame"] += 1
        x, y, w, h = (float(box.attrib[side]) for side in ("x", "y", "width", "height"))
        clipped = _clipped((x, y, x + w, y + h), size)
        if clipped != (x, y, x + w, y + h):
            changed[
                "boxes clipped to the frame" if clipped else "boxes outside the frame left out"
            ] += 1
        if clipped:
            boxes.update(dict.fromkeys(span & whole, clipped))
    acting: set[int] = set()
    for flag in parts.get(action, ()):
        if flag.get("value", "").lower() in ("true", "1"):
            acting |= _frames(flag.attrib["framespan"], frames) if flag.get("framespan") else whole
    return _Person(boxes, acting, bool(acting))


def _clipped(box: tuple[float, ...], size: tuple[int, int]) -> tuple[float, ...]:
    """The part of a box inside the frame, empty where there is none; a size of 0 is not known."""
    if not np.isfinite(box).all():
        raise ValueError(f"has the box {box}; expected finite numbers")
    x0, y0 = max(box[0], 0.0), max(box[1], 0.0)
    x1, y1 = (min(end, side) if side else end for end, side in zip(box[2:], size, strict=True))
    return (x0, y0, float(x1), float(y1)) if x0 < x1 and y0 < y1 else ()


def _frames(spans: str, frames: int) -> set[int]:
    """Frames from 0 of "first:last" pairs that count from 1 and include the last."""
    found: set[int] = set()
    for span in spans.split():
        first, last = map(int, span.split(":"))
        if first < 1 or last < first:
            raise ValueError(f"has the span {span!r}; expected first:last, from 1 on")
        found.update(range(first - 1, min(last, frames)))
    return found


def _last(spans: str) -> int:
    return max((int(span.split(":")[1]) for span in spans.split()), default=0)


def _tag(one: ElementTree.Element) -> str:
    """The name of an element without its namespace."""
    return one.tag.rpartition("}")[2]
