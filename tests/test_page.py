"""The page: one file, nothing fetched, everything escaped, always the same."""

import base64
import io
import pathlib
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from videolstm_jax.report import page, plots, tables
from videolstm_jax.report.pictures import encoded
from videolstm_jax.report.plots import Axis, Series

PAGES = pathlib.Path(__file__).parents[1] / "docs" / "results"
EVIL = '<script>alert("x")</script> & \'more\' "><img src=x onerror=alert(1)>'
VOID = {"meta", "link", "img", "input", "br", "hr"}


class Reader(HTMLParser):
    """Collects tags and attributes, and checks that what opens is closed."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.words = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"{tag} closes another tag"

    def handle_data(self, data):
        self.words.append(data)


def read(html):
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    return reader


def evil_page():
    picture = encoded.still_of_picture(np.zeros((4, 4, 3), np.uint8))
    plot = plots.line_plot(
        EVIL, [Series(EVIL, [0, 1], [0, 1]), Series("b", [0, 1], [1, 0])], Axis(EVIL), Axis(EVIL)
    )
    card = page.Example(
        EVIL,
        EVIL,
        EVIL,
        0.5,
        False,
        ((EVIL, EVIL),),
        picture,
        picture,
        picture,
        EVIL,
        plot,
        "videos/#?%.mp4",
        plot,
        picture,
        EVIL,
    )
    table = tables.plain_page_table(EVIL, (EVIL, "n"), [(EVIL, 1), (EVIL, 2), ("c", 3)], EVIL)
    section = page.Section(
        "one", EVIL, (EVIL,), (table,), (plot,), (plot,), (card,), ((EVIL, EVIL),), (EVIL,)
    )
    return page.Page(EVIL, EVIL, (EVIL,), ((EVIL, EVIL),), (section, page.Section("two", "Two")))


@pytest.fixture(scope="module")
def html():
    return page.render_page(evil_page())


def test_names_never_become_tags(html):
    reader = read(html)
    assert sum(tag == "script" for tag, _ in reader.tags) == 1, "only the page's own"
    assert not any(name.startswith("on") for _, attributes in reader.tags for name in attributes)
    assert EVIL in "".join(reader.words)


def test_nothing_is_fetched(html):
    for tag, attributes in read(html).tags:
        if "src" in attributes:
            assert attributes["src"].startswith("data:image/"), tag
        if tag == "link":
            assert attributes["href"] == "data:,"
        assert "srcset" not in attributes and tag not in ("iframe", "object", "embed", "base")
    links = [attributes["href"] for tag, attributes in read(html).tags if tag == "a"]
    assert set(links) == {"#one", "#two", "videos/%23%3F%25.mp4"}
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL)[1]
    assert "url(" not in style and "@import" not in style and "http" not in style


def test_every_picture_has_words_and_every_table_heads(html):
    tags = read(html).tags
    assert all(attributes.get("alt") for tag, attributes in tags if tag == "img")
    assert all(attributes.get("scope") in ("row", "col") for tag, attributes in tags if tag == "th")
    drawings = [attributes for tag, attributes in tags if tag == "svg"]
    assert all(
        "aria-hidden" in attributes or attributes.get("role") == "img" for attributes in drawings
    )
    assert [tag for tag, _ in tags].count("caption") == 1 and [tag for tag, _ in tags].count(
        "h1"
    ) == 1
    assert ("html", {"lang": "en"}) in tags


def test_ids_are_unique_and_links_inside_lead_somewhere(html):
    tags = read(html).tags
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {a["href"][1:] for tag, a in tags if tag == "a" and a["href"].startswith("#")} <= set(
        ids
    )


def test_animations_can_be_stopped(html):
    assert sum(a.get("class") == "play" for _, a in read(html).tags) == 1
    assert ".example:has(.play:not(:checked)) .moving { display: none; }" in html
    assert "prefers-reduced-motion: reduce" in html and "@media print" in html


def test_both_themes_and_a_narrow_screen_are_thought_of(html):
    assert "prefers-color-scheme: dark" in html and "max-width: 760px" in html
    assert any(a.get("name") == "viewport" for _, a in read(html).tags)


def test_the_same_page_gives_the_same_characters(html):
    assert page.render_page(evil_page()) == html


def test_an_empty_page_is_a_page():
    reader = read(page.render_page(page.Page("t", "h", (), (), ())))
    assert "h" in reader.words


@pytest.mark.parametrize("path", sorted(PAGES.glob("*.html")), ids=lambda path: path.name)
def test_committed_pages_are_small_and_whole(path):
    assert path.stat().st_size < 1_000_000
    for kind, content in re.findall(r'"data:image/(\w+);base64,([^"]+)"', path.read_text()):
        with Image.open(io.BytesIO(base64.b64decode(content))) as picture:
            assert picture.format == kind.upper()
            picture.load()
