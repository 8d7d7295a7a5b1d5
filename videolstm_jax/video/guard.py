"""Decoding in other processes, so that a file that crashes or stalls the codec costs one error and
not the run.
"""

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
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np

from videolstm_jax.errors import VideoError
from videolstm_jax.video.decode import VideoInfo, View

T = TypeVar("T")
PathLike = str | os.PathLike

LIMIT = 600.0
"""Seconds that one video may take."""
_OVER = "this crew has ended; expected one at work"


class Crew:
    """Worker processes, each started when it is first needed and again after it has died; threads
    may share a crew.
    """

    def __init__(self, workers: int = 2, *, limit: float = LIMIT):
        """Sets how many processes there are, and the seconds one video may take before its worker
        is ended.
        """
        self.workers = workers
        self._limit = limit
        self._idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        all_of_them = [_Worker() for _ in range(workers)]
        for worker in all_of_them:
            self._idle.put(worker)
        self.end: Callable[[], None] = weakref.finalize(self, _end, all_of_them)
        """Ends the processes, whatever they do, for good; so does dropping the crew."""
        _CREWS[self] = all_of_them

    def probe(self, path: PathLike, *, fps: float = 0.0) -> VideoInfo:
        """See `decode.probe`.

        Raises:
          VideoError: what `decode.probe` raised, or how the worker ended.
        """
        return VideoInfo(*self._ask("probe", path, fps=fps)[0])

    def check(self, path: PathLike, *, fps: float = 0.0, max_frames: int = 0) -> VideoInfo:
        """See `decode.check` and `probe`."""
        return VideoInfo(*self._ask("check", path, fps=fps, max_frames=max_frames)[0])

    def read_views(
        self,
        path: PathLike,
        views: Sequence[View],
        *,
        fps: float = 0.0,
        start: int = 0,
        max_frames: int = 0,
    ) -> list[np.ndarray]:
        """See `decode.read_views`; frames before `start` are decoded but not returned."""
        asked = {
            "fps": float(fps),
            "max_frames": int(max_frames),
            "start": int(start),
        }  # numpy's numbers are no JSON
        return self._ask("read_views", path, views=list(views), **asked)[1]

    def read(
        self,
        path: PathLike,
        *,
        fps: float = 0.0,
        start: int = 0,
        max_frames: int = 0,
        size: tuple[int, int] | None = None,
    ) -> np.ndarray:
        """See `decode.read` and `read_views`."""
        return self.read_views(path, [View(size)], fps=fps, start=start, max_frames=max_frames)[0]

    def _ask(self, work: str, path: PathLike, **settings: Any) -> tuple[list, list[np.ndarray]]:
        worker = self._idle.get()
        try:
            return worker.ask({"work": work, "path": os.fspath(path), **settings}, self._limit)
        finally:
            self._idle.put(worker)


_CREWS: weakref.WeakKeyDictionary[Crew, list[_Worker]] = weakref.WeakKeyDictionary()


def interrupt() -> None:
    """Ends the processes of all crews and waits for none, so that no thread goes on waiting for a
    video.

    For whoever handles a signal: nothing here waits or takes a lock.
    """
    for workers in list(_CREWS.values()):
        for worker in workers:
            worker.kill()


def ahead(crew: Crew, work: Callable[[T], Any], items: Iterable[T]) -> Iterator[Any]:
    """Yields what `work` returns for each item, in order, a few items ahead of the one asked for.

    Where `work` raises `VideoError`, the error is yielded, so that the videos behind it still come.
    Left before the last item, by an error or an interruption, it ends the crew: nobody waits for
    what is being decoded.
    """

    def guarded(item: T) -> Any:
        try:
            return work(item)
        except VideoError as error:
            return error

    waiting: collections.deque[Future] = collections.deque()
    with ThreadPoolExecutor(crew.workers) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(guarded, item))
                if len(waiting) > crew.workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BaseException:
            for future in waiting:
                future.cancel()
            crew.end()
            raise


def read_all(
    paths: Iterable[PathLike],
    *,
    fps: float = 0.0,
    max_frames: int = 0,
    size: tuple[int, int] | None = None,
    grey: bool = False,
    workers: int = 2,
    limit: float = LIMIT,
) -> Iterator[np.ndarray | VideoError]:
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
      For each path in order, [L, H, W, 3] or, grey, [L, H, W] uint8, or the error that
      `decode.read` or its worker's end gave.
    """
    crew = Crew(workers, limit=limit)
    view = View(size, grey)
    try:
        yield from ahead(
            crew,
            lambda path: crew.read_views(path, [view], fps=fps, max_frames=max_frames)[0],
            paths,
        )
    finally:
        crew.end()


def _end(workers: Sequence[_Worker]) -> None:
    for worker in workers:
        worker.kill()
    for worker in workers:
        worker.close()


class _Worker:
    """One process, started when it is first asked and again after it has died, but not after
    `kill`.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen | None = None
        self._over = False

    def ask(self, request: dict, limit: float) -> tuple[list, list[np.ndarray]]:
        """Asks for one piece of work, waits at most `limit` seconds."""
        path = request["path"]
        process = self._started()
        late = threading.Event()

        def stop() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(limit, stop)
        timer.start()
        try:
            process.stdin.write(json.dumps(request | {"limit": limit}).encode() + b"\n")
            process.stdin.flush()
            head = json.loads(process.stdout.readline())
            arrays = [
                np.frombuffer(process.stdout.read(int(np.prod(shape))), np.uint8).reshape(shape)
                for shape in head["shapes"]
            ]
        except (
            OSError,
            ValueError,
        ) as error:  # the pipe ended: in the middle of a line or of the frames
            process.kill()
            code = process.wait()
            if self._over:
                raise RuntimeError(_OVER) from error
            if late.is_set():
                raise VideoError(
                    f"{path}: not decoded after {limit:g} s; expected a video that can be read"
                ) from error
            how = signal.Signals(-code).name if code < 0 else f"exit status {code}"
            raise VideoError(
                f"{path}: the process decoding it ended with {how}; expected a video that can be read"
            ) from error
        finally:
            timer.cancel()
        if head["bad"]:
            raise VideoError(head["bad"])
        return head["info"], arrays

    def kill(self) -> None:
        """Ends the process, whatever it does, for good."""
        self._over = True
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
        if self._process is None or self._process.poll() is not None:
            self.close()
            here = str(pathlib.Path(__file__).parents[2])
            places = os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH", "")]))
            if self._over:
                raise RuntimeError(_OVER)
            self._process = subprocess.Popen(
                [sys.executable, "-c", "from videolstm_jax.video import worker; worker.serve()"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": places},
                start_new_session=True,
            )
            if self._over:  # since it was looked at: `kill` has seen no process, or this one
                self._process.kill()
        return self._process
