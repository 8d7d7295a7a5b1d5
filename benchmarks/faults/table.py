"""How many trials of each fault were run, and how many failed?

    python -m benchmarks.faults.table

It writes the table of docs/faults.md. Each row is counted from the files in benchmarks/results, so
that no figure is typed. A row names all commits that its trials were run at.
"""

from __future__ import annotations

import json
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from benchmarks import command_line, record
from benchmarks.faults import pods, stop
from videolstm_jax import files

PAGE = record.RESULTS.parents[1] / "docs" / "faults.md"
BEGIN = "<!-- the table: python -m benchmarks.faults.table -->"
END = "<!-- end of the table -->"
HEADER = ("fault", "trials", "failures", "bound", "commits", "date", "command")


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


def _kill_bound(rows: Sequence[Mapping[str, Any]]) -> str:
    """What must hold after a kill, with the counts of how the trials were made."""
    saves = sum(bool(row["unfinished"]) for row in rows)
    fresh = sum(row["process"] == "fresh" for row in rows)
    if rows[0]["stage"] in ("train", "fit_convnet"):
        goes_on = "goes on from the newest checkpoint, to the same bytes"
    else:
        goes_on = "goes on to the same bytes"
    return (
        f"{saves} while a file is written, {fresh} of fresh processes: nothing half-written; "
        f"{goes_on}"
    )


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
        lambda row: f"SIGKILL of `{row['stage']}`",
        _kill_bound,
        lambda row: f"`python -m benchmarks.faults.kill --stage={row['stage']}`",
    ),
    Fault(
        "stop.jsonl",
        lambda row: f"SIGINT or SIGTERM to `{row['stage']}`",
        _stop_bound,
        lambda row: f"`python -m benchmarks.faults.stop --stage={row['stage']}`",
    ),
    Fault(
        "full_disk.jsonl",
        lambda row: f"full disk under `{row['stage']}`",
        lambda rows: "one line with path and cause, nothing half-written; then the same bytes",
        lambda row: f"`python -m benchmarks.faults.full_disk --stage={row['stage']}`",
    ),
    Fault(
        "pods.jsonl",
        lambda row: f"{row['signal']} to process {row['process']} of 2 that train",
        pods.bound_text,
        lambda row: "`python -m benchmarks.faults.pods`",
    ),
    Fault(
        "damaged_files.jsonl",
        lambda row: f"damaged or missing: {row['kind']}",
        lambda rows: _damage_bound(rows),
        lambda row: "`python -m benchmarks.faults.damaged_files`",
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
        groups: dict[str, list[dict[str, Any]]] = {}
        for path in sorted(folder.glob(fault.pattern)):
            for row in record.read_rows(path):
                groups.setdefault(fault.group(row), []).append(row)
        for name, rows in sorted(groups.items()):
            failures = sum(not row["sound"] for row in rows)
            dates = sorted({row["date"] for row in rows})
            # In the order of the file, which is that of time.
            commits = dict.fromkeys(row["commit"] for row in rows)
            yield (
                name,
                str(len(rows)),
                str(failures),
                fault.bound(rows),
                ", ".join(commits),
                " to ".join(dict.fromkeys((dates[0], dates[-1]))),
                fault.command(rows[0]),
            )


def parser_rows(folder: pathlib.Path) -> Iterator[tuple[str, ...]]:
    """Yields the cells of the row of foreign files, where the folder has their results."""
    path = folder / "parsers.json"
    if not path.exists():
        return
    record = json.loads(path.read_text())
    parsers = record["parsers"].values()
    # A commit has several kinds of files, and there is one date of all.
    commits = dict.fromkeys(figures["commit"] for figures in parsers)
    yield (
        f"foreign files of {record['total']['parsers']} kinds",
        str(record["total"]["examples"]),
        str(record["total"]["failures"]),
        f"{min(figures['examples'] for figures in parsers)} or more of each: read, or refused with "
        "one error that names the file, within bounds of time and memory",
        ", ".join(commits),
        record["date"],
        "`python -m benchmarks.parsers --slow`",
    )


def table(folder: pathlib.Path) -> str:
    """The table in Markdown."""
    lines = ["| " + " | ".join(HEADER) + " |", "|" + "---|" * len(HEADER)]
    for cells in (*table_rows(folder), *parser_rows(folder)):
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
    command_line.page_parser(__doc__).parse_args()
    page = with_table(PAGE.read_text(), table(record.RESULTS))
    files.write_bytes(PAGE, page.encode())
    print(f"wrote {PAGE}")


if __name__ == "__main__":
    main()
