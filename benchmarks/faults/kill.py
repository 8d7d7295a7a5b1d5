"""Does a stage that is killed at random instants, and started again, leave what it leaves unbroken?

    python -m benchmarks.faults.kill --stage=train --kills=200

A chain of kills copies the work folder as it is before the stage and starts the stage as a new
process. It kills the process with SIGKILL and starts the same command again, until it has killed
it `MOST_KILLS` times. The last process runs to its end. Each kill is a trial, and fails where

- a file with a final name is not the one of an unbroken run, or the beginning of its metrics.jsonl;
- the next process does not go on from the newest checkpoint that was complete;
- at the end of its chain, a file or the digest of an array in a checkpoint differs from that of an
  unbroken run, or a temporary file or a lock is left.

The instants are drawn before the first work of the process, during its work, and during a save: the
last wait until a new temporary file exists. Processes of the first kind, and one in `FRESH_EVERY`
of the others, are a fresh Python; the rest are forks of one that has imported the libraries
(`forks.py`). Each trial is one line of JSON in
<out>/<name>_<stage>.jsonl. The command goes on after the chains in that file. The draws of a
chain follow from its `seed`; at which instruction a process dies is up to the machine.
"""

from __future__ import annotations

import argparse
import pathlib
import re
import tempfile
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from benchmarks import command_line, record
from benchmarks.faults.bench import Bench
from benchmarks.faults.folders import half_written, newest_step
from benchmarks.faults.process import POLL_SECONDS, STAGES, Kill, Process, Seconds

INSTANTS = ("start", "work", "save")
"""When a process is killed: before its first work, during it, or while it writes a file."""
SHARES = (0.2, 0.4, 0.4)
"""How often each of `INSTANTS` is drawn: at least 30 % of the kills are to be during a save."""
MOST_KILLS = 8
"""Kills of one chain."""
FRESH_EVERY = 8
"""Of the processes that are killed after their start, one in so many is a fresh Python."""

# A file is written within a few milliseconds; a kill falls into these, or just behind. So most come
# in the first of them, and a process is looked at more often than before its work.
_SAVE_SECONDS = 0.02
_SAVE_POLL_SECONDS = 0.0005
# So that several kills fall into one run: most are drawn in this first part of what is left.
_WORK_SHARE = 0.4


class Instant(NamedTuple):
    """When a process is to be killed.

    Attributes:
      during: of `INSTANTS`.
      share: 0 to 1, the place within the seconds that this part took in the unbroken run.
    """

    during: str
    share: float


def run_and_kill(process: Process, instant: Instant, typical: Seconds) -> Kill | None:
    """Kills a process at an instant; None where it ended before.

    Args:
      process: that has just been started.
      instant: when it is to be killed.
      typical: how long the run takes that is not killed.
    """
    wait = instant.share * typical.start
    if instant.during != "start":
        while process.is_running and not process.works:
            time.sleep(POLL_SECONDS)
        wait = process.seconds + instant.share * _WORK_SHARE * typical.work
    while process.is_running and process.seconds < wait:
        time.sleep(POLL_SECONDS)
    if instant.during == "save":
        while process.is_running and not process.new_unfinished():
            time.sleep(_SAVE_POLL_SECONDS)
        time.sleep(_SAVE_SECONDS * instant.share**3)
    if not process.is_running:
        return None
    return process.kill(instant.during)


def chain(bench: Bench, seed: int, most: int = MOST_KILLS) -> list[dict[str, Any]]:
    """Kills the stage of a bench up to `most` times, lets it end, and compares.

    Returns:
      A row for each kill: `sound` is whether it has no failure.
    """
    random = np.random.default_rng(seed)
    bench.restart()
    rows: list[dict[str, Any]] = []
    for number in range(most):
        instant = Instant(str(random.choice(INSTANTS, p=SHARES)), float(random.random()))
        fresh = instant.during == "start" or not random.integers(FRESH_EVERY)
        process = bench.start(bench.stage, fork=not fresh)
        kill = run_and_kill(process, instant, bench.seconds)
        compare_report(bench.stage, rows, process.output)
        if kill is None:
            break
        half = half_written(bench.work, bench.before, bench.unbroken)
        step = newest_step(bench.work, bench.stage)
        row = {"stage": bench.stage, "seed": seed, "number": number, **kill._asdict()}
        rows.append(row | {"newest_step": step, "half_written": half, "report": ""})
    # The last process may have ended before its kill.
    if kill is not None:
        process = bench.start(bench.stage, fork=True)
    end = bench.end(process)
    compare_report(bench.stage, rows, process.output)
    for row in rows:
        row |= end
        failures = (row["half_written"], row["report"], *end.values())
        row["sound"] = not any(failures)
    return rows


def compare_report(stage: str, rows: list[dict[str, Any]], output: str) -> None:
    """Notes in the last row where the process after that kill went on from another step."""
    if stage not in ("train", "fit_convnet") or not rows:
        return
    step = rows[-1]["newest_step"]
    # Without a first step it may have been killed before it could print where it goes on.
    first = re.search(r"^step \d+", output, re.MULTILINE)
    line = re.search(r"^goes on from step (\d+) ", output, re.MULTILINE)
    if line is None and first is None:
        return
    reported = int(line[1]) if line else 0
    if reported != step:
        rows[-1]["report"] = f"went on from step {reported}; the newest one is {step}"


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, int]:
    """Returns the figures of the trials of one stage."""
    return {
        "trials": len(rows),
        "chains": len({row["seed"] for row in rows}),
        "fresh processes": sum(row["process"] == "fresh" for row in rows),
        "during a save": sum(bool(row["unfinished"]) for row in rows),
        "failures": sum(not row["sound"] for row in rows),
    }


def trials(bench: Bench, count: int, seed: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Makes whole chains of at least so many kills; see `record.add_trials`.

    Args:
      bench: of the stage.
      count: of kills.
      seed: of the first chain.
    """
    count_done = 0
    while count_done < count:
        for row in chain(bench, seed):
            count_done += 1
            yield f"kill {count_done}", row
        seed += 1


def main() -> None:
    """Runs the trials of one stage and writes a line of JSON for each."""
    parser = command_line.parser(__doc__, name="kill")
    parser.add_argument("--stage", choices=STAGES, default="train", help="default: train")
    parser.add_argument("--kills", type=int, default=20, help="at least so many; default: 20")
    parser.add_argument("--seed", type=int, default=0, help="of the first chain; default: 0")
    options: argparse.Namespace = parser.parse_args()
    path = pathlib.Path(options.out) / f"{options.name}_{options.stage}.jsonl"
    rows = record.read_rows(path)
    seed = max([row["seed"] for row in rows], default=options.seed - 1) + 1
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(pathlib.Path(folder), options.stage)
        print(f"an unbroken run: {bench.seconds}", flush=True)
        rows += record.add_trials(path, trials(bench, options.kills - len(rows), seed))
        bench.close()
    print(f"{options.stage}: {summary(rows)}\nwrote {path}")


if __name__ == "__main__":
    main()
