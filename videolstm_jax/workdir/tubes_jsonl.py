"""Files of tubes, one JSON object a line: detections and ground truth."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
from annotated_types import Interval, MinLen, MultipleOf

from videolstm_jax.errors import FileError
from videolstm_jax.files import PathLike, write_jsonl
from videolstm_jax.json_records import json_record, read_records
from videolstm_jax.types import Detection, Tube

# Bound of labels and first frames: larger ones come from damaged files.
_LARGEST = 1 << 31

# A whole number. Other programs write 3.0 too, which JSON does not tell from 3.
WholeNumber = Annotated[float, MultipleOf(1), Interval(ge=-_LARGEST, le=_LARGEST)]
Box = tuple[float, float, float, float]


@json_record()
@dataclass(frozen=True)
class TubeRow:
    """One line of a file: a tube of one class, or of all of them where it has `scores`.

    `boxes` become an array [n, 4] of float64.
    """

    video: str
    label: WholeNumber
    score: float
    start: WholeNumber
    boxes: Annotated[list[Box], MinLen(1)]
    # A default is not checked: an empty list in the file is refused.
    scores: Annotated[list[float], MinLen(1)] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Raises ValueError for a box without an area."""
        boxes = np.asarray(self.boxes, np.float64)
        if (boxes[:, 2:] <= boxes[:, :2]).any():
            raise ValueError(
                f"a box of {self.video} is inverted or empty; expected x0 < x1 and y0 < y1"
            )
        # The record is frozen once it is made; this is still a part of making it.
        object.__setattr__(self, "boxes", boxes)

    def detections(self) -> list[Detection]:
        """The tube's detections, one a class, which share it."""
        # One object for all classes, which is how `save_detections` finds that they share it.
        tube = Tube(int(self.start), self.boxes)
        if not self.scores:
            return [Detection(self.video, int(self.label), self.score, tube)]
        detections = []
        for label, score in enumerate(self.scores):
            detections.append(Detection(self.video, label, score, tube))
        return detections


# ---- writing -------------------------------------------------------------------------------------


def save_detections(path: PathLike, detections: Iterable[Detection]) -> None:
    """Writes tubes, one a line: video, label, score, start, boxes.

    Neighbours that share one tube of one video, one for each class in order, become one line with
    the list `scores` beside the class that scores best.
    """
    # A shared tube is one object. Equal boxes of two tubes stay two lines.
    rows = []
    for _, group in itertools.groupby(detections, key=_shared_tube):
        rows.append(_row(list(group)))
    write_jsonl(path, rows, sealed=True)


def _shared_tube(detection: Detection) -> tuple[str, int]:
    # By identity: records with arrays cannot be compared.
    return detection.video, id(detection.tube)


def _row(detections: list[Detection]) -> dict[str, Any]:
    best = max(detections, key=lambda detection: detection.score)
    row = {
        "video": best.video,
        "label": int(best.label),
        "score": float(best.score),
        "start": int(best.tube.start),
        # A thousandth of a pixel is finer than any measure needs.
        "boxes": np.asarray(best.tube.boxes, float).round(3).tolist(),
    }
    # The place in the list is the class, so every class must be there once, in order.
    if len(detections) > 1:
        labels = [detection.label for detection in detections]
        if labels != list(range(len(detections))):
            raise FileError(
                f"classes {labels} share a tube of {best.video}; expected 0 to "
                f"{len(detections) - 1} in order"
            )
        row["scores"] = [float(detection.score) for detection in detections]
    return row


# ---- reading -------------------------------------------------------------------------------------


def load_detections(path: PathLike) -> list[Detection]:
    """Reads tubes; a line with `scores` becomes one detection a class, which share their tube.

    Raises:
      FileError: naming the line, for a missing field or one of another kind, a score that is not
        finite, or boxes inverted or not [n, 4].
    """
    detections = []
    for _, row in read_records(path, TubeRow, made_by="localize"):
        detections += row.detections()
    return detections
