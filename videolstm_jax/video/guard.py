"""Decoding in other processes, so that a file that crashes or stalls the codec costs one error and not the run."""

from __future__ import annotations

import collections
import contextlib
import json
import os
import pathlib
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from videolstm_jax.flow import image
from videolstm_jax.video import decode
from videolstm_jax.video.decode import BadVideo

LIMIT = 600.0
"""Seconds that one video may take."""


def read_all(paths: Iterable[str | os.PathLike], *, fps: float = 0.0, max_frames: int = 0,
             size: tuple[int, int] | None = None, grey: bool = False, workers: int = 2,
             limit: float = LIMIT) -> Iterator[np.ndarray | BadVideo]:
    """Decodes videos in worker processes, a few ahead of the one asked for.

    Args:
      paths: video files.
      fps: see `decode.read`, as are max_frames and size.
      max_frames: frames at most; 0 for all.
      size: (W, H) pixels, or None.
      grey: return luma (`flow.image.grey`) instead of RGB.
      workers: processes.
      limit: seconds one video may take; then its worker is ended.

    Yields:
      For each path in order, [L, H, W, 3] or, grey, [L, H, W] uint8, or the error that `decode.read` or its worker's
      end gave.
    """
    asked = {"fps": fps, "max_frames": max_frames, "size": size, "grey": grey}
    idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
    crew = [_Worker() for _ in range(workers)]
    for worker in crew:
        idle.put(worker)

    def ask(path: str | os.PathLike) -> np.ndarray | BadVideo:
        worker = idle.get()
        try:
            return worker.read({"path": os.fspath(path), **asked}, limit)
        finally:
            idle.put(worker)

    waiting: collections.deque[Future] = collections.deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for path in paths:
                waiting.append(pool.submit(ask, path))
                if len(waiting) > workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
            for worker in crew:
                worker.end()


class _Worker:
    """One process, started when it is first asked and again after it has died."""

    def __init__(self) -> None:
        self._process: subprocess.Popen | None = None

    def read(self, request: dict, limit: float) -> np.ndarray | BadVideo:
        """Asks for one video, waits at most `limit` seconds."""
        path = request["path"]
        process = self._started()
        late = threading.Event()

        def stop() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(limit, stop)
        timer.start()
        try:
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
            head = json.loads(process.stdout.readline())
            if "bad" in head:
                return BadVideo(head["bad"])
            data = process.stdout.read(int(np.prod(head["shape"])))
            return np.frombuffer(data, np.uint8).reshape(head["shape"])
        except (OSError, ValueError):  # the pipe ended: in the middle of a line or of the frames
            process.kill()
            code = process.wait()
            if late.is_set():
                return BadVideo(f"{path}: not decoded after {limit:g} s; expected a video that can be read")
            how = signal.Signals(-code).name if code < 0 else f"exit status {code}"
            return BadVideo(f"{path}: the process decoding it ended with {how}; expected a video that can be read")
        finally:
            timer.cancel()

    def end(self) -> None:
        """Ends the process, whatever it does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                with contextlib.suppress(OSError):
                    pipe.close()

    def _started(self) -> subprocess.Popen:
        if self._process is None or self._process.poll() is not None:
            if self._process is not None:
                self.end()
            here = str(pathlib.Path(__file__).parents[2])
            places = os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH", "")]))
            self._process = subprocess.Popen(
                [sys.executable, "-c", "from videolstm_jax.video import guard; guard.serve()"], stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": places}, start_new_session=True)
        return self._process


def serve() -> None:
    """What a worker does: a request a line on standard input; a line of JSON and the frames on standard output."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print must not mix with the frames
    for line in sys.stdin.buffer:
        request = json.loads(line)
        grey, path = request.pop("grey"), request.pop("path")
        try:
            frames = decode.read(path, **request)
            frames = image.grey(frames) if grey else frames
            replies.write(json.dumps({"shape": frames.shape}).encode() + b"\n")
            replies.write(np.ascontiguousarray(frames).data)
        except BadVideo as error:
            replies.write(json.dumps({"bad": str(error)}).encode() + b"\n")
        except (MemoryError, OSError) as error:
            replies.write(json.dumps({"bad": f"{path}: cannot be read: {error!r}"}).encode() + b"\n")
        replies.flush()
