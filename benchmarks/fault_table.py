"""How many trials of each fault were run, and how many failed?

    python -m benchmarks.fault_table

It writes the table of docs/faults.md. Each row is counted from the JSON lines in
benchmarks/results, so that no figure is typed. Trials of several commits are rows of their own.
"""

from __future__ import annotations

import argparse
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from benchmarks import kill, record, stop
from videolstm_jax import files

PAGE = record.RESULTS.parent.parent / "docs" / "faults.md"
BEGIN = "<!-- the table: python -m benchmarks.fault_table -->"
END = "<!-- end of the table -->"
HEADER = ("fault", "trials", "failures", "bound", "commit", "date", "command")


class Fault(NamedTuple):
    """A kind of trials.

    Attributes:
      pattern: of the files of results.
      group: what a row of the table counts together, from a row of a file.
      bound: what must hold, from the rows of a group.
      command: that makes the trials of a group.
    """

    pattern: str
    group: Callable[[Mapping[str, Any]], str]
    bound: Callable[[Sequence[Mapping[str, Any]]], str]
    command: Callable[[Mapping[str, Any]], str]


def _kill_group(row: Mapping[str, Any]) -> str:
    when = "while a file is written" if row["unfinished"] else "at any other instant"
    return f"SIGKILL of `{row['stage']}`, {row['process']} process, {when}"


def _stop_bound(rows: Sequence[Mapping[str, Any]]) -> str:
    slowest = max(row["ended_after"] for row in rows)
    phases = ", ".join(dict.fromkeys(row["phase"] for row in rows))
    return (
        f"in {phases}: ends within {stop.BOUND_SECONDS:.0f} s (slowest {slowest:.1f} s) with "
        "status 130 or 143, no temporary file; then the same bytes"
    )


FAULTS = (
    Fault(
        "kill_*.jsonl",
        _kill_group,
        lambda rows: "nothing half-written; goes on from the newest checkpoint, to the same bytes",
        lambda row: f"`python -m benchmarks.kill --stage={row['stage']}`",
    ),
    Fault(
        "stop.jsonl",
        lambda row: f"{row['signal']} to `{row['stage']}`",
        _stop_bound,
        lambda row: f"`python -m benchmarks.stop --stage={row['stage']}`",
    ),
    Fault(
        "full_disk.jsonl",
        lambda row: f"full disk under `{row['stage']}`",
        lambda rows: "one line with path and cause, nothing half-written; then the same bytes",
        lambda row: f"`python -m benchmarks.full_disk --stage={row['stage']}`",
    ),
    Fault(
        "damaged_files.jsonl",
        lambda row: f"damaged or missing: {row['kind']}",
        lambda rows: _damage_bound(rows),
        lambda row: "`python -m benchmarks.damaged_files`",
    ),
)
"""The rows of the table, in order."""


def _damage_bound(rows: Sequence[Mapping[str, Any]]) -> str:
    """What must hold of damaged files, with the counts of each outcome."""
    counts = {}
    for outcome, text in (
        ("refused", "refused by name"),
        ("passed over", "passed over with a line that names it"),
        ("equal", "without effect"),
    ):
        count = sum(row["outcome"] == outcome for row in rows)
        if count:
            counts[text] = count
    return ", ".join(f"{count} {text}" for text, count in counts.items())


def table_rows(folder: pathlib.Path) -> Iterator[tuple[str, ...]]:
    """Yields the cells of each row.

    Args:
      folder: of the results.
    """
    for fault in FAULTS:
        groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for path in sorted(folder.glob(fault.pattern)):
            for row in kill.read_rows(path):
                groups.setdefault((fault.group(row), row["commit"]), []).append(row)
        for (name, commit), rows in sorted(groups.items()):
            failures = sum(not row["sound"] for row in rows)
            dates = sorted({row["date"] for row in rows})
            yield (
                name,
                str(len(rows)),
                str(failures),
                fault.bound(rows),
                commit,
                " to ".join(dict.fromkeys((dates[0], dates[-1]))),
                fault.command(rows[0]),
            )


def table(folder: pathlib.Path) -> str:
    """The table in Markdown."""
    lines = ["| " + " | ".join(HEADER) + " |", "|" + "---|" * len(HEADER)]
    for cells in table_rows(folder):
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def with_table(page: str, text: str) -> str:
    """The page with another table between its two marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{text}\n{END}{after}"


def main() -> None:
    """Writes the page."""
    # No option but --help, which says what the program writes.
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    page = with_table(PAGE.read_text(), table(record.RESULTS))
    files.write_bytes(PAGE, page.encode())
    print(f"wrote {PAGE}")


if __name__ == "__main__":
    main()
