"""Packs pairs of frames of many videos into batches of one size, and hands their flow out again."""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from operator import attrgetter
from typing import NamedTuple

import jax
import numpy as np


class FlowPart(NamedTuple):
    """The flow of some consecutive pairs of a video, before it becomes images.

    Attributes:
      name: of the video.
      first: the first pair, counted from 0.
      flow: displacements in pixels, [P, H, W, 2].
    """

    name: str
    first: int
    flow: np.ndarray


class Segment(NamedTuple):
    """Frames [n + 1, H, W] of n consecutive pairs of a video, from the pair `first` on."""

    name: str
    first: int
    frames: np.ndarray

    @property
    def pairs(self) -> int:
        """How many pairs of frames it has."""
        return len(self.frames) - 1


class _Owner(NamedTuple):
    """Whose pairs the next `pairs` places of a batch are."""

    name: str
    first: int
    pairs: int


def flow_pairs_in_batch(height: int, width: int) -> int:
    """Returns the number of pairs in a batch.

    A batch has about 2**18 pixels and at most 64 pairs on a CPU, 2**22 pixels and 1024 pairs on an
    accelerator, which needs more to be busy. Another number may change last bits of the flow.
    """
    # At least 4 pairs, so that pairs of large frames still share the cost of a call.
    pixels, most = 2**22, 1024
    if jax.default_backend() == "cpu":
        pixels, most = 2**18, 64
    return min(most, max(4, pixels // (height * width)))


def flow_pair_parts(
    segments: Iterable[Segment],
    method: Callable[[np.ndarray, np.ndarray], np.ndarray],
    workers: int,
    progress: Callable[[int], None],
) -> Iterator[FlowPart]:
    """Yields the flow of all pairs; that of a segment comes in order.

    A batch goes on in the next segment where one ends; only the last batch of each size is filled
    up, with empty pairs.
    """
    running: collections.deque[tuple[Future, list[_Owner]]] = collections.deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for a, b, owners in _batches(segments):
                running.append((pool.submit(method, a, b), owners))
                # One batch more than workers, so that none waits while results are handed out.
                if len(running) > workers:
                    yield from _hand_out(*running.popleft(), progress)
            while running:
                yield from _hand_out(*running.popleft(), progress)
        finally:
            # The caller may stop early: batches that have not started are dropped.
            for future, _ in running:
                future.cancel()


def _batches(
    segments: Iterable[Segment],
) -> Iterator[tuple[np.ndarray, np.ndarray, list[_Owner]]]:
    """Yields batches: first frames, second frames, and their owners in order."""
    # One queue for each frame size; a batch leaves a queue as soon as it is full.
    waiting: dict[tuple[int, int], list[Segment]] = {}
    for segment in segments:
        if not segment.pairs:
            continue
        size = segment.frames.shape[1:]
        queue = waiting.setdefault(size, [])
        queue.append(segment)
        # One long video may fill several batches.
        while _pairs_of(queue) >= flow_pairs_in_batch(*size):
            yield _filled(queue)
    # What is left of each size fills no batch; only these batches have empty pairs.
    for queue in waiting.values():
        while queue:
            yield _filled(queue)


def _pairs_of(items: Iterable[Segment | _Owner]) -> int:
    """The pairs of several segments, or of several owners, together."""
    return sum(map(attrgetter("pairs"), items))


def _filled(queue: list[Segment]) -> tuple[np.ndarray, np.ndarray, list[_Owner]]:
    """Takes one batch from the front of the queue."""
    height, width = queue[0].frames.shape[1:]
    batch_size = flow_pairs_in_batch(height, width)
    # Zeros, because the places of a batch that is not full are computed too.
    a, b = np.zeros((2, batch_size, height, width), np.uint8)
    owners: list[_Owner] = []
    filled = 0
    while queue and filled < batch_size:
        segment = queue.pop(0)
        name, first, frames = segment
        n = min(segment.pairs, batch_size - filled)
        a[filled : filled + n], b[filled : filled + n] = frames[:n], frames[1 : n + 1]
        owners.append(_Owner(name, first, n))
        filled += n
        if n < segment.pairs:
            # The last frame used is the first frame of the next pair.
            queue.insert(0, Segment(name, first + n, frames[n:]))
    return a, b, owners


def _hand_out(
    batch: Future, owners: list[_Owner], progress: Callable[[int], None]
) -> Iterator[FlowPart]:
    """Yields each video's part of a batch."""
    flow = batch.result()
    progress(_pairs_of(owners))
    start = 0
    # The empty pairs of the last batch have no owner and are passed over.
    for owner in owners:
        yield FlowPart(owner.name, owner.first, flow[start : start + owner.pairs])
        start += owner.pairs
