"""Pictures of single frames for films and film strips.

A picture shows the frame, its attention, its boxes, and below them a score board with the best
classes so far and their scores over time. Text and lines grow with the width of the picture, so
that they can be read whether the video has 64 x 64 or 1920 x 1080 pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from PIL import ImageFont

from videolstm_jax.report.pictures import heat_map, overlay
from videolstm_jax.report.pictures.overlay import BAND, TEXT, Colour
from videolstm_jax.report.pictures.score_board import (
    LETTERS_BEFORE_MARK,
    PALETTE,
    score_board,
    text_fitted_to_picture,
)
from videolstm_jax.report.pictures.score_lines import ScoreLines

NARROWEST = 360
"""The least width of a picture in pixels; a narrower frame is centred, so that the board fits."""
STRIP_FRAMES = 8
"""Frames of a film strip."""


class FrameView(NamedTuple):
    """One frame at the size it is shown, and what lies on it.

    `frame` is [H, W, 3] uint8, `saliency` [H, W] or None, and boxes are [n, 4] in pixels of
    `frame`, or None.
    """

    frame: np.ndarray
    saliency: np.ndarray | None
    detections: np.ndarray | None
    truth: np.ndarray | None


def shown_frame_view(
    frame: np.ndarray,
    side: int,
    heat: Callable[[tuple[int, int]], np.ndarray] | None,
    *,
    detections: np.ndarray | None = None,
    truth: np.ndarray | None = None,
) -> FrameView:
    """Brings a frame, its saliency and its boxes to the size at which the frame is shown.

    Args:
      frame: [H, W, 3] uint8.
      side: the longer edge in pixels, about; see `overlay.picture_display_size`.
      heat: makes the saliency of a size (H', W'), or None.
      detections: boxes [n, 4] in pixels of the frame, or None.
      truth: boxes [m, 4], or None.
    """
    size = frame.shape[1], frame.shape[0]
    # Everything is brought to the shown size before it is drawn: lines and text drawn on small
    # frames would be enlarged to blocks.
    display_size = overlay.picture_display_size(*size, side)
    view = FrameView(overlay.resized_frame_picture(frame[None], display_size)[0], None, None, None)
    if heat is not None:
        view = view._replace(saliency=heat(display_size[::-1]))
    if detections is not None:
        view = view._replace(detections=overlay.scaled_to_shown(detections, size, display_size))
    if truth is not None:
        view = view._replace(truth=overlay.scaled_to_shown(truth, size, display_size))
    return view


# ---- one frame -----------------------------------------------------------------------------------


def frame_card(view: FrameView, lines: ScoreLines, title: str) -> np.ndarray:
    """Draws `frame_panels` over the board; uint8 [H', W', 3], both sides even for video codecs."""
    return _even(_over_board(frame_panels(view, lines, title), lines))


def frame_panels(view: FrameView, lines: ScoreLines, title: str) -> np.ndarray:
    """Draws the frame with its boxes, and beside it the frame under its attention.

    Args:
      view: the frame.
      lines: the scores up to this frame; the best class so far stands in the title.
      title: the name of the frame, such as "frame 12".

    Returns:
      uint8 [H', W', 3].
    """
    plain = overlay.boxed_frame_picture(view.frame, view.detections, view.truth)
    # The plain frame first: what is under the heat can be looked up beside it.
    pictures = [_titled_by_best_class(plain, title, lines)]
    if view.saliency is not None:
        # True boxes are drawn on the left only: dashes on the heat map hide what is below them.
        heated = overlay.boxed_frame_picture(
            heat_map.blend_heat(view.frame, view.saliency), view.detections, None
        )
        legend = [("attention", overlay.HEAT)]
        if view.detections is not None:
            legend.append(("detected", overlay.DETECTED))
        if view.truth is not None:
            legend.append(("true", overlay.TRUE))
        # a dark line of 4 pixels between both pictures
        gap = np.full((pictures[0].shape[0], 4, 3), BAND, np.uint8)
        pictures += [gap, _titled(heated, legend)]
    return np.concatenate(pictures, axis=1)


def strip_picture(view: FrameView, lines: ScoreLines, title: str) -> np.ndarray:
    """Draws one picture of a film strip: the frame under its attention with all boxes; uint8."""
    frame = view.frame
    if view.saliency is not None:
        frame = heat_map.blend_heat(frame, view.saliency)
    boxed = overlay.boxed_frame_picture(frame, view.detections, view.truth)
    return _titled_by_best_class(boxed, title, lines)


def frame_strip(pictures: Sequence[np.ndarray], lines: ScoreLines) -> np.ndarray:
    """Draws pictures of frames in two rows over the board of the whole video; uint8 [H', W', 3]."""
    rows = overlay.filmstrip(np.stack(pictures), columns=STRIP_FRAMES // 2, ground=BAND)
    return _over_board(rows, lines)


def _titled_by_best_class(picture: np.ndarray, title: str, lines: ScoreLines) -> np.ndarray:
    """Writes the title and the best class so far, with its score, above a picture."""
    best = int(np.argmax(lines.so_far))
    # The score comes first, since a long name is cut at its end.
    score = f"{lines.so_far[best]:.2f} "
    parts = [(title, TEXT), (score + lines.names[best], PALETTE[best])]
    least = len(score) + LETTERS_BEFORE_MARK
    return _titled(picture, parts, lines.mark(best), least)


def _titled(
    picture: np.ndarray, parts: Sequence[tuple[str, Colour]], mark: str = "", least: int = 1
) -> np.ndarray:
    """`overlay.titled_frame_picture`, but the last part is cut where it does not fit."""
    font = ImageFont.load_default(overlay.picture_text_size(max(picture.shape[:2])))
    used = 0.0
    for text, _ in parts[:-1]:
        used += font.getlength(text + "  ")
    text, colour = parts[-1]
    # 4 pixels are the left margin of `overlay.titled_frame_picture`.
    short = text_fitted_to_picture(text, font, picture.shape[1] - 4 - used, mark, least)
    return overlay.titled_frame_picture(picture, [*parts[:-1], (short, colour)])


def _over_board(picture: np.ndarray, lines: ScoreLines) -> np.ndarray:
    missing = max(0, NARROWEST - picture.shape[1])
    if missing:
        ends = (missing // 2, missing - missing // 2)
        channels = []
        for channel, level in enumerate(BAND):
            # np.pad has one constant for all channels, so each is padded by itself.
            channels.append(np.pad(picture[..., channel], ((0, 0), ends), constant_values=level))
        picture = np.stack(channels, -1)
    return np.concatenate([picture, score_board(lines, picture.shape[1])])


def _even(picture: np.ndarray) -> np.ndarray:
    # H.264 halves the sides of its colour planes.
    height, width = picture.shape[:2]
    return np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
