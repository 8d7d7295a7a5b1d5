"""What flow costs and how it goes: an estimate before, a line now and then, warnings after."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from videolstm_jax.flow import batched

SATURATED = 0.05
"""More than this share of pixels at the bound is worth a warning."""
STILL = 0.05
"""Pixels; a video that nowhere moves more is worth one, too."""
_PICTURE_BYTES = 550
_JPEG_BYTES = 0.054
_PNG_BYTES = 0.4
"""Bytes of each stored picture, and of each of its pixels, measured on real clips."""


class Cost(NamedTuple):
    """What a walk is about to spend: pairs of frames, seconds of flow, bytes of flow images and of
    features.
    """

    pairs: int
    flow_seconds: float
    flow_bytes: int
    feature_bytes: int

    def __str__(self) -> str:
        return (
            f"{self.pairs} pairs of frames: flow takes about {duration(self.flow_seconds)} and "
            f"{size(self.flow_bytes)}, the features of both streams {size(self.feature_bytes)}"
        )


def estimate(
    videos: Sequence[tuple[int, int, int]],
    *,
    jpeg: bool,
    frame_floats: int,
    workers: int = 1,
    method: Callable[[np.ndarray, np.ndarray], np.ndarray] = batched.ours,
) -> Cost:
    """Estimates a walk from a timed batch of the commonest size; TV-L1 takes as long for any
    picture.

    Args:
      videos: pairs, H and W of each.
      jpeg: whether flow images are kept as JPEG or as PNG.
      frame_floats: values that the features of one frame of one stream hold.
      workers: batches at a time.
      method: see `batched.flow_images`.
    """
    sizes = [(height, width) for _, height, width in videos]
    height, width = max(set(sizes), key=lambda size: (sizes.count(size), size))
    n = batched.batch_pairs(height, width)
    frames = np.random.default_rng(0).integers(0, 256, (n * workers + 1, height, width), np.uint8)
    for batches in (1, workers):  # the first time compiles
        began = time.perf_counter()
        list(
            batched.flow_images(
                [("", frames[: n * batches + 1])],
                lambda width, height: 1.0,
                method=method,
                workers=workers,
            )
        )
        seconds = (time.perf_counter() - began) / (n * batches * height * width)
    pairs, pixels = (
        sum(n for n, _, _ in videos),
        sum(n * height * width for n, height, width in videos),
    )
    rate = _JPEG_BYTES if jpeg else _PNG_BYTES
    return Cost(
        pairs,
        pixels * seconds,
        round(2 * (pairs * _PICTURE_BYTES + pixels * rate)),
        2 * 2 * frame_floats * pairs,
    )


class Progress:
    """Prints a line every few seconds."""

    def __init__(self, videos: int, pairs: int) -> None:
        """Starts the clock for so many videos and pairs of frames."""
        self._videos, self._pairs = videos, pairs
        self._done = self._pairs_done = 0
        self._began = self._said = time.perf_counter()

    def pairs_done(self, pairs: int) -> None:
        """Counts a batch."""
        self._pairs_done += pairs
        now = time.perf_counter()
        if now - self._said > 5:
            self._said = now
            rate = self._pairs_done / (now - self._began)
            left = max(0, self._pairs - self._pairs_done) / rate
            print(
                f"prepare: {self._done} of {self._videos} videos, {rate:.1f} pairs/s, {duration(left)} left",
                flush=True,
            )

    def video_done(self) -> None:
        """Counts a video."""
        self._done += 1


def warn_of_flow(found: Mapping[str, tuple[float, float]], stage: str = "prepare") -> None:
    """Says on stderr in which videos the flow looks wrong.

    Args:
      found: the greatest displacement in pixels, and the share of pixels at or beyond the bound, by
        video.
      stage: which tells it.
    """
    rows = sorted(found.items())
    warn("nothing moves in", [name for name, (largest, _) in rows if largest < STILL], stage)
    warn(
        "over 5 % of pixels are at the bound in",
        [f"{name} ({saturated:.0%})" for name, (_, saturated) in rows if saturated > SATURATED],
        stage,
    )


def warn(what: str, names: Sequence[str], stage: str = "prepare") -> None:
    """Says on stderr what is odd about how many videos, and the first of them; nothing where there
    are none.
    """
    if names:
        print(
            f"{stage}: warning: {what} {len(names)} videos: {', '.join(names[:5])}"
            + (" .." if len(names) > 5 else ""),
            file=sys.stderr,
            flush=True,
        )


def duration(seconds: float) -> str:
    """In seconds, minutes, hours or days."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 360_000 else f"{seconds / 86_400:.0f} days"


def size(count: float) -> str:
    """Bytes in MB or GB."""
    return f"{count / 1e6:.1f} MB" if count < 1e9 else f"{count / 1e9:.1f} GB"
