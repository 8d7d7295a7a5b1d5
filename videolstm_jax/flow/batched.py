"""Flow of many videos, their pairs packed into batches of one size.

A batch holds pairs of one frame size from as many videos as fit. XLA compiles a program for each
shape, so each frame size is compiled once, whatever the lengths of the videos.
"""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from operator import attrgetter
from types import MappingProxyType
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


class _Segment(NamedTuple):
    """Frames [n + 1, H, W] of n consecutive pairs of a video, from the pair `first` on."""

    name: str
    first: int
    frames: np.ndarray

    @property
    def pairs(self) -> int:
        return len(self.frames) - 1


class _Owner(NamedTuple):
    """Whose pairs the next `pairs` places of a batch are."""

    name: str
    first: int
    pairs: int


class _UnfinishedVideo:
    """The flow images of a video so far; `done` pairs are complete."""

    def __init__(self, pairs: int, size: tuple[int, int], limit: float) -> None:
        self.images = np.empty((pairs, *size, 2), np.uint8)
        self.limit = limit
        self.done = 0
        self.largest = 0.0
        self.saturated = 0

    def add(self, part: FlowPart) -> None:
        """Takes the flow of some pairs."""
        # Parts come in any order and become images at once: a byte takes a quarter of a float.
        pairs = len(part.flow)
        self.images[part.first : part.first + pairs] = image.to_image(part.flow, self.limit)
        self.done += pairs
        displacement = np.abs(part.flow)
        self.largest = max(self.largest, float(displacement.max()))
        # Measured before clipping: afterwards a value at the bound may have been far beyond it.
        self.saturated += int((displacement.max(-1) >= self.limit).sum())

    @property
    def is_complete(self) -> bool:
        return self.done == len(self.images)

    def finish(self, name: str) -> FlowImages:
        height, width = self.images.shape[1:3]
        pixels = self.done * height * width
        return FlowImages(name, self.images, self.largest, self.saturated / pixels)


def batch_pairs(height: int, width: int) -> int:
    """Returns the number of pairs in a batch.

    A batch has about 2**18 pixels and at most 64 pairs on a CPU, 2**22 pixels and 1024 pairs on an
    accelerator, which needs more to be busy. Another number may change last bits of the flow.
    """
    # At least 4 pairs, so that pairs of large frames still share the cost of a call.
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
    computed: Mapping[str, FlowPart] = MappingProxyType({}),
) -> Iterator[FlowImages]:
    """Computes the flow of every pair of consecutive frames.

    Args:
      videos: names, and frames [L, H, W] uint8, L >= 2.
      bound: the displacement that becomes 0 or 255, from (W, H).
      method: the flow of a batch of pairs, [P, H, W] twice to [P, H, W, 2].
      workers: batches computed at a time, since XLA gives each a single core of a CPU; they change
        no result.
      progress: called with the number of pairs after each batch.
      computed: flow that is used as it is, by the name of its video.

    Yields:
      One record a video, as soon as its last pair is done.
    """
    unfinished: dict[str, _UnfinishedVideo] = {}

    def segments() -> Iterator[_Segment]:
        for name, frames in videos:
            height, width = frames.shape[1:]
            video = _UnfinishedVideo(len(frames) - 1, (height, width), bound(width, height))
            unfinished[name] = video
            first = 0
            part = computed.get(name)
            if part is not None and _fits(part, frames):
                video.add(part)
                # What lies before the part and behind it is still to be computed. n pairs have
                # n + 1 frames, so both segments share a frame with the part.
                yield _Segment(name, 0, frames[: part.first + 1])
                first = part.first + len(part.flow)
            yield _Segment(name, first, frames[first:])

    for part in _flow_parts(segments(), method, workers, progress):
        unfinished[part.name].add(part)
        if unfinished[part.name].is_complete:
            yield unfinished.pop(part.name).finish(part.name)
    # Videos of which every pair was computed before.
    for name, video in unfinished.items():
        yield video.finish(name)


def _fits(part: FlowPart, frames: np.ndarray) -> bool:
    """Whether flow that was computed before is of a video that has not changed since."""
    return part.flow.shape[1:3] == frames.shape[1:] and part.first + len(part.flow) < len(frames)


def sample_flow(
    videos: Iterable[tuple[str, int, np.ndarray]],
    *,
    method: Callable[[np.ndarray, np.ndarray], np.ndarray] = tvl1_of_arrays,
    workers: int = 1,
) -> Iterator[FlowPart]:
    """Computes the flow of a few pairs of each video, as displacements.

    Args:
      videos: names, the number of the first frame, and frames [n + 1, H, W] uint8.
      method: see `flow_images`.
      workers: see `flow_images`.

    Yields:
      One part a video, in the order in which they are done.
    """
    unfinished: dict[str, list[FlowPart]] = {}
    pairs: dict[str, int] = {}

    def segments() -> Iterator[_Segment]:
        for name, first, frames in videos:
            unfinished[name] = []
            pairs[name] = len(frames) - 1
            yield _Segment(name, first, frames)

    for part in _flow_parts(segments(), method, workers, lambda pairs: None):
        parts = unfinished[part.name]
        parts.append(part)
        # A batch may end within the pairs of a video.
        if sum(len(part.flow) for part in parts) == pairs[part.name]:
            flow = np.concatenate([part.flow for part in parts])
            yield FlowPart(part.name, parts[0].first, flow)


_SIDE_STEP = 16
"""Sides are filled up to a multiple of so many pixels where videos come in any size."""


def flow_in_order(
    frames: np.ndarray, method: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> Iterator[np.ndarray]:
    """Computes the flow of one video, a batch ahead of the pair that is asked for.

    XLA compiles a program for each size. So frames are filled up with their last row and column to
    a multiple of 16 pixels, and videos of many sizes share a few programs.

    Args:
      frames: [L, H, W] uint8.
      method: see `flow_images`.

    Yields:
      The displacements of each of the L - 1 pairs, [H, W, 2] pixels.
    """
    height, width = frames.shape[1:]
    more = [(0, -side % _SIDE_STEP) for side in (height, width)]
    size = batch_pairs(height + more[0][1], width + more[1][1])

    def batch(start: int) -> np.ndarray:
        a, b = frames[start : start + size], frames[start + 1 : start + 1 + size]
        pairs = len(b)
        # The last batch is filled up with its last frame for the same reason.
        fill = [(0, size - pairs), *more]
        flow = method(np.pad(a[:pairs], fill, "edge"), np.pad(b, fill, "edge"))
        return flow[:pairs, :height, :width]

    with ThreadPoolExecutor(1) as pool:
        starts = range(0, len(frames) - 1, size)
        batches: collections.deque[Future] = collections.deque()
        for start in starts:
            batches.append(pool.submit(batch, start))
            # One ahead: XLA and numpy work at the same time, and memory holds two batches.
            if len(batches) > 1:
                yield from batches.popleft().result()
        for future in batches:
            yield from future.result()


# ---- batches -------------------------------------------------------------------------------------


def _flow_parts(
    segments: Iterable[_Segment],
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
    segments: Iterable[_Segment],
) -> Iterator[tuple[np.ndarray, np.ndarray, list[_Owner]]]:
    """Yields batches: first frames, second frames, and their owners in order."""
    # One queue for each frame size; a batch leaves a queue as soon as it is full.
    waiting: dict[tuple[int, int], list[_Segment]] = {}
    for segment in segments:
        if not segment.pairs:
            continue
        size = segment.frames.shape[1:]
        queue = waiting.setdefault(size, [])
        queue.append(segment)
        # One long video may fill several batches.
        while _pairs_of(queue) >= batch_pairs(*size):
            yield _filled(queue)
    # What is left of each size fills no batch; only these batches have empty pairs.
    for queue in waiting.values():
        while queue:
            yield _filled(queue)


def _pairs_of(items: Iterable[_Segment | _Owner]) -> int:
    """The pairs of several segments, or of several owners, together."""
    return sum(map(attrgetter("pairs"), items))


def _filled(queue: list[_Segment]) -> tuple[np.ndarray, np.ndarray, list[_Owner]]:
    """Takes one batch from the front of the queue."""
    height, width = queue[0].frames.shape[1:]
    batch_size = batch_pairs(height, width)
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
            queue.insert(0, _Segment(name, first + n, frames[n:]))
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
