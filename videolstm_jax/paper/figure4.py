"""Figure 4, drawn from the files of finished runs: recall and mAP of tubes against the IoU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from etils import epath

from videolstm_jax.files import read_json_object, replacing
from videolstm_jax.lock.file_writer import file_writer
from videolstm_jax.paper.request import Request, paper_places_of
from videolstm_jax.paper.results import (
    STYLE,
    Measurement,
    measures_path_of_paper_row,
    paper_row_has_random_start,
    read_paper_row_result,
)
from videolstm_jax.paper.rows import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from videolstm_jax.types import NDArray

_WIDTH, _HEIGHT, _DOTS = 5.2, 3.9, 200
"""Inches of a figure, and dots an inch of its PNG."""
# One colour a model and one dash a smoothing, so that the figure can be read without colours.
# The colours are those of Okabe and Ito, which most people with colour blindness can tell apart.
_COLOURS: Mapping[str, str] = MappingProxyType({"videolstm": "#0072B2", "alstm": "#D55E00"})
_DASHES: Mapping[str, str] = MappingProxyType({"smooth": "-", "raw": "--"})
_LABELS: Mapping[str, str] = MappingProxyType(
    {"recall": "recall of true tubes", "map": f"video-mAP ({STYLE})"}
)


class Curve(NamedTuple):
    """One curve: the IoU thresholds [n], a line [R, n] for each of R seeds, and a mark.

    `on_test` is whether the parameters depend on a test video, `random_start` whether the backbones
    started from random numbers.
    """

    row: Row
    iou: NDArray
    values: NDArray
    on_test: bool
    random_start: bool = False


def draw_figure4(rows: Sequence[Row], request: Request, target: str) -> list[epath.Path]:
    """Draws each figure of which a curve is finished, as SVG and PNG.

    Args:
      rows: of Figure 4.
      request: where the runs lie.
      target: the path of the drawings without "a.svg", "b.png" and so on.

    Returns:
      The paths that were written.
    """
    by_figure: dict[str, list[Curve]] = {}
    for row in rows:
        curve = read_figure4_curve(row, request)
        if curve is not None:
            by_figure.setdefault(row.table, []).append(curve)
    written = []
    for figure, curves in by_figure.items():
        written += _draw(curves, f"{target}{figure.removeprefix('figure4')}")
    return written


def read_figure4_curve(row: Row, request: Request) -> Curve | None:
    """Reads a curve with every seed that is finished; None where none is."""
    (place,) = paper_places_of(row)
    iou: list[float] = []
    lines, on_test = [], False
    for seed in request.seeds:
        result = read_paper_row_result(row, place, request, seed)
        if not isinstance(result, Measurement):
            continue
        model = read_json_object(measures_path_of_paper_row(row, place, request, seed))["model"]
        iou, line = _points(row, model)
        lines.append(line)
        # One seed is enough, since the line is the mean over all.
        on_test = on_test or bool(result.trained)
    if not lines:
        return None
    return Curve(
        row, np.array(iou), np.array(lines), on_test, paper_row_has_random_start(row, request)
    )


def _points(row: Row, model: Mapping[str, Any]) -> tuple[list[float], list[float]]:
    """The thresholds and the values of one seed."""
    if row.measure == "recall":
        return model["recall"]["iou"], model["recall"]["recall"]
    iou, values = [], []
    for threshold, value in model["video_map"][STYLE].items():
        # The mean over .5:.95 is no threshold.
        if ":" not in threshold:
            iou.append(float(threshold))
            values.append(value)
    return iou, values


def _draw(curves: Sequence[Curve], target: str) -> list[epath.Path]:
    # Not pyplot: it keeps figures in a global state, and may look for a display.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH, _HEIGHT), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    highest, last_iou = 0.0, 0.0
    for curve in curves:
        _draw_curve(axes, curve)
        highest = max(highest, float(curve.values.max()))
        last_iou = max(last_iou, float(curve.iou.max()))
    axes.set_xlabel("IoU with the true tube")
    axes.set_ylabel(_LABELS[curves[0].row.measure])
    # Some space beside the last marks, which would be cut in half. At least up to .1, so that the
    # noise of a model that has learnt nothing does not fill the figure.
    axes.set_xlim(0, 0.02 + last_iou)
    axes.set_ylim(0, max(0.1, 1.05 * highest))
    axes.grid(visible=True, color="#dddddd", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    # Above the axes: inside, it would hide curves that start high.
    figure.legend(loc="outside upper left", frameon=False, fontsize=8)
    return _save_figure(figure, target)


def _save_figure(figure: Figure, target: str) -> list[epath.Path]:
    """Writes a figure as SVG and as PNG; the same results give the same bytes."""
    from matplotlib import rc_context

    paths = []
    for suffix in (".svg", ".png"):
        path = epath.Path(f"{target}{suffix}")
        # Without the date of an SVG, and without the version of Matplotlib in a PNG.
        metadata = {"Software": None}
        if suffix == ".svg":
            metadata = {"Date": None}
        # Names of paths in an SVG are drawn at random without a salt.
        with (
            file_writer(path, "paper"),
            replacing(path) as temporary,
            rc_context({"svg.hashsalt": path.name}),
        ):
            figure.savefig(temporary, format=suffix[1:], dpi=_DOTS, metadata=metadata)
        paths.append(path)
    return paths


def _draw_curve(axes: Axes, curve: Curve) -> None:
    """A line of the mean over seeds, in a band from the lowest seed to the highest."""
    label = curve.row.title
    if len(curve.values) > 1:
        label += f", {len(curve.values)} seeds"
    # In the legend itself: a figure is copied without the text around it.
    if curve.on_test:
        label += "\n(depends on test videos)"
    if curve.random_start:
        label += "\n(backbones from random numbers)"
    colour = _COLOURS[curve.row.cell]
    axes.plot(
        curve.iou,
        curve.values.mean(axis=0),
        color=colour,
        linestyle=_DASHES[curve.row.last_name],
        linewidth=1.8,
        marker="o",
        markersize=3,
        label=label,
    )
    if len(curve.values) > 1:
        low, high = curve.values.min(axis=0), curve.values.max(axis=0)
        axes.fill_between(curve.iou, low, high, color=colour, alpha=0.15, linewidth=0)
