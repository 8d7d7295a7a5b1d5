"""Several real processes of one command, for tests."""

import dataclasses
import os
import pathlib
import signal
import subprocess
import time

from command_line import ROOT

from videolstm_jax.cluster.local_pod import LocalPod

PATIENCE = 400
"""Seconds in which anything must have happened; a busy machine starts four processes in 200."""

_started = []
"""All pods of the session; `end_pods` kills what still runs of them."""


@dataclasses.dataclass
class RunningPod:
    """Processes whose output goes to files, since full pipes would stop them."""

    running: list[subprocess.Popen]
    folder: pathlib.Path
    local_pod: LocalPod
    """It keeps the port."""

    def output(self, index):
        return (self.folder / f"{index}.out").read_text()

    def errors(self, index):
        return (self.folder / f"{index}.err").read_text()

    def wait_for(self, text, index=0):
        """Returns when a process has printed a text; ends all where it does not."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.output(index):
            if self.running[index].poll() is not None or time.monotonic() > deadline:
                self.end()
                raise AssertionError(self.output(index) + self.errors(index))
            time.sleep(0.05)

    def send(self, index, number):
        """Sends a signal to a process."""
        os.kill(self.running[index].pid, number)

    def statuses(self):
        """The statuses of all processes when all have ended."""
        try:
            return [process.wait(PATIENCE) for process in self.running]
        finally:
            self.end()

    def end(self):
        """Kills what still runs."""
        for process in self.running:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                process.wait()


def start_pod(folder, words, *, count=2, only=None, extra=(), environs=None, more_environ=None):
    """Starts a command as several processes.

    Args:
      folder: for their output.
      words: of the command line behind `videolstm`.
      count: processes.
      only: start but these.
      extra: flags of each process by its index, as pairs.
      environs: of each process, in place of the flags that a local pod gives.
      more_environ: of all processes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    local_pod = LocalPod(count, words)
    running = []
    for index in range(count) if only is None else only:
        command = local_pod.command(index)
        environ = {**os.environ, "PYTHONPATH": str(ROOT), **(more_environ or {})}
        if environs is not None:
            command, environ = command[:-3], {**environ, **environs[index]}
        command += [flag for number, flag in extra if number == index]
        with (
            (folder / f"{index}.out").open("w") as out,
            (folder / f"{index}.err").open("w") as errors,
        ):
            running.append(
                subprocess.Popen(command, env=environ, cwd=ROOT, stdout=out, stderr=errors)
            )
    pod = RunningPod(running, folder, local_pod)
    _started.append(pod)
    return pod


def end_pods():
    """Kills the processes of all pods: of a test that fails half-way they would run for ever."""
    while _started:
        _started.pop().end()
