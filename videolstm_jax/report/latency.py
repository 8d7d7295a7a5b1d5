"""The time that each part of a stream takes for a frame."""

from __future__ import annotations

import collections
from collections.abc import Mapping

import numpy as np

RECENT_FRAMES = 1000
"""Percentiles are taken over this many frames, the last ones."""
WARM_UP = 2
"""The first frames include compilation and are not counted."""


class Latency:
    """Collects seconds by part of the work, in bounded memory."""

    def __init__(self) -> None:
        """Starts without a frame."""
        self._seconds: dict[str, collections.deque[float]] = {}
        self._frames = 0

    def add(self, seconds: Mapping[str, float]) -> None:
        """Adds the times of one frame."""
        self._frames += 1
        if self._frames <= WARM_UP:
            return
        # The whole frame is a part of its own: percentiles of parts do not add up to its own.
        for part, value in {**seconds, "all": sum(seconds.values())}.items():
            # A stream may run for days; a deque forgets its oldest value.
            self._seconds.setdefault(part, collections.deque(maxlen=RECENT_FRAMES)).append(value)

    def table(self) -> str:
        """Formats milliseconds for a frame, a line for each part; one line if frames were few."""
        if not self._seconds:
            return f"{self._frames} frames are too few to time: the first {WARM_UP} compile"
        counted = len(self._seconds["all"])
        rows = [f"ms a frame, of the last {counted} frames   median     95 %"]
        for part, values in self._seconds.items():
            median, high = 1000 * np.percentile(list(values), (50, 95))
            rows.append(f"  {part:<38} {median:8.2f} {high:8.2f}")
        return "\n".join(rows)
