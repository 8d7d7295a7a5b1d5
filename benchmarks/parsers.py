"""Do readers of foreign files end with a result or one error of ours, whatever a file holds?

    python -m benchmarks.parsers --examples=20000

The readers and the changes to their files are those of `tests/test_foreign_files.py`: any bytes,
damaged bytes, exchanged words, and hostile values in every field. There hypothesis draws the number
of an example; here the numbers go from 0 on, which takes half the time. A file must be read, or be
refused with one error that names it, within the time and memory of `tests/bounded_reading.py`.

Parsers whose figures are in the results are passed over, so a run that was stopped goes on;
`--again` tries them anew. The status is 1 where a reader failed; its first failures are recorded.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import io
import json
import pathlib
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Sequence
from typing import Any

from benchmarks import command_line, record

ROOT = pathlib.Path(__file__).parents[1]
# The readers and the changes are those of the tests, which lie in no package.
sys.path.insert(0, str(ROOT / "tests"))

from foreign_file import ForeignFile  # noqa: E402
from foreign_files import FOREIGN_FILES  # noqa: E402
from hostile_edits import example_of  # noqa: E402

SHOWN = 5
"""Failures of a parser that are recorded."""
STUCK_SECONDS = 1800
"""A reader that waits for something takes no processor time; the process ends after this."""
# A memory disk, where there is one: half a million files are written.
_MEMORY_DISK = pathlib.Path("/dev/shm")  # noqa: S108  # a folder of a random name is made in it


def try_examples(file: ForeignFile, count: int) -> dict[str, Any]:
    """Reads the first `count` examples of one kind of file.

    Returns:
      The figures: examples, how many were refused, failures, and seconds of processor time.
    """
    outcomes: Counter[str] = Counter()
    failures: list[str] = []
    start = time.process_time()
    place = str(_MEMORY_DISK) if _MEMORY_DISK.is_dir() else None
    with tempfile.TemporaryDirectory(dir=place) as name:
        folder = pathlib.Path(name)
        file.prepare(folder)
        for number in range(count):
            content = file.changed(example_of(number, file.ways))
            if content is None:
                # The library that writes the format refuses such a value.
                outcomes["unwritable"] += 1
                continue
            outcome = file.outcome(folder, content)
            outcomes["refused"] += bool(outcome.message)
            outcomes["refused by line"] += outcome.names_a_line
            if outcome.problem:
                outcomes["failures"] += 1
                if len(failures) < SHOWN:
                    failures.append(f"example {number}: {outcome.problem}")
    figures: dict[str, Any] = {"examples": count}
    for name in ("unwritable", "refused", "refused by line", "failures"):
        figures[name] = outcomes[name]
    figures["seconds"] = round(time.process_time() - start, 1)
    if failures:
        figures["first failures"] = failures
    return figures


def main(arguments: Sequence[str] | None = None) -> int:
    """Tries all parsers, or those that are named, and returns the exit status."""
    parser = command_line.parser(__doc__, name="parsers")
    parser.add_argument("--examples", type=int, default=20_000, help="of each parser")
    parser.add_argument("--only", default="", help="parsers whose name has this text")
    parser.add_argument(
        "--slow", action="store_true", help="also videos and models, which take up to 20 ms each"
    )
    parser.add_argument("--again", action="store_true", help="also those with figures")
    args = parser.parse_args(arguments)
    # Of lists whose splits are unusual; half a million lines of them hide the figures.
    warnings.simplefilter("ignore")
    path = pathlib.Path(args.out) / f"{args.name}.json"
    parsers: dict[str, Any] = {}
    commit = record.stamp()["commit"]
    with contextlib.suppress(FileNotFoundError):
        parsers = json.loads(path.read_text())["parsers"]
    with contextlib.ExitStack() as stack:
        for file in _files(args.slow, stack):
            before = parsers.get(file.name, {"examples": 0, "failures": 1})
            is_done = before["examples"] >= args.examples and not before["failures"]
            if args.only not in file.name or (is_done and not args.again):
                continue
            faulthandler.dump_traceback_later(STUCK_SECONDS, exit=True)
            parsers[file.name] = try_examples(file, args.examples) | {"commit": commit}
            faulthandler.cancel_dump_traceback_later()
            print(f"{file.name}: {json.dumps(parsers[file.name])}", flush=True)
            _save(parsers, args)
    return int(any(figures["failures"] for figures in parsers.values()))


def _files(with_slow: bool, stack: contextlib.ExitStack) -> Sequence[ForeignFile]:
    """The kinds of files; the slow ones are made of models and videos that are written first.

    Args:
      with_slow: whether they are made.
      stack: undoes what they need, when all examples are read.
    """
    if not with_slow:
        return FOREIGN_FILES
    # Here, since JAX is imported for it.
    from foreign_models import shapes_computed_once, slow_files

    stack.enter_context(shapes_computed_once())
    folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
    return (*FOREIGN_FILES, *slow_files(folder))


def _save(parsers: dict[str, Any], args: argparse.Namespace) -> None:
    total = {
        "parsers": len(parsers),
        "examples": sum(figures["examples"] for figures in parsers.values()),
        "failures": sum(figures["failures"] for figures in parsers.values()),
    }
    # `record.save` prints all figures, which the lines of the parsers have shown.
    with contextlib.redirect_stdout(io.StringIO()):
        record.save(args.name, {"total": total, "parsers": parsers}, args.out)


if __name__ == "__main__":
    sys.exit(main())
