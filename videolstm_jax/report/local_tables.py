"""Tables of the section on localisation: the map.json of each run as numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from videolstm_jax.report import tables
from videolstm_jax.report.tables import Table, TableCell, percent_page_text

Measures = Mapping[str, Any]
"""The contents of a map.json.

`attention` describes the attention. Where there are true boxes, `model` and each of `baselines`
hold the same measures of boxes and tubes; `model` is None otherwise.
"""

BASELINE_NAMES = {
    "full_frame": "whole frame",
    "centred": "centred box",
    "mean_train_box": "mean training box",
    "uniform_attention": "uniform attention",
    "flow_magnitude": "flow magnitude",
    "ideal_attention": "ideal attention",
    "perfect_box": "perfect still box",
    "perfect_tube": "perfect tube",
}
# They use the ground truth, so no model can be asked to pass them.
_UPPER_BOUNDS = ("perfect_box", "ideal_attention", "perfect_tube")
THRESHOLDS = ("0.1", "0.2", "0.3", "0.5", "0.5:0.95")
"""The IoU thresholds whose video-mAP is a column."""
ERROR_KINDS = ("right", "localisation", "classification", "time", "duplicate", "other", "missed")


def tube_page_tables(maps: Mapping[str, Measures]) -> tuple[Table, ...]:
    """Makes one table for each run: its tubes, then baselines and upper bounds with its scores."""
    head = ["Boxes from", "Kind", "Mean frame IoU", "95 % interval"]
    for threshold in THRESHOLDS:
        head.append(f"Video-mAP {threshold.replace('0.', '.')}")
    head.append("Gain of the run")
    note = (
        "Intervals are percentiles of a bootstrap over videos. Baselines and upper bounds have the "
        "class scores of this run."
    )
    run_tables = []
    for run, measures in maps.items():
        # The run comes first, then what it must pass, then what it could reach.
        rows = [[run, "run", *_measure_cells(measures["model"]), ""]]
        for kind, baseline in baseline_page_rows(measures).items():
            rows.append(_baseline_row(kind, baseline))
        run_tables.append(
            tables.plain_page_table(f"Tubes of {run} and its baselines", head, rows, note)
        )
    return tuple(run_tables)


def _baseline_row(kind: str, measures: Measures) -> list[TableCell | str | float]:
    # The interval is of the paired difference, which is narrower than those of both results.
    gain = measures["model_minus_baseline"]
    gain_text = f"{gain['value']:+.3f} ({gain['low']:+.3f} to {gain['high']:+.3f})"
    name = BASELINE_NAMES.get(kind, kind)
    if "fraction" in measures:
        name += f", {measures['fraction']:g} of the sides"
    row_kind = "baseline"
    if kind in _UPPER_BOUNDS:
        row_kind = "upper bound"
    return [name, row_kind, *_measure_cells(measures), TableCell(gain_text, gain["value"])]


def _measure_cells(measures: Measures) -> list[TableCell | float]:
    # `voc` is the style of the corrected annotations; `act` counts equal overlaps too.
    iou, video_map = measures["mean_frame_iou"], measures["video_map"]["voc"]
    interval = TableCell(f"{iou['low']:.3f} to {iou['high']:.3f}", iou["low"])
    cells = [iou["value"], interval]
    for threshold in THRESHOLDS:
        cells.append(video_map[threshold])
    return cells


def baseline_page_rows(measures: Measures) -> dict[str, Measures]:
    """Returns the baselines of a run, the worst first, then the upper bounds."""
    baselines = measures["baselines"]

    def order(kind: str) -> tuple[bool, float, str]:
        return kind in _UPPER_BOUNDS, baselines[kind]["mean_frame_iou"]["value"], kind

    return {kind: baselines[kind] for kind in sorted(baselines, key=order)}


def tube_error_page_table(maps: Mapping[str, Measures]) -> Table:
    """Counts right tubes and kinds of errors of each run, at IoU .2 and .5."""
    rows = []
    for name, measures in maps.items():
        for iou, counts in measures["model"]["errors"].items():
            row = [f"{name} at IoU {iou}"]
            for kind in ERROR_KINDS:
                row.append(counts[kind])
            rows.append(row)
    head = ("Run", *map(str.capitalize, ERROR_KINDS))
    return tables.plain_page_table("Errors of the tubes", head, rows)


def attention_page_table(maps: Mapping[str, Measures]) -> Table:
    """Describes each run's attention: how peaked it is, how it moves, its mass on the actor."""
    rows = []
    for name, measures in maps.items():
        attention = measures["attention"]
        row = [
            name,
            attention["entropy"],
            attention["peak"],
            attention["drift"],
            attention["motion"],
            attention["between"],
        ]
        # Shares of the frame as percentages; the others have no unit.
        for key in ("mass_inside_truth", "area_of_truth", "full_frame_boxes"):
            row.append(TableCell(percent_page_text(attention[key]), attention[key]))
        rows.append(row)
    head = (
        "Run",
        "Entropy",
        "Peak",
        "Drift",
        "Moves within a video",
        "Differs between videos",
        "Mass in the true box",
        "Area of the true box",
        "Boxes of the whole frame",
    )
    note = (
        "Uniform attention has entropy 1. The peak is the largest share of one cell. Drift is the "
        "share of the mass that moves from one frame to the next. A map moves within a video by "
        "the share of its mass that differs from the mean map of the video."
    )
    return tables.plain_page_table("Where attention looks", head, rows, note)
