"""A video with the predictions of a model, and the pictures of its frames for films and strips."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from videolstm_jax.report.pictures import frame_picture, overlay
from videolstm_jax.report.pictures.score_lines import SHOWN_CLASSES, ScoreLines
from videolstm_jax.types import Tube, Video


class PredictedVideo(NamedTuple):
    """A video of L frames with a model's scores, attention and detections, and the ground truth.

    `classes` are C names. `scores` [L', C] belong to frames; L' is L, or L - 1 for models that read
    flow. `heat` makes the saliency [H, W] of one of these frames at a size (H, W); it is None for a
    cell without attention. `detections` and `truth` are tubes in pixels of the video.

    `scores` come from one pass over the whole video. Results are the mean over segments, which may
    have another best class: `best_by_segments`, or None where it is not known. `fit` is the
    `data.fit` of the run: how its maps lie on the frame.
    """

    video: Video
    classes: tuple[str, ...]
    scores: np.ndarray
    heat: Callable[[int, tuple[int, int]], np.ndarray] | None
    detections: tuple[Tube, ...]
    truth: tuple[Tube, ...]
    best_by_segments: int | None = None
    fit: str = "squash"

    @property
    def best_of_pass(self) -> int:
        """The class of the highest mean score of the pass, which films and strips end with."""
        return int(np.argmax(self.scores.mean(0)))

    @property
    def answers_differ(self) -> bool:
        """Whether the segments give another class than the pass."""
        return self.best_by_segments not in (None, self.best_of_pass)


class Renderer:
    """Draws the frames of one video at one size.

    A model that reads flow has no scores for the last frame; that frame shows the scores of the one
    before it.
    """

    def __init__(self, prediction: PredictedVideo, side: int):
        """Prepares pictures of frames with a longer edge of about `side` pixels."""
        self._prediction, self._side = prediction, side
        self._shown = _shown_classes(prediction)
        # in float64: float32 sums of long videos would drift
        counts = np.arange(1, len(prediction.scores) + 1)[:, None]
        self._running_means = np.cumsum(prediction.scores, axis=0, dtype=np.float64) / counts

    def card(self, frame: np.ndarray, t: int) -> np.ndarray:
        """Draws a picture of the film: the panels, and below them the score board."""
        return frame_picture.frame_card(self._view(frame, t), self._lines(t), f"frame {t}")

    def panels(self, frame: np.ndarray, t: int) -> np.ndarray:
        """Draws the frame, and beside it the frame under its attention."""
        return frame_picture.frame_panels(self._view(frame, t), self._lines(t), f"frame {t}")

    def strip_picture(self, frame: np.ndarray, t: int) -> np.ndarray:
        """Draws the frame with attention and boxes over it, for a film strip."""
        return frame_picture.strip_picture(self._view(frame, t), self._lines(t), f"frame {t}")

    def strip(self, frames: Mapping[int, np.ndarray]) -> np.ndarray:
        """Draws the frames of `strip_frames` over the score board of the whole video."""
        pictures = [self.strip_picture(frames[t], t) for t in self.strip_frames()]
        return frame_picture.frame_strip(pictures, self._lines(self._prediction.video.frames - 1))

    def strip_frames(self) -> list[int]:
        """Returns the frames of the film strip, spread evenly from the first to the last."""
        return overlay.evenly_spaced_page_frames(
            self._prediction.video.frames, frame_picture.STRIP_FRAMES
        ).tolist()

    def _view(self, frame: np.ndarray, t: int) -> frame_picture.FrameView:
        prediction = self._prediction
        heat = None
        if prediction.heat is not None:
            heat = functools.partial(prediction.heat, min(t, len(prediction.scores) - 1))
        # None means that boxes were not made; no box on this frame is an empty array.
        detections, truth = None, None
        if prediction.detections:
            detections = picture_boxes_at_frame(prediction.detections, t)
        if prediction.truth:
            truth = picture_boxes_at_frame(prediction.truth, t)
        return frame_picture.shown_frame_view(
            frame, self._side, heat, detections=detections, truth=truth
        )

    def _lines(self, t: int) -> ScoreLines:
        """The scores of the shown classes up to frame t."""
        prediction = self._prediction
        # Models that read flow have one frame fewer than the video.
        last = min(t, len(prediction.scores) - 1)
        names, marks = [], []
        for index in self._shown:
            names.append(prediction.classes[index])
            marks.append(self._mark(index))
        return ScoreLines(
            names=tuple(names),
            marks=tuple(marks),
            so_far=self._running_means[last, self._shown],
            values=prediction.scores[: last + 1, self._shown],
            start=0,
            length=prediction.video.frames,
            bands=true_spans_on_picture(prediction),
        )

    def _mark(self, index: int) -> str:
        """What the board says of a class: whether it is true, and by which rule it is the answer.

        Rules are named only where they disagree. The board ends with another class than the results
        have then, so it names both.
        """
        prediction = self._prediction
        remarks = []
        if index == prediction.video.label:
            remarks.append("true")
        if prediction.answers_differ and index == prediction.best_of_pass:
            remarks.append("in one pass")
        if prediction.answers_differ and index == prediction.best_by_segments:
            remarks.append("by segments")
        if not remarks:
            return ""
        return f" ({', '.join(remarks)})"


def picture_boxes_at_frame(tubes: Sequence[Tube], frame: int) -> np.ndarray:
    """Returns the boxes [n, 4] of the tubes that exist at a frame."""
    boxes = []
    for tube in tubes:
        # A tube has no gaps, so its frames are its rows.
        offset = frame - tube.start
        if 0 <= offset < len(tube.boxes):
            boxes.append(tube.boxes[offset])
    return np.array(boxes, float).reshape(-1, 4)


def true_spans_on_picture(prediction: PredictedVideo) -> tuple[tuple[int, int], ...]:
    """Returns the frames (first, last) of each true tube that does not last for the whole video."""
    spans = []
    for tube in prediction.truth:
        # An action that fills the video needs no shade: everything would be grey.
        first, last = tube.start, tube.start + len(tube.boxes) - 1
        if first > 0 or last < prediction.video.frames - 1:
            spans.append((first, last))
    return tuple(spans)


def _shown_classes(prediction: PredictedVideo) -> list[int]:
    """The classes with the highest mean scores.

    The true class, and another class that the segments give, are always among them.
    """
    by_score = np.argsort(-prediction.scores.mean(0), kind="stable")
    best = by_score[:SHOWN_CLASSES].tolist()
    required = [prediction.video.label]
    if prediction.answers_differ:
        required.append(prediction.best_by_segments)
    added = []
    for index in required:
        if index not in best and index not in added:
            added.append(index)
    # The last of the best are left out for it.
    return [*best[: len(best) - len(added)], *added]
