"""Class scores over time for the score board, from videos of known length and from streams."""

from __future__ import annotations

import collections
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

SHOWN_CLASSES = 4
"""Classes on a score board; a fifth line in the timeline could not be distinguished."""
TIMELINE_FRAMES = 240
"""Frames of a stream that its timeline shows."""
FIRST_WINDOW = 60
"""Frames that the timeline of a stream shows at first; the number doubles up to the one above."""


class ScoreLines(NamedTuple):
    """Scores of up to four classes.

    `names` are k, and `marks` k remarks behind them, such as " (true)", or none at all: a long name
    is cut, its mark is not. `so_far` [k] are their mean scores up to now. Row t of `values` [n, k],
    in [0, 1], belongs to frame `start` + t * `stride`. The timeline is as wide as `length` frames;
    `bands` are shaded spans of frames (first, last).
    """

    names: tuple[str, ...]
    so_far: np.ndarray
    values: np.ndarray
    start: int
    length: int
    bands: tuple[tuple[int, int], ...] = ()
    stride: int = 1
    marks: tuple[str, ...] = ()

    def mark(self, column: int) -> str:
        """Returns the remark on a class, "" where there is none."""
        if not self.marks:
            return ""
        return self.marks[column]


class EvenSample:
    """An evenly spaced sample of a series of unknown length, in bounded memory.

    It holds at most `most` items and, once it has been full, at least half of that: when it is
    full, every second item is dropped, and from then on only every second item is taken.
    """

    def __init__(self, most: int):
        """Starts empty; `most` is even."""
        self.items: list = []
        self.stride = 1
        self._most = most
        self._count = 0

    def add(self, make: Callable[[], object]) -> None:
        """Takes the next item; `make` is called only if the item belongs to the sample."""
        if self._count % self.stride == 0:
            if len(self.items) == self._most:
                # Every second item of an even spacing is an even spacing again, twice as wide.
                self.items = self.items[::2]
                self.stride *= 2
            self.items.append(make())
        self._count += 1


class RecentScores:
    """The scores of the last frames of a stream; a shown class stays at its place and colour."""

    def __init__(self, classes: Sequence[str]):
        """Starts without a frame."""
        self._classes = tuple(classes)
        self._scores: collections.deque[np.ndarray] = collections.deque(maxlen=TIMELINE_FRAMES)
        self._slots: list[int] = []
        self._count = 0

    def add(self, scores: np.ndarray, mean: np.ndarray) -> ScoreLines:
        """Adds one frame.

        Args:
          scores: [C] of this frame.
          mean: [C] mean over all frames so far.
        """
        self._scores.append(np.asarray(scores))
        self._count += 1
        # By the mean so far: the order of single frames would make lines jump.
        best = np.argsort(-mean, kind="stable")[:SHOWN_CLASSES].tolist()
        self._slots = score_board_slots(self._slots, best)
        values = np.stack(self._scores)[:, self._slots]
        # The width doubles: a scale that changed with every frame would be hard to read.
        length = FIRST_WINDOW
        while length < len(values):
            length *= 2
        return ScoreLines(
            names=tuple(self._classes[index] for index in self._slots),
            so_far=np.asarray(mean)[self._slots],
            values=values,
            start=self._count - len(values),
            length=length,
        )


def score_board_slots(before: Sequence[int], chosen: Sequence[int]) -> list[int]:
    """Orders the chosen classes so that those shown before stay at their places.

    New classes take the free places in order.
    """
    new = [index for index in chosen if index not in before]
    slots = []
    for index in before:
        if index in chosen:
            slots.append(index)
        elif new:
            slots.append(new.pop(0))
    # What found no free place comes behind.
    return slots + new
