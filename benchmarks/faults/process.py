"""The stages of a small pipeline as processes, which can be watched, stopped and killed."""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.faults.folders import unfinished_files, written_files
from benchmarks.faults.forks import Server

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
RUN = "alstm-flow"
"""The run that `train` makes."""
FUSION = "fused"
"""The fusion of its scores with those of the image network."""
STAGES = (
    "prepare",
    "fit_convnet",
    "extract",
    "train",
    "evaluate",
    "localize",
    "fuse",
    "report",
)
"""In the order of the pipeline."""
POLL_SECONDS = 0.005
"""Between two looks at a process."""


class Seconds(NamedTuple):
    """How long a run took until its first work, and from there to its end.

    Attributes:
      start: of a fresh process, with its imports.
      work: from the first work to the end.
      forked_start: `start` of a fork, without imports.
    """

    start: float
    work: float
    forked_start: float = 0.0


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


# ---- commands ------------------------------------------------------------------------------------


def command(stage: str, work: pathlib.Path, videos: pathlib.Path) -> list[str]:
    """Returns the command line of a stage."""
    arguments = [f"--workdir={work}", *SETTINGS]
    if stage == "prepare":
        arguments.append(f"--data.videos={videos}")
    if stage in ("fit_convnet", "extract"):
        arguments.append("--data.stream=flow")
    if stage in ("train", "evaluate", "localize"):
        arguments += ["--data.stream=flow", "--model.cell=alstm"]
    if stage == "fuse":
        arguments += [f"--fuse.runs={RUN},convnet-flow", f"--fuse.name={FUSION}"]
    if stage == "report":
        # A film of a few frames takes seconds to draw.
        arguments.append("--report.examples=2")
    return [sys.executable, "-u", "-m", "videolstm_jax.cli", stage, *arguments]


def quick_environment(site: pathlib.Path) -> dict[str, str]:
    """Returns an environment in which TensorFlow is imported without Keras, which is sooner.

    No stage of `STAGES` uses Keras or scikit-learn. Keras takes longer to import than all that a
    small training computes.

    Args:
      site: the folder of a `sitecustomize.py`, which Python imports at its start.
    """
    site.mkdir(exist_ok=True)
    barred = "import sys\nsys.modules.update(dict.fromkeys(('keras', 'sklearn')))\n"
    (site / "sitecustomize.py").write_text(barred)
    paths = [str(site), str(pathlib.Path(__file__).parents[2])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


# ---- processes -----------------------------------------------------------------------------------


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
        self._before = self._written()
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
        return bool(self._written() - self._before)

    def _written(self) -> set[tuple[str, int]]:
        """The files with a final name, and when each was written."""
        written = set()
        for name in written_files(self._work):
            # A stage may replace a file of an earlier process, or remove it meanwhile.
            with contextlib.suppress(FileNotFoundError):
                written.add((name, (self._work / name).stat().st_mtime_ns))
        return written

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
        time.sleep(POLL_SECONDS)
    seconds = process.seconds
    if process.process.returncode:
        raise RuntimeError(f"status {process.process.returncode}: {process.output}")
    if begun is None:
        begun = seconds
    return Seconds(begun, seconds - begun), process.output
