"""The table of docs/results.md: the paper's main orderings on every set, with paired intervals.

docs/results/ladder.md has all orderings. Cells of this table say "holds", "open" or "reversed".
"""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from benchmarks.ladder.names import CELLS, WORDS
from benchmarks.ladder.sources import REAL_SETS, read, real_rows
from benchmarks.real_data.rows import Row, difference, markdown, percent, rows_of, verdict
from benchmarks.real_data.ut_vgg16 import CLASSIFIER

ORDERINGS = (
    ("convalstm", "convlstm"),
    ("convalstm", "alstm"),
    ("convalstm", "lstm"),
    ("videolstm", "convalstm"),
    ("motion_alstm", "alstm"),
    ("lstm", "convnet"),
    ("convalstm", "convnet"),
    ("videolstm", "convnet"),
)
"""The network that has more clips right in the paper, and the other one, for each stream."""

STREAMS = ("rgb", "flow")
FUSION = "fusion"
VERDICTS = {"yes": "holds", "open": "open", "no, the opposite": "reversed"}
VGG16 = "UT-Interaction, VGG-16"


class Source(NamedTuple):
    """The rows of a set.

    Attributes:
      rows: by the names of the ladder, on all its clips.
      partial: by folds, rows on the clips of these folds; of models that lack the other folds.
    """

    rows: Mapping[str, Row]
    partial: Sequence[tuple[str, Mapping[str, Row]]] = ()


def of_folder(folder: pathlib.Path) -> str:
    """The table, from the result files of a folder; a file that is missing has no column."""
    sources: dict[str, Source] = {}
    stick = read(folder / "ladder_stick.json")
    if stick:
        sources["stick actions"] = Source(rows_of(stick["rows"]["independent"]))
    for name, words in REAL_SETS.items():
        rows = real_rows(folder / f"{name}.json")
        if rows:
            sources[words] = Source(rows)
    vgg16 = read(folder / "real_data_ut_vgg16.json")
    if vgg16:
        sources[VGG16] = vgg16_source(vgg16)
    return table_of(sources)


def vgg16_source(figures: Mapping[str, Any]) -> Source:
    """The rows on maps of VGG-16, which are all of RGB, from the content of their file."""
    partial = []
    for of_folds in figures.get("partial", {}).values():
        word = "fold" if len(of_folds["folds"]) == 1 else "folds"
        text = f"{word} {', '.join(map(str, of_folds['folds']))}"
        partial.append((text, _by_ladder_names(rows_of(of_folds["rows"]))))
    return Source(_by_ladder_names(rows_of(figures["rows"])), partial)


def _by_ladder_names(rows: Mapping[str, Row]) -> dict[str, Row]:
    renamed = {}
    for name, row in rows.items():
        if name == CLASSIFIER:
            name = "convnet-rgb"
        renamed[name.replace("-vgg16", "-rgb")] = row
    return renamed


def table_of(sources: Mapping[str, Source]) -> str:
    """A line for each ordering and stream that a set has, a column for each set.

    Args:
      sources: by the name of the set.
    """
    lines = []
    for text, better, worse in _pairs():
        cells = [_cell(source, better, worse) for source in sources.values()]
        if any(cell != "-" for cell in cells):
            lines.append((text, *cells))
    return markdown(("ordering of the paper", *sources), lines)


def _pairs() -> list[tuple[str, str, str]]:
    """The words of each ordering, and its two rows."""
    pairs = []
    for better, worse in ORDERINGS:
        for stream in STREAMS:
            text = f"{CELLS[better]} over {CELLS[worse]}, {WORDS[stream]}"
            pairs.append((text, f"{better}-{stream}", f"{worse}-{stream}"))
    for stream in STREAMS:
        text = f"fusion over VideoLSTM, {WORDS[stream]}"
        pairs.append((text, FUSION, f"videolstm-{stream}"))
    return pairs


def _cell(source: Source, better: str, worse: str) -> str:
    """The difference with its verdict; "-" where a row is missing."""
    if better in source.rows and worse in source.rows:
        return _difference_text(source.rows, better, worse)
    for folds, rows in source.partial:
        if better in rows and worse in rows:
            return f"{_difference_text(rows, better, worse)}, {folds}"
    return "-"


def _difference_text(rows: Mapping[str, Row], better: str, worse: str) -> str:
    interval = difference(rows[better], rows[worse])
    return f"{percent(interval, sign='+')} {VERDICTS[verdict(interval)]}"
