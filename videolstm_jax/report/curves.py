"""Training curves: the rows of metrics.jsonl as plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from videolstm_jax.report.page import Section
from videolstm_jax.report.plots import Axis, Plot, Series, lines, smooth, thinned

Rows = Sequence[Mapping[str, Any]]

POINTS_A_WINDOW = 25
"""The running mean covers one part in so many of a line."""


def section(models: Mapping[str, Rows], convnets: Mapping[str, Rows]) -> Section:
    """The training curves of the recurrent models and of the ConvNets, each name -> rows as
    `curves` takes them.
    """
    drawn = (*curves(models, "Recurrent models"), *curves(convnets, "ConvNets"))
    missing = [
        words
        for rows, words in (
            (models, "No recurrent model has been trained yet; the stage train does it."),
            (convnets, "No ConvNet has been fitted yet; the stage fit_convnet does it."),
        )
        if not rows
    ]
    words = ("A faint line is what was logged, a full line its running mean.",) if drawn else ()
    return Section("training", "Training", words, plots=drawn, missing=tuple(missing))


def curves(runs: Mapping[str, Rows], what: str) -> list[Plot]:
    """One plot of losses and one of accuracies, a colour a run; validation is dashed.

    Args:
      runs: name -> rows; a row has `step` and any numbers whose names hold "loss" or "acc".
      what: "ConvNets", say; it heads the plots.
    """
    plots = []
    for word, title, percent in (("loss", "loss", False), ("acc", "accuracy", True)):
        series: list[Series] = []
        for colour, (name, rows) in enumerate(runs.items()):
            for field in sorted({key for row in rows for key in row if word in key.lower()}):
                series += _line(rows, field, name, colour)
        if series:
            y_axis = Axis(title, 0.0, 1.0 if percent else None, percent)
            plots.append(
                lines(f"{what}: {title} of the training batches", series, Axis("step", 0.0), y_axis)
            )
    return plots


def _line(rows: Sequence[Mapping[str, Any]], field: str, name: str, colour: int) -> list[Series]:
    kept = [
        (row["step"], row[field])
        for row in rows
        if isinstance(row.get(field), int | float) and "step" in row
    ]
    if not kept:
        return []
    x, y = (np.array(values, float) for values in zip(*kept, strict=True))
    if "valid" in field:
        return [Series(f"{name}, validation", x, y, colour, dashed=True)]
    window = len(y) // POINTS_A_WINDOW
    if window < 2:
        return [Series(name, *thinned(x, y), colour)]
    return [
        Series(name, *thinned(x, y), colour, faint=True),
        Series(name, *thinned(x, smooth(y, window)), colour),
    ]
