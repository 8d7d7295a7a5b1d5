"""Flow of many videos, their pairs packed into batches of one size.

A batch holds pairs of one frame size from as many videos as fit. XLA compiles a program for each
shape, so each frame size is compiled once, whatever the lengths of the videos.
"""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import jax
import numpy as np

from videolstm_jax.flow import image, tvl1


class FlowImages(NamedTuple):
    """Flow images of one video, [L-1, H, W, 2] uint8, and statistics of the flow before clipping.

    `largest` is the greatest displacement in pixels, `saturated` the share of pixels at or beyond
    the bound.
    """

    name: str
    images: np.ndarray
    largest: float
    saturated: float


class _UnfinishedVideo:
    """The flow images of a video so far; `done` pairs are complete."""

    def __init__(self, pairs: int, size: tuple[int, int]) -> None:
        self.images = np.empty((pairs, *size, 2), np.uint8)
        self.done = 0
        self.largest = 0.0
        self.saturated = 0


def batch_pairs(height: int, width: int) -> int:
    """Returns the number of pairs in a batch.

    A batch has about 2**18 pixels and at most 64 pairs on a CPU, 2**22 pixels and 1024 pairs on an
    accelerator, which needs more to be busy. Another number may change last bits of the flow.
    """
    pixels, most = 2**22, 1024
    if jax.default_backend() == "cpu":
        pixels, most = 2**18, 64
    return min(most, max(4, pixels // (height * width)))


def tvl1_of_arrays(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Computes `tvl1.tvl1` of numpy arrays."""
    return np.asarray(tvl1.tvl1(a, b))


def flow_images(
    videos: Iterable[tuple[str, np.ndarray]],
    bound: Callable[[int, int], float],
    *,
    method: Callable[[np.ndarray, np.ndarray], np.ndarray] = tvl1_of_arrays,
    workers: int = 1,
    progress: Callable[[int], None] = lambda pairs: None,
) -> Iterator[FlowImages]:
    """Computes the flow of every pair of consecutive frames.

    A batch goes on in the next video where one ends; only the last batch of each size is filled up,
    with empty pairs.

    Args:
      videos: names, and frames [L, H, W] uint8, L >= 2.
      bound: the displacement that becomes 0 or 255, from (W, H).
      method: the flow of a batch of pairs, [P, H, W] twice to [P, H, W, 2].
      workers: batches computed at a time, since XLA gives each a single core of a CPU; they change
        no result.
      progress: called with the number of pairs after each batch.

    Yields:
      One record a video, as soon as its last pair is done.
    """
    unfinished: dict[str, _UnfinishedVideo] = {}
    running: collections.deque[tuple[Future, list[tuple[str, int]]]] = collections.deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for a, b, owners in _batches(videos, unfinished):
                running.append((pool.submit(method, a, b), owners))
                # One batch more than workers, so that none waits while results are handed out.
                if len(running) > workers:
                    yield from _hand_out(*running.popleft(), unfinished, bound, progress)
            while running:
                yield from _hand_out(*running.popleft(), unfinished, bound, progress)
        finally:
            # The caller may stop early: batches that have not started are dropped.
            for future, _ in running:
                future.cancel()


def _batches(
    videos: Iterable[tuple[str, np.ndarray]], unfinished: dict[str, _UnfinishedVideo]
) -> Iterator[tuple[np.ndarray, np.ndarray, list[tuple[str, int]]]]:
    """Yields batches: first frames, second frames, and (name, pairs) of their videos in order."""
    # One queue for each frame size; a batch leaves a queue as soon as it is full.
    waiting: dict[tuple[int, int], list[tuple[str, np.ndarray]]] = {}
    for name, frames in videos:
        size = frames.shape[1:]
        unfinished[name] = _UnfinishedVideo(len(frames) - 1, size)
        queue = waiting.setdefault(size, [])
        queue.append((name, frames))
        # One long video may fill several batches.
        while _queued_pairs(queue) >= batch_pairs(*size):
            yield _filled(queue)
    # What is left of each size fills no batch; only these batches have empty pairs.
    for queue in waiting.values():
        while queue:
            yield _filled(queue)


def _queued_pairs(queue: list[tuple[str, np.ndarray]]) -> int:
    pairs = 0
    for _, frames in queue:
        pairs += len(frames) - 1
    return pairs


def _filled(
    queue: list[tuple[str, np.ndarray]],
) -> tuple[np.ndarray, np.ndarray, list[tuple[str, int]]]:
    """Takes one batch from the front of the queue."""
    height, width = queue[0][1].shape[1:]
    batch_size = batch_pairs(height, width)
    a, b = np.zeros((2, batch_size, height, width), np.uint8)
    owners: list[tuple[str, int]] = []
    filled = 0
    while queue and filled < batch_size:
        name, frames = queue.pop(0)
        n = min(len(frames) - 1, batch_size - filled)
        a[filled : filled + n], b[filled : filled + n] = frames[:n], frames[1 : n + 1]
        owners.append((name, n))
        filled += n
        if n < len(frames) - 1:
            # The last frame used is the first frame of the next pair.
            queue.insert(0, (name, frames[n:]))
    return a, b, owners


def _hand_out(
    batch: Future,
    owners: list[tuple[str, int]],
    unfinished: dict[str, _UnfinishedVideo],
    bound: Callable[[int, int], float],
    progress: Callable[[int], None],
) -> Iterator[FlowImages]:
    """Copies each video's part of a batch into its images; yields the videos it completes."""
    flow = batch.result()
    height, width = flow.shape[1:3]
    limit = bound(width, height)
    pairs = 0
    for _, n in owners:
        pairs += n
    progress(pairs)
    start = 0
    # The empty pairs of the last batch have no owner and are passed over.
    for name, n in owners:
        video, part = unfinished[name], flow[start : start + n]
        start += n
        video.images[video.done : video.done + n] = image.to_image(part, limit)
        video.done += n
        displacement = np.abs(part)
        video.largest = max(video.largest, float(displacement.max()))
        # Measured before clipping: afterwards a value at the bound may have been far beyond it.
        video.saturated += int((displacement.max(-1) >= limit).sum())
        if video.done == len(video.images):
            del unfinished[name]
            pixels = video.done * height * width
            yield FlowImages(name, video.images, video.largest, video.saturated / pixels)
