"""Decoding in other processes: a file that crashes or stalls its codec costs one error.

Damaged streams crash FFmpeg, loop for ever or ask for all memory. None of it can be caught within a
process, so each video is decoded by one of a few worker processes (`worker`), which may die. A
`Crew` replaces a dead worker and reports the video; the run goes on.
"""

from __future__ import annotations

import collections
import os
import queue
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np

from videolstm_jax.errors import VideoError
from videolstm_jax.files import PathLike
from videolstm_jax.video.decode import FrameFormat, VideoInfo
from videolstm_jax.video.worker_client import WorkerClient

T = TypeVar("T")

LIMIT = 600.0
"""Seconds that one video may take."""

_AS_STORED = FrameFormat()
"""RGB frames at the size of the video."""


class Crew:
    """Worker processes, each started when it is first needed and again after it has died.

    Threads may share a crew: each request takes an idle worker from a queue and puts it back.
    """

    def __init__(self, workers: int = 2, *, limit: float = LIMIT):
        """Prepares workers.

        Args:
          workers: how many processes.
          limit: seconds that one video may take before its worker is ended.
        """
        self.workers = workers
        self._limit = limit
        self._idle: queue.SimpleQueue[WorkerClient] = queue.SimpleQueue()
        clients = [WorkerClient() for _ in range(workers)]
        for client in clients:
            self._idle.put(client)
        # A finalizer also ends the processes of a crew that is dropped, and those left at exit.
        self.end: Callable[[], None] = weakref.finalize(self, _end, clients)
        """Ends the processes for good, whatever they do; so does dropping the crew."""
        _CREWS[self] = clients

    def probe(self, path: PathLike, *, fps: float = 0.0) -> VideoInfo:
        """Calls `decode.probe_video` in a worker.

        Raises:
          VideoError: what `decode.probe_video` raised, or how the worker ended.
        """
        info, _ = self._ask("probe", path, fps=fps)
        return VideoInfo(*info)

    def check(self, path: PathLike, *, fps: float = 0.0, max_frames: int = 0) -> VideoInfo:
        """Calls `decode.check_video_decodes` in a worker; see `probe`."""
        info, _ = self._ask("check", path, fps=fps, max_frames=max_frames)
        return VideoInfo(*info)

    def read_formats(
        self,
        path: PathLike,
        formats: Sequence[FrameFormat],
        *,
        fps: float = 0.0,
        start: int = 0,
        max_frames: int = 0,
    ) -> list[np.ndarray]:
        """Calls `decode.read_video_formats` in a worker; frames before `start` are not returned."""
        # numpy's numbers cannot be written as JSON
        arguments = {"fps": float(fps), "max_frames": int(max_frames), "start": int(start)}
        _, arrays = self._ask("read_formats", path, formats=list(formats), **arguments)
        return arrays

    def read(
        self,
        path: PathLike,
        *,
        fps: float = 0.0,
        start: int = 0,
        max_frames: int = 0,
        frame_format: FrameFormat = _AS_STORED,
    ) -> np.ndarray:
        """Reads frames of one format in a worker; see `read_video_formats`."""
        formats = [frame_format]
        return self.read_formats(path, formats, fps=fps, start=start, max_frames=max_frames)[0]

    def _ask(
        self, work: str, path: PathLike, **arguments: Any
    ) -> tuple[list[float], list[np.ndarray]]:
        # Waits until a worker is idle: there are never more requests than processes.
        client = self._idle.get()
        try:
            return client.ask({"work": work, "path": os.fspath(path), **arguments}, self._limit)
        finally:
            self._idle.put(client)


_CREWS: weakref.WeakKeyDictionary[Crew, list[WorkerClient]] = weakref.WeakKeyDictionary()
"""All crews in use, for `interrupt_video_decoding`."""


def interrupt_video_decoding() -> None:
    """Ends the processes of all crews, so that no thread goes on waiting for a video.

    Signal handlers may call it: it waits for nothing and takes no lock.
    """
    for clients in list(_CREWS.values()):
        for client in clients:
            client.kill()


def _end(clients: Sequence[WorkerClient]) -> None:
    # All are killed before the first is waited for.
    for client in clients:
        client.kill()
    for client in clients:
        client.close()


def videos_decoded_ahead(crew: Crew, work: Callable[[T], Any], items: Iterable[T]) -> Iterator[Any]:
    """Yields the result of `work` for each item in order, computing a few items ahead.

    A `VideoError` of `work` is yielded in the place of the result, so that the videos behind it
    still come. If the generator is left before the last item, by an error or an interruption, it
    ends the crew: nobody waits for what is being decoded.
    """

    def result_or_error(item: T) -> Any:
        try:
            return work(item)
        except VideoError as error:
            # Raised here, it would come out at the item that is asked for, and end the others.
            return error

    pending: collections.deque[Future] = collections.deque()
    with ThreadPoolExecutor(crew.workers) as pool:
        try:
            for item in items:
                pending.append(pool.submit(result_or_error, item))
                # One item more than workers: a worker has work while its last result is used.
                if len(pending) > crew.workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        except BaseException:
            for future in pending:
                future.cancel()
            crew.end()
            raise


def read_all_videos(
    paths: Iterable[PathLike],
    *,
    fps: float = 0.0,
    max_frames: int = 0,
    size: tuple[int, int] | None = None,
    grey: bool = False,
    workers: int = 2,
    limit: float = LIMIT,
) -> Iterator[np.ndarray | VideoError]:
    """Decodes videos in worker processes, a few ahead of the one that is asked for.

    Args:
      paths: video files.
      fps: see `decode.read_video`, as are max_frames and size.
      max_frames: frames at most; 0 for all.
      size: (W, H) pixels, or None.
      grey: return luma (`flow.image.grey_frames_for_flow`) instead of RGB.
      workers: processes.
      limit: seconds one video may take before its worker is ended.

    Yields:
      For each path in order, [L, H, W, 3] or, grey, [L, H, W] uint8, or the error that
      `decode.read_video` or its worker's end gave.
    """
    crew = Crew(workers, limit=limit)
    # A reader that stops early closes this generator, which ends the processes.
    formats = [FrameFormat(size, grey)]

    def frames(path: PathLike) -> np.ndarray:
        return crew.read_formats(path, formats, fps=fps, max_frames=max_frames)[0]

    try:
        yield from videos_decoded_ahead(crew, frames, paths)
    finally:
        crew.end()
