"""Writes and reads truth.jsonl, the file without pickles that all annotations are converted to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from videolstm_jax import files, tubes_jsonl
from videolstm_jax.annotations.ground_truth import MOST_FRAMES, GroundTruth, check_ground_truth
from videolstm_jax.errors import FileError
from videolstm_jax.types import Detection

# ---- writing -------------------------------------------------------------------------------------


def save_truth(path: files.PathLike, ground_truth: GroundTruth) -> None:
    """Writes truth.jsonl: one tube a line, as in tubes.jsonl, with facts about its video.

    `class` is the class's name; `frames` and `size` (W, H) are written where the annotations have
    them. The first line also has `tubes`, the number of lines, which shows whether a file was cut
    short. Where they are not empty it has `classes` (all names in order), the `test` list, `notes`,
    and `without_tubes` (frames and size of the other videos by name).
    """
    files.write_jsonl(path, _rows(ground_truth))


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
    return {field: value for field, value in fields.items() if value}


def _video_facts(ground_truth: GroundTruth, video: str) -> dict[str, Any]:
    """The length and size of a video, those of them that are known."""
    facts = {}
    if video in ground_truth.frames:
        facts["frames"] = ground_truth.frames[video]
    if video in ground_truth.sizes:
        facts["size"] = ground_truth.sizes[video]
    return facts


# ---- reading -------------------------------------------------------------------------------------


def load_truth_jsonl(path: files.PathLike) -> GroundTruth:
    """Reads the file of `save_truth`, or the truth.jsonl of `prepare`, which has the tubes only.

    Raises:
      FileError: naming the line, for one that is no tube, of another form, that contradicts an
        earlier line or does not fit its tube; or the number of lines is not that of the first one.
    """
    lines = _TruthLines()
    for where, row, detections in tubes_jsonl.read_tube_lines(path):
        if len(detections) != 1:
            raise FileError(
                f"{where}: {len(detections)} scores of {row['video']}; expected true tubes, of one "
                "class"
            )
        lines.add(where, row, detections[0])
    count = len(lines.tubes)
    if not count or count != (lines.promised or count):
        expected = lines.promised or "at least one"
        raise FileError(f"{path}: holds {count} tubes; expected {expected}")
    return check_ground_truth(path, lines.ground_truth())


class _TruthLines:
    """Collects the lines of a truth.jsonl, and refuses one that contradicts those before it."""

    def __init__(self) -> None:
        self.classes: tuple[str, ...] = ()
        self.test: tuple[str, ...] = ()
        self.notes: tuple[str, ...] = ()
        self.promised: int | None = None
        self.frames: dict[str, int] = {}
        self.sizes: dict[str, tuple[int, int]] = {}
        self.tubes: list[Detection] = []

    def add(self, where: str, row: dict[str, Any], tube: Detection) -> None:
        """Takes one line: its JSON object and the tube that it holds."""
        try:
            self._read_header(row)
            self._check_class_name(where, row, tube)
            # The line itself says of its own video what the header says of videos without tubes.
            for video, facts in {**row.get("without_tubes", {}), tube.video: row}.items():
                self._read_facts(where, video, facts)
        except FileError:
            raise
        # These are what Python raises for a JSON value of another type than the one expected.
        except (TypeError, IndexError, ValueError) as error:
            raise FileError(f"{where}: {error}") from error
        fault = self.ground_truth().fault(tube)
        if fault:
            raise FileError(f"{where}: a tube of {tube.video} {fault}")
        self.tubes.append(tube)

    def ground_truth(self) -> GroundTruth:
        """What the lines so far hold."""
        return GroundTruth(self.classes, self.frames, self.sizes, self.tubes, self.test, self.notes)

    def _read_header(self, row: dict[str, Any]) -> None:
        self.classes = _names(row.get("classes", self.classes))
        self.test = _names(row.get("test", self.test))
        self.notes = _names(row.get("notes", self.notes))
        self.promised = row.get("tubes", self.promised)

    def _check_class_name(self, where: str, row: dict[str, Any], tube: Detection) -> None:
        if not self.classes or "class" not in row:
            return
        expected = self.classes[tube.label]
        if row["class"] != expected:
            raise FileError(
                f"{where}: class {row['class']!r} with label {tube.label}, {expected!r}"
            )

    def _read_facts(self, where: str, video: str, facts: dict[str, Any]) -> None:
        if "frames" in facts:
            frames = _whole_number(facts["frames"])
            self.frames[video] = _same(where, video, self.frames.get(video), frames)
        if "size" in facts:
            width, height = map(_whole_number, facts["size"])
            self.sizes[video] = _same(where, video, self.sizes.get(video), (width, height))


def _names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
        raise ValueError(f"{value!r}; expected a list of text")
    return tuple(value)


def _whole_number(value: Any) -> int:
    # `type` and not `isinstance`: true and false are instances of int.
    if type(value) not in (int, float) or not 0 <= value < MOST_FRAMES or value % 1:
        raise ValueError(f"{value!r}; expected a whole number")
    return int(value)


def _same(where: str, video: str, before: Any, now: Any) -> Any:
    if before not in (None, now):
        raise FileError(f"{where}: {video} has {now}; an earlier line has {before}")
    return now
