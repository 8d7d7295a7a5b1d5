"""Does a stage that is killed at random instants, and started again, leave what it leaves unbroken?

    python -m benchmarks.kill --stage=train --kills=200

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
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from benchmarks import command_line, record
from benchmarks.forks import Server
from videolstm_jax.synthetic import stick_actions
from videolstm_jax.train.checkpoints.checkpoint import Checkpoints

SETTINGS = (
    *("--preset=small", "--convnet.backbone=vgg", "--data.max_frames=16", "--data.workers=1"),
    *("--flow.width=24", "--flow.height=24"),
    *("--convnet.image_size=28", "--convnet.widths=4,6", "--convnet.depths=1,1"),
    *("--convnet.dense=8", "--convnet.batch=4", "--convnet.steps=40"),
    *("--model.hidden=6", "--model.attention=4", "--model.head=8"),
    *("--data.frames=6", "--data.batch=4"),
    *("--train.steps=48", "--train.save_every=4", "--train.log_every=3"),
)
"""Of all stages: the smallest pipeline that saves often."""
STAGES = ("prepare", "fit_convnet", "extract", "train", "evaluate", "localize")
"""What is killed, in the order of the pipeline."""
INSTANTS = ("start", "work", "save")
"""When a process is killed: before its first work, during it, or while it writes a file."""
SHARES = (0.2, 0.4, 0.4)
"""How often each of `INSTANTS` is drawn: at least 30 % of the kills are to be during a save."""
MOST_KILLS = 8
"""Kills of one chain."""
FRESH_EVERY = 8
"""Of the processes that are killed after their start, one in so many is a fresh Python."""

# Part of the names of files that are being written, and of orbax's folders.
_UNFINISHED = (".part-", "orbax-checkpoint-tmp")
_POLL_SECONDS = 0.005
# A file is written within a few milliseconds; a kill falls into these, or just behind.
_SAVE_SECONDS = 0.02
# So that several kills fall into one run: most are drawn in this first part of what is left.
_WORK_SHARE = 0.4
# What a stage writes as it goes, and begins anew or adds to: not compared until its end.
_GROWING = ("metrics.jsonl", "hashes.jsonl")
# What `extract` notes of the videos that are done; the index takes their place at the end.
_NOTES = ("about.json", "done.jsonl")
_CHECKPOINTS = ("ckpt", "best")


class Instant(NamedTuple):
    """When a process is to be killed.

    Attributes:
      during: of `INSTANTS`.
      share: 0 to 1, the place within the seconds that this part took in the unbroken run.
    """

    during: str
    share: float


class Seconds(NamedTuple):
    """How long a run took until its first work, and from there to its end."""

    start: float
    work: float


class Kill(NamedTuple):
    """One kill.

    Attributes:
      during: the instant that was drawn, of `INSTANTS`.
      process: `fresh` or `forked`.
      seconds: after the start of the process.
      unfinished: a temporary file or folder that was there, empty where none was.
      last_line: that the process printed.
    """

    during: str
    process: str
    seconds: float
    unfinished: str
    last_line: str


# ---- processes -----------------------------------------------------------------------------------


def command(stage: str, work: pathlib.Path, videos: pathlib.Path) -> list[str]:
    """Returns the command line of a stage."""
    arguments = [f"--workdir={work}", *SETTINGS]
    if stage == "prepare":
        arguments.append(f"--data.videos={videos}")
    if stage in ("fit_convnet", "extract"):
        arguments.append("--data.stream=flow")
    if stage in ("train", "evaluate", "localize"):
        arguments += ["--data.stream=flow", "--model.cell=alstm"]
    return [sys.executable, "-u", "-m", "videolstm_jax.cli", stage, *arguments]


class Process:
    """A stage as a process of its own, whose output is kept in a file."""

    def __init__(
        self,
        arguments: Sequence[str],
        work: pathlib.Path,
        output: pathlib.Path,
        *,
        environment: dict[str, str] | None = None,
        server: Server | None = None,
    ):
        """Starts it in a process group of its own, so that no worker outlives a kill.

        Args:
          arguments: of the process.
          work: the folder that it writes.
          output: the file for what it prints.
          environment: None is that of this process.
          server: which is forked; None starts a fresh Python.
        """
        self.is_fresh = server is None
        self._work, self._output = work, output
        self._before = set(written_files(work))
        self.unfinished_before = set(unfinished_files(work))
        self._start = time.perf_counter()
        if server is not None:
            # The words before the stage are those of a fresh Python.
            stage = arguments.index("videolstm_jax.cli") + 1
            self.process = server.fork(arguments[stage], arguments[stage + 1 :], output)
            return
        with output.open("wb") as file:
            self.process = subprocess.Popen(
                arguments,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=environment,
            )

    @property
    def seconds(self) -> float:
        """Since its start."""
        return time.perf_counter() - self._start

    @property
    def output(self) -> str:
        """All that it printed so far."""
        return self._output.read_text(errors="replace")

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    @property
    def works(self) -> bool:
        """Whether it has begun its work: it has made a step, or written a file."""
        if re.search(r"^step \d", self.output, re.MULTILINE):
            return True
        return bool(set(written_files(self._work)) - self._before)

    def new_unfinished(self) -> list[str]:
        """The temporary files and folders that were not there at its start."""
        return sorted(set(unfinished_files(self._work)) - self.unfinished_before)

    def send(self, number: int) -> None:
        """Sends a signal to it alone, as a scheduler does."""
        os.kill(self.process.pid, number)

    def kill(self, during: str) -> Kill:
        """Kills it and all its workers."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        seconds = round(self.seconds, 3)
        unfinished = self.new_unfinished()
        lines = self.output.splitlines() or [""]
        kind = "fresh" if self.is_fresh else "forked"
        return Kill(during, kind, seconds, unfinished[0] if unfinished else "", lines[-1][:80])


def run_to_end(process: Process) -> tuple[Seconds, str]:
    """Waits for a process that has just been started; returns its seconds and its output.

    Raises:
      RuntimeError: it failed.
    """
    begun = None
    while process.is_running:
        if begun is None and process.works:
            begun = process.seconds
        time.sleep(_POLL_SECONDS)
    seconds = process.seconds
    if process.process.returncode:
        raise RuntimeError(f"status {process.process.returncode}: {process.output}")
    if begun is None:
        begun = seconds
    return Seconds(begun, seconds - begun), process.output


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
            time.sleep(_POLL_SECONDS)
        wait = process.seconds + instant.share * _WORK_SHARE * typical.work
    while process.is_running and process.seconds < wait:
        time.sleep(_POLL_SECONDS)
    if instant.during == "save":
        while process.is_running and not process.new_unfinished():
            time.sleep(_POLL_SECONDS)
        time.sleep(_SAVE_SECONDS * instant.share)
    if not process.is_running:
        return None
    return process.kill(instant.during)


def quick_environment(site: pathlib.Path) -> dict[str, str]:
    """Returns an environment in which TensorFlow is imported without Keras, in half the time.

    No stage uses Keras. It takes longer to import than all that a small training computes.

    Args:
      site: the folder of a `sitecustomize.py`, which Python imports at its start.
    """
    site.mkdir()
    barred = "import sys\nsys.modules.update(dict.fromkeys(('keras', 'sklearn', 'matplotlib')))\n"
    (site / "sitecustomize.py").write_text(barred)
    paths = [str(site), str(pathlib.Path(__file__).parent.parent)]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


# ---- folders -------------------------------------------------------------------------------------


def _is_unfinished(name: str) -> bool:
    return any(part in name for part in _UNFINISHED)


def unfinished_files(work: pathlib.Path) -> list[str]:
    """Returns the temporary files and folders below a work folder."""
    names = []
    for folder, folders, files in os.walk(work):
        for name in (*folders, *files):
            if _is_unfinished(name):
                names.append(os.path.relpath(os.path.join(folder, name), work))
    return names


def written_files(work: pathlib.Path) -> list[str]:
    """Returns the files with a final name, without locks and those of checkpoints.

    The logs of steps are left out too: they are made before the first step.
    """
    names = []
    for folder, folders, files in os.walk(work):
        folders[:] = [name for name in folders if name not in _CHECKPOINTS]
        for name in files:
            if not _is_unfinished(name) and ".lock" not in name and name not in _GROWING:
                names.append(os.path.relpath(os.path.join(folder, name), work))
    return sorted(names)


def contents(work: pathlib.Path) -> dict[str, Any]:
    """Returns the content of every file by its path, and the digests of every checkpoint."""
    by_name: dict[str, Any] = {}
    for path in sorted(work.rglob("*")):
        place = path.relative_to(work)
        if path.is_file() and not set(_CHECKPOINTS) & set(place.parts):
            by_name[str(place)] = path.read_bytes()
        elif path.is_dir() and path.name in _CHECKPOINTS:
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


def locks(work: pathlib.Path) -> list[str]:
    """Returns the locks in a work folder."""
    return [str(path.relative_to(work)) for path in sorted(work.rglob("*.lock*"))]


def half_written(work: pathlib.Path, before: dict[str, Any], unbroken: dict[str, Any]) -> list[str]:
    """Returns the files with a final name whose content is no content of an unbroken run.

    Args:
      work: of a process that was killed.
      before: the contents before the stage, which it may not have replaced yet.
      unbroken: the contents after an unbroken run.
    """
    names = []
    for name in written_files(work):
        content = (work / name).read_bytes()
        if os.path.basename(name) in _NOTES:
            if not _are_notes(content):
                names.append(name)
        elif content not in (before.get(name), unbroken.get(name)):
            names.append(name)
    for path in sorted(work.rglob("*.jsonl")):
        if path.name not in _GROWING:
            continue
        name = str(path.relative_to(work))
        # The last line of an append may be cut; the next process drops it.
        whole = b"".join(unbroken.get(name, b"").splitlines(keepends=True))
        if not whole.startswith(path.read_bytes()):
            names.append(name)
    return names


def _are_notes(content: bytes) -> bool:
    """Whether all lines but the last one are JSON, or all of the file is."""
    try:
        json.loads(content)
        return True
    except ValueError:
        lines = content.split(b"\n")
    try:
        for line in lines[:-1]:
            json.loads(line)
    except ValueError:
        return False
    return True


def newest_step(work: pathlib.Path, stage: str) -> int:
    """Returns the step of the newest complete checkpoint of a stage that trains, 0 without one."""
    folder = "runs" if stage == "train" else "convnets"
    steps = [0]
    for path in work.glob(f"{folder}/*/ckpt/*"):
        if path.name.isdigit():
            steps.append(int(path.name))
    return max(steps)


# ---- trials --------------------------------------------------------------------------------------


class Bench:
    """The work folders before and after a stage, which all trials of it share."""

    def __init__(
        self,
        folder: pathlib.Path,
        stage: str,
        *,
        settings: Sequence[str] = (),
        work: pathlib.Path | None = None,
    ):
        """Runs the pipeline up to the stage, and then the stage without a kill, twice.

        Args:
          folder: for all files.
          stage: of `STAGES`.
          settings: of this stage alone.
          work: the work folder; None is one in `folder`.
        """
        self.folder, self.stage, self._settings = folder, stage, settings
        self.videos = folder / "videos"
        stick_actions.generate(
            self.videos,
            classes=("SitDown", "StandUp"),
            clips_per_class=4,
            test_clips_per_class=2,
            seed=3,
        )
        # Every run is in this one folder: some files name the folder that they lie in.
        self.work = work or folder / "work"
        self.work.mkdir()
        self._output = folder / "output.txt"
        self._environment = quick_environment(folder / "site")
        self._server = Server(self._environment)
        for earlier in STAGES[: STAGES.index(stage)]:
            run_to_end(self.start(earlier, fork=True))
        self._before = folder / "before"
        shutil.copytree(self.work, self._before)
        self.before = contents(self.work)
        fresh, _ = run_to_end(self.start(stage))
        self.unbroken = contents(self.work)
        # Kills at the start are of fresh processes, and most others are of forks.
        self.restart()
        forked, _ = run_to_end(self.start(stage, fork=True))
        self.seconds = Seconds(fresh.start, forked.work)
        if differences(self.work, self.unbroken):
            raise RuntimeError(f"{stage} without a kill: two runs differ")

    def start(self, stage: str, *, fork: bool = False) -> Process:
        """Starts a stage as a fresh process, or as a fork."""
        arguments = command(stage, self.work, self.videos)
        if stage == self.stage:
            arguments += self._settings
        return Process(
            arguments,
            self.work,
            self._output,
            environment=self._environment,
            server=self._server if fork else None,
        )

    def close(self) -> None:
        """Ends the process that is forked."""
        self._server.close()

    def restart(self) -> None:
        """Puts the work folder back to what it was before the stage."""
        shutil.rmtree(self.work)
        shutil.copytree(self._before, self.work)

    def chain(self, seed: int, most: int = MOST_KILLS) -> list[dict[str, Any]]:
        """Kills the stage up to `most` times, lets it end, and compares.

        Returns:
          A row for each kill: `sound` is whether it has no failure.
        """
        random = np.random.default_rng(seed)
        self.restart()
        rows: list[dict[str, Any]] = []
        for number in range(most):
            instant = Instant(str(random.choice(INSTANTS, p=SHARES)), float(random.random()))
            fresh = instant.during == "start" or not random.integers(FRESH_EVERY)
            process = self.start(self.stage, fork=not fresh)
            kill = run_and_kill(process, instant, self.seconds)
            compare_report(self.stage, rows, process.output)
            if kill is None:
                break
            half = half_written(self.work, self.before, self.unbroken)
            step = newest_step(self.work, self.stage)
            row = {"stage": self.stage, "seed": seed, "number": number, **kill._asdict()}
            rows.append(row | {"newest_step": step, "half_written": half, "report": ""})
        # The last process may have ended before its kill.
        if kill is not None:
            process = self.start(self.stage, fork=True)
        end = self.end(process)
        compare_report(self.stage, rows, process.output)
        for row in rows:
            row |= end
            failures = (row["half_written"], row["report"], *end.values())
            row["sound"] = not any(failures)
        return rows

    def end(self, process: Process) -> dict[str, Any]:
        """Waits for the last process, and compares what it left with an unbroken run.

        Returns:
          What a row says of it: three fields that are empty where all is as it should be.
        """
        error = ""
        try:
            run_to_end(process)
        except RuntimeError as failure:
            error = str(failure)
        return {
            "different": differences(self.work, self.unbroken),
            "left": unfinished_files(self.work),
            "error": error,
        }


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


def read_rows(path: pathlib.Path) -> list[dict[str, Any]]:
    """Returns the rows of an earlier run of this command; none where there is no file."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]


def main() -> None:
    """Runs the trials of one stage and writes a line of JSON for each."""
    parser = command_line.parser(__doc__, name="kill")
    parser.add_argument("--stage", choices=STAGES, default="train", help="default: train")
    parser.add_argument("--kills", type=int, default=20, help="at least so many; default: 20")
    parser.add_argument("--seed", type=int, default=0, help="of the first chain; default: 0")
    options: argparse.Namespace = parser.parse_args()
    path = pathlib.Path(options.out) / f"{options.name}_{options.stage}.jsonl"
    rows = read_rows(path)
    seed = max([row["seed"] for row in rows], default=options.seed - 1) + 1
    with tempfile.TemporaryDirectory() as folder, path.open("a") as file:
        bench = Bench(pathlib.Path(folder), options.stage)
        print(f"an unbroken run: {bench.seconds}", flush=True)
        while len(rows) < options.kills:
            stamp = record.stamp()
            for row in bench.chain(seed):
                rows.append(row | stamp)
                file.write(json.dumps(rows[-1]) + "\n")
                print(f"trial {len(rows)}: {json.dumps(rows[-1])}", flush=True)
            file.flush()
            seed += 1
        bench.close()
    print(f"{options.stage}: {summary(rows)}\nwrote {path}")


if __name__ == "__main__":
    main()
