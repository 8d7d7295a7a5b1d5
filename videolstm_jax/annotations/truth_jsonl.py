"""Writes and reads truth.jsonl, the file without pickles that all annotations are converted to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
from annotated_types import Interval, MultipleOf

from videolstm_jax import files
from videolstm_jax.annotations.ground_truth import MOST_FRAMES, GroundTruth, check_ground_truth
from videolstm_jax.errors import FileError
from videolstm_jax.json_records import json_record, read_records
from videolstm_jax.types import Detection
from videolstm_jax.workdir.tubes_jsonl import TubeRow

# ---- writing -------------------------------------------------------------------------------------


def save_truth(path: files.PathLike, ground_truth: GroundTruth) -> None:
    """Writes truth.jsonl: one tube a line, as in tubes.jsonl, with facts about its video.

    `class` is the class's name; `frames` and `size` (W, H) are written where the annotations have
    them. The first line also has `tubes`, the number of lines, which shows whether a file was cut
    short. Where they are not empty it has `classes` (all names in order), the `test` list, `notes`,
    and `without_tubes` (frames and size of the other videos by name).
    """
    files.write_jsonl(path, _rows(ground_truth), sealed=True)


def _rows(ground_truth: GroundTruth) -> Iterator[dict[str, Any]]:
    """One JSON object for each tube; the first has the header fields behind its own."""
    header = _header(ground_truth)
    for tube in ground_truth.tubes:
        row = {
            "video": tube.video,
            "label": int(tube.label),
            "score": 1.0,
            "start": int(tube.tube.start),
            "boxes": np.asarray(tube.tube.boxes, float).tolist(),
            **_video_facts(ground_truth, tube.video),
        }
        if ground_truth.classes:
            row["class"] = ground_truth.classes[tube.label]
        yield {**row, **header}
        header = {}


# Facts about the whole file stand in the line of the first tube. So every line is a tube, and the
# readers of tubes.jsonl can read this file too.
def _header(ground_truth: GroundTruth) -> dict[str, Any]:
    with_tubes = {tube.video for tube in ground_truth.tubes}
    without_tubes = sorted({*ground_truth.frames, *ground_truth.sizes} - with_tubes)
    other_videos = {}
    for name in without_tubes:
        other_videos[name] = _video_facts(ground_truth, name)
    fields = {
        "tubes": len(ground_truth.tubes),
        "classes": list(ground_truth.classes),
        "test": list(ground_truth.test),
        "notes": list(ground_truth.notes),
        "without_tubes": other_videos,
    }
    # Without empty fields, since a reader takes a field that a line lacks for empty.
    header = {}
    for field_name, fact in fields.items():
        if fact:
            header[field_name] = fact
    return header


def _video_facts(ground_truth: GroundTruth, video: str) -> dict[str, Any]:
    """The length and size of a video, those of them that are known."""
    facts = {}
    if video in ground_truth.frames:
        facts["frames"] = ground_truth.frames[video]
    if video in ground_truth.sizes:
        facts["size"] = ground_truth.sizes[video]
    return facts


# ---- reading -------------------------------------------------------------------------------------

_Count = Annotated[float, MultipleOf(1), Interval(ge=0, lt=MOST_FRAMES)]
_Size = tuple[_Count, _Count]


@json_record()
@dataclass(frozen=True)
class _VideoFacts:
    """The length and the size (W, H) of a video; -1 and () where they are not known."""

    # No None: null in the file is refused, while a default is not checked.
    frames: _Count = -1
    size: _Size = ()


@json_record()
@dataclass(frozen=True)
class _TruthRow(TubeRow):
    """A line as `save_truth` writes it; empty fields are those that a line lacks."""

    class_: str = ""
    frames: _Count = -1
    size: _Size = ()
    tubes: _Count = 0
    classes: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    without_tubes: dict[str, _VideoFacts] = field(default_factory=dict)


def load_truth_jsonl(path: files.PathLike) -> GroundTruth:
    """Reads the file of `save_truth`, or the truth.jsonl of `prepare`, which has the tubes only.

    Raises:
      FileError: naming the line, for one that is no tube, of another form, that contradicts an
        earlier line or does not fit its tube; or the number of lines is not that of the first one.
    """
    lines = _TruthLines()
    for where, row in read_records(path, _TruthRow):
        problem = lines.add(row)
        if problem:
            raise FileError(f"{where}: {problem}")
    # A copy that was cut at the end of a line is valid JSON. Only the number of lines shows it.
    count = len(lines.tubes)
    if not count or count != (lines.promised or count):
        expected = lines.promised or "at least one"
        raise FileError(f"{path}: holds {count} tubes; expected {expected}")
    return check_ground_truth(path, lines.ground_truth())


class _TruthLines:
    """Collects the lines of a truth.jsonl, which must not contradict those before them."""

    def __init__(self) -> None:
        self.classes: tuple[str, ...] = ()
        self.test: tuple[str, ...] = ()
        self.notes: tuple[str, ...] = ()
        self.promised = 0
        self.frames: dict[str, int] = {}
        self.sizes: dict[str, tuple[int, int]] = {}
        self.tubes: list[Detection] = []

    def add(self, row: _TruthRow) -> str:
        """Takes one line; returns what is wrong with it, empty where nothing is."""
        tube, *further = row.detections()
        if further:
            return f"{len(row.scores)} scores of {row.video}; expected true tubes, of one class"
        # The header stands in the first line, but files that people join may have several.
        self.classes = row.classes or self.classes
        self.test = row.test or self.test
        self.notes = row.notes or self.notes
        self.promised = int(row.tubes) or self.promised
        # The line itself says of its own video what the header says of videos without tubes.
        for video, facts in {**row.without_tubes, row.video: row}.items():
            contradiction = self._add_facts(video, facts)
            if contradiction:
                return contradiction
        fault = self.ground_truth().fault(tube)
        if fault:
            return f"a tube of {row.video} {fault}"
        self.tubes.append(tube)
        return self._class_problem(row.class_, tube.label)

    def ground_truth(self) -> GroundTruth:
        """What the lines so far hold."""
        return GroundTruth(self.classes, self.frames, self.sizes, self.tubes, self.test, self.notes)

    def _add_facts(self, video: str, facts: _VideoFacts | _TruthRow) -> str:
        """Keeps the length and size of a video; returns how they contradict earlier lines."""
        # -1 and () stand for what the line lacks.
        if facts.frames >= 0:
            frames = int(facts.frames)
            earlier_frames = self.frames.setdefault(video, frames)
            if earlier_frames != frames:
                return f"{video} has {frames}; an earlier line has {earlier_frames}"
        if facts.size:
            width, height = facts.size
            size = (int(width), int(height))
            size_before = self.sizes.setdefault(video, size)
            if size_before != size:
                return f"{video} has {size}; an earlier line has {size_before}"
        return ""

    def _class_problem(self, name: str, label: int) -> str:
        """How the class name of a line contradicts its label."""
        # Files of `prepare` have labels only.
        if not name or not self.classes or name == self.classes[label]:
            return ""
        return f"class {name!r} with label {label}, {self.classes[label]!r}"
