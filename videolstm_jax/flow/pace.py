"""Time and space of flow estimated beforehand, progress on the way, and warnings afterwards."""

from __future__ import annotations

import collections
import math
import sys
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from videolstm_jax.flow import packing
from videolstm_jax.quantities import duration_text, size_text

SATURATED = 0.05
"""A video with more than this share of pixels at the bound is named in a warning."""
STILL = 0.05
"""A video whose largest displacement is below this many pixels is named in a warning."""
NAMES_SHOWN = 5
"""A warning names this many videos."""
# Bytes of each stored picture and of each of its pixels, measured on real clips.
_PICTURE_BYTES = 550
_JPEG_BYTES = 0.054
_PNG_BYTES = 0.4


class _Rate(NamedTuple):
    """Processor seconds of a method of flow: of each pixel of a pair, and to compile one size."""

    pixel: float
    compiling: float


# Measured on cores of an AMD EPYC; docs/experiments/flow.md has the measurements. No accelerator
# was measured; its flow should take less time than this.
_RATES: Mapping[str, _Rate] = {
    "tvl1": _Rate(1.0e-6, 7.0),
    # The same program with other constants; docs/experiments/flow_truth.md compares the times.
    "tvl1_edges": _Rate(1.0e-6, 7.0),
    "dis": _Rate(1.0e-7, 0.0),
    "opencv_tvl1": _Rate(1.29e-5, 0.0),
}
_DECODED_PIXEL_SECONDS = 1e-8
"""Processor seconds to decode a pixel of a video and to shrink it; see docs/experiments/flow.md."""


class FlowVideo(NamedTuple):
    """The size of a video: `pairs` of frames of [height, width], from so many decoded pixels."""

    pairs: int
    height: int
    width: int
    decoded: int


class FlowCost(NamedTuple):
    """What preparing a data set takes: pairs, seconds, bytes of flow, bytes of all features."""

    pairs: int
    decoding_seconds: float
    flow_seconds: float
    flow_bytes: int
    feature_bytes: int

    def __str__(self) -> str:
        """Describes the cost in one line."""
        seconds = self.decoding_seconds + self.flow_seconds
        return (
            f"{self.pairs} pairs of frames: flow takes about {duration_text(seconds)} at the rates "
            f"of an AMD EPYC, and {size_text(self.flow_bytes)}; the features of both streams take "
            f"{size_text(self.feature_bytes)}"
        )


def estimate_flow_cost(
    videos: Sequence[FlowVideo], *, method: str, cores: int, jpeg: bool, frame_floats: int
) -> FlowCost:
    """Estimates the time of flow, and the disk space that flow and features take.

    Nothing is computed here, so that the estimate comes at once. `FlowProgress` later tells the
    rate of this machine.

    Args:
      videos: all of them.
      method: of flow.
      cores: that decode and compute.
      jpeg: whether flow images are stored as JPEG or as PNG.
      frame_floats: values that the features of one frame hold, of both streams together.
    """
    pairs, pixels, decoded = 0, 0, 0
    pairs_of_size: collections.Counter[tuple[int, int]] = collections.Counter()
    for video in videos:
        pairs += video.pairs
        pixels += video.pairs * video.height * video.width
        decoded += video.decoded
        pairs_of_size[video.height, video.width] += video.pairs
    pixel_bytes = _PNG_BYTES
    if jpeg:
        pixel_bytes = _JPEG_BYTES
    return FlowCost(
        pairs=pairs,
        decoding_seconds=decoded * _DECODED_PIXEL_SECONDS / cores,
        flow_seconds=_flow_processor_seconds(pairs_of_size, _RATES[method]) / cores,
        # Two pictures for each pair, u and v.
        flow_bytes=round(2 * (pairs * _PICTURE_BYTES + pixels * pixel_bytes)),
        # Values of two bytes.
        feature_bytes=2 * frame_floats * pairs,
    )


def _flow_processor_seconds(pairs_of_size: Mapping[tuple[int, int], int], rate: _Rate) -> float:
    """Processor seconds to compile the method for each size, and to compute all batches."""
    seconds = 0.0
    for (height, width), pairs in pairs_of_size.items():
        # The last batch of a size is filled up, and takes as long as the others.
        size = packing.flow_pairs_in_batch(height, width)
        computed = math.ceil(pairs / size) * size
        seconds += rate.compiling + computed * height * width * rate.pixel
    return seconds


class FlowProgress:
    """Counts pairs of frames, and estimates how long the others will take."""

    def __init__(self, videos: int, pairs: int) -> None:
        """Starts to count so many videos and pairs of frames."""
        self._videos, self._pairs = videos, pairs
        self._videos_done = self._pairs_done = 0
        self._first: tuple[float, int] | None = None

    def pairs_done(self, pairs: int) -> None:
        """Counts a batch of pairs."""
        self._pairs_done += pairs
        if self._first is None:
            # The first batch compiles, which may take longer than all others together.
            self._first = time.monotonic(), self._pairs_done

    def video_done(self) -> None:
        """Counts a video."""
        self._videos_done += 1

    def line(self, seconds: float) -> str:
        """The line of progress, so many seconds after the start."""
        done = f"prepare: {self._videos_done} of {self._videos} videos"
        if self._first is None:
            return f"{done}; the first batch of flow compiles, {duration_text(seconds)} so far"
        began, compiled = self._first
        pairs = self._pairs_done - compiled
        # The rate leaves the first batch out, so there is none before the second.
        if not pairs:
            return f"{done}, {self._pairs_done} of {self._pairs} pairs"
        rate = pairs / (time.monotonic() - began)
        # Containers may announce fewer frames than they have, so more pairs than planned may come.
        left = max(0, self._pairs - self._pairs_done) / rate
        return f"{done}, {rate:.1f} pairs/s, {duration_text(left)} left"


def warn_of_flow_cost(ranges: Mapping[str, tuple[float, float]], stage: str = "prepare") -> None:
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
    warn_of_videos_for_flow("nothing moves in", still, stage)
    warn_of_videos_for_flow("over 5 % of pixels are at the bound in", saturated, stage)


def warn_of_videos_for_flow(problem: str, names: Sequence[str], stage: str = "prepare") -> None:
    """Warns on stderr of a problem with the number and first names of videos, if there are any."""
    if not names:
        return
    examples = ", ".join(names[:NAMES_SHOWN])
    if len(names) > NAMES_SHOWN:
        examples += " .."
    message = f"{stage}: warning: {problem} {len(names)} videos: {examples}"
    print(message, file=sys.stderr, flush=True)
