"""Pieces of inline SVG that follow the light and dark theme of the page.

Equal numbers give equal characters. Colours are the CSS variables --c0 to --c7, --ink, --soft,
--line and --paper of the page's style, each with a fallback for an SVG that is taken out of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#56b4e9", "#7a5195", "#6b6b6b")
"""Okabe and Ito's colours for colour-blind readers, two of them darkened to be read on white."""
INK = "var(--ink,#1c1c1e)"
SOFT = "var(--soft,#5f6066)"
LINE = "var(--line,#d9d8d3)"
BACKGROUND = "var(--paper,#fff)"


def svg_colour(index: int) -> str:
    """Returns the colour of series `index` as the value of an SVG attribute."""
    # More series than colours begin again with the first.
    index %= len(COLOURS)
    return f"var(--c{index},{COLOURS[index]})"


def svg_text(
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
    # Names of classes and videos come from users, and may hold characters of markup.
    return f"<text {attributes}>{escape(content)}</text>"


def svg_drawing(width: float, height: float, title: str, body: Sequence[str]) -> str:
    """Returns a whole drawing; the title is for readers who do not see it."""
    # Screen readers read an image with a title as one thing, not number by number.
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" role="img" xmlns="http://www.w3.org/2000/svg">'
        f"<title>{escape(title)}</title>{''.join(body)}</svg>"
    )


def cut_page_text(content: str, most: int) -> str:
    """Cuts a text to `most` characters and marks the cut."""
    if len(content) <= most:
        return content
    return content[: most - 1] + "…"
