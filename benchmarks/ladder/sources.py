"""The rows of the result files, by the names of the ladder."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Mapping
from typing import Any

from benchmarks.real_data.rows import Row, rows_of

REAL_SETS = {
    "ladder_weizmann": "Weizmann",
    "ladder_ut_interaction": "UT-Interaction",
    "real_data_ut_interaction": "UT-Interaction, larger",
}
"""The result files of real videos, and the names of their sets in the tables."""

# Those of `benchmarks.real_data`, whose frame classifier is the same ConvNet.
_UT_NAMES = {"frame classifier, RGB": "convnet-rgb", "frame classifier, flow": "convnet-flow"}


def read(path: pathlib.Path) -> dict[str, Any]:
    """The content of a result file; empty where there is no file."""
    if not path.exists():
        return {}
    return json.loads(path.read_text())


def real_rows(path: pathlib.Path) -> Mapping[str, Row]:
    """The rows of a result file of real videos; none where there is no file."""
    rows = rows_of(read(path).get("rows", {}))
    return {_UT_NAMES.get(row, row): rows[row] for row in rows}
