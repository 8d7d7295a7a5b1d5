"""Does a full disk end a stage with one line, and does the same command go on once there is space?

    python -m benchmarks.faults.full_disk --stage=train --points=5

The work folder lies on a file system of its own, a tmpfs that this mounts; so it needs the right to
mount. A file takes all space but a share of what the stage writes. A trial fails where

- the stage does not end with status 1 and one line that names a path of the work folder and the
  cause, or prints a traceback;
- a file with a final name is not the one of an unbroken run, or a lock is left;
- after that file is removed the same command fails, or leaves other bytes than an unbroken run.

Each trial is one line of JSON in <out>/<name>.jsonl, of all stages. Points at which the space was
enough are none.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from typing import Any

from benchmarks import command_line, record
from benchmarks.faults.bench import Bench
from benchmarks.faults.folders import locks, unfinished_files
from benchmarks.faults.process import STAGES

FULL = "No space left on device (errno 28)"
"""The cause, as every line must have it."""
_DISK_BYTES = 64 << 20
_PAGE = 4096  # a tmpfs gives space in pages


@contextlib.contextmanager
def mounted(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """Mounts a small file system on a folder."""
    folder.mkdir()
    size = f"size={_DISK_BYTES}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def free_bytes(disk: pathlib.Path) -> int:
    """The free bytes."""
    return shutil.disk_usage(disk).free


def fill(disk: pathlib.Path, left: int) -> pathlib.Path:
    """Writes a file that leaves so many bytes free; returns its path."""
    path = disk / "ballast"
    with path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free_bytes(disk) - left)
    return path


def problem_of(status: int, output: str, work: pathlib.Path) -> str:
    """What is wrong with the end of a stage on a full disk; empty where nothing is."""
    lines = output.splitlines() or [""]
    errors = [line for line in lines if line.startswith("error: ")]
    if status != 1:
        return f"status {status}"
    if "Traceback" in output:
        return "a traceback"
    if errors != [lines[-1]]:
        return f"{len(errors)} lines of errors; the last line is {lines[-1][:200]!r}"
    if str(work) not in errors[0] or FULL not in errors[0]:
        return f"the line does not name a path and the cause: {errors[0][:200]!r}"
    return ""


def trial(bench: Bench, left: int) -> dict[str, Any] | None:
    """Runs the stage with so many bytes free, then with enough; None where the first was enough."""
    disk = bench.work.parent
    bench.restart()
    ballast = fill(disk, left)
    process = bench.start(bench.stage, fork=True)
    status, output = process.process.wait(), process.output
    left, locks_left = unfinished_files(bench.work), locks(bench.work)
    interrupted = bench.interrupted(output)
    ballast.unlink()
    if status == 0:
        return None
    row = {
        "room": left,
        "status": status,
        "problem": problem_of(status, output, bench.work),
        "left_by_the_full_disk": left,
        "locks": locks_left,
    }
    row |= interrupted
    # What a failed save of orbax has left is removed by the next process, which `left` shows.
    return bench.run_again(row, ("problem", "locks"))


def trials(bench: Bench, points: int, written: int) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """Makes the trials of a stage; see `record.add_trials`.

    Args:
      bench: of the stage.
      points: how many trials.
      written: bytes that the stage writes.
    """
    for point in range(points):
        # From no free byte to one page less than what is left at the end.
        left = int(written * point / points) // _PAGE * _PAGE
        row = trial(bench, left)
        text = f"room of {left} bytes"
        if row is None:
            text += ": enough"
        yield text, row


def main() -> None:
    """Runs the trials of one stage and writes a line of JSON for each."""
    parser = command_line.parser(__doc__, name="full_disk")
    parser.add_argument("--stage", choices=STAGES, default="train", help="default: train")
    parser.add_argument("--points", type=int, default=5, help="default: 5")
    options = parser.parse_args()
    path = pathlib.Path(options.out) / f"{options.name}.jsonl"
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        with mounted(folder / "disk") as disk:
            bench = Bench(folder, options.stage, work=disk / "work")
            after = free_bytes(disk)
            bench.restart()
            written = free_bytes(disk) - after
            print(f"{options.stage} writes {written} bytes", flush=True)
            record.add_trials(path, trials(bench, options.points, written))
            bench.close()


if __name__ == "__main__":
    main()
