"""One test video as a model saw it: each of its frames as films and strips show it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from videolstm_jax.report import board, overlay
from videolstm_jax.types import Tube, Video


class Seen(NamedTuple):
    """A video of L frames and what a model said of it.

    `classes` are C names; `scores` [L', C] are of its frames, L' = L or L - 1; `heat` makes the
    saliency [H, W] of one of these frames at a size (H, W), None for a cell that does not attend;
    `found` and `truth` are tubes in pixels of the video.
    """

    video: Video
    classes: tuple[str, ...]
    scores: np.ndarray
    heat: Callable[[int, tuple[int, int]], np.ndarray] | None
    found: tuple[Tube, ...]
    truth: tuple[Tube, ...]


def boxes_at(tubes: Sequence[Tube], frame: int) -> np.ndarray:
    """The boxes [n, 4] of the tubes that exist at a frame."""
    kept = [
        tube.boxes[frame - tube.start]
        for tube in tubes
        if 0 <= frame - tube.start < len(tube.boxes)
    ]
    return np.array(kept, float).reshape(-1, 4)


class Drawn:
    """The frames of a video at one size; frame L - 1 holds what is known of the one before where L'
    is L - 1.
    """

    def __init__(self, seen: Seen, side: int):
        """Begins a video whose frames are shown with a longer edge of about `side` pixels."""
        self._seen, self._side = seen, side
        top = np.argsort(-seen.scores.mean(0), kind="stable")[: len(board.PALETTE)].tolist()
        self._shown = top if seen.video.label in top else [*top[:-1], seen.video.label]
        self._means = (
            np.cumsum(seen.scores, axis=0, dtype=np.float64)
            / np.arange(1, len(seen.scores) + 1)[:, None]
        )

    def card(self, frame: np.ndarray, t: int) -> np.ndarray:
        """A picture of the film: panels, and below them class scores so far and over time."""
        return board.card(self._view(frame, t), self._lines(t), f"frame {t}")

    def panels(self, frame: np.ndarray, t: int) -> np.ndarray:
        """The frame, and the frame under its attention."""
        return board.panels(self._view(frame, t), self._lines(t), f"frame {t}")

    def cell(self, frame: np.ndarray, t: int) -> np.ndarray:
        """The frame with attention and boxes over it, for a film strip."""
        return board.cell(self._view(frame, t), self._lines(t), f"frame {t}")

    def strip(self, frames: Mapping[int, np.ndarray]) -> np.ndarray:
        """The frames of `strip_frames` as cells, and below them the scores of the whole video."""
        cells = [self.cell(frames[t], t) for t in self.strip_frames()]
        return board.strip(cells, self._lines(self._seen.video.frames - 1))

    def strip_frames(self) -> list[int]:
        """Some frames, from the first to the last."""
        return overlay.evenly(self._seen.video.frames, board.CELLS).tolist()

    def _view(self, frame: np.ndarray, t: int) -> board.View:
        seen = self._seen
        heat = (
            None
            if seen.heat is None
            else functools.partial(seen.heat, min(t, len(seen.scores) - 1))
        )
        return board.view(
            frame,
            self._side,
            heat,
            found=boxes_at(seen.found, t) if seen.found else None,
            truth=boxes_at(seen.truth, t) if seen.truth else None,
        )

    def _lines(self, t: int) -> board.Lines:
        """The best classes, and the true one among them, as far as they are known at frame t."""
        seen, k = self._seen, min(t, len(self._seen.scores) - 1)
        names = tuple(seen.classes[c] + " (true)" * (c == seen.video.label) for c in self._shown)
        return board.Lines(
            names,
            self._means[k, self._shown],
            seen.scores[: k + 1, self._shown],
            0,
            seen.video.frames,
            action(seen),
        )


def action(seen: Seen) -> tuple[tuple[int, int], ...]:
    """The stretches (first, last) of frames in which the action goes on, where that is not all the
    time.
    """
    ends = [(tube.start, tube.start + len(tube.boxes) - 1) for tube in seen.truth]
    return tuple((first, last) for first, last in ends if first > 0 or last < seen.video.frames - 1)
