"""Does a stage that is killed at random instants, and started again, leave what it leaves unbroken?

    python -m benchmarks.kill --stage=train --trials=20

A trial copies the work folder as it is before the stage, starts the stage as a process, and kills
it with SIGKILL, several times. About a third of the kills wait until a file is being written. The
stage then runs to its end. Everything below the work folder must equal that of an unbroken run:
all files bit by bit, and of checkpoints, whose files carry times, the digests of all arrays. No
temporary file and no lock may be left.

Each trial is one line of JSON in <out>/<name>_<stage>.jsonl. A trial is repeated by its --seed; at
which instruction a process dies is up to the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from benchmarks import command_line
from videolstm_jax.synthetic import stick_actions
from videolstm_jax.train.checkpoints.checkpoint import Checkpoints

SETTINGS = (
    *("--preset=small", "--convnet.backbone=vgg", "--data.max_frames=16", "--data.workers=1"),
    *("--flow.width=24", "--flow.height=24"),
    *("--convnet.image_size=28", "--convnet.widths=4,6", "--convnet.depths=1,1"),
    *("--convnet.dense=8", "--convnet.batch=4", "--convnet.steps=12"),
    *("--model.hidden=6", "--model.attention=4", "--model.head=8"),
    *("--data.frames=6", "--data.batch=4"),
    *("--train.steps=40", "--train.save_every=4", "--train.log_every=3"),
)
"""Of all stages: the smallest pipeline that saves often."""
STAGES = ("prepare", "fit_convnet", "extract", "train")
"""What is killed, in the order of the pipeline."""
DURING_A_SAVE = 1 / 3
"""Share of the kills that wait until a file is being written."""
MOST_KILLS = 3
"""Kills of one trial."""

# Part of the names of files that are being written, and of orbax's folders.
_UNFINISHED = (".part-", "orbax-checkpoint-tmp")
_POLL_SECONDS = 0.002
# A file is written within a few milliseconds; a kill falls into these, or just behind.
_SAVE_SECONDS = 0.02


class Kill(NamedTuple):
    """One kill.

    Attributes:
      seconds: after the start of the process.
      unfinished: a temporary file or folder that was there, empty where none was.
    """

    seconds: float
    unfinished: str


# ---- processes -----------------------------------------------------------------------------------


def command(stage: str, work: pathlib.Path, videos: pathlib.Path) -> list[str]:
    """Returns the command line of a stage."""
    arguments = [f"--workdir={work}", *SETTINGS]
    if stage == "prepare":
        arguments.append(f"--data.videos={videos}")
    if stage in ("fit_convnet", "extract"):
        arguments.append("--data.stream=flow")
    if stage == "train":
        arguments += ["--data.stream=flow", "--model.cell=alstm"]
    return [sys.executable, "-m", "videolstm_jax.cli", stage, *arguments]


def run_to_end(arguments: Sequence[str]) -> float:
    """Runs a command and returns its seconds.

    Raises:
      RuntimeError: it failed.
    """
    start = time.perf_counter()
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)}: status {done.returncode}: {done.stderr}")
    return time.perf_counter() - start


def run_and_kill(
    arguments: Sequence[str], work: pathlib.Path, after: float, *, during_a_save: bool
) -> Kill | None:
    """Starts a command and kills it; None where it ended before.

    Args:
      arguments: of the command.
      work: the folder that it writes.
      after: seconds from its start to the kill.
      during_a_save: wait from then on until a file is being written.
    """
    start = time.perf_counter()
    # A group of its own, so that no process of the command outlives it.
    process = subprocess.Popen(
        arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    before = set(unfinished_files(work))
    while process.poll() is None and time.perf_counter() - start < after:
        time.sleep(_POLL_SECONDS)
    while during_a_save and process.poll() is None:
        if set(unfinished_files(work)) - before:
            time.sleep(_SAVE_SECONDS * np.random.default_rng().random())
            break
        time.sleep(_POLL_SECONDS)
    if process.poll() is not None:
        return None
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    seconds = time.perf_counter() - start
    # Those of an earlier kill do not count.
    left = sorted(set(unfinished_files(work)) - before)
    return Kill(round(seconds, 3), left[0] if left else "")


# ---- folders -------------------------------------------------------------------------------------


def unfinished_files(work: pathlib.Path) -> list[str]:
    """Returns the temporary files and folders below a work folder."""
    names = []
    for folder, folders, files in os.walk(work):
        for name in (*folders, *files):
            if any(part in name for part in _UNFINISHED):
                names.append(os.path.relpath(os.path.join(folder, name), work))
    return names


def contents(work: pathlib.Path) -> dict[str, Any]:
    """Returns the content of every file by its path, and the digests of every checkpoint."""
    by_name: dict[str, Any] = {}
    for path in sorted(work.rglob("*")):
        place = path.relative_to(work)
        if path.is_file() and not {"ckpt", "best"} & set(place.parts):
            by_name[str(place)] = path.read_bytes()
        elif path.is_dir() and path.name in ("ckpt", "best"):
            with Checkpoints(path) as checkpoints:
                by_name[str(place)] = json.dumps(checkpoints.meta(), sort_keys=True)
    return by_name


def differences(work: pathlib.Path, unbroken: dict[str, Any]) -> list[str]:
    """Returns the names of what is missing, too many, or of another content."""
    present = contents(work)
    names = []
    for name in sorted(present.keys() | unbroken.keys()):
        if present.get(name) != unbroken.get(name):
            names.append(name)
    return names


# ---- trials --------------------------------------------------------------------------------------


class Bench:
    """The work folders before and after a stage, which all trials of it share."""

    def __init__(self, folder: pathlib.Path, stage: str):
        """Runs the pipeline up to the stage, and then the stage without a kill."""
        self.folder, self.stage = folder, stage
        self.videos = folder / "videos"
        stick_actions.generate(
            self.videos,
            classes=("SitDown", "StandUp"),
            clips_per_class=2,
            test_clips_per_class=1,
            seed=3,
        )
        # Every run is in this one folder: some files name the folder that they lie in.
        self.work = folder / "work"
        self.work.mkdir()
        for earlier in STAGES[: STAGES.index(stage)]:
            run_to_end(command(earlier, self.work, self.videos))
        self._before = folder / "before"
        shutil.copytree(self.work, self._before)
        self.arguments = command(stage, self.work, self.videos)
        self.seconds = run_to_end(self.arguments)
        self.unbroken = contents(self.work)

    def trial(self, seed: int) -> dict[str, Any]:
        """Kills the stage one to `MOST_KILLS` times, ends it, and compares.

        Returns:
          The row of the trial: `equal` is whether it left what an unbroken run leaves.
        """
        random = np.random.default_rng(seed)
        shutil.rmtree(self.work)
        shutil.copytree(self._before, self.work)
        kills = []
        for _ in range(int(random.integers(1, MOST_KILLS + 1))):
            after = float(random.uniform(0, self.seconds))
            during_a_save = bool(random.random() < DURING_A_SAVE)
            kill = run_and_kill(self.arguments, self.work, after, during_a_save=during_a_save)
            if kill is not None:
                kills.append(kill._asdict())
        error = ""
        try:
            run_to_end(self.arguments)
        except RuntimeError as failure:
            error = str(failure)
        different = differences(self.work, self.unbroken)
        left = unfinished_files(self.work)
        return {
            "stage": self.stage,
            "seed": seed,
            "kills": kills,
            "equal": not (different or left or error),
            "different": different,
            "left": left,
            "error": error,
        }


def summary(rows: Sequence[dict[str, Any]]) -> str:
    """Returns one sentence about the trials of a stage."""
    kills = [kill for row in rows for kill in row["kills"]]
    writing = sum(bool(kill["unfinished"]) for kill in kills)
    unequal = sum(not row["equal"] for row in rows)
    return (
        f"{len(rows)} trials, {len(kills)} kills, {writing} of them while a file was written; "
        f"{unequal} trials left something else than an unbroken run"
    )


def main() -> None:
    """Runs the trials of one stage and writes a line of JSON for each."""
    parser = command_line.parser(__doc__, name="kill")
    parser.add_argument("--stage", choices=STAGES, default="train", help="default: train")
    parser.add_argument("--trials", type=int, default=20, help="default: 20")
    parser.add_argument("--seed", type=int, default=0, help="of the first trial; default: 0")
    options: argparse.Namespace = parser.parse_args()
    path = pathlib.Path(options.out) / f"{options.name}_{options.stage}.jsonl"
    rows = []
    with tempfile.TemporaryDirectory() as folder, path.open("w") as file:
        bench = Bench(pathlib.Path(folder), options.stage)
        for seed in range(options.seed, options.seed + options.trials):
            rows.append(bench.trial(seed))
            file.write(json.dumps(rows[-1]) + "\n")
            file.flush()
            print(f"trial {seed}: {json.dumps(rows[-1])}", flush=True)
    print(f"{options.stage}: {summary(rows)}\nwrote {path}")


if __name__ == "__main__":
    main()
