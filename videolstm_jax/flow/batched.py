"""Flow of many videos, their pairs packed into batches of one size, so that each frame size is
traced once.
"""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import jax
import numpy as np

from videolstm_jax.flow import image, tvl1


class Images(NamedTuple):
    """Flow images of one video, [L-1, H, W, 2] uint8, and what they were clipped from.

    `largest` is the greatest displacement in pixels, `saturated` the share of pixels at or beyond
    the bound.
    """

    name: str
    images: np.ndarray
    largest: float
    saturated: float


class _Open:
    """A video whose pairs are not all done."""

    def __init__(self, pairs: int, size: tuple[int, int]) -> None:
        self.images = np.empty((pairs, *size, 2), np.uint8)
        self.done = 0
        self.largest = 0.0
        self.saturated = 0


def batch_pairs(height: int, width: int) -> int:
    """Pairs in a batch: some 2**18 pixels on a CPU, 2**22 on an accelerator, but at most 64 or 1024
    pairs.
    """
    pixels, most = (2**18, 64) if jax.default_backend() == "cpu" else (2**22, 1024)
    return min(most, max(4, pixels // (height * width)))


def ours(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """`tvl1.tvl1` of numpy arrays."""
    return np.asarray(tvl1.tvl1(a, b))


def flow_images(
    videos: Iterable[tuple[str, np.ndarray]],
    bound: Callable[[int, int], float],
    *,
    method: Callable[[np.ndarray, np.ndarray], np.ndarray] = ours,
    workers: int = 1,
    progress: Callable[[int], None] = lambda pairs: None,
) -> Iterator[Images]:
    """Computes the flow of every pair of consecutive frames.

    Batches run over the ends of videos; only the last one of each size is filled up, with empty
    pairs.

    Args:
      videos: names, and frames [L, H, W] uint8, L >= 2.
      bound: the displacement that becomes 0 or 255, from (W, H).
      method: the flow of a batch of pairs, [P, H, W] twice to [P, H, W, 2].
      workers: batches computed at a time, since XLA gives each a single core of a CPU; they change
        no result.
      progress: told the number of pairs after each batch.

    Yields:
      One record a video, as soon as its last pair is done.
    """
    unfinished: dict[str, _Open] = {}
    running: collections.deque[tuple[Future, list[tuple[str, int]]]] = collections.deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for a, b, owners in _batches(videos, unfinished):
                running.append((pool.submit(method, a, b), owners))
                if len(running) > workers:
                    yield from _hand_out(*running.popleft(), unfinished, bound, progress)
            while running:
                yield from _hand_out(*running.popleft(), unfinished, bound, progress)
        finally:
            for future, _ in running:
                future.cancel()


def _batches(
    videos: Iterable[tuple[str, np.ndarray]], unfinished: dict[str, _Open]
) -> Iterator[tuple[np.ndarray, np.ndarray, list[tuple[str, int]]]]:
    """Yields batches of first and second frames, and whose pairs they are, in order: names and
    counts.
    """
    waiting: dict[tuple[int, int], list[tuple[str, np.ndarray]]] = {}
    for name, frames in videos:
        size = frames.shape[1:]
        unfinished[name] = _Open(len(frames) - 1, size)
        queue = waiting.setdefault(size, [])
        queue.append((name, frames))
        while sum(len(frames) - 1 for _, frames in queue) >= batch_pairs(*size):
            yield _filled(queue)
    for queue in waiting.values():
        while queue:
            yield _filled(queue)


def _filled(
    queue: list[tuple[str, np.ndarray]],
) -> tuple[np.ndarray, np.ndarray, list[tuple[str, int]]]:
    """Takes one batch from the front of the queue."""
    height, width = queue[0][1].shape[1:]
    room = batch_pairs(height, width)
    a, b = np.zeros((2, room, height, width), np.uint8)
    owners: list[tuple[str, int]] = []
    at = 0
    while queue and at < room:
        name, frames = queue.pop(0)
        n = min(len(frames) - 1, room - at)
        a[at : at + n], b[at : at + n] = frames[:n], frames[1 : n + 1]
        owners.append((name, n))
        at += n
        if n < len(frames) - 1:
            queue.insert(0, (name, frames[n:]))
    return a, b, owners


def _hand_out(
    batch: Future,
    owners: list[tuple[str, int]],
    unfinished: dict[str, _Open],
    bound: Callable[[int, int], float],
    progress: Callable[[int], None],
) -> Iterator[Images]:
    """Gives each video its part of a batch; yields those that it completes."""
    flow = batch.result()
    height, width = flow.shape[1:3]
    limit = bound(width, height)
    progress(sum(n for _, n in owners))
    at = 0
    for name, n in owners:
        video, part = unfinished[name], flow[at : at + n]
        at += n
        video.images[video.done : video.done + n] = image.to_image(part, limit)
        video.done += n
        size = np.abs(part)
        video.largest = max(video.largest, float(size.max()))
        video.saturated += int((size.max(-1) >= limit).sum())
        if video.done == len(video.images):
            del unfinished[name]
            yield Images(
                name, video.images, video.largest, video.saturated / (video.done * height * width)
            )
