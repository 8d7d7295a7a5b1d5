"""Reads one ViPER file (.xgtf): the boxes and actions of its persons as tubes of one video."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np

from videolstm_jax.safe_readers.xml_file import read_xml
from videolstm_jax.types import Tube

# Actions as the files call them that were taken over from the older 11-class set.
_OLD_NAMES = {
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

# The largest frame number of a file: a span is expanded to its frames, so a malicious number would
# fill the memory.
_MOST_FRAMES = 1_000_000

_CUT_SPAN = "spans of boxes cut at the video's last frame"
_CLIPPED = "boxes clipped to the frame"
_OUTSIDE = "boxes outside the frame left out"

Box = tuple[float, float, float, float]


class _Video(NamedTuple):
    """The video of a file: the class name, L (or the most there may be) and W, H."""

    action: str
    frames: int
    size: tuple[int, int]


class _Person(NamedTuple):
    """Boxes x0 y0 x1 y1 of one person by frame from 0, and the frames where the person acts."""

    boxes: dict[int, Box]
    acting: set[int]


class ViperVideo(NamedTuple):
    """The content of a file: L (0 where it does not say), W and H, and the tubes of its persons."""

    frames: int
    size: tuple[int, int]
    tubes: list[Tube]


def read_viper_file(xml: bytes, action: str, stem: str, changes: Counter[str]) -> ViperVideo:
    """Reads one file.

    Args:
      xml: its bytes.
      action: the class of the video.
      stem: the name of the video, without its folder.
      changes: counts what was changed to fit the video.

    Raises:
      ValueError, ParseError, ExpatError, LookupError, KeyError: see `xml_file.XML_ERRORS`.
    """
    source = _find_source(xml, stem)
    frames = _read_number(source, "NUMFRAMES")
    size = (_read_number(source, "H-FRAME-SIZE"), _read_number(source, "V-FRAME-SIZE"))
    video = _Video(action, frames or _MOST_FRAMES, size)
    _check_spans(source, video.frames)
    return ViperVideo(frames, size, _read_tubes(source, video, changes))


def _check_spans(source: ElementTree.Element, most: int) -> None:
    """Raises ValueError where the spans of all elements together have too many frames.

    Each span may be as long as a video, and a short file may have thousands of them.
    """
    total = 0
    for element in source.iter():
        for first, last in _spans(element.get("framespan", "")):
            total += max(0, min(last, most) - first + 1)
    if total > _MOST_FRAMES:
        raise ValueError(f"has spans of {total} frames together; expected at most {_MOST_FRAMES}")


def _find_source(xml: bytes, stem: str) -> ElementTree.Element:
    """The part of the file about this video: some files hold other videos before or behind it."""
    sources, named = [], []
    for element in read_xml(xml).iter():
        if _tag(element) == "sourcefile":
            sources.append(element)
            if _file_name(element).startswith(f"{stem}."):
                named.append(element)
    if not sources:
        raise ValueError("holds no sourcefile")
    # The named part may be empty, and its persons stand in another one of the same file.
    for source in (*named, *sources):
        if any(_tag(child) == "object" for child in source):
            return source
    return sources[0]


def _file_name(source: ElementTree.Element) -> str:
    """The name of the video file, without its folders, which may be those of Windows."""
    return re.split(r"[\\/]", source.get("filename", ""))[-1]


def _read_number(source: ElementTree.Element, name: str) -> int:
    """A number of the file's own description, 0 where the file does not have it."""
    for element in source.iter():
        if _tag(element) == "attribute" and element.get("name", "").upper() == name:
            number = 0
            for child in element:
                # An attribute holds one value; further children would be those of later frames.
                number = int(child.attrib["value"])
                break
            if not 0 <= number <= _MOST_FRAMES:
                raise ValueError(f"{name} is {number}; expected 0 to {_MOST_FRAMES}")
            return number
    return 0


def _read_tubes(source: ElementTree.Element, video: _Video, changes: Counter[str]) -> list[Tube]:
    """The tubes of all persons; what was changed to fit the video is counted in `changes`."""
    people = []
    for element in source:
        if _tag(element) == "object" and element.get("name", "").upper() == "PERSON":
            people.append(_read_person(element, video, changes))
    # Files that mark the action for nobody show nobody else than the actors.
    is_marked = any(person.acting for person in people)
    tubes = []
    for person in people:
        frames = person.boxes.keys()
        if is_marked:
            frames &= person.acting
        # A tube has no gaps, so each run of frames becomes one of its own.
        for run in _runs(sorted(frames)):
            boxes = [person.boxes[frame] for frame in run]
            tubes.append(Tube(run[0], np.array(boxes, np.float64)))
    return tubes


def _runs(frames: list[int]) -> list[list[int]]:
    """The rising frame numbers in runs without a gap."""
    runs: list[list[int]] = []
    for frame in frames:
        if runs and runs[-1][-1] == frame - 1:
            runs[-1].append(frame)
        else:
            runs.append([frame])
    return runs


def _read_person(person: ElementTree.Element, video: _Video, changes: Counter[str]) -> _Person:
    attributes = {}
    for element in person:
        if _tag(element) == "attribute":
            name = element.get("name", "")
            attributes[_OLD_NAMES.get(name, name)] = element
    # Boxes may be kept for longer than the person is there; only those within count.
    lifetime = _frames(person.attrib["framespan"], video.frames)
    boxes: dict[int, Box] = {}
    for name, element in attributes.items():
        if name.upper() == "LOCATION":
            boxes = _read_boxes(element, lifetime, video, changes)
            break
    acting: set[int] = set()
    for flag in attributes.get(video.action, ()):
        if flag.get("value", "").lower() in ("true", "1"):
            # A flag without a span is meant for as long as the person is there.
            frames = lifetime
            if flag.get("framespan"):
                frames = _frames(flag.attrib["framespan"], video.frames)
            acting |= frames
    return _Person(boxes, acting)


def _read_boxes(
    location: ElementTree.Element, lifetime: set[int], video: _Video, changes: Counter[str]
) -> dict[int, Box]:
    """Boxes by frame, clipped to the video's frames and pixels."""
    boxes: dict[int, Box] = {}
    for element in location:
        span = element.attrib["framespan"]
        frames = _frames(span, video.frames)
        if _last_frame(span) > video.frames:
            changes[_CUT_SPAN] += 1
        # Widths count whole pixels, so x + w is the first pixel outside.
        x, y = float(element.attrib["x"]), float(element.attrib["y"])
        w, h = float(element.attrib["width"]), float(element.attrib["height"])
        box = (x, y, x + w, y + h)
        clipped = _clip(box, video.size)
        # A person may leave the frame for a while; the span is then without a box.
        if clipped is None:
            changes[_OUTSIDE] += 1
            continue
        if clipped != box:
            changes[_CLIPPED] += 1
        boxes.update(dict.fromkeys(frames & lifetime, clipped))
    return boxes


def _clip(box: Box, size: tuple[int, int]) -> Box | None:
    """The part of a box inside the frame, None where there is none; a size of 0 is not known."""
    if not np.isfinite(box).all():
        raise ValueError(f"has the box {box}; expected finite numbers")
    width, height = size
    x0, y0 = max(box[0], 0.0), max(box[1], 0.0)
    x1, y1 = box[2:]
    if width:
        x1 = float(min(x1, width))
    if height:
        y1 = float(min(y1, height))
    if x0 >= x1 or y0 >= y1:
        return None
    return x0, y0, x1, y1


def _frames(spans: str, most: int) -> set[int]:
    """Frames from 0 of "first:last" pairs, which count from 1 and include the last."""
    frames: set[int] = set()
    for first, last in _spans(spans):
        frames.update(range(first - 1, min(last, most)))
    return frames


def _spans(spans: str) -> Iterator[tuple[int, int]]:
    """The first and the last frame of each "first:last" pair."""
    for span in spans.split():
        # Any other form raises ValueError here, which the caller reports with the file.
        first, last = map(int, span.split(":"))
        if first < 1 or last < first:
            raise ValueError(f"has the span {span!r}; expected first:last, from 1 on")
        yield first, last


def _last_frame(spans: str) -> int:
    last_frames = [0]
    for span in spans.split():
        last_frames.append(int(span.split(":")[1]))
    return max(last_frames)


def _tag(element: ElementTree.Element) -> str:
    """The name of an element without its namespace."""
    return element.tag.rpartition("}")[2]
