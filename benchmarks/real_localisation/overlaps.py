"""Mean frame IoU by clip: rows of the result file, their intervals, and Markdown tables of them."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from videolstm_jax import files
from videolstm_jax.localize.baseline_tubes import FRACTIONS
from videolstm_jax.localize.baselines import (
    best_still_box,
    centred_tube,
    ideal_attention,
    mean_box,
    still_tube,
)
from videolstm_jax.localize.tubes import video_tube
from videolstm_jax.measure.intervals import Interval, mean_interval, paired_interval
from videolstm_jax.measure.tube_errors import frame_overlaps
from videolstm_jax.types import Tube, Video

MEAN_BOX = "mean training box"
CENTRED = "best centred box"
STILL = "best still box (upper bound)"

Overlaps = dict[str, dict[str, list[float]]]
"""Mean frame IoU by row and clip; one value for each seed."""


class Measured:
    """The overlaps of all rows of a task."""

    def __init__(self, truth: Mapping[str, Sequence[Tube]]) -> None:
        """Starts without rows; `truth` holds the true tubes by clip."""
        self.truth = truth
        self.rows: Overlaps = {}

    def load(self, path: pathlib.Path) -> None:
        """Takes the rows of a file that `save` wrote; none where it is absent."""
        if path.exists():
            self.rows = json.loads(path.read_text())

    def save(self, path: pathlib.Path) -> None:
        """Writes all rows."""
        files.write_json(path, self.rows)

    def add(self, row: str, video: Video, tube: Tube) -> None:
        """Adds the overlap of a tube with the truth of its clip."""
        overlap = float(frame_overlaps(tube, self.truth[video.name]).mean())
        self.rows.setdefault(row, {}).setdefault(video.name, []).append(overlap)

    def add_baselines(self, train: Sequence[Video], test: Sequence[Video]) -> None:
        """Adds still boxes: the mean of the training list, centred ones, and the best there is."""
        tubes, sizes = [], []
        for video in train:
            for tube in self.truth[video.name]:
                tubes.append(tube)
                sizes.append((video.height, video.width))
        box = mean_box(tubes, sizes)
        for video in test:
            size = video.height, video.width
            pixels = box * (video.width, video.height, video.width, video.height)
            self.add(MEAN_BOX, video, still_tube(pixels, video.frames))
            for fraction in FRACTIONS:
                self.add(f"centred {fraction}", video, centred_tube(size, video.frames, fraction))
            best = best_still_box(self.truth[video.name][0].boxes)
            self.add(STILL, video, still_tube(best, video.frames))

    def add_ideal(self, test: Sequence[Video], cells: int, settings: Any) -> None:
        """Adds the upper bound of maps of a side."""
        for video in test:
            size = video.height, video.width
            maps = ideal_attention(self.truth[video.name][0].boxes, size, cells)
            tube = video_tube(maps, size, video.frames, settings=settings)
            self.add(f"ideal {cells}x{cells} map (upper bound)", video, tube)

    def finished(self) -> Overlaps:
        """The rows, of the centred boxes only that of the size which fits the truth best."""
        rows = dict(self.rows)
        centred = {}
        for fraction in FRACTIONS:
            name = f"centred {fraction}"
            centred[name] = values_of(rows.pop(name)).mean()
        best = max(centred, key=centred.__getitem__)
        return {CENTRED: self.rows[best], **rows}


def values_of(row: Mapping[str, Sequence[float]]) -> np.ndarray:
    """The overlap of each clip [V], as the mean over seeds."""
    # By name: a row of a file has another order than one that was just measured.
    return np.array([np.mean(row[name]) for name in sorted(row)])


def as_record(rows: Overlaps) -> dict[str, Any]:
    """Rows as JSON: the mean and its interval, and what every interval can be computed from."""
    record = {}
    for name, row in rows.items():
        values = values_of(row)
        seeds = np.array(list(row.values())).mean(0)
        record[name] = {
            "iou": rounded(mean_interval(values)),
            "minus_mean_training_box": rounded(paired_interval(values, values_of(rows[MEAN_BOX]))),
            "minus_best_centred_box": rounded(paired_interval(values, values_of(rows[CENTRED]))),
            "seeds": [round(float(value), 4) for value in seeds],
            "videos": [round(float(value), 4) for value in values],
        }
    return record


def rounded(interval: Interval) -> list[float]:
    """The value and the ends of an interval."""
    return [round(float(part), 4) for part in interval]


def table(record: Mapping[str, Any]) -> str:
    """A Markdown table of one task."""
    lines = [
        "| boxes of | frame IoU (95 % interval) | minus mean training box | minus centred box |",
        "|---|---|---|---|",
    ]
    for name, row in record.items():
        cells = [text(row["iou"])]
        for key in ("minus_mean_training_box", "minus_best_centred_box"):
            cells.append(text(row[key], "+"))
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def text(interval: Sequence[float], sign: str = "") -> str:
    """An interval as tables have it: .631 (.590 to .672)."""
    parts = [f"{part:{sign}.3f}".replace("0.", ".") for part in interval]
    return f"{parts[0]} ({parts[1]} to {parts[2]})"
