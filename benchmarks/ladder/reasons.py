"""Why some orderings do not hold: the same models with one change each.

Eq. (9) multiplies the features by attention that sums to one over 49 places. A convolutional cell
with attention therefore reads values 49 times smaller than the same cell without it.
`model.attention_scale` of 49 makes uniform attention leave the features as they are.

ALSTM reads the weighted mean of the map's 16 components, and LSTM the 128 values of fc7. The set
`all_channels` has all 64 channels of the map.
"""

from __future__ import annotations

import json
import pathlib
from collections.abc import Mapping
from typing import Any

from benchmarks.ladder.runs import SEEDS, ladder_rows, train_all
from benchmarks.ladder.sets import TRAINING, settings_of
from benchmarks.real_data.rows import Row, as_record, rows_of
from benchmarks.real_data.stages import Run

PLACES = 49.0
"""Of a map of 7 x 7."""

SCALED = "-scaled"
ALL_CHANNELS = "-all_channels"


def _scaled(cell: str, stream: str) -> Run:
    return Run(f"{cell}-{stream}{SCALED}", cell, stream, {"model__attention_scale": PLACES})


RUNS: Mapping[str, tuple[Run, ...]] = {
    "independent": (
        _scaled("convalstm", "rgb"),
        _scaled("videolstm", "rgb"),
        _scaled("convalstm", "flow"),
        _scaled("videolstm", "flow"),
    ),
    "all_channels": (
        Run(f"alstm-rgb{ALL_CHANNELS}", "alstm", "rgb"),
        Run(f"alstm-flow{ALL_CHANNELS}", "alstm", "flow"),
    ),
}
"""The changed models of each set."""

PAIRS = (
    ("convalstm-rgb-scaled", "convalstm-rgb"),
    ("convalstm-flow-scaled", "convalstm-flow"),
    ("videolstm-rgb-scaled", "videolstm-rgb"),
    ("videolstm-flow-scaled", "videolstm-flow"),
    ("convalstm-rgb-scaled", "convlstm-rgb"),
    ("convalstm-flow-scaled", "convlstm-flow"),
    ("videolstm-rgb-scaled", "convalstm-rgb-scaled"),
    ("videolstm-flow-scaled", "convalstm-flow-scaled"),
    ("videolstm-rgb-scaled", "convnet-rgb"),
    ("videolstm-flow-scaled", "convnet-flow"),
    ("fusion-scaled", "videolstm-rgb-scaled"),
    ("fusion-scaled", "videolstm-flow-scaled"),
    ("alstm-rgb-all_channels", "alstm-rgb"),
    ("alstm-flow-all_channels", "alstm-flow"),
    ("alstm-rgb-all_channels", "lstm-rgb"),
    ("alstm-flow-all_channels", "lstm-flow"),
)
"""What a change is worth, and the ordering with the changed model."""


def run(workdir: str, stop: float = float("inf")) -> dict[str, Any]:
    """Trains what is missing, and returns the rows of the changed models.

    Args:
      workdir: the folder of all sets, whose features exist.
      stop: a moment of `time.monotonic` after which nothing is begun.
    """
    rows: dict[str, Row] = {}
    for name, runs in RUNS.items():
        settings = settings_of(name, workdir)
        train_all(runs, [settings], SEEDS, stop)
        rows |= ladder_rows(runs, [settings], fusion=f"fusion{SCALED}")
    changed = {name: row for name, row in rows.items() if not name.startswith("convnet-")}
    return {"settings": TRAINING, "pairs": PAIRS, "rows": as_record(changed)}


def rows_with_ladder(folder: pathlib.Path) -> dict[str, Row]:
    """The changed models of a result file, and the rows of the ladder that they are compared with.

    Args:
      folder: of `ladder_reasons.json` and `ladder_stick.json`.
    """
    ladder = json.loads((folder / "ladder_stick.json").read_text())["rows"]["independent"]
    changed = json.loads((folder / "ladder_reasons.json").read_text())["rows"]
    return rows_of({**ladder, **changed})
