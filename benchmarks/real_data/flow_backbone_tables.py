"""The tables of UT-Interaction's flow backbones, from the result files of all three."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.real_data.rows import (
    Row,
    accuracy,
    counts,
    difference,
    markdown,
    percent,
    rows_of,
    verdict,
)
from videolstm_jax.errors import FileError

MODELS: Mapping[str, str] = {
    "ConvNet, flow": "frame classifier, flow",
    "videolstm-flow": "videolstm-flow",
}
"""The rows of a backbone, and what `ut_interaction` calls those of frozen Lite0."""
TITLES: Mapping[str, str] = {"ConvNet, flow": "ConvNet", "videolstm-flow": "VideoLSTM"}
SMALL, FROZEN, FITTED = "small network", "Lite0, frozen", "Lite0, last block fitted"
PAIRS = ((FROZEN, SMALL), (FITTED, SMALL), (FITTED, FROZEN))
"""A backbone, and what is subtracted from it."""


def tables_of(figures: Mapping[str, Any], frozen: Mapping[str, Any]) -> dict[str, str]:
    """The tables by the name of their place.

    Args:
      figures: the content of the result file of `ut_flow_backbones`.
      frozen: that of `ut_interaction`, whose flow rows read frozen Lite0.

    Raises:
      FileError: the two files have other videos, so that their rows make no pairs.
    """
    if figures["videos"] != frozen["videos"]:
        raise FileError(
            f"the flow backbones were tested on {len(figures['videos'])} videos and frozen Lite0 "
            f"on {len(frozen['videos'])}; expected the same ones"
        )
    rows = rows_of(figures["rows"])
    frozen_rows = rows_of(frozen["rows"])
    for model, name in MODELS.items():
        rows[f"{model}, {FROZEN}"] = frozen_rows[name]
    accuracies, differences = [], []
    for model in MODELS:
        accuracies += _accuracies(model, rows)
        differences += _differences(model, rows)
    head = ("model", "backbone of flow", "right of 90, each seed", "accuracy, % (interval)")
    pairs_head = ("model", "backbones", "difference, points (interval)", "first is better")
    return {
        "flow backbones": markdown(head, accuracies),
        "flow backbone differences": markdown(pairs_head, differences),
    }


def _accuracies(model: str, rows: Mapping[str, Row]) -> list[tuple[str, ...]]:
    lines = []
    for backbone in (SMALL, FROZEN, FITTED):
        row = rows[f"{model}, {backbone}"]
        lines.append((TITLES[model], backbone, counts(row), accuracy(row)))
    return lines


def _differences(model: str, rows: Mapping[str, Row]) -> list[tuple[str, ...]]:
    lines = []
    for better, worse in PAIRS:
        interval = difference(rows[f"{model}, {better}"], rows[f"{model}, {worse}"])
        pair = f"{better} - {worse}"
        lines.append((TITLES[model], pair, percent(interval, sign="+"), verdict(interval)))
    return lines
