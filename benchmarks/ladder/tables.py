"""The tables of docs/results/ladder.md and docs/results.md, made of the result files."""

from __future__ import annotations

import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.ladder import paper_table, reasons
from benchmarks.ladder.names import WORDS, title
from benchmarks.ladder.published import published_table
from benchmarks.ladder.sources import REAL_SETS, read, real_rows
from benchmarks.ladder.table4 import fusion_tables
from benchmarks.real_data.rows import (
    Row,
    accuracy_table,
    difference,
    difference_table,
    percent,
    rows_of,
    verdict,
)
from videolstm_jax.measure.intervals import paired_interval


class Ordering(NamedTuple):
    """A claim of the paper: `better` has more clips right than `worse`, both names of rows."""

    claim: str
    better: str
    worse: str


def _on_both(claim: str, better: str, worse: str) -> list[Ordering]:
    pairs = []
    for stream in ("rgb", "flow"):
        pairs.append(Ordering(claim, f"{better}-{stream}", f"{worse}-{stream}"))
    return pairs


ORDERINGS: Sequence[Ordering] = (
    *_on_both("recurrent over ConvNet", "lstm", "convnet"),
    *_on_both("recurrent over ConvNet", "convalstm", "convnet"),
    *_on_both("attention: ALSTM over LSTM", "alstm", "lstm"),
    *_on_both("convolutions: ConvLSTM over LSTM", "convlstm", "lstm"),
    *_on_both("ConvALSTM over ConvLSTM", "convalstm", "convlstm"),
    *_on_both("ConvALSTM over ALSTM", "convalstm", "alstm"),
    *_on_both("ConvALSTM over LSTM", "convalstm", "lstm"),
    *_on_both("motion attention, ALSTM", "motion_alstm", "alstm"),
    *_on_both("motion attention, ConvALSTM (VideoLSTM)", "videolstm", "convalstm"),
    *_on_both("VideoLSTM over ConvNet", "videolstm", "convnet"),
    Ordering("fusion over RGB", "fusion", "videolstm-rgb"),
    Ordering("fusion over flow", "fusion", "videolstm-flow"),
)
"""The orderings of Tables 1 to 3. A row that a set does not have is left out of its table."""

TIED_PAIRS = (("motion_alstm-rgb", "alstm-rgb"), ("videolstm-rgb", "convalstm-rgb"))
"""Motion attention and the same cell with attention from appearance."""

FUSION_FILES = {
    "idt stick actions": ("idt_objects_stick_actions", "idt_objects_stick_actions_scaled"),
    "idt weizmann": ("idt_objects_weizmann",),
    "idt ut_interaction": ("idt_objects_ut_interaction",),
}
"""The result files of iDT and Objects, by the name of their table's place in a page."""

_MARK = re.compile(r"(<!-- ([a-z0-9_ ]+) -->\n).*?(<!-- end of \2 -->)", re.DOTALL)


# ---- the whole page ------------------------------------------------------------------------------


def of_folder(folder: pathlib.Path) -> dict[str, str]:
    """All tables that the result files of a folder give, by the name of their place in the page.

    Args:
      folder: of `ladder_*.json` and `idt_objects_*.json`; a file that is missing is left out.
    """
    tables: dict[str, str] = {}
    sources: dict[str, Mapping[str, Row]] = {}
    stick = read(folder / "ladder_stick.json")
    if stick:
        of_set = {name: rows_of(rows) for name, rows in stick["rows"].items()}
        for name, rows in of_set.items():
            tables[name] = accuracy_table(_titled(rows))
            sources[f"stick actions, {name}"] = rows
        if len(of_set) == 2:
            tables["gains"] = gain_table(of_set["independent"], of_set["tied"])
    changed = read(folder / "ladder_reasons.json")
    if stick and changed:
        rows = reasons.rows_with_ladder(folder)
        pairs = [(title(row), title(baseline)) for row, baseline in changed["pairs"]]
        tables["changed"] = accuracy_table(_titled(rows_of(changed["rows"])))
        tables["reasons"] = difference_table(_titled(rows), pairs)
    tables |= _hard_tables(folder)
    for name, words in REAL_SETS.items():
        rows = real_rows(folder / f"{name}.json")
        if rows:
            sources[words] = rows
            tables[name] = accuracy_table(_titled(rows))
    tables["summary"] = summary_table(sources)
    tables["orderings"] = ordering_table(sources)
    tables["paper orderings"] = paper_table.of_folder(folder)
    for name, stems in FUSION_FILES.items():
        results = [read(folder / f"{stem}.json") for stem in stems]
        of_files = [rows_of(figures["rows"]) for figures in results if figures]
        if of_files:
            tables[name] = fusion_tables(of_files)
    return tables


def _hard_tables(folder: pathlib.Path) -> dict[str, str]:
    """The tables of VideoLSTM on flow of hard clips, at the sizes of the ladder and of the page."""
    tables: dict[str, str] = {}
    for name, table_of in (("flow", change_table), ("published", published_table)):
        figures = read(folder / f"ladder_{name}.json")
        if figures:
            tables[name] = table_of(rows_of(figures["rows"]))
    return tables


def filled(page: str, tables: Mapping[str, str]) -> str:
    """The page with every table between its marks, `<!-- name -->` and `<!-- end of name -->`."""

    def fill(match: re.Match[str]) -> str:
        start, name, end = match.groups()
        if name not in tables:
            return match[0]
        return f"{start}{tables[name]}\n{end}"

    return _MARK.sub(fill, page)


def _titled(rows: Mapping[str, Row]) -> dict[str, Row]:
    return {title(name): row for name, row in rows.items()}


# ---- single tables -------------------------------------------------------------------------------


def ordering_table(sources: Mapping[str, Mapping[str, Row]]) -> str:
    """Every ordering on every set that has both rows, with its paired interval.

    Args:
      sources: rows by the name of the set.
    """
    lines = [
        "| ordering | rows | set | difference, points (95 % interval) | holds |",
        "|---|---|---|---|---|",
    ]
    for claim, better, worse in ORDERINGS:
        for source, rows in sources.items():
            if better in rows and worse in rows:
                interval = difference(rows[better], rows[worse])
                text = percent(interval, sign="+")
                pair = f"{title(better)} - {title(worse)}"
                lines.append(f"| {claim} | {pair} | {source} | {text} | {verdict(interval)} |")
    return "\n".join(lines)


def summary_table(sources: Mapping[str, Mapping[str, Row]]) -> str:
    """What `ordering_table` says of each ordering, without its intervals: a column for each set.

    Args:
      sources: rows by the name of the set.
    """
    lines = [f"| ordering of the paper | {' | '.join(sources)} |", f"|---|{'---|' * len(sources)}"]
    by_claim: dict[str, list[Ordering]] = {}
    for ordering in ORDERINGS:
        by_claim.setdefault(_short_claim(ordering), []).append(ordering)
    for claim, orderings in by_claim.items():
        cells = [_verdicts(orderings, rows) for rows in sources.values()]
        lines.append(f"| {claim} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _verdicts(orderings: Sequence[Ordering], rows: Mapping[str, Row]) -> str:
    """The verdict of each stream, or one of both where they agree; "-" where rows are missing."""
    of_stream = {}
    for _, better, worse in orderings:
        if better in rows and worse in rows:
            stream = worse.rsplit("-", 1)[1]
            of_stream[WORDS[stream]] = verdict(difference(rows[better], rows[worse]))
    if not of_stream:
        return "-"
    if len(of_stream) == 2 and len(set(of_stream.values())) == 1:
        return f"both: {next(iter(of_stream.values()))}"
    return "; ".join(f"{stream}: {answer}" for stream, answer in of_stream.items())


def _short_claim(ordering: Ordering) -> str:
    """The two cells of an ordering, without their stream."""
    better, worse = (title(name.split("-")[0]) for name in (ordering.better, ordering.worse))
    if better == "fusion":
        worse = "each stream"
    return f"{better} over {worse}"


def gain_table(independent: Mapping[str, Row], tied: Mapping[str, Row]) -> str:
    """The gain of motion attention on both sets, and how much larger it is on the first.

    A clip of one set has the actor, the motion and the camera of the clip of the same name in the
    other set, so the gains of both are paired too.
    """
    lines = [
        "| model | minus | background independent | background tied | independent - tied |",
        "|---|---|---|---|---|",
    ]
    for motion, appearance in TIED_PAIRS:
        gains, texts = [], []
        for rows in (independent, tied):
            if motion in rows and appearance in rows:
                gains.append(rows[motion].shares - rows[appearance].shares)
                texts.append(percent(difference(rows[motion], rows[appearance]), sign="+"))
        if len(gains) == 2:
            texts.append(percent(paired_interval(*gains), sign="+"))
            cells = (title(motion), title(appearance), *texts)
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def change_table(rows: Mapping[str, Row]) -> str:
    """Each row with its differences to the ConvNet and to the run of the ladder.

    Args:
      rows: of the task `flow`; the first is the ConvNet, the second the run of the ladder.
    """
    lines = [
        "| setting | right, each seed | accuracy, % | minus ConvNet | minus the ladder's |",
        "|---|---|---|---|---|",
    ]
    convnet, ladder = list(rows.values())[:2]
    for name, row in rows.items():
        counts = " ".join(str(int(right.sum())) for right in row.right)
        differences = []
        for baseline in (convnet, ladder):
            text = "-"
            if row is not baseline:
                text = percent(difference(row, baseline), sign="+")
            differences.append(text)
        accuracy = f"{100 * np.mean(row.right):.1f}"
        lines.append(f"| {name} | {counts} | {accuracy} | {' | '.join(differences)} |")
    return "\n".join(lines)
