"""The film of a stream: written frame by frame, with a strip of the whole when it ends."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from videolstm_jax import files
from videolstm_jax.config import LocalizeConfig
from videolstm_jax.localize.saliency import saliency
from videolstm_jax.report.pictures import encoded, frame_picture, overlay
from videolstm_jax.report.pictures.score_lines import (
    SHOWN_CLASSES,
    EvenSample,
    RecentScores,
    ScoreLines,
)
from videolstm_jax.video import encode

if TYPE_CHECKING:
    from etils import epath

    from videolstm_jax.trained.predictor import Prediction, Predictor
    from videolstm_jax.types import NDArray

KEPT_STRIP_FRAMES = 4 * frame_picture.STRIP_FRAMES
"""Pictures among which the strip chooses at most."""
KEPT_SCORES = 960
"""Frames whose scores the strip's timeline keeps at most; of a longer stream every second, fourth,
.. frame.
"""


class StreamFilm:
    """The film, opened with its first picture, and the strip that is written after it."""

    def __init__(
        self, path: epath.Path | None, side: int, fps: float, predictor: Predictor
    ) -> None:
        """Sets where the film goes; the file is made with the first frame.

        Args:
          path: of the film; None draws nothing and only counts the frames.
          side: the longer side of its pictures in pixels.
          fps: frames a second.
          predictor: whose predictions are shown.
        """
        self.frames = 0
        self._path, self._side, self._fps = path, side, fps
        self._classes = predictor.classes
        # Scaled frame by frame, whatever the boxes do: a film cannot use a later maximum.
        self._heat = LocalizeConfig(sigma=predictor.functions.settings.sigma)
        self._fit = predictor.functions.fit
        self._recent = RecentScores(predictor.classes)
        # Thinned as the stream grows, so that memory does not.
        self._strip_pictures = EvenSample(KEPT_STRIP_FRAMES)
        self._scores = EvenSample(KEPT_SCORES)
        self._mean = np.zeros(len(predictor.classes))
        self._stack = contextlib.ExitStack()
        self._write: Callable[[NDArray], None] | None = None

    def __enter__(self) -> StreamFilm:
        """The film itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Closes the film, and writes its strip where nothing went wrong."""
        # Also after an error the film is closed, so that its frames so far can be watched.
        self._stack.__exit__(*error)
        if error[0] is None and self._path is not None and self.frames:
            files.write_bytes(
                self._path.with_suffix(".png"), encoded.still_of_picture(self._strip())
            )

    def add(self, frame: NDArray, prediction: Prediction) -> dict[str, float]:
        """Draws and writes one frame; returns the seconds of both."""
        self.frames += 1
        if self._path is None:
            return {}
        start_time = time.perf_counter()
        view = self._view(frame, prediction, self._side)
        lines = self._recent.add(prediction.scores, prediction.mean)
        title = f"frame {prediction.frame}"
        # Drawn after the scores were added, so that the board shows this frame's too.
        card = frame_picture.frame_card(view, lines, title)
        # Functions, not pictures: most frames are not kept, and drawing them would be wasted.
        self._strip_pictures.add(
            lambda: frame_picture.strip_picture(
                self._view(frame, prediction, self._side // 2), lines, title
            )
        )
        self._scores.add(lambda: prediction.scores)
        self._mean = prediction.mean
        draw_end = time.perf_counter()
        self._writer(card)(card)
        # Apart, because a slow encoder is cured by another codec, and slow drawing by --side.
        return {"draw": draw_end - start_time, "encode": time.perf_counter() - draw_end}

    def _writer(self, card: NDArray) -> Callable[[NDArray], None]:
        """Writes a frame to the film, which begins at the size of the first one."""
        # Only now is the size of the pictures known: a camera says nothing of it before.
        if self._write is None:
            size = card.shape[1::-1]
            film = encode.growing_video_file(self._path, size, self._fps, codec="h264_quick")
            self._write = self._stack.enter_context(film)
        return self._write

    def _view(self, frame: NDArray, prediction: Prediction, side: int) -> frame_picture.FrameView:
        heat, boxes = None, None
        if prediction.attention is not None:
            heat = functools.partial(self._heat_map, prediction.attention)
        if prediction.box is not None:
            boxes = prediction.box[None]
        return frame_picture.shown_frame_view(frame, side, heat, detections=boxes)

    def _heat_map(self, attention: NDArray, size: tuple[int, int]) -> NDArray:
        """The attention [N, N] as a heat map [H, W] of `size`."""
        return saliency(attention[None], size, settings=self._heat, fit=self._fit)[0]

    def _strip(self) -> NDArray:
        pictures = self._strip_pictures.items
        chosen = []
        for index in overlay.evenly_spaced_page_frames(len(pictures), frame_picture.STRIP_FRAMES):
            chosen.append(pictures[index])
        # By the mean of the whole stream, with which the strip ends.
        top = np.argsort(-self._mean, kind="stable")[:SHOWN_CLASSES]
        lines = ScoreLines(
            tuple(self._classes[label] for label in top),
            self._mean[top],
            np.stack(self._scores.items)[:, top],
            0,
            self.frames,
            stride=self._scores.stride,
        )
        return frame_picture.frame_strip(chosen, lines)
