"""What each stage of a stream takes, a frame."""

from __future__ import annotations

import collections
from collections.abc import Mapping

import numpy as np

KEPT = 1000
"""Times of so many last frames are kept."""
WARM = 2
"""The first frames compile, and are not counted."""


class Latency:
    """Collects seconds by stage, in memory that does not grow."""

    def __init__(self) -> None:
        """Begins with none."""
        self._times: dict[str, collections.deque[float]] = {}
        self._frames = 0

    def add(self, seconds: Mapping[str, float]) -> None:
        """Notes one frame."""
        self._frames += 1
        if self._frames > WARM:
            for stage, taken in {**seconds, "all": sum(seconds.values())}.items():
                self._times.setdefault(stage, collections.deque(maxlen=KEPT)).append(taken)

    def table(self) -> str:
        """Milliseconds a frame, a line a stage; one line where too few frames were seen."""
        if not self._times:
            return f"{self._frames} frames are too few to time: the first {WARM} compile"
        counted = len(self._times["all"])
        rows = [f"ms a frame, of the last {counted} frames   median     95 %"]
        for stage, taken in self._times.items():
            median, most = 1000 * np.percentile(list(taken), (50, 95))
            rows.append(f"  {stage:<38} {median:8.2f} {most:8.2f}")
        return "\n".join(rows)
