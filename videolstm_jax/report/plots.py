"""Line plots and bars as inline SVG that follows the light and dark theme of the page.

Equal numbers give equal characters. Colours are the CSS variables --c0 to --c7, --ink, --soft,
--line and --paper, each with a fallback for an SVG that is taken out of its page.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

import numpy as np

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#56b4e9", "#7a5195", "#6b6b6b")
"""Okabe and Ito's colours for colour-blind readers, two of them darkened to be read on white."""
INK = "var(--ink,#1c1c1e)"
SOFT = "var(--soft,#5f6066)"
LINE = "var(--line,#d9d8d3)"
PAPER = "var(--paper,#fff)"
WIDTH, HEIGHT = 400, 240
LEFT, RIGHT, TOP, BOTTOM = 46, 18, 12, 40
"""Margins around the area of the lines, for the labels of the axes."""
LONGEST_NAME, LONGEST_NOTE = 22, 52
"""Characters of a name, and of a note below it, before they are cut."""
BAR_ROW, NOTE_ROW = 24, 12
"""Heights of a bar and of the small text below it."""


class Series(NamedTuple):
    """A line: its name, x [n], y [n], its place in `COLOURS`, and whether it is dashed or faint."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    colour: int = 0
    dashed: bool = False
    faint: bool = False


class Plot(NamedTuple):
    """A drawing: a plain title, finished SVG, and (name, colour, dashed) of each line."""

    title: str
    svg: str
    legend: tuple[tuple[str, int, bool], ...] = ()


class Axis(NamedTuple):
    """The label and the range of an axis; None takes an end from the data."""

    label: str
    low: float | None = None
    high: float | None = None
    percent: bool = False


# ---- pieces of SVG -------------------------------------------------------------------------------


def colour(index: int) -> str:
    """Returns the colour of series `index` as the value of an SVG attribute."""
    index %= len(COLOURS)
    return f"var(--c{index},{COLOURS[index]})"


def text(
    x: float,
    y: float,
    content: str,
    *,
    anchor: str = "middle",
    size: float = 11,
    paint: str = SOFT,
    more: str = "",
) -> str:
    """Returns a line of text at (x, y), escaped; `more` is further attributes."""
    attributes = (
        f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size:g}" fill="{paint}"'
    )
    if more:
        attributes += f" {more}"
    return f"<text {attributes}>{escape(content)}</text>"


def svg(width: float, height: float, title: str, body: Sequence[str]) -> str:
    """Returns a whole drawing; the title is for readers who do not see it."""
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" role="img" xmlns="http://www.w3.org/2000/svg">'
        f"<title>{escape(title)}</title>{''.join(body)}</svg>"
    )


def cut(content: str, most: int) -> str:
    """Cuts a text to `most` characters and marks the cut."""
    return content if len(content) <= most else content[: most - 1] + "…"


# ---- numbers -------------------------------------------------------------------------------------


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Returns round numbers within [low, high], about so many."""
    if not high > low:
        return [low]
    exact_step = (high - low) / about
    scale = 10.0 ** math.floor(math.log10(exact_step))
    # The small factors keep rounding errors from dropping a tick at either end.
    candidates = [scale * factor for factor in (1, 2, 2.5, 5, 10)]
    step = next(step for step in candidates if step >= exact_step * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(step * k, 12) for k in range(first, last + 1)]


def number(value: float) -> str:
    """Formats a number on an axis, thousands as k."""
    if abs(value) >= 10_000:
        return f"{value / 1000:.10g}k"
    return f"{value:.6g}"


def smooth(values: Sequence[float], window: int) -> np.ndarray:
    """Returns the running mean over `window` values, fewer at the ends."""
    values = np.asarray(values, float)
    if window <= 1 or not len(values):
        return values
    total = np.concatenate([[0.0], np.cumsum(values)])
    centre = np.arange(len(values))
    low = np.maximum(centre - window // 2, 0)
    high = np.minimum(centre + window // 2 + 1, len(values))
    return (total[high] - total[low]) / (high - low)


def thinned(
    x: Sequence[float], y: Sequence[float], most: int = 240
) -> tuple[np.ndarray, np.ndarray]:
    """Reduces a line to `most` points, means of equal stretches, so that the page stays small."""
    x, y = np.asarray(x, float), np.asarray(y, float)
    if len(x) <= most:
        return x, y
    edges = np.linspace(0, len(x), most + 1).astype(int)
    count = np.diff(edges)
    return np.add.reduceat(x, edges[:-1]) / count, np.add.reduceat(y, edges[:-1]) / count


# ---- lines ---------------------------------------------------------------------------------------


class _Frame(NamedTuple):
    """The area of a line plot: its size and the ranges of the axes."""

    width: float
    height: float
    x: tuple[float, float]
    y: tuple[float, float]

    def across(self, value: float) -> float:
        """The horizontal place of a value."""
        low, high = self.x
        return LEFT + (value - low) / (high - low) * (self.width - LEFT - RIGHT)

    def down(self, value: float) -> float:
        """The vertical place of a value, kept within the area; NaN stays NaN."""
        if not math.isfinite(value):
            return math.nan
        low, high = self.y
        share = (min(max(value, low), high) - low) / (high - low)
        return TOP + (1 - share) * (self.height - TOP - BOTTOM)


def lines(
    title: str,
    series: Sequence[Series],
    x_axis: Axis,
    y_axis: Axis,
    *,
    height: float = HEIGHT,
    width: float = WIDTH,
    bands: Sequence[tuple[float, float]] = (),
) -> Plot:
    """Draws a line plot; values that are not finite break a line.

    Args:
      title: of the plot.
      series: the lines, the last on top.
      x_axis: the horizontal axis.
      y_axis: the vertical axis.
      height: of the drawing.
      width: of the drawing.
      bands: spans of x that are shaded.
    """
    x_range = _range(x_axis, [np.asarray(line.x, float) for line in series])
    y_range = _range(y_axis, [np.asarray(line.y, float) for line in series])
    frame = _Frame(width, height, x_range, y_range)
    body = [_band(frame, first, last) for first, last in bands]
    body += _axes(frame, x_axis, y_axis)
    body += [_stroke(frame, line) for line in series]
    legend = {}  # a dictionary keeps the order; a name that occurs twice has one entry
    for line in series:
        if not line.faint:
            legend[(line.name, line.colour % len(COLOURS), line.dashed)] = None
    spoken = f"{title}: {y_axis.label}" if y_axis.label else title
    return Plot(title, svg(width, height, spoken, body), tuple(legend))


def _range(axis: Axis, values: list[np.ndarray]) -> tuple[float, float]:
    """The ends of an axis: those given, else those of the data, never of zero length."""
    finite = [series[np.isfinite(series)] for series in values]
    together = np.concatenate(finite) if finite else np.zeros(0)
    low, high = axis.low, axis.high
    if low is None:
        low = float(together.min()) if len(together) else 0.0
    if high is None:
        high = float(together.max()) if len(together) else 1.0
    if high > low:
        return low, high
    if axis.low is None:
        return low - 0.5, low + 0.5
    return low, low + 1.0


def _band(frame: _Frame, first: float, last: float) -> str:
    left, wide = frame.across(first), frame.across(last) - frame.across(first)
    high = frame.height - TOP - BOTTOM
    return (
        f'<rect x="{left:.1f}" y="{TOP}" width="{wide:.1f}" height="{high:g}" '
        f'fill="{LINE}" fill-opacity=".45"/>'
    )


def _axes(frame: _Frame, x_axis: Axis, y_axis: Axis) -> list[str]:
    """Grid lines, ticks and labels."""
    right, bottom = frame.width - RIGHT, frame.height - BOTTOM
    body = []
    for tick in ticks(*frame.y, 4 if frame.height < 200 else 5):
        y = frame.down(tick)
        label = f"{100 * tick:g} %" if y_axis.percent else number(tick)
        body.append(f'<path d="M{LEFT} {y:.1f}H{right:g}" stroke="{LINE}"/>')
        body.append(text(LEFT - 6, y + 4, label, anchor="end"))
    for tick in ticks(*frame.x, 6 if frame.width <= 2 * WIDTH else 8):
        body.append(text(frame.across(tick), bottom + 16, number(tick)))
    body.append(text(LEFT + (right - LEFT) / 2, frame.height - 6, x_axis.label))
    body.append(f'<path d="M{LEFT} {bottom:g}H{right:g}" stroke="{SOFT}"/>')
    return body


def _stroke(frame: _Frame, line: Series) -> str:
    path, command = [], "M"
    for x, y in zip(line.x, line.y, strict=True):
        down = frame.down(float(y))
        if math.isfinite(down):
            path.append(f"{command}{frame.across(float(x)):.1f} {down:.1f}")
            command = "L"
        else:
            command = "M"  # the line goes on at the next finite value
    style = ' stroke-dasharray="5 4"' if line.dashed else ""
    style += ' stroke-opacity=".28" stroke-width="1"' if line.faint else ' stroke-width="2"'
    return (
        f'<path d="{"".join(path)}" fill="none" stroke="{colour(line.colour)}" '
        f'stroke-linejoin="round"{style}/>'
    )


# ---- bars and intervals --------------------------------------------------------------------------


def bars(
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
    row = BAR_ROW + NOTE_ROW if mistakes else BAR_ROW
    left = min(150.0, 14 + 6.2 * max(map(len, names), default=0))
    wide = WIDTH - left - 84
    body = []
    for index, (name, share, note) in enumerate(zip(names, shares, notes, strict=True)):
        y = 4 + index * row
        body.append(_bar(left, y, wide, f'{LINE}" fill-opacity=".5'))
        body.append(_bar(left, y, wide * share, colour(0)))
        body.append(text(left - 6, y + 12, cut(name, LONGEST_NAME), anchor="end", paint=INK))
        body.append(text(left + wide + 6, y + 12, note, anchor="start"))
        if mistakes and mistakes[index]:
            small = cut(mistakes[index], LONGEST_NOTE)
            body.append(text(left, y + 27, small, anchor="start", size=9.5))
    return Plot(title, svg(WIDTH, max(len(names) * row + 4, 20), title, body))


def _bar(x: float, y: float, width: float, fill: str) -> str:
    return f'<rect x="{x:g}" y="{y}" width="{width:.1f}" height="16" rx="2" fill="{fill}"/>'


def interval(share: float, low: float, high: float) -> str:
    """Draws a share in [0, 1] and its interval on a line from 0 to 1, small enough for a table."""

    def across(value: float) -> str:
        return f"{2 + 116 * value:.1f}"

    body = [
        f'<path d="M2 7H118M60 4V10" stroke="{LINE}"/>',
        f'<path d="M{across(low)} 7H{across(high)}" stroke="{colour(0)}" stroke-width="3" '
        'stroke-opacity=".5"/>',
        f'<circle cx="{across(share)}" cy="7" r="3.6" fill="{colour(0)}"/>',
    ]
    title = f"{100 * share:.1f} %, interval {100 * low:.1f} to {100 * high:.1f} %"
    return svg(120, 14, title, body)


# ---- the confusion matrix ------------------------------------------------------------------------

NAMED_CLASSES = 30
"""With more classes, cells are too small for names and counts."""


def confusion(title: str, counts: np.ndarray, names: Sequence[str]) -> Plot:
    """Draws a confusion matrix; a cell is as dark as its share of its row.

    Args:
      title: of the plot.
      counts: [C, C] videos, true classes down and predicted classes across.
      names: C names.
    """
    named = len(names) <= NAMED_CLASSES
    cell = _cell_size(len(names))
    longest = max(map(len, names), default=0)
    left = min(166.0, 32 + 6.4 * longest) if named else 24.0
    top = left * 0.8 if named else 18.0
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    body = []
    for i in range(len(names)):
        for j in range(len(names)):
            corner, paint = (left + j * cell, top + i * cell), colour(0 if i == j else 1)
            if counts[i, j]:
                count = int(counts[i, j]) if named else None
                body += _full_cell(corner, cell, paint, float(share[i, j]), count)
            elif named:
                body.append(_square(corner, cell, f'{LINE}" fill-opacity=".35'))
        if named:
            body += _class_names(cut(names[i], LONGEST_NAME), left, top, i * cell + cell / 2)
    side = len(names) * cell
    turned = f'transform="translate(11 {top + side / 2:.1f}) rotate(-90)"'
    body.append(text(left + side / 2, top + side + 16, "predicted class"))
    body.append(text(0, 0, "true class", more=turned))
    slanted = 0.6 * left if named else 0.0  # room for the last slanted name
    size = round(left + side + slanted), round(top + side + 22)
    return Plot(title, svg(*size, title, body))


def _cell_size(classes: int) -> int:
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
    body = [_square(corner, cell, f'{paint}" fill-opacity="{0.15 + 0.85 * share:.2f}')]
    if count is not None:
        x, y = corner[0] + (cell - 1) / 2, corner[1] + cell / 2 + 3.5
        readable = PAPER if share > 0.45 else INK
        body.append(text(x, y, str(count), size=min(12, cell * 0.45), paint=readable))
    return body


def _class_names(name: str, left: float, top: float, middle: float) -> list[str]:
    """The name of a class before its row and, slanted, above its column."""
    place = f'transform="translate({left + middle + 3:.1f} {top - 5:.1f}) rotate(-45)"'
    return [
        text(left - 6, top + middle + 3.5, name, anchor="end", paint=INK),
        text(0, 0, name, anchor="start", paint=INK, more=place),
    ]
