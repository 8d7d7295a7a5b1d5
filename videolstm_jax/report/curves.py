"""The section on training: the rows of metrics.jsonl as curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from videolstm_jax.report.page import Section
from videolstm_jax.report.plots import Axis, Plot, Series, line_plot, smoothed_curve, thinned_curve

Rows = Sequence[Mapping[str, Any]]
"""The rows of a metrics.jsonl: `step`, and numbers whose names contain "loss" or "acc"."""

WINDOWS = 25
"""A running mean covers this fraction of a curve: one 25th."""


def section(models: Mapping[str, Rows], convnets: Mapping[str, Rows]) -> Section:
    """Makes the section from the rows of each recurrent model and of each backbone, by name."""
    plots = (
        *training_curves_chart(models, "Recurrent models"),
        *training_curves_chart(convnets, "ConvNets"),
    )
    notices = []
    if not models:
        notices.append("No recurrent model has been trained yet. The stage train does it.")
    if not convnets:
        notices.append("No backbone has been fitted yet. The stage fit_convnet does it.")
    legend = ()
    if plots:
        legend = ("Faint lines are the logged values, full lines their running means.",)
    return Section("training", "Training", legend, plots=plots, notices=tuple(notices))


def training_curves_chart(rows_by_run: Mapping[str, Rows], kind: str) -> list[Plot]:
    """Plots losses and accuracies, one colour for each run; validation is dashed.

    Args:
      rows_by_run: name -> rows.
      kind: heads the titles, such as "ConvNets".
    """
    plots = []
    # A loss has no upper end; an accuracy is a share.
    axes = (("loss", Axis("loss", 0.0)), ("acc", Axis("accuracy", 0.0, 1.0, percent=True)))
    for key_part, y_axis in axes:
        series: list[Series] = []
        for colour, (name, rows) in enumerate(rows_by_run.items()):
            for field in _fields(rows, key_part):
                series += _series(rows, field, name, colour)
        if series:
            title = f"{kind}: {y_axis.label} of the training batches"
            plots.append(line_plot(title, series, Axis("step", 0.0), y_axis))
    return plots


def _fields(rows: Rows, key_part: str) -> list[str]:
    """The fields of any row whose name contains `key_part`, sorted."""
    fields = set()
    for row in rows:
        for field in row:
            if key_part in field.lower():
                fields.add(field)
    return sorted(fields)


def _series(rows: Rows, field: str, name: str, colour: int) -> list[Series]:
    """A faint line of the values and a full line of their running mean; one line if few values."""
    points = []
    for row in rows:
        if isinstance(row.get(field), int | float) and "step" in row:
            points.append((row["step"], row[field]))
    if not points:
        return []
    # The running mean is taken before thinning, so that it uses every logged value.
    x, y = np.array(points, float).T
    # Validation is measured seldom and on the whole list: it needs no smoothing.
    if "valid" in field:
        return [Series(f"{name}, validation", x, y, colour, dashed=True)]
    # A share of the curve, not a number of steps: runs of any length look equally smooth.
    window = len(y) // WINDOWS
    if window < 2:
        return [Series(name, *thinned_curve(x, y), colour)]
    return [
        Series(name, *thinned_curve(x, y), colour, faint=True),
        Series(name, *thinned_curve(x, smoothed_curve(y, window)), colour),
    ]
