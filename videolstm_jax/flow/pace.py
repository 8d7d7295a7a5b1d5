"""The cost of flow estimated beforehand, progress on the way, and warnings afterwards."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from videolstm_jax.flow import batched

SATURATED = 0.05
"""A video with more than this share of pixels at the bound is named in a warning."""
STILL = 0.05
"""A video whose largest displacement is below this many pixels is named in a warning."""
PROGRESS_SECONDS = 5
"""The time between two lines of progress."""
NAMES_SHOWN = 5
"""A warning names this many videos."""
# Bytes of each stored picture and of each of its pixels, measured on real clips.
_PICTURE_BYTES = 550
_JPEG_BYTES = 0.054
_PNG_BYTES = 0.4


class FlowCost(NamedTuple):
    """The estimated cost of preparing a data set.

    Pairs of frames, seconds of flow, bytes of the flow images, bytes of the features of both
    streams.
    """

    pairs: int
    flow_seconds: float
    flow_bytes: int
    feature_bytes: int

    def __str__(self) -> str:
        """Describes the cost in one line."""
        return (
            f"{self.pairs} pairs of frames: flow takes about {duration(self.flow_seconds)} and "
            f"{size(self.flow_bytes)}, the features of both streams {size(self.feature_bytes)}"
        )


def estimate_flow_cost(
    videos: Sequence[tuple[int, int, int]],
    *,
    jpeg: bool,
    frame_floats: int,
    workers: int = 1,
    method: Callable[[np.ndarray, np.ndarray], np.ndarray] = batched.tvl1_of_arrays,
) -> FlowCost:
    """Estimates the cost from a timed batch of the most frequent frame size.

    Frames are noise: TV-L1 takes as long for any picture.

    Args:
      videos: pairs, H and W of each.
      jpeg: whether flow images are stored as JPEG or as PNG.
      frame_floats: values that the features of one frame of one stream hold.
      workers: batches at a time.
      method: see `batched.flow_images`.
    """
    # Ties go to the larger size, so that the estimate does not depend on the order of videos.
    sizes = [(height, width) for _, height, width in videos]
    height, width = max(set(sizes), key=lambda size: (sizes.count(size), size))
    # The time goes with the number of pixels, so one size is enough to measure.
    seconds_a_pixel = _seconds_a_pixel(height, width, workers, method)
    pairs = sum(count for count, _, _ in videos)
    pixels = sum(count * height * width for count, height, width in videos)
    pixel_bytes = _JPEG_BYTES if jpeg else _PNG_BYTES
    return FlowCost(
        pairs=pairs,
        flow_seconds=pixels * seconds_a_pixel,
        # two pictures for each pair, u and v
        flow_bytes=round(2 * (pairs * _PICTURE_BYTES + pixels * pixel_bytes)),
        # two streams of values of two bytes
        feature_bytes=2 * 2 * frame_floats * pairs,
    )


def _seconds_a_pixel(
    height: int,
    width: int,
    workers: int,
    method: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> float:
    """Times as many batches as run at a time."""
    n = batched.batch_pairs(height, width)
    frames = np.random.default_rng(0).integers(0, 256, (n * workers + 1, height, width), np.uint8)
    seconds = 0.0
    for batches in (1, workers):  # the first round compiles; the second is the result
        video = [("", frames[: n * batches + 1])]
        began = time.perf_counter()
        list(batched.flow_images(video, lambda width, height: 1.0, method=method, workers=workers))
        seconds = (time.perf_counter() - began) / (n * batches * height * width)
    return seconds


class FlowProgress:
    """Prints a line of progress every few seconds."""

    def __init__(self, videos: int, pairs: int) -> None:
        """Starts the clock for so many videos and pairs of frames."""
        self._videos, self._pairs = videos, pairs
        self._videos_done = self._pairs_done = 0
        self._began = self._printed = time.perf_counter()

    def pairs_done(self, pairs: int) -> None:
        """Counts a batch of pairs."""
        self._pairs_done += pairs
        now = time.perf_counter()
        if now - self._printed <= PROGRESS_SECONDS:
            return
        self._printed = now
        rate = self._pairs_done / (now - self._began)
        left = max(0, self._pairs - self._pairs_done) / rate
        print(
            f"prepare: {self._videos_done} of {self._videos} videos, {rate:.1f} pairs/s, "
            f"{duration(left)} left",
            flush=True,
        )

    def video_done(self) -> None:
        """Counts a video."""
        self._videos_done += 1


def warn_of_flow(ranges: Mapping[str, tuple[float, float]], stage: str = "prepare") -> None:
    """Warns on stderr of videos whose flow looks wrong.

    Args:
      ranges: the greatest displacement in pixels, and the share of pixels at or beyond the bound,
        by video.
      stage: the stage that warns.
    """
    still, saturated = [], []
    for name, (largest, share) in sorted(ranges.items()):
        # A still video is probably a slide or a frozen recording; a saturated one has a scene cut
        # or a bound that is too small.
        if largest < STILL:
            still.append(name)
        if share > SATURATED:
            saturated.append(f"{name} ({share:.0%})")
    warn("nothing moves in", still, stage)
    warn("over 5 % of pixels are at the bound in", saturated, stage)


def warn(problem: str, names: Sequence[str], stage: str = "prepare") -> None:
    """Warns on stderr of a problem with the number and first names of videos, if there are any."""
    if not names:
        return
    examples = ", ".join(names[:NAMES_SHOWN])
    if len(names) > NAMES_SHOWN:
        examples += " .."
    message = f"{stage}: warning: {problem} {len(names)} videos: {examples}"
    print(message, file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """Formats a duration in seconds, minutes, hours or days."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    if seconds < 360_000:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86_400:.0f} days"


def size(count: float) -> str:
    """Formats a number of bytes in MB or GB."""
    return f"{count / 1e6:.1f} MB" if count < 1e9 else f"{count / 1e9:.1f} GB"
