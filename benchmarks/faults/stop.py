"""Does Ctrl-C or SIGTERM end a stage soon, and does the same command then reach the same bytes?

    python -m benchmarks.faults.stop --stage=train --each=2

A trial starts a stage, waits for a phase of it, and sends the signal. It fails where

- the process has not ended after `BOUND_SECONDS`, or its status is not 130 or 143;
- the last line that it printed is not the one that is documented, or it printed a traceback;
- a temporary file or a lock is left;
- the same command then fails, or leaves other bytes than an unbroken run.

Each trial is one line of JSON in <out>/<name>.jsonl, of all stages. The command goes on after the
trials of its stage there. Processes in the phase "imports" are a fresh Python, the others are forks
of one that has imported the libraries (`forks.py`).
"""

from __future__ import annotations

import pathlib
import re
import signal
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from typing import Any, NamedTuple

import numpy as np

from benchmarks import command_line, record
from benchmarks.faults.bench import Bench
from benchmarks.faults.folders import locks, unfinished_files
from benchmarks.faults.process import Process, Seconds

BOUND_SECONDS = 20.0
"""Within which a process must have ended, on a machine with other work too."""
SIGNALS = {"SIGINT": signal.SIGINT, "SIGTERM": signal.SIGTERM}
_POLL_SECONDS = 0.0005
# The settings of a command are printed before it opens a file; this is their last line.
_SETTINGS_PRINTED = r"^ *objects +"
_STARTED = r"^(trains|fits) "
_SOON = 0.3  # seconds, of which a share is drawn where a phase is short
_MOST = 0.8  # of a long phase, so that few processes are behind it when the signal comes


class Phase(NamedTuple):
    """A phase of a stage.

    Attributes:
      begun: whether a process is in it or behind its beginning.
      seconds: of the phase, within which the signal comes, from those of a run without one.
    """

    begun: Callable[[Process], bool]
    seconds: Callable[[Seconds], float] = lambda typical: _SOON


def _printed(pattern: str) -> Callable[[Process], bool]:
    return lambda process: bool(re.search(pattern, process.output, re.MULTILINE))


IMPORTS = Phase(lambda process: True, lambda typical: _MOST * typical.start)
LISTS = Phase(_printed(_SETTINGS_PRINTED))
COMPILING = Phase(_printed(_STARTED))
# A stage that prints no line before it compiles: from its settings to its first file.
BEFORE_FILES = Phase(_printed(_SETTINGS_PRINTED), lambda typical: _MOST * typical.forked_start)
WORK = Phase(lambda process: process.works, lambda typical: _MOST * typical.work)
SAVE = Phase(lambda process: bool(process.new_unfinished()))
# Of stages whose last file is written within a millisecond: the signal comes at once.
SHORT_SAVE = Phase(lambda process: bool(process.new_unfinished()), lambda typical: 0.0)
PHASES = {
    "train": {
        "imports": IMPORTS,
        "lists": LISTS,
        "compiling": COMPILING,
        "work": WORK,
        "save": SAVE,
        # A save is due at step 12, and the state is validated before it.
        "validation": Phase(_printed(r"^step 12/")),
        "end": Phase(_printed(r"^step 48/48")),
    },
    "prepare": {"imports": IMPORTS, "lists": LISTS, "work": WORK, "save": SAVE},
    "fit_convnet": {
        "imports": IMPORTS,
        "lists": LISTS,
        "compiling": COMPILING,
        "work": WORK,
        "save": SAVE,
    },
    "extract": {"imports": IMPORTS, "lists": LISTS, "work": WORK, "save": SAVE},
    "evaluate": {
        "imports": IMPORTS,
        "lists": LISTS,
        "compiling": BEFORE_FILES,
        "work": WORK,
        "save": SHORT_SAVE,
    },
    # Its first file has the boxes; then it measures them.
    "localize": {
        "imports": IMPORTS,
        "lists": LISTS,
        "boxes": BEFORE_FILES,
        "measures": WORK,
        "save": SHORT_SAVE,
    },
}
"""By stage and name."""
EXTRA = {"train": ("--train.keep=best_on_test",)}
"""Settings of a stage by which it has all its phases: validation in training."""


def stop(process: Process, phase: Phase, share: float, typical: Seconds) -> float:
    """Waits for a phase; returns the seconds since the process began, or -1 where it has ended.

    Args:
      process: that has just been started.
      phase: to wait for.
      share: 0 to 1, the place within the phase.
      typical: the seconds of a run without a signal.
    """
    while process.is_running and not phase.begun(process):
        time.sleep(_POLL_SECONDS)
    deadline = process.seconds + share * phase.seconds(typical)
    while process.is_running and process.seconds < deadline:
        time.sleep(_POLL_SECONDS)
    if not process.is_running:
        return -1.0
    return process.seconds


def problem_of(status: int | None, output: str, number: int) -> str:
    """What is wrong with the end of a process that got a signal; empty where nothing is."""
    if status is None:
        return f"still ran after {BOUND_SECONDS:.0f} s"
    if status != 128 + number:
        return f"status {status}"
    if "Traceback" in output:
        return "a traceback"
    lines = output.splitlines() or [""]
    if "same command goes on" not in lines[-1]:
        return f"its last line is {lines[-1]!r}"
    return ""


def trial(bench: Bench, phase: str, name: str, seed: int) -> dict[str, Any] | None:
    """Stops the stage once, lets the same command end, and compares.

    Returns:
      The row of the trial; None where the process ended before the signal.
    """
    share = float(np.random.default_rng(seed).random())
    bench.restart()
    fresh = phase == "imports"
    process = bench.start(bench.stage, fork=not fresh)
    sent = stop(process, PHASES[bench.stage][phase], share, bench.seconds)
    if sent < 0:
        return None
    process.send(SIGNALS[name])
    while process.is_running and process.seconds - sent < BOUND_SECONDS:
        time.sleep(_POLL_SECONDS)
    seconds = process.seconds - sent
    status = None
    if process.is_running:
        process.kill(phase)
    else:
        status = process.process.returncode
    output = process.output
    left = unfinished_files(bench.work) + locks(bench.work)
    row = {
        "phase": phase,
        "signal": name,
        "seed": seed,
        "process": "fresh" if fresh else "forked",
        "sent_after": round(sent, 3),
        "ended_after": round(seconds, 3),
        "status": status,
        "problem": problem_of(status, output, SIGNALS[name]),
        "left_by_the_signal": left,
    }
    row |= bench.interrupted(output)
    return bench.run_again(row, ("problem", "left_by_the_signal"))


def trials(
    bench: Bench, repeats: int, done: Collection[tuple[str, str, int]]
) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """Makes the trials of a stage that are not done yet; see `record.add_trials`.

    Args:
      bench: of the stage.
      repeats: so many of each phase and signal.
      done: phase, signal and seed of each trial that was made before.
    """
    for seed in range(repeats):
        for phase in PHASES[bench.stage]:
            for name in SIGNALS:
                if (phase, name, seed) in done:
                    continue
                row = trial(bench, phase, name, seed)
                text = f"{phase}, {name}"
                if row is None:
                    text = f"{phase}: ended before {name}"
                yield text, row


def main() -> None:
    """Runs the trials of one stage and writes a line of JSON for each."""
    parser = command_line.parser(__doc__, name="stop")
    parser.add_argument("--stage", choices=tuple(PHASES), default="train", help="default: train")
    parser.add_argument("--each", type=int, default=2, help="of each phase and signal; default: 2")
    options = parser.parse_args()
    path = pathlib.Path(options.out) / f"{options.name}.jsonl"
    done = set()
    for row in record.read_rows(path):
        if row["stage"] == options.stage:
            done.add((row["phase"], row["signal"], row["seed"]))
    with tempfile.TemporaryDirectory() as folder:
        extra = EXTRA.get(options.stage, ())
        bench = Bench(pathlib.Path(folder), options.stage, settings=extra)
        print(f"an unbroken run: {bench.seconds}", flush=True)
        record.add_trials(path, trials(bench, options.each, done))
        bench.close()


if __name__ == "__main__":
    main()
