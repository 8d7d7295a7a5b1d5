"""Reads detections from the MATLAB files of the evaluation published with UCF101-24's boxes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from etils import epath

from videolstm_jax.errors import FileError
from videolstm_jax.files import reading
from videolstm_jax.safe_readers import matlab
from videolstm_jax.types import Detection, Tube


class _VideoDetections(NamedTuple):
    """One struct of the file: n tubes of one video, each with its frames [m] and boxes [m, 4]."""

    name: str
    labels: np.ndarray
    scores: np.ndarray
    spans: list[np.ndarray]
    boxes: list[np.ndarray]


def read_matlab_detections(path: epath.Path) -> Iterator[tuple[str, Detection]]:
    """Reads structs videoName, class, score, framenr(k).fnr and boxes(k).bxs.

    Labels and frames count from 1; boxes are x, y, w, h.

    Yields:
      The place of each tube, for messages, and the detection.

    Raises:
      FileError: another layout, or lists of different lengths.
    """
    for number, struct in enumerate(_find_structs(path), 1):
        where = f"{path}: video {number}"
        video = _read_struct(where, struct)
        columns = (video.labels, video.scores, video.spans, video.boxes)
        for at, (label, score, span, boxes) in enumerate(zip(*columns, strict=True), 1):
            tube_where = f"{where}, tube {at}"
            tube = _tube(tube_where, label, span, boxes)
            yield tube_where, Detection(video.name, int(label) - 1, float(score), tube)


def _find_structs(path: epath.Path) -> list[dict[str, Any]]:
    """The first variable of the file that is a list of structs with videoName."""
    with reading(path):
        variables = matlab.read_matlab(str(path))
    for variable in variables.values():
        # The variable may have any name; the fields of its structs show what it is.
        rows = matlab.matlab_list(variable)
        if rows and all(isinstance(row, dict) and "videoName" in row for row in rows):
            return rows
    raise FileError(
        f"{path}: holds {sorted(variables)}; expected structs with videoName, class, score, "
        "framenr and boxes"
    )


def _read_struct(where: str, struct: dict[str, Any]) -> _VideoDetections:
    spans, boxes = [], []
    summary = "not detections as the evaluation of UCF101-24 keeps them"
    with reading(where, summary, KeyError, TypeError, ValueError, IndexError):
        name = matlab.matlab_string(struct["videoName"])
        # MATLAB has no vectors: a list is a matrix of one row or of one column.
        labels = np.asarray(struct["class"], float).ravel()
        scores = np.asarray(struct["score"], float).ravel()
        for row in matlab.matlab_list(struct["framenr"]):
            spans.append(np.asarray(row["fnr"], float).ravel())
        for row in matlab.matlab_list(struct["boxes"]):
            boxes.append(np.asarray(row["bxs"], float))
    # The lists belong together by their places only.
    if not len(labels) == len(scores) == len(spans) == len(boxes):
        raise FileError(
            f"{where}, {name}: {len(labels)} classes, {len(scores)} scores, {len(spans)} spans "
            f"and {len(boxes)} tubes; expected as many"
        )
    return _VideoDetections(name, labels, scores, spans, boxes)


def _tube(where: str, label: float, span: np.ndarray, boxes: np.ndarray) -> Tube:
    """A tube from its frames [m], counted from 1, and its boxes [m, 4], x y w h."""
    # Tubes of this project have no gaps; a gap would shift every box behind it.
    follows = len(span) > 0 and bool(np.isfinite(span).all())
    follows = follows and span[0] == int(span[0]) and bool((np.diff(span) == 1).all())
    if not follows or label % 1 or boxes.shape != (len(span), 4):
        raise FileError(
            f"{where}: class {label:g}, {len(span)} frames and boxes {list(boxes.shape)}; expected "
            "a whole class, frames that follow each other and [n, 4] boxes for them"
        )
    # Widths, not last pixels: x + w is the first pixel outside, as our half-open boxes have it.
    corner, side = boxes[:, :2], boxes[:, 2:]
    return Tube(int(span[0]) - 1, np.concatenate([corner, corner + side], axis=1))
