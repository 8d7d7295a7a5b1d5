"""Pictures of single frames for films and film strips.

A picture shows the frame, its attention, its boxes, and below them a score board with the best
classes so far and their scores over time. Text and lines grow with the width of the picture, so
that they can be read whether the video has 64 x 64 or 1920 x 1080 pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from videolstm_jax.report.pictures import overlay
from videolstm_jax.report.pictures.overlay import BAND, TEXT, Colour
from videolstm_jax.report.pictures.score_lines import ScoreLines

Font = ImageFont.ImageFont | ImageFont.FreeTypeFont

PALETTE: tuple[Colour, ...] = ((240, 228, 66), (102, 178, 255), (255, 140, 66), (222, 150, 200))
"""Colours of the classes on the board.

Colour-blind readers can tell them apart, they are light enough for a dark ground, and none is that
of a detected box.
"""
FAINT: Colour = (90, 94, 104)
BAR_GROUND: Colour = (44, 47, 56)
SPAN: Colour = (48, 52, 62)
"""The colour of the shaded spans of a timeline."""
NARROWEST = 360
"""The least width of a picture in pixels; a narrower frame is centred, so that the board fits."""
STRIP_FRAMES = 8
"""Frames of a film strip."""
ROW = 1.55
"""Height of a row of the board, in units of the text size."""


class FrameView(NamedTuple):
    """One frame at the size it is shown, and what lies on it.

    `frame` is [H, W, 3] uint8, `saliency` [H, W] or None, and boxes are [n, 4] in pixels of
    `frame`, or None.
    """

    frame: np.ndarray
    saliency: np.ndarray | None
    detections: np.ndarray | None
    truth: np.ndarray | None


def frame_view(
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
      side: the longer edge in pixels, about; see `overlay.display_size`.
      heat: makes the saliency of a size (H', W'), or None.
      detections: boxes [n, 4] in pixels of the frame, or None.
      truth: boxes [m, 4], or None.
    """
    size = frame.shape[1], frame.shape[0]
    shown = overlay.display_size(*size, side)
    return FrameView(
        frame=overlay.resized(frame[None], shown)[0],
        saliency=None if heat is None else heat(shown[::-1]),
        detections=None if detections is None else overlay.scaled(detections, size, shown),
        truth=None if truth is None else overlay.scaled(truth, size, shown),
    )


# ---- one frame -----------------------------------------------------------------------------------


def card(view: FrameView, lines: ScoreLines, title: str) -> np.ndarray:
    """Draws `panels` over the board; uint8 [H', W', 3], both sides even for video codecs."""
    return _even(_over_board(panels(view, lines, title), lines))


def panels(view: FrameView, lines: ScoreLines, title: str) -> np.ndarray:
    """Draws the frame with its boxes, and beside it the frame under its attention.

    Args:
      view: the frame.
      lines: the scores up to this frame; the best class so far stands in the title.
      title: the name of the frame, such as "frame 12".

    Returns:
      uint8 [H', W', 3].
    """
    plain = overlay.boxed(view.frame, view.detections, view.truth)
    pictures = [_titled(plain, [(title, TEXT), _best_class(lines)])]
    if view.saliency is not None:
        # True boxes are drawn on the left only: dashes on the heat map hide what is below them.
        heated = overlay.boxed(overlay.blend(view.frame, view.saliency), view.detections, None)
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
    frame = view.frame if view.saliency is None else overlay.blend(view.frame, view.saliency)
    boxed = overlay.boxed(frame, view.detections, view.truth)
    return _titled(boxed, [(title, TEXT), _best_class(lines)])


def strip(pictures: Sequence[np.ndarray], lines: ScoreLines) -> np.ndarray:
    """Draws pictures of frames in two rows over the board of the whole video; uint8 [H', W', 3]."""
    rows = overlay.filmstrip(np.stack(pictures), columns=STRIP_FRAMES // 2, ground=BAND)
    return _over_board(rows, lines)


def _best_class(lines: ScoreLines) -> tuple[str, Colour]:
    """The best class so far; the score comes first, since a long name is cut at its end."""
    best = int(np.argmax(lines.so_far))
    return f"{lines.so_far[best]:.2f} {lines.names[best]}", PALETTE[best]


def _titled(picture: np.ndarray, parts: Sequence[tuple[str, Colour]]) -> np.ndarray:
    """`overlay.titled`, except that the last part is cut where it does not fit."""
    font = ImageFont.load_default(overlay.text_size(max(picture.shape[:2])))
    used = sum(font.getlength(text + "  ") for text, _ in parts[:-1])
    text, colour = parts[-1]
    short = fitted(text, font, picture.shape[1] - 4 - used)
    return overlay.titled(picture, [*parts[:-1], (short, colour)])


def fitted(text: str, font: Font, width: float) -> str:
    """Cuts a text to a width in pixels and marks the cut; at least one letter stays."""
    if font.getlength(text) <= width:
        return text
    while len(text) > 1 and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"


def _over_board(picture: np.ndarray, lines: ScoreLines) -> np.ndarray:
    missing = max(0, NARROWEST - picture.shape[1])
    if missing:
        ends = (missing // 2, missing - missing // 2)
        channels = []
        for channel, level in enumerate(BAND):
            # np.pad has one constant for all channels, so each is padded by itself.
            channels.append(np.pad(picture[..., channel], ((0, 0), ends), constant_values=level))
        picture = np.stack(channels, -1)
    return np.concatenate([picture, board(lines, picture.shape[1])])


def _even(picture: np.ndarray) -> np.ndarray:
    height, width = picture.shape[:2]
    return np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")


# ---- the score board -----------------------------------------------------------------------------


def board(lines: ScoreLines, width: int) -> np.ndarray:
    """Draws bars of the scores so far, and beside them the scores of every frame as lines.

    Returns:
      uint8 [H', width, 3].
    """
    # A 48th of the width, but never too small to read nor larger than titles.
    size = max(10, min(40, round(width / 48)))
    rows = max(len(lines.names), 2)
    height = round((rows * ROW + 1.3) * size)
    image = Image.new("RGB", (width, height), BAND)
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(size)
    # Bars take 42 % of the width, the timeline the rest.
    split, margin = round(width * 0.42), size // 2
    _bars(pen, font, lines, split, size)
    area = (split + margin + size * 1.3, margin, width - margin, height - 1.5 * size)
    _Timeline(pen, font, lines, area, size).draw()
    return np.asarray(image)


def _bars(pen: ImageDraw.ImageDraw, font: Font, lines: ScoreLines, right: int, size: int) -> None:
    """Draws name, bar and score of each class, a row each, up to the column `right`."""
    margin = size // 2
    number_width = font.getlength("0.00") + size * 0.6
    # Long names are cut at half of the area, so that bars keep a length.
    longest_name = max(font.getlength(name) for name in lines.names)
    name_width = min(right * 0.5, longest_name + size * 0.6)
    left, bar_width = margin + name_width, right - name_width - number_width - margin
    for row, (name, score) in enumerate(zip(lines.names, lines.so_far, strict=True)):
        y, colour = margin + row * ROW * size, PALETTE[row]
        top, bottom = y + 0.2 * size, y + 1.05 * size
        pen.text((margin, y), fitted(name, font, name_width - size * 0.4), font=font, fill=colour)
        pen.rectangle((left, top, left + bar_width, bottom), fill=BAR_GROUND)
        pen.rectangle((left, top, left + bar_width * float(score), bottom), fill=colour)
        pen.text((right - number_width + size * 0.3, y), f"{score:.2f}", font=font, fill=TEXT)


class _Timeline(NamedTuple):
    """The scores as lines within `area`, x0 y0 x1 y1 in pixels; `size` is that of the text."""

    pen: ImageDraw.ImageDraw
    font: Font
    lines: ScoreLines
    area: tuple[float, float, float, float]
    size: int

    def draw(self) -> None:
        """Draws spans, axes, lines and, while frames are missing, a mark at the current frame."""
        x0, y0, x1, y1 = self.area
        for first, last in self.lines.bands:
            self.pen.rectangle((self._x(first), y0, self._x(last), y1), fill=SPAN)
        for level in (0.0, 0.5, 1.0):
            y = self._y(level)
            self.pen.line((x0, y, x1, y), fill=FAINT, width=max(1, self.size // 14))
        self._labels()
        thickness = max(1, round(self.size / 8))
        for column in reversed(range(len(self.lines.names))):  # the best class lies on top
            self._line(column, thickness)
        shown = len(self.lines.values) * self.lines.stride
        if 0 < shown < self.lines.length:
            now = self._x(self.lines.start + shown - 1)
            self.pen.line((now, y0, now, y1), fill=FAINT, width=max(1, thickness // 2))

    def _x(self, frame: float) -> float:
        x0, _, x1, _ = self.area
        # A video of one frame has no length; frames outside the timeline stay at its ends.
        last = max(self.lines.length - 1, 1)
        return x0 + min(max(frame - self.lines.start, 0), last) / last * (x1 - x0)

    def _y(self, score: float) -> float:
        _, y0, _, y1 = self.area
        return y1 - score * (y1 - y0)

    def _labels(self) -> None:
        x0, y0, x1, y1 = self.area
        style = {"font": self.font, "fill": TEXT}
        left, below = x0 - self.size * 0.3, y1 + self.size * 0.2
        self.pen.text((left, y1), "0", anchor="rs", **style)
        self.pen.text((left, y0), "1", anchor="rt", **style)
        last = self.lines.start + self.lines.length - 1
        self.pen.text((x0, below), f"frame {self.lines.start}", **style)
        self.pen.text((x1, below), str(last), anchor="ra", **style)

    def _line(self, column: int, thickness: int) -> None:
        points = []
        for t, score in enumerate(self.lines.values[:, column]):
            frame = self.lines.start + t * self.lines.stride
            points.append((self._x(frame), self._y(float(score))))
        if len(points) == 1:  # Pillow draws no line through one point
            points.append((points[0][0] + 1, points[0][1]))
        if points:
            self.pen.line(points, fill=PALETTE[column], width=thickness)
