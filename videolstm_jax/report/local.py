"""The section on localisation: the map.json of each run as numbers, tables and plots."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from videolstm_jax.report import plots, tables
from videolstm_jax.report.page import Section
from videolstm_jax.report.plots import Axis, Plot, Series
from videolstm_jax.report.tables import Table, TableCell, percent

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
_UPPER_BOUNDS = ("perfect_box", "ideal_attention", "perfect_tube")
THRESHOLDS = ("0.1", "0.2", "0.3", "0.5", "0.5:0.95")
"""The IoU thresholds whose video-mAP is a column."""
ERROR_KINDS = ("right", "localisation", "classification", "time", "duplicate", "other", "missed")
BOX_AREA = "area of the true box"
"""The dashed line in plots of the mass in the true box: what uniform attention would have there."""
EXPLANATION = (
    "A detected tube is right if its class is right and its overlap with the true tube "
    "(intersection over union, IoU) exceeds a threshold. Baselines find the box without a model; "
    "a model is worth what it gains over them. Upper bounds use the ground truth: the best box "
    "that does not move; ideal attention, the best that a map with so few cells allows; and the "
    "true tube itself, where only the class scores can be wrong."
)


def numbers(measures: Measures | None) -> dict[str, float | None]:
    """Returns the localisation fields of `tables.Result`; none where nothing was measured."""
    if not measures:
        return {}
    attention = measures["attention"]
    fields = {"mass": attention["mass_inside_truth"], "area": attention["area_of_truth"]}
    if measures["model"]:
        video_map = measures["model"]["video_map"]["voc"]
        fields["map_20"], fields["map_50"] = video_map["0.2"], video_map["0.5"]
        fields["frame_iou"] = measures["model"]["mean_frame_iou"]["value"]
    return fields


def section(maps: Mapping[str, Measures]) -> Section:
    """Makes the section on attention, boxes and tubes.

    Args:
      maps: run -> its map.json.
    """
    empty = Section("localisation", "How well it locates")
    if not maps:
        notice = (
            "No tubes yet. The stage localize makes them from the attention of a run, and measures "
            "them if the data set has true boxes."
        )
        return empty._replace(notices=(notice,))
    warnings = []
    for name, measures in maps.items():
        warning = measures["attention"]["warning"]
        if warning:
            warnings.append(f"{name}: {warning}.")
        if measures.get("trained_on"):
            warnings.append(f"{name} was trained on {measures['trained_on']} of these videos.")
    measured = {name: measures for name, measures in maps.items() if measures["model"]}
    if not measured:
        notice = (
            "The test videos have no true boxes, so the tubes are not measured. The stage prepare "
            "reads boxes if the data set has them."
        )
        return empty._replace(
            tables=(attention_table(maps),), plots=time_plots(maps), notices=(*warnings, notice)
        )
    # The recall plot shows one run, that with the best boxes; the tables show all.
    best = max(measured, key=lambda name: measured[name]["model"]["mean_frame_iou"]["value"])
    return empty._replace(
        paragraphs=(EXPLANATION,),
        notices=tuple(warnings),
        tables=(*tube_tables(measured), error_table(measured), attention_table(maps)),
        plots=(recall_plot(best, measured[best]), map_plot(measured), *time_plots(maps)),
    )


# ---- tables --------------------------------------------------------------------------------------


def tube_tables(maps: Mapping[str, Measures]) -> tuple[Table, ...]:
    """Makes one table for each run: its tubes, then baselines and upper bounds with its scores."""
    head = (
        "Boxes from",
        "Kind",
        "Mean frame IoU",
        "95 % interval",
        *(f"Video-mAP {threshold.replace('0.', '.')}" for threshold in THRESHOLDS),
        "Gain of the run",
    )
    note = (
        "Intervals are percentiles of a bootstrap over videos. Baselines and upper bounds have the "
        "class scores of this run."
    )
    run_tables = []
    for run, measures in maps.items():
        rows = [[run, "run", *_measure_cells(measures["model"]), ""]]
        rows += [_baseline_row(kind, row) for kind, row in _baselines(measures).items()]
        run_tables.append(tables.plain(f"Tubes of {run} and its baselines", head, rows, note))
    return tuple(run_tables)


def _baseline_row(kind: str, measures: Measures) -> list[TableCell | str | float]:
    gain = measures["model_minus_baseline"]
    gain_text = f"{gain['value']:+.3f} ({gain['low']:+.3f} to {gain['high']:+.3f})"
    name = BASELINE_NAMES.get(kind, kind)
    if "fraction" in measures:
        name += f", {measures['fraction']:g} of the sides"
    row_kind = "upper bound" if kind in _UPPER_BOUNDS else "baseline"
    return [name, row_kind, *_measure_cells(measures), TableCell(gain_text, gain["value"])]


def _measure_cells(measures: Measures) -> list[TableCell | float]:
    iou, video_map = measures["mean_frame_iou"], measures["video_map"]["voc"]
    interval = TableCell(f"{iou['low']:.3f} to {iou['high']:.3f}", iou["low"])
    return [iou["value"], interval, *(video_map[threshold] for threshold in THRESHOLDS)]


def _baselines(measures: Measures) -> dict[str, Measures]:
    """The baselines, the worst first, then the upper bounds."""
    baselines = measures["baselines"]

    def order(kind: str) -> tuple[bool, float, str]:
        return kind in _UPPER_BOUNDS, baselines[kind]["mean_frame_iou"]["value"], kind

    return {kind: baselines[kind] for kind in sorted(baselines, key=order)}


def error_table(maps: Mapping[str, Measures]) -> Table:
    """Counts right tubes and kinds of errors of each run, at IoU .2 and .5."""
    rows = []
    for name, measures in maps.items():
        for iou, counts in measures["model"]["errors"].items():
            rows.append([f"{name} at IoU {iou}", *(counts[kind] for kind in ERROR_KINDS)])
    head = ("Run", *(kind.capitalize() for kind in ERROR_KINDS))
    return tables.plain("Errors of the tubes", head, rows)


def attention_table(maps: Mapping[str, Measures]) -> Table:
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
        for key in ("mass_inside_truth", "area_of_truth", "full_frame_boxes"):
            row.append(TableCell(percent(attention[key]), attention[key]))
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
    return tables.plain("Where attention looks", head, rows, note)


# ---- plots ---------------------------------------------------------------------------------------

ATTENTION_PLOTS = {
    "entropy": ("Entropy of the attention, frame by frame", "entropy", 1.0),
    "peak": ("Largest share of one cell, frame by frame", "peak", None),
    "drift": ("Attention that moves from one frame to the next", "drift", None),
    "mass_inside_truth": ("Attention in the true box, frame by frame", "share", 1.0),
}
"""Title, label and upper end of the y axis of each curve in map.json; None follows the data."""


def recall_plot(name: str, measures: Measures) -> Plot:
    """Plots the share of true tubes that a run and its baselines cover, against the IoU."""
    rows = {name: measures["model"]}
    for kind, baseline in _baselines(measures).items():
        rows[BASELINE_NAMES.get(kind, kind)] = baseline
    series = []
    for index, (label, row) in enumerate(rows.items()):
        recall = row["recall"]
        series.append(Series(label, recall["iou"], recall["recall"], index, dashed=index > 0))
    return plots.lines(
        f"True tubes that {name} and the baselines cover",
        series,
        Axis("IoU at least", 0.0, 1.0),
        Axis("recall", 0.0, 1.0, percent=True),
    )


def map_plot(maps: Mapping[str, Measures]) -> Plot:
    """Plots the video-mAP of every run against the IoU threshold."""
    series = []
    for index, (name, measures) in enumerate(maps.items()):
        points = []
        for threshold, value in measures["model"]["video_map"]["voc"].items():
            if ":" not in threshold:  # a mean over thresholds is no point
                points.append((float(threshold), value))
        x, y = [], []
        for threshold, value in sorted(points):
            x.append(threshold)
            y.append(value)
        series.append(Series(name, x, y, index))
    axes = Axis("IoU", 0.0), Axis("video-mAP", 0.0, 1.0)
    return plots.lines("Video-mAP of the runs", series, *axes)


def time_plots(maps: Mapping[str, Measures]) -> tuple[Plot, ...]:
    """Plots the attention from the first frame on: means over videos, a line for each run."""
    drawn = []
    for kind, (title, label, top) in ATTENTION_PLOTS.items():
        series = _time_series(maps, kind)
        if series:
            axes = Axis("frame", 0.0), Axis(label, 0.0, top)
            drawn.append(plots.lines(title, series, *axes, height=200))
    return tuple(drawn)


def _time_series(maps: Mapping[str, Measures], kind: str) -> list[Series]:
    series: list[Series] = []
    for index, (name, measures) in enumerate(maps.items()):
        curves = measures["attention"].get("over_time", {})
        series += _curve(name, curves.get(kind), index)
        # All runs see the same true boxes: their area is drawn once, beside the first run.
        if kind == "mass_inside_truth" and len(series) == 1:
            series += _curve(BOX_AREA, curves.get("area_of_truth"), index, dashed=True)
    return series


def _curve(
    name: str, values: Sequence[float | None] | None, colour: int, *, dashed: bool = False
) -> list[Series]:
    if not values:
        return []
    y = []
    for value in values:
        # A frame without a value breaks the line.
        y.append(math.nan if value is None else value)
    return [Series(name, *plots.thinned(range(len(y)), y), colour, dashed=dashed)]
