"""The tables of iDT, Objects and VideoLSTM: the rows of the paper's Table 4 on other data."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from benchmarks.ladder.names import title
from benchmarks.real_data.rows import Row, accuracy_table, difference_table

_STREAMS = re.compile(r"videolstm-rgb(\S*) \+ videolstm-flow\1(?= |$)")
_SEED = re.compile(r"-seed\d+")


def fusion_tables(results: Sequence[Mapping[str, Row]]) -> str:
    """The accuracy of every model and fusion, and what each part of a fusion is worth.

    Args:
      results: rows by name, of one or more result files on the same videos; iDT and Objects alone
        are the same in all of them.
    """
    rows: dict[str, Row] = {}
    for of_file in results:
        for name, row in of_file.items():
            rows[model_name(name)] = row
    # By the number of parts: first what stands alone.
    ordered = dict(sorted(rows.items(), key=lambda item: len(_parts(item[0]))))
    pairs = _pairs(list(ordered))
    return f"{accuracy_table(ordered)}\n\n{difference_table(ordered, pairs)}"


def model_name(name: str) -> str:
    """The name of a row in words; both streams of VideoLSTM are one part of a fusion.

    Args:
      name: such as `videolstm-rgb-scaled + videolstm-flow-scaled + iDT`.
    """
    name = _SEED.sub("", name)
    # A part may have the name of a changed model, which both of its streams share.
    name = _STREAMS.sub(r"both_videolstms\1", name)
    parts = []
    for part in name.split(" + "):
        if part.startswith("both_videolstms"):
            changes = title(part.replace("both_videolstms", "fusion", 1)).removeprefix("fusion")
            parts.append(f"both VideoLSTMs{changes}")
        else:
            parts.append(title(part))
    return " + ".join(parts)


def _parts(name: str) -> list[str]:
    return name.split(" + ")


def _pairs(names: Sequence[str]) -> list[tuple[str, str]]:
    """Each fusion with and without one of its parts, and both streams with each and with iDT."""
    pairs = []
    for better in names:
        for worse in names:
            has_one_more = len(_parts(better)) == len(_parts(worse)) + 1
            if has_one_more and set(_parts(worse)) < set(_parts(better)):
                pairs.append((better, worse))
        if better.startswith("both VideoLSTMs") and len(_parts(better)) == 1:
            changes = better.removeprefix("both VideoLSTMs")
            for worse in (f"VideoLSTM, RGB{changes}", f"VideoLSTM, flow{changes}", "iDT"):
                pairs.append((better, worse))
    return pairs
