"""The tables of UT-Interaction with cropped pictures, beside those of squashed ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.real_data.rows import (
    accuracy,
    counts,
    difference,
    markdown,
    percent,
    rows_of,
    verdict,
)
from benchmarks.real_data.titles import title
from benchmarks.real_data.ut_baselines import (
    MEAN_FLOW,
    MEAN_RGB,
    MIDDLE_RGB,
    STATISTICS_RGB,
)
from benchmarks.real_data.ut_interaction import SECOND, THIRD
from videolstm_jax.errors import FileError

BASELINES = (MIDDLE_RGB, MEAN_RGB, STATISTICS_RGB, MEAN_FLOW)
SHOWN = (
    *BASELINES,
    f"videolstm-rgb{THIRD}",
    f"videolstm-flow{SECOND}",
    f"fusion{THIRD}",
)
"""The rows of the tables, of all that the result files have."""


def tables_of(figures: Mapping[str, Any], squashed: Mapping[str, Any]) -> dict[str, str]:
    """The tables by the name of their place.

    Args:
      figures: the content of the result file of `ut_fit`.
      squashed: that of `ut_interaction`.

    Raises:
      FileError: the two files have other videos, so that their rows make no pairs.
    """
    if figures["videos"] != squashed["videos"]:
        raise FileError(
            f"cropped pictures were tested on {len(figures['videos'])} videos and squashed ones on "
            f"{len(squashed['videos'])}; expected the same ones"
        )
    crop, squash = rows_of(figures["rows"]), rows_of(squashed["rows"])
    lines = []
    for name in SHOWN:
        interval = difference(crop[name], squash[name])
        line = (
            _title(name),
            counts(squash[name]),
            counts(crop[name]),
            accuracy(crop[name]),
            percent(interval, sign="+"),
            verdict(interval),
        )
        lines.append(line)
    fused, baselines = crop[f"fusion{THIRD}"], []
    for name in BASELINES:
        interval = difference(fused, crop[name])
        baselines.append((_title(name), percent(interval, sign="+"), verdict(interval)))
    head = (
        "model",
        "squash, right of 90, each seed",
        "crop, right of 90, each seed",
        "crop, accuracy, % (interval)",
        "crop - squash, points (interval)",
        "crop is better",
    )
    baseline_head = ("baseline, crop", "fusion - baseline, points (interval)", "fusion is better")
    return {
        "fit": markdown(head, lines),
        "fit baselines": markdown(baseline_head, baselines),
    }


def _title(name: str) -> str:
    for setting in (SECOND, THIRD):
        if name.endswith(setting):
            return title(name.removesuffix(setting)) + setting
    return title(name)
