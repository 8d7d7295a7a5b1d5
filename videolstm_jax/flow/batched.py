"""Flow of many videos, their pairs packed into batches of one size.

A batch holds pairs of one frame size from as many videos as fit. XLA compiles a program for each
shape, so each frame size is compiled once, whatever the lengths of the videos.
"""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from videolstm_jax.flow import image, packing, tvl1
from videolstm_jax.flow.packing import FlowPart, Segment, flow_pair_parts
from videolstm_jax.flow.tvl1_settings import TVL1_EDGES


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
        self.images[part.first : part.first + pairs] = image.flow_to_image(part.flow, self.limit)
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


def tvl1_of_arrays(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Computes `tvl1.tvl1` of numpy arrays."""
    return np.asarray(tvl1.tvl1(a, b))


def tvl1_edges_of_arrays(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Computes `tvl1.tvl1` of numpy arrays with the settings `TVL1_EDGES`."""
    return np.asarray(tvl1.tvl1(a, b, settings=TVL1_EDGES))


def batched_tvl1_images(
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

    def segments() -> Iterator[Segment]:
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
                yield Segment(name, 0, frames[: part.first + 1])
                first = part.first + len(part.flow)
            yield Segment(name, first, frames[first:])

    for part in flow_pair_parts(segments(), method, workers, progress):
        unfinished[part.name].add(part)
        if unfinished[part.name].is_complete:
            yield unfinished.pop(part.name).finish(part.name)
    # Videos of which every pair was computed before.
    for name, video in unfinished.items():
        yield video.finish(name)


def _fits(part: FlowPart, frames: np.ndarray) -> bool:
    """Whether flow that was computed before is of a video that has not changed since."""
    return part.flow.shape[1:3] == frames.shape[1:] and part.first + len(part.flow) < len(frames)


def flow_of_sampled_pairs(
    videos: Iterable[tuple[str, int, np.ndarray]],
    *,
    method: Callable[[np.ndarray, np.ndarray], np.ndarray] = tvl1_of_arrays,
    workers: int = 1,
) -> Iterator[FlowPart]:
    """Computes the flow of a few pairs of each video, as displacements.

    Args:
      videos: names, the number of the first frame, and frames [n + 1, H, W] uint8.
      method: see `batched_tvl1_images`.
      workers: see `batched_tvl1_images`.

    Yields:
      One part a video, in the order in which they are done.
    """
    unfinished: dict[str, list[FlowPart]] = {}
    pairs: dict[str, int] = {}

    def segments() -> Iterator[Segment]:
        for name, first, frames in videos:
            unfinished[name] = []
            pairs[name] = len(frames) - 1
            yield Segment(name, first, frames)

    for part in flow_pair_parts(segments(), method, workers, lambda pairs: None):
        parts = unfinished[part.name]
        parts.append(part)
        # A batch may end within the pairs of a video.
        if sum(len(part.flow) for part in parts) == pairs[part.name]:
            flow = np.concatenate([part.flow for part in parts])
            yield FlowPart(part.name, parts[0].first, flow)


_SIDE_STEP = 16
"""Sides are filled up to a multiple of so many pixels where videos come in any size."""


def flow_pairs_in_order(
    frames: np.ndarray, method: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> Iterator[np.ndarray]:
    """Computes the flow of one video, a batch ahead of the pair that is asked for.

    XLA compiles a program for each size. So frames are filled up with their last row and column to
    a multiple of 16 pixels, and videos of many sizes share a few programs.

    Args:
      frames: [L, H, W] uint8.
      method: see `batched_tvl1_images`.

    Yields:
      The displacements of each of the L - 1 pairs, [H, W, 2] pixels.
    """
    height, width = frames.shape[1:]
    more = [(0, -side % _SIDE_STEP) for side in (height, width)]
    size = packing.flow_pairs_in_batch(height + more[0][1], width + more[1][1])

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
