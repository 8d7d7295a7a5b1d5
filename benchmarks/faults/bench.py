"""A stage and the work folders before and after it, which all trials of the stage share."""

from __future__ import annotations

import pathlib
import shutil
from collections.abc import Sequence
from typing import Any

from benchmarks.faults.folders import contents, differences, half_written, unfinished_files
from benchmarks.faults.forks import Server
from benchmarks.faults.process import (
    STAGES,
    Process,
    Seconds,
    command,
    quick_environment,
    run_to_end,
)
from videolstm_jax.synthetic import stick_actions


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
        """Runs the pipeline up to the stage, and then the stage without a fault, twice.

        Args:
          folder: for all files.
          stage: of `STAGES`.
          settings: of this stage alone.
          work: the work folder; None is one in `folder`.
        """
        self.folder, self.stage, self._settings = folder, stage, settings
        self.videos = folder / "videos"
        stick_actions.generate_stick_actions(
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
        self.seconds = Seconds(fresh.start, forked.work, forked.start)
        if differences(self.work, self.unbroken):
            raise RuntimeError(f"{stage} without a fault: two runs differ")

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

    def interrupted(self, output: str) -> dict[str, Any]:
        """What the stage has left right after a fault that it may print a line about.

        Args:
          output: that it printed.

        Returns:
          The fields of a row; `half_written` is empty where all is as it should be.
        """
        last = (output.splitlines() or [""])[-1]
        return {
            "stage": self.stage,
            "last_line": last.replace(str(self.folder), "")[:240],
            "half_written": half_written(self.work, self.before, self.unbroken),
        }

    def run_again(self, row: dict[str, Any], failures: Sequence[str]) -> dict[str, Any]:
        """Runs the same command to its end, and completes the row of a trial.

        Args:
          row: what is known of the trial.
          failures: names of the fields that are empty where the trial has no failure.
        """
        row |= self.end(self.start(self.stage, fork=True))
        names = (*failures, "half_written", "different", "left", "error")
        return row | {"sound": not any(row[name] for name in names)}

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
