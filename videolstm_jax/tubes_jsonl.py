"""Files of tubes, one JSON object a line: detections and ground truth."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from videolstm_jax.errors import FileError
from videolstm_jax.files import PathLike, read_jsonl, write_jsonl
from videolstm_jax.types import Detection, Tube

_FIELDS = {"video", "label", "score", "start", "boxes"}
_LARGEST = 1 << 31
"""Bound of labels and first frames: larger ones come from damaged files."""


class TubeLine(NamedTuple):
    """One line of a file: "file:line" for messages, the JSON object, and its detections."""

    where: str
    row: dict[str, Any]
    detections: list[Detection]


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
    write_jsonl(path, rows)


def _shared_tube(detection: Detection) -> tuple[str, int]:
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
    for line in read_tube_lines(path):
        detections += line.detections
    return detections


def read_tube_lines(path: PathLike) -> Iterator[TubeLine]:
    """Reads tubes line by line, with the fields that other annotations add; see `load_detections`.

    Raises:
      FileError: see `load_detections`.
    """
    for number, row in enumerate(read_jsonl(path, made_by="localize"), 1):
        where = f"{path}:{number}"
        _check_fields(row, where)
        video, label = row["video"], int(row["label"])
        scores = row.get("scores", [row["score"]])
        tube = Tube(int(row["start"]), _boxes(row, where))
        # The largest float bounds the scores too: JSON allows numbers that become infinite.
        if not all(abs(score) <= sys.float_info.max for score in scores):
            raise FileError(f"{where}: a score of {video} is not finite")
        labels = [label]
        if "scores" in row:
            labels = range(len(scores))
        detections = []
        for label, score in zip(labels, scores, strict=True):
            detections.append(Detection(video, label, float(score), tube))
        yield TubeLine(where, row, detections)


def _check_fields(row: Any, where: str) -> None:
    """Raises FileError where a field is missing, or is not of the kind it must be."""
    missing = {"fields"}
    if isinstance(row, dict):
        missing = _FIELDS - row.keys()
    if missing:
        raise FileError(f"{where}: lacks {sorted(missing)}")
    scores = row.get("scores", [row["score"]])
    if not isinstance(scores, list) or not scores:
        scores = [None]
    numbers = [row["label"], row["start"], *scores]
    # `type` and not `isinstance`: True is an int, too.
    plain = all(type(number) in (int, float) for number in numbers)
    if not isinstance(row["video"], str) or not plain or not all(map(_is_index, numbers[:2])):
        raise FileError(
            f"{where}: video {row['video']!r}, label, start and scores {numbers}; expected text, "
            "whole and plain numbers"
        )


def _is_index(number: float) -> bool:
    return number % 1 == 0 and abs(number) <= _LARGEST


def _boxes(row: dict[str, Any], where: str) -> np.ndarray:
    """The boxes [n, 4] of a line, float64."""
    subject = f"{where}: boxes of {row['video']}"
    boxes = _numbers(row["boxes"], subject)
    if boxes.ndim != 2 or boxes.shape[1] != 4 or not np.isfinite(boxes).all():
        raise FileError(f"{subject} have shape {boxes.shape}; expected finite [n, 4]")
    if (boxes[:, 2:] <= boxes[:, :2]).any():
        raise FileError(
            f"{where}: a box of {row['video']} is inverted or empty; expected x0 < x1 and y0 < y1"
        )
    return boxes


def _numbers(value: Any, subject: str) -> np.ndarray:
    """An array of float64."""
    try:
        array = np.asarray(value)
    except ValueError as error:  # rows of several lengths
        raise FileError(f"{subject} are not numbers: {error}") from error
    # NumPy would turn text and null into numbers when asked for float64.
    if array.dtype.kind not in "iuf":
        raise FileError(f"{subject} are not numbers: they hold {array.dtype}")
    return array.astype(np.float64)
