"""A worker process seen from the run: started, asked, ended. The protocol is that of `worker`."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
from typing import Any

import numpy as np

from videolstm_jax.errors import VideoError

ENDED = "this crew has ended; expected one at work"
PROGRAM = "from videolstm_jax.video import worker; worker.serve_video_requests()"


class WorkerClient:
    """One process, started by the first request and again after it has died, until `kill`."""

    def __init__(self) -> None:
        """Starts no process yet."""
        self._process: subprocess.Popen | None = None
        self._ended = False

    def ask(self, request: dict[str, Any], limit: float) -> tuple[list[float], list[np.ndarray]]:
        """Sends one request and waits for the reply at most `limit` seconds.

        Returns:
          `info` and the arrays of the reply.

        Raises:
          VideoError: what the worker reports, or that it died or was too slow.
          RuntimeError: `kill` was called.
        """
        process = self._started()
        timed_out = threading.Event()

        def stop() -> None:
            timed_out.set()
            process.kill()

        # A blocking read from a pipe has no timeout of its own: killing the process ends it.
        timer = threading.Timer(limit, stop)
        timer.start()
        try:
            process.stdin.write(json.dumps(request | {"limit": limit}).encode() + b"\n")
            process.stdin.flush()
            head = json.loads(process.stdout.readline())
            arrays = [_array(process, shape) for shape in head["shapes"]]
        except (OSError, ValueError) as error:
            # The pipe has ended: before the reply, within its line or within the frames.
            exceeded = limit if timed_out.is_set() else None
            reason = self._end_reason(process, exceeded)
            message = f"{request['path']}: {reason}; expected a video that can be read"
            raise VideoError(message) from error
        finally:
            timer.cancel()
        if head["bad"]:
            raise VideoError(head["bad"])
        return head["info"], arrays

    def _end_reason(self, process: subprocess.Popen, limit: float | None) -> str:
        """Waits for the end of a process and returns its reason; `limit` if it ran out of time."""
        process.kill()
        code = process.wait()
        if self._ended:
            raise RuntimeError(ENDED)
        if limit is not None:
            return f"not decoded after {limit:g} s"
        # POSIX gives the number of a signal as a negative code.
        status = signal.Signals(-code).name if code < 0 else f"exit status {code}"
        return f"the process decoding it ended with {status}"

    def kill(self) -> None:
        """Ends the process for good, whatever it does; waits for nothing and takes no lock."""
        self._ended = True
        if self._process is not None:
            self._process.kill()

    def close(self) -> None:
        """Waits for the end of the process and closes its pipes."""
        if self._process is not None:
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                with contextlib.suppress(OSError):
                    pipe.close()

    def _started(self) -> subprocess.Popen:
        """The process, started anew if it has died."""
        if self._process is None or self._process.poll() is not None:
            self.close()
            if self._ended:
                raise RuntimeError(ENDED)
            self._process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": _python_path()},
                # Ctrl-C reaches the whole group of a terminal. In a session of its own, the worker
                # is ended by the run alone, which handles its work.
                start_new_session=True,
            )
            # `kill` may have come between the check and the start, when there was no process.
            if self._ended:
                self._process.kill()
        return self._process


def _array(process: subprocess.Popen, shape: list[int]) -> np.ndarray:
    """Reads one array; a pipe that ends early makes `reshape` raise `ValueError`."""
    return np.frombuffer(process.stdout.read(int(np.prod(shape))), np.uint8).reshape(shape)


def _python_path() -> str:
    """Where the worker finds this package, also if the run found it through its current folder."""
    package_parent = str(pathlib.Path(__file__).parents[2])
    return os.pathsep.join(filter(None, [package_parent, os.environ.get("PYTHONPATH", "")]))
