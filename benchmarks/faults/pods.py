"""Does a fault of one process of two end the training of both in time, and can it then go on?

    python -m benchmarks.faults.pods --each=3

A trial starts a training as two processes of this machine, with a heartbeat of `HEARTBEAT` seconds.
At a random instant behind step 3 one of them is stopped, killed, or made to stand still. Then one
process alone goes on from what they left, for one step. A trial fails where

- a process has another status than the one that is documented, or the others end too late;
- after a signal the two stopped after different steps, or without a checkpoint of that step;
- the process that goes on fails, does not begin at the newest checkpoint, or leaves a temporary
  file or a lock.

Each trial is one line of JSON in <out>/<name>.jsonl. The command goes on after those.
"""

from __future__ import annotations

import contextlib
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from benchmarks import command_line, record
from benchmarks.faults.folders import locks, newest_step, unfinished_files
from benchmarks.faults.process import quick_environment

# The processes and their work folder are those of the tests, which lie in no package.
sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "tests"))

from pod_trainings import ENDLESS, HEARTBEAT, SOON, words
from running_pod import RunningPod, start_pod
from training_workdir import write_work

TRY_AGAIN = 75
"""The status that asks a scheduler to start the command again."""
_WITHIN = 2.0  # seconds behind step 3 in which the fault comes


class Fault(NamedTuple):
    """What happens to one process.

    Attributes:
      number: of the signal.
      bound: seconds within which all others must have ended.
      own: statuses that it may end with itself; empty for one that stands still.
    """

    number: int
    bound: float
    own: tuple[int, ...]


FAULTS = {
    "SIGTERM": Fault(signal.SIGTERM, 10, (TRY_AGAIN,)),
    "SIGINT": Fault(signal.SIGINT, 10, (TRY_AGAIN,)),
    "SIGKILL": Fault(signal.SIGKILL, HEARTBEAT + SOON, (-signal.SIGKILL,)),
    # One that stands still is missed after six times the heartbeat.
    "SIGSTOP": Fault(signal.SIGSTOP, 6 * HEARTBEAT + SOON, ()),
}
"""By the name of the signal."""


def trial(folder: pathlib.Path, name: str, index: int, seed: int) -> dict[str, Any]:
    """Makes one trial.

    Args:
      folder: with the features in `features`.
      name: of the fault.
      index: of the process that has it.
      seed: of the instant.

    Returns:
      The row.
    """
    work, fault = folder / "work", FAULTS[name]
    shutil.copytree(folder / "features", work)
    pod = _start(folder, words("train", work, *ENDLESS), 2)
    pod.wait_for("\nstep 3/")
    time.sleep(_WITHIN * float(np.random.default_rng(seed).random()))
    pod.send(index, fault.number)
    seconds = _wait(pod, index, fault)
    pod.end()
    statuses = [process.returncode for process in pod.running]
    step = newest_step(work, "train")
    row = {
        "signal": name,
        "process": index,
        "seed": seed,
        "statuses": statuses,
        "ended_after": round(seconds, 3),
        "newest_step": step,
        "problem": _problem(pod, index, fault, step, seconds),
        "next": _next_problem(folder, work, step),
        "left": unfinished_files(work) + locks(work),
    }
    for path in (work, folder / "pod", folder / "site"):
        shutil.rmtree(path)
    return row | {"sound": not (row["problem"] or row["next"] or row["left"])}


def _start(folder: pathlib.Path, command: Sequence[str], count: int) -> RunningPod:
    """Starts a command as several processes, without what no stage needs of TensorFlow."""
    environment = quick_environment(folder / "site")
    return start_pod(folder / "pod", command, count=count, more_environ=environment)


def _wait(pod: RunningPod, index: int, fault: Fault) -> float:
    """Waits for the end of the processes, twice as long as they may take; returns the seconds."""
    began = time.monotonic()
    for number, process in enumerate(pod.running):
        # It stands still for ever.
        if number == index and not fault.own:
            continue
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, began + 2 * fault.bound - time.monotonic()))
    return time.monotonic() - began


def _problem(pod: RunningPod, index: int, fault: Fault, step: int, seconds: float) -> str:
    """What is wrong with the end of the processes; empty where nothing is."""
    own, other = pod.running[index].returncode, pod.running[1 - index].returncode
    expected = {TRY_AGAIN}
    # JAX's own service dies with process 0, and may abort the others before our line comes.
    if index == 0 and TRY_AGAIN not in fault.own:
        expected.add(-signal.SIGABRT)
    if seconds > fault.bound:
        return f"ended after {seconds:.1f} s"
    if other not in expected or (fault.own and own not in fault.own):
        return f"statuses {own} and {other}"
    if TRY_AGAIN not in fault.own:
        return ""
    stopped = {_stopped_after(pod.errors(number)) for number in (0, 1)}
    if stopped != {step}:
        return f"stopped after steps {sorted(stopped)}; the newest checkpoint is of {step}"
    return ""


def _stopped_after(errors: str) -> int:
    """The step that a process names as its last; -1 where it names none."""
    match = re.match(r"stopped after step (\d+);", errors)
    return int(match[1]) if match else -1


def _next_problem(folder: pathlib.Path, work: pathlib.Path, step: int) -> str:
    """What is wrong with one process that makes one step more; empty where nothing is."""
    pod = _start(folder, words("train", work, f"--train.steps={step + 1}"), 1)
    if pod.statuses() != [0]:
        return pod.errors(0)[-240:]
    if step and f"goes on from step {step} " not in pod.output(0):
        return f"does not go on from step {step}"
    return ""


def trials(
    folder: pathlib.Path, repeats: int, done: Collection[tuple[str, int, int]]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Makes the trials that are not done yet; see `record.add_trials`."""
    for seed in range(repeats):
        for name in FAULTS:
            for index in (0, 1):
                if (name, index, seed) not in done:
                    yield f"{name} to process {index}", trial(folder, name, index, seed)


def bound_text(rows: Sequence[dict[str, Any]]) -> str:
    """What must hold of the trials of one fault."""
    fault = FAULTS[rows[0]["signal"]]
    slowest = max(row["ended_after"] for row in rows)
    checkpoint = ""
    if TRY_AGAIN in fault.own:
        checkpoint = ", with a checkpoint of the same step"
    return (
        f"all others end within {fault.bound:.0f} s (slowest {slowest:.1f} s) with status "
        f"{TRY_AGAIN}{checkpoint}; then one process goes on from the newest checkpoint"
    )


def main() -> None:
    """Runs the trials and writes a line of JSON for each."""
    parser = command_line.parser(__doc__, name="pods")
    parser.add_argument("--each", type=int, default=3, help="of each fault; default: 3")
    options = parser.parse_args()
    path = pathlib.Path(options.out) / f"{options.name}.jsonl"
    done = {(row["signal"], row["process"], row["seed"]) for row in record.read_rows(path)}
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        write_work(folder / "features")
        record.add_trials(path, trials(folder, options.each, done))


if __name__ == "__main__":
    main()
