"""The section on localisation: the map.json of each run as numbers, tables and plots."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from videolstm_jax.report import local_tables, plots
from videolstm_jax.report.local_tables import Measures
from videolstm_jax.report.page import Section
from videolstm_jax.report.plots import Axis, Plot, Series

BOX_AREA = "area of the true box"
"""The dashed line in plots of the mass in the true box: what uniform attention would have there."""
EXPLANATION = (
    "A detected tube is right if its class is right and its overlap with the true tube "
    "(intersection over union, IoU) exceeds a threshold. Baselines find the box without a model; "
    "a model is worth what it gains over them. Upper bounds use the ground truth: the best box "
    "that does not move; ideal attention, the best that a map with so few cells allows; and the "
    "true tube itself, where only the class scores can be wrong."
)


def localization_page_numbers(measures: Measures | None) -> dict[str, float | None]:
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
    # Above the tables: a reader must see them before the numbers that they are about.
    warnings = _warnings(maps)
    # Attention is described without boxes too. Tubes are measured only where there are true ones.
    measured = {}
    for name, measures in maps.items():
        if measures["model"]:
            measured[name] = measures
    attention = local_tables.attention_page_table(maps)
    foreground = page_foreground_note(maps)
    if not measured:
        notice = (
            "The test videos have no true boxes, so the tubes are not measured. The stage prepare "
            "reads boxes if the data set has them."
        )
        return empty._replace(
            paragraphs=foreground,
            tables=(attention,),
            plots=time_plots(maps),
            notices=(*warnings, notice),
        )
    # The recall plot shows one run, that with the best boxes; the tables show all.
    best = max(measured, key=lambda name: measured[name]["model"]["mean_frame_iou"]["value"])
    return empty._replace(
        paragraphs=(EXPLANATION, *foreground),
        notices=tuple(warnings),
        tables=(
            *local_tables.tube_page_tables(measured),
            local_tables.tube_error_page_table(measured),
            attention,
        ),
        plots=(_recall_plot(best, measured[best]), _map_plot(measured), *time_plots(maps)),
    )


def _warnings(maps: Mapping[str, Measures]) -> list[str]:
    """What is wrong with the attention of a run, or with the videos that it is measured on."""
    warnings = []
    for name, measures in maps.items():
        warning = measures["attention"]["warning"]
        if warning:
            warnings.append(f"{name}: {warning}.")
        if measures.get("trained_on"):
            warnings.append(f"{name} was trained on {measures['trained_on']} of these videos.")
    return warnings


def page_foreground_note(maps: Mapping[str, Measures]) -> tuple[str, ...]:
    """Names the runs whose boxes are not made of the attention that the page shows; or nothing."""
    names = []
    for name, measures in maps.items():
        # Tubes of other programs may come without settings.
        if measures.get("settings", {}).get("input") == "foreground":
            names.append(name)
    if not names:
        return ()
    return (
        f"Boxes of {', '.join(names)} are made of the foreground of the features, not of the "
        "attention, which is drawn beside them.",
    )


# ---- plots ---------------------------------------------------------------------------------------

ATTENTION_PLOTS = {
    "entropy": ("Entropy of the attention, frame by frame", "entropy", 1.0),
    "peak": ("Largest share of one cell, frame by frame", "peak", None),
    "drift": ("Attention that moves from one frame to the next", "drift", None),
    "mass_inside_truth": ("Attention in the true box, frame by frame", "share", 1.0),
}
"""Title, label and upper end of the y axis of each curve in map.json; None follows the data."""


def _recall_plot(name: str, measures: Measures) -> Plot:
    """Plots the share of true tubes that a run and its baselines cover, against the IoU."""
    rows = {name: measures["model"]}
    for kind, baseline in local_tables.baseline_page_rows(measures).items():
        rows[local_tables.BASELINE_NAMES.get(kind, kind)] = baseline
    series = []
    for index, (label, row) in enumerate(rows.items()):
        recall = row["recall"]
        series.append(Series(label, recall["iou"], recall["recall"], index, dashed=index > 0))
    return plots.line_plot(
        f"True tubes that {name} and the baselines cover",
        series,
        Axis("IoU at least", 0.0, 1.0),
        Axis("recall", 0.0, 1.0, percent=True),
    )


def _map_plot(maps: Mapping[str, Measures]) -> Plot:
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
    return plots.line_plot("Video-mAP of the runs", series, *axes)


def time_plots(maps: Mapping[str, Measures]) -> tuple[Plot, ...]:
    """Plots the attention from the first frame on: means over videos, a line for each run."""
    drawn_curves = []
    for kind, (title, label, top) in ATTENTION_PLOTS.items():
        series = _time_series(maps, kind)
        if series:
            axes = Axis("frame", 0.0), Axis(label, 0.0, top)
            drawn_curves.append(plots.line_plot(title, series, *axes, height=200))
    return tuple(drawn_curves)


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
        if value is None:
            value = math.nan
        y.append(value)
    return [Series(name, *plots.thinned_curve(range(len(y)), y), colour, dashed=dashed)]
