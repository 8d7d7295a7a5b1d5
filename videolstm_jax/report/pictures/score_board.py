"""The score board: bars of the best classes so far, and their scores over time as lines."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

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
ROW = 1.55
"""Height of a row of the board, in units of the text size."""
LETTERS_BEFORE_MARK = 4
"""A mark such as " (true)" is left out where it leaves less of a name than this."""


def score_board(lines: ScoreLines, width: int) -> np.ndarray:
    """Draws bars of the scores so far, and beside them the scores of every frame as lines.

    Returns:
      uint8 [H', width, 3].
    """
    # A 48th of the width, but never too small to read nor larger than titles.
    size = max(10, min(40, round(width / 48)))
    # A timeline of one row would be too low to read.
    rows = max(len(lines.names), 2)
    height = round((rows * ROW + 1.3) * size)
    image = Image.new("RGB", (width, height), BAND)
    pen = ImageDraw.Draw(image)
    font = ImageFont.load_default(size)
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
    name_width = _name_width(font, lines, right, size)
    left, bar_width = margin + name_width, right - name_width - number_width - margin
    for row, (name, score) in enumerate(zip(lines.names, lines.so_far, strict=True)):
        y, colour = margin + row * ROW * size, PALETTE[row]
        top, bottom = y + 0.2 * size, y + 1.05 * size
        short = text_fitted_to_picture(
            name, font, name_width - size * 0.4, lines.mark(row), LETTERS_BEFORE_MARK
        )
        pen.text((margin, y), short, font=font, fill=colour)
        pen.rectangle((left, top, left + bar_width, bottom), fill=BAR_GROUND)
        pen.rectangle((left, top, left + bar_width * float(score), bottom), fill=colour)
        pen.text((right - number_width + size * 0.3, y), f"{score:.2f}", font=font, fill=TEXT)


def _name_width(font: Font, lines: ScoreLines, right: int, size: int) -> float:
    """The width of the column of names, of an area that is `right` pixels wide."""
    longest, longest_mark = 0.0, 0.0
    for row, name in enumerate(lines.names):
        mark = lines.mark(row)
        longest = max(longest, font.getlength(name + mark))
        longest_mark = max(longest_mark, font.getlength(mark))
    # Long names are cut at half of the area, so that bars keep a length. Marks are not cut, so
    # they get space of their own, as far as a short bar allows.
    limit = min(right * 0.5 + longest_mark, right * 0.65)
    return min(limit, longest + size * 0.6)


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
        filled_frames = len(self.lines.values) * self.lines.stride
        if 0 < filled_frames < self.lines.length:
            now = self._x(self.lines.start + filled_frames - 1)
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


# ---- texts that fit ------------------------------------------------------------------------------


def text_fitted_to_picture(
    text: str, font: Font, width: float, mark: str = "", least: int = 1
) -> str:
    """Cuts a text to a width in pixels, shows the cut, and keeps the mark behind it.

    The mark is left out where less than `least` letters of the text would stay. At least one letter
    stays, also where it does not fit.
    """
    if font.getlength(text + mark) <= width:
        return text + mark
    if mark:
        # The mark says which class is true, so the name gives way.
        space = width - font.getlength(mark)
        short = text_fitted_to_picture(text, font, space)
        if len(short) > least and font.getlength(short) <= space:
            return short + mark
        return text_fitted_to_picture(text, font, width)
    # Letter by letter: the letters of the font have different widths.
    while len(text) > 1 and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"
