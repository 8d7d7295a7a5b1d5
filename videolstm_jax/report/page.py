"""The page itself: what it holds, as records, and how they become one HTML file that asks the
network for nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import jinja2
from markupsafe import Markup

from videolstm_jax.report import embed, plots
from videolstm_jax.report.plots import Plot
from videolstm_jax.report.tables import Table


class Example(NamedTuple):
    """One test video as a model saw it.

    `moving`, `still` and `strip` are pictures (bytes), `moving` None where there is one frame only.
    `film` is where a longer film of it lies, relative to the page, or empty. `facts` are short
    (name, value) pairs. `looks` draws the attention over time; `states` is a picture of the LSTM's
    state, which `states_said` puts into words.
    """

    video: str
    true: str
    predicted: str
    score: float
    right: bool
    facts: tuple[tuple[str, str], ...]
    moving: bytes | None
    still: bytes
    strip: bytes
    seen: str
    timeline: Plot
    film: str = ""
    looks: Plot | None = None
    states: bytes | None = None
    states_said: str = ""


class Section(NamedTuple):
    """A part of the page, in the order of its fields; `missing` says what another stage would add."""

    anchor: str
    title: str
    words: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    plots: tuple[Plot, ...] = ()
    wide: tuple[Plot, ...] = ()
    examples: tuple[Example, ...] = ()
    folded: tuple[tuple[str, str], ...] = ()
    missing: tuple[str, ...] = ()


class Page(NamedTuple):
    """All of it: the title of the window, the headline, a lead of a few sentences, (value, name)
    facts, sections.
    """

    title: str
    headline: str
    lead: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]


def environment() -> jinja2.Environment:
    """Jinja with autoescape on and undefined names an error; only finished SVG goes in unescaped."""
    env = jinja2.Environment(
        loader=jinja2.PackageLoader("videolstm_jax.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters["svg"] = Markup
    env.filters["picture"] = embed.data_uri
    env.globals["colour"] = plots.colour
    env.globals["colours"] = plots.COLOURS
    return env


def render(page: Page) -> str:
    """The page as HTML; the same page gives the same characters."""
    return environment().get_template("page.html.j2").render(page=page)
