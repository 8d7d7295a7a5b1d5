"""Plots as inline SVG, which takes its colours from the page and so follows its light and dark
theme.

The same numbers give the same characters. Colours are the CSS variables --c0 to --c7, --ink,
--soft, --line and --paper, each with a fallback for an SVG that is taken out of its page.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

import numpy as np

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#56b4e9", "#7a5195", "#6b6b6b")
"""Okabe and Ito's colours, told apart by colour-blind readers; two are darkened to be read on
white.
"""
WIDTH, HEIGHT = 400, 240
LEFT, RIGHT, TOP, BOTTOM = 46, 18, 12, 40


class Series(NamedTuple):
    """A line: its name, x [n] and y [n], which of the colours it has, whether it is dashed or drawn
    faintly.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    colour: int = 0
    dashed: bool = False
    faint: bool = False


class Plot(NamedTuple):
    """A drawing: `svg` is finished mark-up, `title` plain text, `legend` has (name, colour, dashed)
    of each line.
    """

    title: str
    svg: str
    legend: tuple[tuple[str, int, bool], ...] = ()


class Axis(NamedTuple):
    """What an axis says and the range it shows; None is taken from the data."""

    label: str
    low: float | None = None
    high: float | None = None
    percent: bool = False


def colour(index: int) -> str:
    """The paint of series `index`, as an SVG attribute says it."""
    index %= len(COLOURS)
    return f"var(--c{index},{COLOURS[index]})"


INK, SOFT, LINE, PAPER = (
    "var(--ink,#1c1c1e)",
    "var(--soft,#5f6066)",
    "var(--line,#d9d8d3)",
    "var(--paper,#fff)",
)


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers, about so many, that lie within [low, high]."""
    if not high > low:
        return [low]
    raw = (high - low) / about
    scale = 10.0 ** math.floor(math.log10(raw))
    step = next(scale * nice for nice in (1, 2, 2.5, 5, 10) if scale * nice >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(step * k, 12) for k in range(first, math.floor(high / step + 1e-9) + 1)]


def number(value: float) -> str:
    """A number on an axis, as short as it can be said."""
    if abs(value) >= 10_000:
        return f"{value / 1000:.10g}k"
    return f"{value:.6g}"


def smooth(values: Sequence[float], window: int) -> np.ndarray:
    """The running mean over `window` values, fewer at the ends."""
    values = np.asarray(values, float)
    if window <= 1 or not len(values):
        return values
    total = np.concatenate([[0.0], np.cumsum(values)])
    at = np.arange(len(values))
    low, high = np.maximum(at - window // 2, 0), np.minimum(at + window // 2 + 1, len(values))
    return (total[high] - total[low]) / (high - low)


def thinned(
    x: Sequence[float], y: Sequence[float], most: int = 240
) -> tuple[np.ndarray, np.ndarray]:
    """At most `most` points of a line, means of equal runs, so that a page of long training stays
    small.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    if len(x) <= most:
        return x, y
    edges = np.linspace(0, len(x), most + 1).astype(int)
    count = np.diff(edges)
    return np.add.reduceat(x, edges[:-1]) / count, np.add.reduceat(y, edges[:-1]) / count


def _svg(width: float, height: float, title: str, body: list[str]) -> str:
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" role="img" xmlns="http://www.w3.org/2000/svg">'
        f"<title>{escape(title)}</title>{''.join(body)}</svg>"
    )


def text(
    x: float,
    y: float,
    words: str,
    *,
    anchor: str = "middle",
    size: float = 11,
    paint: str = SOFT,
    more: str = "",
) -> str:
    """A line of text at (x, y), escaped."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size:g}" fill="{paint}"'
        f"{' ' + more if more else ''}>{escape(words)}</text>"
    )


def _range(axis: Axis, values: list[np.ndarray]) -> tuple[float, float]:
    together = np.concatenate([v[np.isfinite(v)] for v in values]) if values else np.zeros(0)
    low = axis.low if axis.low is not None else float(together.min()) if len(together) else 0.0
    high = axis.high if axis.high is not None else float(together.max()) if len(together) else 1.0
    if not high > low:
        low, high = low - 0.5 * (axis.low is None), low + 0.5 + 0.5 * (axis.low is not None)
    return low, high


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
    """A line plot. Values that are not finite break a line; `bands` are stretches of x that are
    shaded.
    """
    xs, ys = [np.asarray(s.x, float) for s in series], [np.asarray(s.y, float) for s in series]
    (x0, x1), (y0, y1) = _range(x_axis, xs), _range(y_axis, ys)
    wide, high = width - LEFT - RIGHT, height - TOP - BOTTOM

    def across(value: float) -> float:
        return LEFT + (value - x0) / (x1 - x0) * wide

    def down(value: float) -> float:
        return TOP + (1 - (min(max(value, y0), y1) - y0) / (y1 - y0)) * high

    body = [
        f'<rect x="{across(a):.1f}" y="{TOP}" width="{across(b) - across(a):.1f}" height="{high:g}" fill="{LINE}" '
        f'fill-opacity=".45"/>'
        for a, b in bands
    ]
    for tick in ticks(y0, y1, 4 if height < 200 else 5):
        body.append(f'<path d="M{LEFT} {down(tick):.1f}H{width - RIGHT:g}" stroke="{LINE}"/>')
        said = f"{100 * tick:g} %" if y_axis.percent else number(tick)
        body.append(text(LEFT - 6, down(tick) + 4, said, anchor="end"))
    for tick in ticks(x0, x1, 6 if width <= 2 * WIDTH else 8):
        body.append(text(across(tick), height - BOTTOM + 16, number(tick)))
    body.append(text(LEFT + wide / 2, height - 6, x_axis.label))
    body.append(f'<path d="M{LEFT} {height - BOTTOM:g}H{width - RIGHT:g}" stroke="{SOFT}"/>')
    for one, x, y in zip(series, xs, ys, strict=True):
        body.append(
            _stroke(
                one, [across(v) for v in x], [down(v) if np.isfinite(v) else math.nan for v in y]
            )
        )
    named = dict.fromkeys(
        (s.name, s.colour % len(COLOURS), s.dashed) for s in series if not s.faint
    )
    spoken = title if not y_axis.label else f"{title}: {y_axis.label}"
    return Plot(title, _svg(width, height, spoken, body), tuple(named))


def _stroke(one: Series, x: list[float], y: list[float]) -> str:
    path, pen = [], "M"
    for across, down in zip(x, y, strict=True):
        if math.isfinite(down):
            path.append(f"{pen}{across:.1f} {down:.1f}")
            pen = "L"
        else:
            pen = "M"
    style = ' stroke-dasharray="5 4"' if one.dashed else ""
    style += ' stroke-opacity=".28" stroke-width="1"' if one.faint else ' stroke-width="2"'
    return f'<path d="{"".join(path)}" fill="none" stroke="{colour(one.colour)}" stroke-linejoin="round"{style}/>'


def bars(
    title: str,
    names: Sequence[str],
    shares: Sequence[float],
    notes: Sequence[str],
    *,
    wrong: Sequence[str] = (),
) -> Plot:
    """Horizontal bars of shares in [0, 1], a name before and a note behind each, `wrong` in small
    letters below.
    """
    row, label = 24 + 12 * bool(wrong), min(150.0, 14 + 6.2 * max(map(len, names), default=0))
    wide = WIDTH - label - 84
    body = []
    for index, (name, share, note) in enumerate(zip(names, shares, notes, strict=True)):
        y = 4 + index * row
        for length, paint in ((wide, f'{LINE}" fill-opacity=".5'), (wide * share, colour(0))):
            body.append(
                f'<rect x="{label:g}" y="{y}" width="{length:.1f}" height="16" rx="2" fill="{paint}"/>'
            )
        body.append(text(label - 6, y + 12, cut(name, 22), anchor="end", paint=INK))
        body.append(text(label + wide + 6, y + 12, note, anchor="start"))
        if wrong and wrong[index]:
            body.append(text(label, y + 27, cut(wrong[index], 52), anchor="start", size=9.5))
    return Plot(title, _svg(WIDTH, max(len(names) * row + 4, 20), title, body))


def cut(words: str, most: int) -> str:
    """Words cut to `most` characters, the cut shown."""
    return words if len(words) <= most else words[: most - 1] + "…"


def interval(share: float, low: float, high: float) -> str:
    """A share in [0, 1] as a dot with its interval on a line from 0 to 1, small enough for a table."""
    body = [
        f'<path d="M2 7H118M60 4V10" stroke="{LINE}"/>',
        f'<path d="M{2 + 116 * low:.1f} 7H{2 + 116 * high:.1f}" stroke="{colour(0)}" stroke-width="3" '
        'stroke-opacity=".5"/>',
        f'<circle cx="{2 + 116 * share:.1f}" cy="7" r="3.6" fill="{colour(0)}"/>',
    ]
    return _svg(
        120, 14, f"{100 * share:.1f} %, interval {100 * low:.1f} to {100 * high:.1f} %", body
    )


def confusion(title: str, counts: np.ndarray, names: Sequence[str]) -> Plot:
    """The confusion matrix [C, C], true classes down, predicted across; a cell is as dark as its
    share of its row.
    """
    classes = len(names)
    cell = 34 if classes <= 8 else 26 if classes <= 16 else 18 if classes <= 30 else 7
    spelt = classes <= 30
    left = min(166.0, 32 + 6.4 * max(map(len, names), default=0)) if spelt else 24.0
    top = left * 0.8 if spelt else 18.0
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    body = []
    for i in range(classes):
        for j in range(classes):
            x, y, level = left + j * cell, top + i * cell, float(share[i, j])
            paint = colour(0 if i == j else 1)
            if counts[i, j] or spelt:
                body.append(
                    f'<rect x="{x:.1f}" y="{y:.1f}" width="{cell - 1}" height="{cell - 1}" '
                    + (
                        f'fill="{paint}" fill-opacity="{0.15 + 0.85 * level:.2f}"'
                        if counts[i, j]
                        else f'fill="{LINE}" fill-opacity=".35"'
                    )
                    + "/>"
                )
            if spelt and counts[i, j]:
                body.append(
                    text(
                        x + (cell - 1) / 2,
                        y + cell / 2 + 3.5,
                        str(int(counts[i, j])),
                        size=min(12, cell * 0.45),
                        paint=PAPER if level > 0.45 else INK,
                    )
                )
        if spelt:
            middle = i * cell + cell / 2
            body.append(
                text(left - 6, top + middle + 3.5, cut(names[i], 22), anchor="end", paint=INK)
            )
            body.append(
                text(
                    0,
                    0,
                    cut(names[i], 22),
                    anchor="start",
                    paint=INK,
                    more=f'transform="translate({left + middle + 3:.1f} {top - 5:.1f}) rotate(-45)"',
                )
            )
    side = classes * cell
    body.append(text(left + side / 2, top + side + 16, "predicted class"))
    body.append(
        text(0, 0, "true class", more=f'transform="translate(11 {top + side / 2:.1f}) rotate(-90)"')
    )
    extra = 0.0 if not spelt else 0.6 * left
    return Plot(title, _svg(round(left + side + extra), round(top + side + 22), title, body))
