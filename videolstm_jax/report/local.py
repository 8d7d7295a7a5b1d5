"""Localisation: what the runs' map.json say, as numbers for the results, as tables and as plots."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from videolstm_jax.report import plots, tables
from videolstm_jax.report.page import Section
from videolstm_jax.report.plots import Axis, Plot, Series
from videolstm_jax.report.tables import Cell, Table, percent

Measured = Mapping[str, Any]
"""A map.json: `attention`, and where there are true boxes `model` and `baselines`, each with the same
measures.
"""

BASELINES = {
    "full_frame": "whole frame",
    "centred": "centred box",
    "mean_train_box": "mean training box",
    "uniform_attention": "uniform attention",
    "flow_magnitude": "flow magnitude",
    "ideal_attention": "ideal attention",
    "perfect_box": "perfect still box",
    "perfect_tube": "perfect tube",
}
UPPER_BOUNDS = ("perfect_box", "ideal_attention", "perfect_tube")
SHOWN = ("0.1", "0.2", "0.3", "0.5", "0.5:0.95")
"""The IoU thresholds whose video-mAP is a column."""


def numbers(found: Measured | None) -> dict[str, float | None]:
    """The localisation fields of `tables.Result`; none where nothing was measured."""
    if not found:
        return {}
    look = found["attention"]
    fields = {"mass": look["mass_inside_truth"], "area": look["area_of_truth"]}
    if found["model"]:
        by_iou = found["model"]["video_map"]["voc"]
        fields |= {
            "map_20": by_iou["0.2"],
            "map_50": by_iou["0.5"],
            "frame_iou": found["model"]["mean_frame_iou"]["value"],
        }
    return fields


def section(maps: Mapping[str, Measured]) -> Section:
    """The part of the page on attention, boxes and tubes.

    Args:
      maps: run -> its map.json.
    """
    empty = Section("localisation", "How well it locates")
    if not maps:
        return empty._replace(
            missing=(
                "No tubes have been made yet; the stage localize makes them from the attention "
                "of a run, and measures them where the data set has true boxes.",
            )
        )
    warnings = tuple(
        f"{name}: {found['attention']['warning']}."
        for name, found in maps.items()
        if found["attention"]["warning"]
    )
    known = {name: found for name, found in maps.items() if found["model"]}
    if not known:
        absent = (
            "The test videos have no true boxes, so the tubes are not measured; prepare reads boxes where a data "
            "set has them."
        )
        return empty._replace(
            tables=(attention_table(maps),), plots=time_plots(maps), missing=(*warnings, absent)
        )
    best = max(known, key=lambda name: known[name]["model"]["mean_frame_iou"]["value"])
    words = (
        "A tube is right where its class is, and where its overlap with the true tube (intersection over union, "
        "IoU) exceeds a threshold. Baselines use no model to find the box: what a model gains, it gains over them. "
        "Ceilings know the truth: the best box that stays where it is, ideal attention, which is the most that a "
        "map this coarse allows, and the true tube itself, which only the class scores can still spoil.",
    )
    return empty._replace(
        words=words,
        missing=warnings,
        tables=(*tube_tables(known), error_table(known), attention_table(maps)),
        plots=(recall_plot(best, known[best]), map_plot(known), *time_plots(maps)),
    )


def tube_tables(known: Mapping[str, Measured]) -> tuple[Table, ...]:
    """One table a run: its own tubes, and under them the baselines and upper bounds with the class scores
    of this run.
    """
    head = (
        "Boxes from",
        "Kind",
        "Mean frame IoU",
        "95 % interval",
        *(f"Video-mAP {iou.replace('0.', '.')}" for iou in SHOWN),
        "The run minus this",
    )
    made = []
    for run, found in known.items():
        rows = [[run, "run", *_measures(found["model"]), ""]]
        for kind, baseline in _baselines(found).items():
            gain = baseline["model_minus_baseline"]
            said = f"{gain['value']:+.3f} ({gain['low']:+.3f} to {gain['high']:+.3f})"
            name = BASELINES.get(kind, kind) + (
                f", {baseline['fraction']:g} of the sides" if "fraction" in baseline else ""
            )
            rows.append(
                [
                    name,
                    "upper bound" if kind in UPPER_BOUNDS else "baseline",
                    *_measures(baseline),
                    Cell(said, gain["value"]),
                ]
            )
        made.append(
            tables.plain(
                f"Tubes of {run}, and what they must beat",
                head,
                rows,
                "Intervals are percentiles of a bootstrap over videos. Every baseline and upper bound "
                "carries this run's own class scores.",
            )
        )
    return tuple(made)


def _baselines(found: Measured) -> dict[str, Measured]:
    """The baselines, worst first, then the upper bounds."""
    kinds = sorted(
        found["baselines"],
        key=lambda kind: (
            kind in UPPER_BOUNDS,
            found["baselines"][kind]["mean_frame_iou"]["value"],
            kind,
        ),
    )
    return {kind: found["baselines"][kind] for kind in kinds}


def _measures(row: Measured) -> list[Cell | float]:
    iou, by_iou = row["mean_frame_iou"], row["video_map"]["voc"]
    return [
        iou["value"],
        Cell(f"{iou['low']:.3f} to {iou['high']:.3f}", iou["low"]),
        *(by_iou[at] for at in SHOWN),
    ]


def error_table(known: Mapping[str, Measured]) -> Table:
    """How the best scored tubes of each run divide into right ones and kinds of errors, at IoU .2
    and .5.
    """
    kinds = ("right", "localisation", "classification", "time", "duplicate", "other", "missed")
    rows = [
        [f"{name} at IoU {iou}", *(split[kind] for kind in kinds)]
        for name, found in known.items()
        for iou, split in found["model"]["errors"].items()
    ]
    return tables.plain(
        "What goes wrong with tubes", ("Run", *(kind.capitalize() for kind in kinds)), rows
    )


def attention_table(maps: Mapping[str, Measured]) -> Table:
    """How peaked each run's attention is, whether it moves, and how much of it lies on the actor."""
    rows = []
    for name, found in maps.items():
        look = found["attention"]
        rows.append(
            [
                name,
                look["entropy"],
                look["peak"],
                look.get("drift", ""),
                look["motion"],
                look["between"],
                *(
                    Cell(percent(look[key]), look[key])
                    for key in ("mass_inside_truth", "area_of_truth", "full_frame_boxes")
                ),
            ]
        )
    head = (
        "Run",
        "Entropy",
        "Peak",
        "Drift",
        "Moves within a video",
        "Differs between videos",
        "Mass in the true box",
        "That box's share of the frame",
        "Boxes that are the whole frame",
    )
    return tables.plain(
        "Where attention looks",
        head,
        rows,
        "Entropy is 1 for attention that looks nowhere; the peak "
        "is the largest share that one cell has. Drift is the share of the mass that moves from one "
        "frame to the next; what moves within a video is the share that would have to, for every map "
        "to be the video's mean map.",
    )


def recall_plot(name: str, found: Measured) -> Plot:
    """The share of true tubes that are covered, against the IoU asked for; a run's own line and its
    baselines'.
    """
    rows = {
        name: found["model"],
        **{BASELINES.get(kind, kind): baseline for kind, baseline in _baselines(found).items()},
    }
    series = [
        Series(label, row["recall"]["iou"], row["recall"]["recall"], index, dashed=bool(index))
        for index, (label, row) in enumerate(rows.items())
    ]
    return plots.lines(
        f"True tubes that {name} and the baselines cover",
        series,
        Axis("IoU at least", 0.0, 1.0),
        Axis("recall", 0.0, 1.0, percent=True),
    )


def map_plot(known: Mapping[str, Measured]) -> Plot:
    """Video-mAP of every run against the IoU threshold."""
    series = []
    for index, (name, found) in enumerate(known.items()):
        by_iou = found["model"]["video_map"]["voc"]
        at = sorted((float(key), value) for key, value in by_iou.items() if ":" not in key)
        series.append(Series(name, [iou for iou, _ in at], [value for _, value in at], index))
    return plots.lines(
        "Video-mAP of the runs", series, Axis("IoU", 0.0), Axis("video-mAP", 0.0, 1.0)
    )


CURVES = {
    "entropy": ("Entropy of the attention, frame by frame", "entropy"),
    "peak": ("Largest share of one cell, frame by frame", "peak"),
    "drift": ("Attention that moves from one frame to the next", "drift"),
    "mass_inside_truth": ("Attention in the true box, frame by frame", "share"),
}


def time_plots(maps: Mapping[str, Measured]) -> tuple[Plot, ...]:
    """What attention does from the first frame on: the mean over videos, a line a run; a dashed one
    is the box's area.
    """
    made = []
    for kind, (title, label) in CURVES.items():
        series = []
        for index, (name, found) in enumerate(maps.items()):
            curves = found["attention"].get("over_time", {})
            series += _curve(name, curves.get(kind), index)
            if kind == "mass_inside_truth":
                area = _curve(
                    "that box's share of the frame", curves.get("area_of_truth"), index, dashed=True
                )
                series += area if len(series) == 1 else []  # the same boxes for every run
        if series:
            top = 1.0 if kind in ("entropy", "mass_inside_truth") else None
            made.append(
                plots.lines(title, series, Axis("frame", 0.0), Axis(label, 0.0, top), height=200)
            )
    return tuple(made)


def _curve(
    name: str, values: Sequence[float | None] | None, colour: int, *, dashed: bool = False
) -> list[Series]:
    if not values:
        return []
    y = [math.nan if value is None else value for value in values]
    return [Series(name, *plots.thinned(range(len(y)), y), colour, dashed=dashed)]
