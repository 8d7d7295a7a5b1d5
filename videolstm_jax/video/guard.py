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
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np

from videolstm_jax.video import decode
from videolstm_jax.video.container import BadVideo
from videolstm_jax.video.decode import VideoInfo, View

T = TypeVar("T")
PathLike = str | os.PathLike

LIMIT = 600.0
"""Seconds that one video may take."""


class Crew:
    """Worker processes, each started when it is first needed and again after it has died; threads may share a crew."""

    def __init__(self, workers: int = 2, *, limit: float = LIMIT):
        """Sets how many processes there are, and the seconds one video may take before its worker is ended."""
        self.workers = workers
        self._limit = limit
        self._idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        all_of_them = [_Worker() for _ in range(workers)]
        for worker in all_of_them:
            self._idle.put(worker)
        self.end: Callable[[], None] = weakref.finalize(self, _end, all_of_them)
        """Ends the processes, whatever they do; so does dropping the crew."""

    def probe(self, path: PathLike, *, fps: float = 0.0) -> VideoInfo:
        """See `decode.probe`.

        Raises:
          BadVideo: what `decode.probe` raised, or how the worker ended.
        """
        return VideoInfo(*self._ask("probe", path, fps=fps)[0])

    def check(self, path: PathLike, *, fps: float = 0.0, max_frames: int = 0) -> VideoInfo:
        """See `decode.check` and `probe`."""
        return VideoInfo(*self._ask("check", path, fps=fps, max_frames=max_frames)[0])

    def read_views(self, path: PathLike, views: Sequence[View], *, fps: float = 0.0, start: int = 0,
                   max_frames: int = 0) -> list[np.ndarray]:
        """See `decode.read_views`; frames before `start` are decoded but not returned."""
        asked = {"fps": float(fps), "max_frames": int(max_frames), "start": int(start)}  # numpy's numbers are no JSON
        return self._ask("read_views", path, views=list(views), **asked)[1]

    def read(self, path: PathLike, *, fps: float = 0.0, start: int = 0, max_frames: int = 0,
             size: tuple[int, int] | None = None) -> np.ndarray:
        """See `decode.read` and `read_views`."""
        return self.read_views(path, [View(size)], fps=fps, start=start, max_frames=max_frames)[0]

    def _ask(self, work: str, path: PathLike, **settings: Any) -> tuple[list, list[np.ndarray]]:
        worker = self._idle.get()
        try:
            return worker.ask({"work": work, "path": os.fspath(path), **settings}, self._limit)
        finally:
            self._idle.put(worker)


def ahead(crew: Crew, work: Callable[[T], Any], items: Iterable[T]) -> Iterator[Any]:
    """Yields what `work` returns for each item, in order, a few items ahead of the one asked for.

    Where `work` raises `BadVideo`, the error is yielded, so that the videos behind it still come.
    """
    def guarded(item: T) -> Any:
        try:
            return work(item)
        except BadVideo as error:
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
        finally:
            for future in waiting:
                future.cancel()


def read_all(paths: Iterable[PathLike], *, fps: float = 0.0, max_frames: int = 0, size: tuple[int, int] | None = None,
             grey: bool = False, workers: int = 2, limit: float = LIMIT) -> Iterator[np.ndarray | BadVideo]:
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
    crew = Crew(workers, limit=limit)
    view = View(size, grey)
    try:
        yield from ahead(crew, lambda path: crew.read_views(path, [view], fps=fps, max_frames=max_frames)[0], paths)
    finally:
        crew.end()


def _end(workers: Sequence[_Worker]) -> None:
    for worker in workers:
        worker.end()


class _Worker:
    """One process, started when it is first asked and again after it has died."""

    def __init__(self) -> None:
        self._process: subprocess.Popen | None = None

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
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
            head = json.loads(process.stdout.readline())
            arrays = [np.frombuffer(process.stdout.read(int(np.prod(shape))), np.uint8).reshape(shape)
                      for shape in head["shapes"]]
        except (OSError, ValueError) as error:  # the pipe ended: in the middle of a line or of the frames
            process.kill()
            code = process.wait()
            if late.is_set():
                raise BadVideo(f"{path}: not decoded after {limit:g} s; expected a video that can be read") from error
            how = signal.Signals(-code).name if code < 0 else f"exit status {code}"
            raise BadVideo(f"{path}: the process decoding it ended with {how}; expected a video that can be read"
                           ) from error
        finally:
            timer.cancel()
        if head["bad"]:
            raise BadVideo(head["bad"])
        return head["info"], arrays

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


# ---- inside a worker --------------------------------------------------------------------------------------------


def serve() -> None:
    """What a worker does: a request a line on standard input; a line of JSON and the frames on standard output."""
    _expendable()
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print must not mix with the frames
    for line in sys.stdin.buffer:
        request = json.loads(line)
        path = request["path"]
        info, arrays, bad = (), [], ""
        try:
            info, arrays = _done(**request)
        except BadVideo as error:
            bad = str(error)
        except Exception as error:  # whatever a damaged file leads to, it is the file's fault
            bad = f"{path}: cannot be read: {error!r}"
        head = {"info": info, "shapes": [array.shape for array in arrays], "bad": bad}
        replies.write(json.dumps(head).encode() + b"\n")
        for array in arrays:
            replies.write(np.ascontiguousarray(array).data)
        replies.flush()


def _done(work: str, path: str, start: int = 0, **settings: Any) -> tuple[Sequence, list[np.ndarray]]:
    if work == "read_views":
        views = [View(size and tuple(size), grey) for size, grey in settings.pop("views")]
        return (), [array[start:] for array in decode.read_views(path, views, **settings)]
    return {"probe": decode.probe, "check": decode.check}[work](path, **settings), []


def _expendable() -> None:
    """A damaged header can ask for any amount of memory: then this process must go, and not the run."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource  # absent on Windows
        most = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
        resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))
    with contextlib.suppress(OSError):
        pathlib.Path("/proc/self/oom_score_adj").write_text("1000")
