"""The tables of 14 classes of UCF101, from their result file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.real_data.rows import Row, accuracy, counts, markdown, rows_of, share
from benchmarks.real_data.ucf101_fc6 import CHOSEN, FIRST, UNSCALED

ROWS: Mapping[str, str] = {
    "nearest centroid of the mean": "nearest centroid of the mean vector, cosine",
    UNSCALED: "nearest centroid, vectors not scaled to one length",
    "ridge on the middle frame": "ridge regression on the middle frame",
    "ridge on the mean": "ridge regression on the mean vector",
    "lstm": "LSTM, first setting, seeds 0, 1, 2",
    "lstm, chosen": "**LSTM, chosen setting, seeds 0, 1, 2**",
}
"""The rows of the file, and what the page calls them."""

TRIES: Mapping[str, str] = {
    FIRST: "first setting: 64 hidden channels, 200 updates, learning rate 1e-3",
    "100 updates": "100 updates",
    "dropout .5 before and after the dense layer": "dropout .5 before the dense layer too",
    "learning rate 3e-4": "learning rate 3e-4",
    "weight decay 10": "weight decay 10",
    CHOSEN: f"**{CHOSEN.replace('each value', 'each of the 4096 values')}**",
    f"{CHOSEN}, 256 hidden channels": "the same, 256 hidden channels",
}
"""The tries of the file, and what the page calls them; the chosen one is bold."""


def tables_of(figures: Mapping[str, Any]) -> dict[str, str]:
    """The tables by the name of their place, from the content of the result file."""
    validation = figures["validation"]
    return {
        "ucf101 rows": _rows_table(rows_of(figures["rows"])),
        "ucf101 tries": _tries_table(validation["tries"], validation["ridge on the mean"]),
    }


def _rows_table(rows: Mapping[str, Row]) -> str:
    lines = []
    for name, text in ROWS.items():
        lines.append((text, counts(rows[name]), accuracy(rows[name])))
    return markdown(("model", "right of 524, each seed", "accuracy, % (interval)"), lines)


def _tries_table(tries: Mapping[str, Any], ridge: Mapping[str, Any]) -> str:
    lines = []
    for name, text in TRIES.items():
        lines.append((text, _right_text(tries[name])))
    text = f"*ridge regression on the mean vector, strength {ridge['strength']:g}, the same lists*"
    lines.append((text, _right_text(ridge)))
    return markdown(("setting, seed 0", "right of the validation videos, % (interval)"), lines)


def _right_text(compared: Mapping[str, Any]) -> str:
    """The count of the one seed, and its share."""
    (right,) = compared["right"]
    return share(right, compared["videos"])
