"""Stages as forks of one process that has imported the libraries, which takes most of their time.

A fork is a process of its own: it makes its own threads, devices and files, and can be killed. It
differs from a fresh Python in this alone: its modules are those of the process that it was forked
from, which has opened no device, no data set and no work folder. So kills during the imports need
fresh processes.
"""

from __future__ import annotations

import json
import os
import pathlib
import select
import subprocess
import sys

SERVER = """
import gc, json, logging, os, sys
import jax, numpy, optax, orbax.checkpoint, tensorflow
import videolstm_jax.stages.extract, videolstm_jax.stages.report, videolstm_jax.stages.train
from videolstm_jax.cli import main
gc.freeze()
print("ready", flush=True)
for line in sys.stdin:
    request = json.loads(line)
    child = os.fork()
    if not child:
        break
    print(child, flush=True)
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
else:
    sys.exit()
os.setsid()
output = os.open(request["output"], os.O_WRONLY)
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
os.dup2(output, 1)
os.dup2(output, 2)
sys.stdin = open(0, closefd=False)
sys.stdout.reconfigure(line_buffering=True)
os.environ.clear()
os.environ.update(request["environment"])
# The libraries, imported before absl, have given the log a handler that a fresh command lacks.
logging.getLogger().handlers.clear()
sys.argv = ["videolstm", *request["arguments"]]
status = 1
try:
    main.main(request["stage"])
except SystemExit as end:
    status = end.code if isinstance(end.code, int) else int(end.code is not None)
except BaseException:
    sys.excepthook(*sys.exc_info())
else:
    status = 0
sys.stdout.flush()
sys.stderr.flush()
os._exit(status)
"""


class Server:
    """The process that is forked; a fork at a time."""

    def __init__(self, environment: dict[str, str]):
        """Starts it and waits until it has imported the libraries."""
        self._process = subprocess.Popen(
            [sys.executable, "-c", SERVER],
            env=environment,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._environment = environment
        if self.read_line() != "ready":
            raise RuntimeError("the libraries cannot be imported")

    def read_line(self) -> str:
        """The next line that it prints."""
        return self._process.stdout.readline().strip()

    def fork(self, stage: str, arguments: list[str], output: pathlib.Path) -> Fork:
        """Starts a stage; what it prints goes to a file."""
        output.write_bytes(b"")
        request = {
            "stage": stage,
            "arguments": arguments,
            "output": str(output),
            "environment": self._environment,
        }
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return Fork(self, int(self.read_line()))

    def close(self) -> None:
        """Ends it."""
        self._process.communicate()


class Fork:
    """A fork, with the methods of `subprocess.Popen` that are needed here."""

    def __init__(self, server: Server, number: int):
        """Takes the server, and the number of the process."""
        self.pid, self.returncode = number, None
        self._server = server
        self._descriptor = os.pidfd_open(number)

    def poll(self) -> int | None:
        """The exit status; None while it runs."""
        # A descriptor of a process can be read once it has ended.
        if self.returncode is None and select.select([self._descriptor], [], [], 0)[0]:
            self.returncode = int(self._server.read_line())
            os.close(self._descriptor)
        return self.returncode

    def wait(self) -> int:
        """Waits for its end and returns the exit status."""
        select.select([self._descriptor], [], [])
        return self.poll()
