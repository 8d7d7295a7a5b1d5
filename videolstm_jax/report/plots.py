"""Line plots as inline SVG, and the numbers on their axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from videolstm_jax.report.svg import COLOURS, LINE, SOFT, svg_colour, svg_drawing, svg_text

WIDTH, HEIGHT = 400, 240
LEFT, RIGHT, TOP, BOTTOM = 46, 18, 12, 40
"""Margins around the area of the lines, for the labels of the axes."""


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


# ---- numbers -------------------------------------------------------------------------------------


def plot_axis_ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Returns round numbers within [low, high], about so many."""
    # Ticks are rounded to 12 digits; of a smaller range all would be equal.
    if not high - low > 1e-12:
        return [low]
    exact_step = (high - low) / about
    scale = 10.0 ** math.floor(math.log10(exact_step))
    # The small factors keep rounding errors from dropping a tick at either end.
    for factor in (1, 2, 2.5, 5, 10):
        step = scale * factor
        if step >= exact_step * 0.999:
            break
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(step * k, 12) for k in range(first, last + 1)]


def _axis_number(value: float) -> str:
    """Formats a number on an axis, thousands as k."""
    if abs(value) >= 10_000:
        return f"{value / 1000:.10g}k"
    return f"{value:.6g}"


def smoothed_curve(values: Sequence[float], window: int) -> np.ndarray:
    """Returns the running mean over `window` values, fewer at the ends."""
    values = np.asarray(values, float)
    if window <= 1 or not len(values):
        return values
    # A mean is a difference of cumulative sums: the cost does not depend on the window.
    total = np.concatenate([[0.0], np.cumsum(values)])
    centre = np.arange(len(values))
    low = np.maximum(centre - window // 2, 0)
    high = np.minimum(centre + window // 2 + 1, len(values))
    return (total[high] - total[low]) / (high - low)


def thinned_curve(
    x: Sequence[float], y: Sequence[float], most: int = 240
) -> tuple[np.ndarray, np.ndarray]:
    """Reduces a line to `most` points, means of equal stretches, so that the page stays small."""
    x, y = np.asarray(x, float), np.asarray(y, float)
    if len(x) <= most:
        return x, y
    # reduceat sums from each edge to the next; the last stretch ends with the line.
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


def line_plot(
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
    x_values, y_values = [], []
    for line in series:
        x_values.append(np.asarray(line.x, float))
        y_values.append(np.asarray(line.y, float))
    frame = _Frame(width, height, _range(x_axis, x_values), _range(y_axis, y_values))
    # Bands lie below the grid, and the grid below the lines.
    body = []
    for first, last in bands:
        body.append(_band(frame, first, last))
    body += _axes(frame, x_axis, y_axis)
    legend = {}  # a dictionary keeps the order; a name that occurs twice has one entry
    for line in series:
        body.append(_stroke(frame, line))
        if not line.faint:
            legend[(line.name, line.colour % len(COLOURS), line.dashed)] = None
    spoken = title
    if y_axis.label:
        spoken = f"{title}: {y_axis.label}"
    return Plot(title, svg_drawing(width, height, spoken, body), tuple(legend))


def _range(axis: Axis, values: list[np.ndarray]) -> tuple[float, float]:
    """The ends of an axis: those given, else those of the data, never of zero length."""
    # The empty array lets a plot without lines have a range, too.
    together = np.concatenate([np.zeros(0), *values])
    finite = together[np.isfinite(together)]
    lowest, highest = 0.0, 1.0
    if len(finite):
        lowest, highest = float(finite.min()), float(finite.max())
    low, high = axis.low, axis.high
    if low is None:
        low = lowest
    if high is None:
        high = highest
    if high > low:
        return low, high
    # A constant line would divide by zero: the axis gets a length of one around it, or above the
    # end that is given.
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
    # Low plots have space for fewer labels, wide ones for more.
    labels_down, labels_across = 5, 6
    if frame.height < 200:
        labels_down = 4
    if frame.width > 2 * WIDTH:
        labels_across = 8
    for tick in plot_axis_ticks(*frame.y, labels_down):
        y = frame.down(tick)
        label = _axis_number(tick)
        if y_axis.percent:
            label = f"{100 * tick:g} %"
        body.append(f'<path d="M{LEFT} {y:.1f}H{right:g}" stroke="{LINE}"/>')
        # 4 units down centre a label of size 11 on its line.
        body.append(svg_text(LEFT - 6, y + 4, label, anchor="end"))
    for tick in plot_axis_ticks(*frame.x, labels_across):
        body.append(svg_text(frame.across(tick), bottom + 16, _axis_number(tick)))
    body.append(svg_text(LEFT + (right - LEFT) / 2, frame.height - 6, x_axis.label))
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
    # In the units of the drawing, whose width is 400.
    style = ' stroke-width="2"'
    if line.faint:
        style = ' stroke-opacity=".28" stroke-width="1"'
    if line.dashed:
        style = f' stroke-dasharray="5 4"{style}'
    return (
        f'<path d="{"".join(path)}" fill="none" stroke="{svg_colour(line.colour)}" '
        f'stroke-linejoin="round"{style}/>'
    )
