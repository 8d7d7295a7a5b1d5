"""Bars, intervals and confusion matrices as inline SVG."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np

from videolstm_jax.report.plots import WIDTH, Plot
from videolstm_jax.report.svg import (
    BACKGROUND,
    INK,
    LINE,
    cut_page_text,
    svg_colour,
    svg_drawing,
    svg_text,
)

LONGEST_NAME = 22
"""Characters of a name before it is cut."""
BAR_ROW, NOTE_ROW = 24, 12
"""Heights of a bar and of one line of the small text below it."""
NOTE_LINES = 2
"""Lines of the small text below a bar before it is cut."""
# Mean widths of a letter at size 11, and of a small one at size 9.5, in units of the drawing.
_LETTER, _SMALL_LETTER = 6.2, 5.4


# ---- bars and intervals --------------------------------------------------------------------------


def bar_chart(
    title: str,
    names: Sequence[str],
    shares: Sequence[float],
    notes: Sequence[str],
    *,
    mistakes: Sequence[str] = (),
) -> Plot:
    """Draws horizontal bars of shares in [0, 1], a name before and a note behind each.

    Args:
      title: of the plot.
      names: n names.
      shares: n shares.
      notes: n short notes.
      mistakes: n texts in small letters below the bars, or none.
    """
    # 84 units stay for the note.
    left = min(150.0, 14 + _LETTER * max(map(len, names), default=0))
    wide = WIDTH - left - 84
    small_lines = [_wrapped(mistake, WIDTH - left) for mistake in mistakes]
    # All rows are as high as the highest, so that bars keep an even distance.
    row = BAR_ROW + NOTE_ROW * max(map(len, small_lines), default=0)
    body = []
    for index, (name, share, note) in enumerate(zip(names, shares, notes, strict=True)):
        y = 4 + index * row
        # The pale bar of full length shows where 100 % lies.
        body.append(_bar(left, y, wide, f'{LINE}" fill-opacity=".5'))
        body.append(_bar(left, y, wide * share, svg_colour(0)))
        body.append(
            svg_text(left - 6, y + 12, cut_page_text(name, LONGEST_NAME), anchor="end", paint=INK)
        )
        body.append(svg_text(left + wide + 6, y + 12, note, anchor="start"))
        if mistakes:
            for number, line in enumerate(small_lines[index]):
                below = y + 27 + NOTE_ROW * number
                body.append(svg_text(left, below, line, anchor="start", size=9.5))
    return Plot(title, svg_drawing(WIDTH, max(len(names) * row + 4, 20), title, body))


def _wrapped(small: str, width: float) -> list[str]:
    """The lines of a small text that has so many units of width; none for an empty text."""
    # SVG does not wrap text, and browsers have fonts of different widths: hence a mean width.
    letters = int(width / _SMALL_LETTER)
    return textwrap.wrap(small, letters, max_lines=NOTE_LINES, placeholder=" …")


def _bar(x: float, y: float, width: float, fill: str) -> str:
    # Digits are cut, so that equal results give an equal page on every machine.
    return f'<rect x="{x:g}" y="{y}" width="{width:.1f}" height="16" rx="2" fill="{fill}"/>'


def interval_bar_chart(share: float, low: float, high: float) -> str:
    """Draws a share in [0, 1] and its interval on a line from 0 to 1, small enough for a table."""

    # The drawing is 120 units wide, with margins of 2.
    def across(value: float) -> str:
        return f"{2 + 116 * value:.1f}"

    body = [
        f'<path d="M2 7H118M60 4V10" stroke="{LINE}"/>',
        f'<path d="M{across(low)} 7H{across(high)}" stroke="{svg_colour(0)}" stroke-width="3" '
        'stroke-opacity=".5"/>',
        f'<circle cx="{across(share)}" cy="7" r="3.6" fill="{svg_colour(0)}"/>',
    ]
    title = f"{100 * share:.1f} %, interval {100 * low:.1f} to {100 * high:.1f} %"
    return svg_drawing(120, 14, title, body)


# ---- the confusion matrix ------------------------------------------------------------------------

NAMED_CLASSES = 30
"""With more classes, cells are too small for names and counts."""


def confusion_chart(title: str, counts: np.ndarray, names: Sequence[str]) -> Plot:
    """Draws a confusion matrix; a cell is as dark as its share of its row.

    Args:
      title: of the plot.
      counts: [C, C] videos, true classes down and predicted classes across.
      names: C names.
    """
    named = len(names) <= NAMED_CLASSES
    cell = _cell_size(len(names))
    # An empty class has a row of zeros: its shares are zeros, too.
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    # Names take 6.4 units a letter on the left; slanted by 45 degrees, they need less above.
    longest = max(map(len, names), default=0)
    left, top = 24.0, 18.0
    if named:
        left = min(166.0, 32 + 6.4 * longest)
        top = left * 0.8
    body = []
    for i in range(len(names)):
        for j in range(len(names)):
            corner = (left + j * cell, top + i * cell)
            # Blue on the diagonal, orange for mistakes.
            paint = svg_colour(1)
            if i == j:
                paint = svg_colour(0)
            if counts[i, j]:
                count = None
                if named:
                    count = int(counts[i, j])
                body += _full_cell(corner, cell, paint, float(share[i, j]), count)
            elif named:  # large matrices leave empty cells out, which keeps the page small
                body.append(_square(corner, cell, f'{LINE}" fill-opacity=".35'))
        if named:
            body += _class_names(
                cut_page_text(names[i], LONGEST_NAME), left, top, i * cell + cell / 2
            )
    side = len(names) * cell
    turned = f'transform="translate(11 {top + side / 2:.1f}) rotate(-90)"'
    body.append(svg_text(left + side / 2, top + side + 16, "predicted class"))
    body.append(svg_text(0, 0, "true class", more=turned))
    width = left + side
    if named:
        width += 0.6 * left  # space for the last slanted name
    size = round(width), round(top + side + 22)
    return Plot(title, svg_drawing(*size, title, body))


def _cell_size(classes: int) -> int:
    # The matrix stays about as wide as the page, and counts of three digits fit their cells.
    for most, size in ((8, 34), (16, 26), (NAMED_CLASSES, 18)):
        if classes <= most:
            return size
    return 7


def _square(corner: tuple[float, float], cell: int, fill: str) -> str:
    x, y = corner
    side = cell - 1
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{side}" height="{side}" fill="{fill}"/>'


def _full_cell(
    corner: tuple[float, float], cell: int, paint: str, share: float, count: int | None
) -> list[str]:
    """A cell with videos in it, with their number unless `count` is None."""
    # A single video among many must still be seen: opacity starts at .15.
    body = [_square(corner, cell, f'{paint}" fill-opacity="{0.15 + 0.85 * share:.2f}')]
    if count is not None:
        x, y = corner[0] + (cell - 1) / 2, corner[1] + cell / 2 + 3.5
        # A dark cell has its number in the colour of the page.
        readable = INK
        if share > 0.45:
            readable = BACKGROUND
        body.append(svg_text(x, y, str(count), size=min(12, cell * 0.45), paint=readable))
    return body


def _class_names(name: str, left: float, top: float, middle: float) -> list[str]:
    """The name of a class before its row and, slanted, above its column."""
    place = f'transform="translate({left + middle + 3:.1f} {top - 5:.1f}) rotate(-45)"'
    return [
        svg_text(left - 6, top + middle + 3.5, name, anchor="end", paint=INK),
        svg_text(0, 0, name, anchor="start", paint=INK, more=place),
    ]
