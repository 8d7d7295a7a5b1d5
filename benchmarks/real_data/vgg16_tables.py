"""The tables of UT-Interaction on maps of VGG-16, from its result file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

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
from benchmarks.real_data.titles import CELLS, title
from benchmarks.real_data.ut_vgg16 import CLASSIFIER

PAIRS = (
    ("lstm-vgg16", CLASSIFIER),
    ("alstm-vgg16", "ridge on the mean 7x7x512 map, VGG-16"),
    ("motion_alstm-vgg16", "alstm-vgg16"),
    ("convalstm-vgg16", "ridge on the mean 7x7x512 map, VGG-16"),
    ("convalstm-vgg16", "ridge on the middle frame's 7x7x512 map, VGG-16"),
    ("convalstm-vgg16", "convlstm-vgg16"),
    ("convalstm-vgg16", "alstm-vgg16"),
    ("convalstm-vgg16", "lstm-vgg16"),
    ("convalstm-vgg16", CLASSIFIER),
    ("videolstm-vgg16", "ridge on the mean 7x7x512 map, VGG-16"),
    ("videolstm-vgg16", "convalstm-vgg16"),
    ("videolstm-vgg16", CLASSIFIER),
)
"""A row, and what is subtracted from it."""


class _Rows(NamedTuple):
    """Rows on the test clips of some folds.

    Attributes:
      folds: what is added to their names; empty for all folds.
      names: the rows that are shown; the others are there for comparison.
      rows: all rows on these clips.
    """

    folds: str
    names: Sequence[str]
    rows: Mapping[str, Row]


def tables_of(figures: Mapping[str, Any]) -> dict[str, str]:
    """The tables of VGG-16 maps by the name of their place.

    A cell that some folds lack stands below the others, on the test clips of its own folds.
    """
    rows = rows_of(figures["rows"])
    parts = [_Rows("", list(rows), rows)]
    for model, partial in figures.get("partial", {}).items():
        parts.append(_Rows(_folds_text(partial["folds"]), [model], rows_of(partial["rows"])))
    accuracies, differences = [], []
    for part in parts:
        accuracies += _accuracies(part, figures["runs"])
        differences += _differences(part)
    head = ("model", "updates", "right, each seed", "accuracy, % (interval)")
    pairs_head = ("rows", "difference, points (interval)", "first is better")
    return {
        "vgg16": markdown(head, accuracies),
        "vgg16 orderings": markdown(pairs_head, differences),
    }


def _accuracies(part: _Rows, runs: Mapping[str, Any]) -> list[tuple[str, ...]]:
    lines = []
    for name in part.names:
        row = part.rows[name]
        # Ridge regression makes no updates.
        updates = runs.get(name, {}).get("train__steps", "-")
        right = f"{counts(row)} of {row.right.shape[1]}"
        lines.append((_title(name) + part.folds, str(updates), right, accuracy(row)))
    return lines


def _differences(part: _Rows) -> list[tuple[str, ...]]:
    lines = []
    for better, worse in PAIRS:
        if better in part.names and worse in part.rows:
            interval = difference(part.rows[better], part.rows[worse])
            pair = f"{_title(better)} - {_title(worse)}{part.folds}"
            lines.append((pair, percent(interval, sign="+"), verdict(interval)))
    return lines


def _folds_text(folds: Sequence[int]) -> str:
    """What is added to the name of a row: its folds, which are not all."""
    word = "fold" if len(folds) == 1 else "folds"
    return f", {word} {', '.join(map(str, folds))}"


def _title(name: str) -> str:
    cell = name.removesuffix("-vgg16")
    if name == CLASSIFIER:
        return f"{title(name)} mean of pool5"
    if cell == "lstm":
        return f"{CELLS[cell]}, VGG-16 mean of pool5"
    if cell in CELLS:
        # The motion that they read is no VGG-16's.
        motion = " with flow of Lite0" if cell in ("motion_alstm", "videolstm") else ""
        return f"{CELLS[cell]}, VGG-16 pool5{motion}"
    return title(name)
