"""The records that make up the page, and the page as one HTML file without outside references."""

from __future__ import annotations

from typing import NamedTuple

import jinja2
from markupsafe import Markup

from videolstm_jax.report import svg
from videolstm_jax.report.pictures import encoded
from videolstm_jax.report.plots import Plot
from videolstm_jax.report.tables import Table


class Example(NamedTuple):
    """The card of one test video.

    `moving`, `still`, `strip` and `states` are encoded pictures; `moving` is None for a video of
    one frame, `states` for a run whose states were not saved. `description` is the text for readers
    who do not see the pictures. `film` is the address of the film relative to the page, or empty.
    `facts` are (name, value) pairs. `timeline` plots the scores, `attention` the attention.
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
    description: str
    timeline: Plot
    film: str = ""
    attention: Plot | None = None
    states: bytes | None = None
    states_title: str = ""


class Section(NamedTuple):
    """A section of the page.

    `paragraphs` explain it; `notices` say what is absent and which stage writes it. `folded` are
    (title, text) pairs that the reader can open. `wide` plots share a row where it is wide enough.
    """

    anchor: str
    title: str
    paragraphs: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    plots: tuple[Plot, ...] = ()
    wide: tuple[Plot, ...] = ()
    examples: tuple[Example, ...] = ()
    folded: tuple[tuple[str, str], ...] = ()
    notices: tuple[str, ...] = ()


class Page(NamedTuple):
    """The whole page: window title, headline, opening paragraphs, (value, name) facts, sections."""

    title: str
    headline: str
    lead: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]


def _page_environment() -> jinja2.Environment:
    """Returns Jinja with the filters and globals of the template.

    Names of videos and classes come from users, so autoescape is on; only SVG that `plots` has
    already escaped goes in as it is. An undefined name is an error.
    """
    env = jinja2.Environment(
        loader=jinja2.PackageLoader("videolstm_jax.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        # Lines of the template that hold only a tag leave no blank lines in the page.
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # Markup is not escaped again. The functions of `svg` have escaped every name in a drawing.
    env.filters["svg"] = Markup
    # Pictures are inside the page, so that it can be moved and sent as one file.
    env.filters["picture"] = encoded.picture_data_uri
    env.globals["colour"] = svg.svg_colour
    env.globals["colours"] = svg.COLOURS
    return env


def render_page(page: Page) -> str:
    """Returns the page as HTML; equal pages give equal characters."""
    return _page_environment().get_template("page.html.j2").render(page=page)
