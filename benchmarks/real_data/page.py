"""Writes the tables of docs/results/real_data.md from the result files.

Each table stands between the marks `<!-- name -->` and `<!-- end of name -->`. No figure of a table
is typed by hand; the text between the tables is.
"""

from __future__ import annotations

import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.ladder import paper_table
from benchmarks.ladder.tables import filled
from benchmarks.real_data import (
    fit_tables,
    flow_backbone_tables,
    try_tables,
    ucf101_tables,
    vgg16_tables,
)
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
from benchmarks.real_data.titles import CELLS, STREAMS, title
from benchmarks.real_data.ut_baselines import MEAN_RGB
from benchmarks.real_data.ut_folds import FOLDS, sequence_of
from benchmarks.real_data.ut_interaction import RIDGE, SECOND, THIRD
from videolstm_jax import files

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "results" / "real_data.md"
RESULTS_PAGE = PAGE.parents[1] / "results.md"

CLASSIFIERS = ("frame classifier, RGB", "frame classifier, flow")
MIDDLE, MEAN_FLOW = RIDGE
BLIND_FOLDS = (1, 5)
"""The folds whose test clips no choice of a setting has seen."""

_FROM_CELLS = "motion attention over appearance attention"
_STREAMS_FUSED = "fusion over each stream"
_FROM_FRAMES = "recurrent over ConvNet"
_RIDGE = "(not of the paper) fusion over ridge regression"
ORDERINGS = (
    ("ConvALSTM over ConvLSTM", "convalstm-rgb", "convlstm-rgb"),
    ("ConvALSTM over ConvLSTM", "convalstm-flow", "convlstm-flow"),
    ("ConvALSTM over ALSTM", "convalstm-rgb", "alstm-rgb"),
    ("ConvALSTM over ALSTM", "convalstm-flow", "alstm-flow"),
    ("ConvALSTM over LSTM", "convalstm-rgb", "lstm-rgb"),
    ("ConvALSTM over LSTM", "convalstm-flow", "lstm-flow"),
    (_FROM_CELLS, "videolstm-rgb", "convalstm-rgb"),
    (_FROM_CELLS, "videolstm-flow", "convalstm-flow"),
    ("the same without convolutions", "motion_alstm-rgb", "alstm-rgb"),
    (_STREAMS_FUSED, "fusion", "videolstm-rgb"),
    (_STREAMS_FUSED, "fusion", "videolstm-flow"),
    (_FROM_FRAMES, "lstm-rgb", CLASSIFIERS[0]),
    (_FROM_FRAMES, "convalstm-rgb", CLASSIFIERS[0]),
    (_FROM_FRAMES, "videolstm-rgb", CLASSIFIERS[0]),
    (_FROM_FRAMES, "lstm-flow", CLASSIFIERS[1]),
    (_FROM_FRAMES, "convalstm-flow", CLASSIFIERS[1]),
    (_FROM_FRAMES, "videolstm-flow", CLASSIFIERS[1]),
    (_RIDGE, "fusion", MIDDLE),
    (_RIDGE, "fusion", MEAN_RGB),
    (_RIDGE, "fusion", MEAN_FLOW),
)
"""The claim, and the two rows that it is about."""
SECOND_PAIRS = (
    ("convalstm-flow", "alstm-flow"),
    ("videolstm-flow", "convalstm-flow"),
    ("fusion", "videolstm-rgb"),
    ("fusion", "videolstm-flow"),
    ("videolstm-rgb", CLASSIFIERS[0]),
    ("videolstm-flow", CLASSIFIERS[1]),
    ("videolstm-rgb", MIDDLE),
    ("videolstm-flow", MEAN_FLOW),
    ("fusion", MIDDLE),
    ("fusion", MEAN_FLOW),
)


def write(results: pathlib.Path, page: pathlib.Path = PAGE) -> None:
    """Fills the page from a result file of UCF101 or UT-Interaction.

    Flow backbones and cropped pictures are compared with rows of `ut_interaction`, whose file
    must lie beside theirs.
    """
    figures = json.loads(results.read_text())
    if "ucf101" in results.name:
        tables = ucf101_tables.tables_of(figures)
    elif "vgg16" in results.name:
        tables = vgg16_tables.tables_of(figures)
    elif "flow_backbones" in results.name:
        frozen = results.with_name(results.name.replace("flow_backbones", "interaction"))
        tables = flow_backbone_tables.tables_of(figures, json.loads(frozen.read_text()))
    elif results.stem.endswith("ut_fit"):
        squashed = results.with_name(results.name.replace("ut_fit", "ut_interaction"))
        tables = fit_tables.tables_of(figures, json.loads(squashed.read_text()))
    else:
        tables = tables_of(figures)
    files.write_bytes(page, filled(page.read_text(), tables).encode())
    print(f"wrote {', '.join(tables)} into {page}")


def write_orderings(folder: pathlib.Path, page: pathlib.Path = RESULTS_PAGE) -> None:
    """Fills the paper's orderings of docs/results.md from the result files of a folder."""
    table = {"paper orderings": paper_table.of_folder(folder)}
    files.write_bytes(page, filled(page.read_text(), table).encode())


def tables_of(figures: Mapping[str, Any]) -> dict[str, str]:
    """The tables by the name of their place, from the content of the result file."""
    rows = rows_of(figures["rows"])
    blind = _blind(figures["videos"])
    return {
        "rows": _rows_table(rows),
        "orderings": _orderings(rows),
        "first tries": try_tables.first(figures["validation"]),
        "second tries": try_tables.second(figures["validation"]),
        "second": _second_table(rows, blind),
        "second orderings": _pairs_table(
            "rows, second setting where there is one", _second_pairs(rows), rows
        ),
        "read outs": try_tables.read_outs(),
        "third tries": try_tables.third(figures["validation"]),
        "third": _third_table(rows, blind),
        "third orderings": _pairs_table("rows", _third_pairs(rows), rows),
    }


# ---- parts of rows -------------------------------------------------------------------------------


def _bold(name: str, text: str) -> str:
    """The fusion is what the page is about."""
    return f"**{text}**" if name == "fusion" else text


def _blind(names: Sequence[str]) -> np.ndarray:
    """Whether each video is a test video of one of `BLIND_FOLDS`, [V]."""
    sequences = np.array([sequence_of(name) for name in names])
    return np.isin(sequences % FOLDS, [fold % FOLDS for fold in BLIND_FOLDS])


# ---- the tables ----------------------------------------------------------------------------------


def _rows_table(rows: Mapping[str, Row]) -> str:
    """All rows of the first setting: those without a recurrent network first, the fusion last."""
    recurrent = [f"{cell}-{stream}" for stream in STREAMS for cell in CELLS]
    others = []
    for name in rows:
        if name not in (*recurrent, "fusion") and not name.endswith((SECOND, THIRD)):
            others.append(name)
    lines = []
    for name in (*others, *recurrent, "fusion"):
        if name in rows:
            parts = (title(name), counts(rows[name]), accuracy(rows[name]))
            lines.append([_bold(name, part) for part in parts])
    return markdown(("model", "right of 90, each seed", "accuracy, % (interval)"), lines)


def _orderings(rows: Mapping[str, Row]) -> str:
    lines = []
    for claim, better, worse in ORDERINGS:
        interval = difference(rows[better], rows[worse])
        pair = f"{title(better)} - {title(worse)}"
        lines.append((claim, pair, percent(interval, sign="+"), verdict(interval)))
    head = ("ordering of the paper", "rows", "difference, points (interval)", "holds here")
    return markdown(head, lines)


def _pairs_table(first: str, pairs: Sequence[tuple[str, str, str]], rows: Mapping[str, Row]) -> str:
    """A table of differences; each pair has its text, the row, and what is subtracted."""
    lines = []
    for text, better, worse in pairs:
        interval = difference(rows[better], rows[worse])
        lines.append((text, percent(interval, sign="+"), verdict(interval)))
    return markdown((first, "difference, points (interval)", "first is better"), lines)


def _second_table(rows: Mapping[str, Row], blind: np.ndarray) -> str:
    lines = []
    for name in _with_suffix(rows, SECOND):
        first, second = rows[name], rows[name + SECOND]
        lines.append(
            (
                _bold(name, title(name)),
                counts(first),
                _bold(name, counts(second)),
                accuracy(second),
                percent(difference(second, first), sign="+"),
                f"{counts(first, blind)}, {counts(second, blind)}",
            )
        )
    head = (
        "model",
        "first setting",
        "second setting",
        "accuracy, % (interval)",
        "second - first, points",
        "folds 1 and 5: first, second",
    )
    return markdown(head, lines)


def _with_suffix(rows: Mapping[str, Row], suffix: str) -> list[str]:
    """The rows that a later setting has too, in the order of the page."""
    names = [f"{cell}-{stream}" for stream in STREAMS for cell in CELLS]
    return [name for name in (*names, "fusion") if name + suffix in rows]


def _second_pairs(rows: Mapping[str, Row]) -> list[tuple[str, str, str]]:
    pairs = []
    for better, worse in SECOND_PAIRS:
        subtracted = worse
        if worse + SECOND in rows:
            subtracted = worse + SECOND
        pairs.append((f"{title(better)} - {title(worse)}", better + SECOND, subtracted))
    return pairs


def _third_table(rows: Mapping[str, Row], blind: np.ndarray) -> str:
    lines = []
    for name in _with_suffix(rows, THIRD):
        settings = [rows.get(name + suffix) for suffix in ("", SECOND, THIRD)]
        first, second, third = map(counts, settings)
        lines.append(
            (
                _bold(name, title(name)),
                first,
                second,
                _bold(name, third),
                accuracy(rows[name + THIRD]),
                ", ".join(counts(row, blind) for row in settings),
            )
        )
    head = (
        "model",
        "first",
        "second",
        "third",
        "accuracy of the third, % (interval)",
        "folds 1 and 5: first, second, third",
    )
    return markdown(head, lines)


def _third_pairs(rows: Mapping[str, Row]) -> list[tuple[str, str, str]]:
    pairs = []
    for name in _with_suffix(rows, THIRD):
        row = "fusion" if name == "fusion" else title(name)
        subtracted = (("first setting", name), ("second setting", name + SECOND))
        subtracted += tuple((title(ridge), ridge) for ridge in RIDGE)
        for text, worse in subtracted:
            pairs.append((f"{row}, third setting - {text}", name + THIRD, worse))
    return pairs
