"""Inline SVG: well formed, escaped, in range, always the same."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from videolstm_jax.report import charts, plots, svg
from videolstm_jax.report.plots import Axis, Series

EVIL = '<script>alert("x")</script> & "quotes"'
SVG = "{http://www.w3.org/2000/svg}"


def parsed(plot):
    return ElementTree.fromstring(plot.svg if isinstance(plot, plots.Plot) else plot)


def points(path):
    return np.array(
        [pair.split() for pair in path.get("d").replace("M", "L").split("L")[1:]], float
    )


def test_a_line_goes_through_its_points():
    drawn = parsed(
        plots.line_plot(
            "t", [Series("a", [0, 5, 10], [0, 1, 0.5])], Axis("x", 0, 10), Axis("y", 0, 1)
        )
    )
    line = points(drawn.findall(f"{SVG}path")[-1])
    high = plots.HEIGHT - plots.TOP - plots.BOTTOM
    wide = plots.WIDTH - plots.LEFT - plots.RIGHT
    want = [
        (plots.LEFT, plots.TOP + high),
        (plots.LEFT + wide / 2, plots.TOP),
        (plots.LEFT + wide, plots.TOP + high / 2),
    ]
    np.testing.assert_allclose(line, want, atol=0.051)


def test_a_line_breaks_where_a_value_is_missing():
    drawn = parsed(
        plots.line_plot("t", [Series("a", range(5), [0, 1, np.nan, 1, 0])], Axis("x"), Axis("y"))
    )
    assert drawn.findall(f"{SVG}path")[-1].get("d").count("M") == 2


@settings(max_examples=60, deadline=None)
@example(y=[0.0, 5e-324], name="")
@given(
    y=st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), max_size=12), name=st.text(max_size=20)
)
def test_any_numbers_make_well_formed_svg(y, name):
    clean = "".join(c for c in name if c.isprintable())
    drawn = parsed(
        plots.line_plot(clean, [Series(clean, range(len(y)), y)], Axis("x"), Axis(clean))
    )
    assert (drawn.find(f"{SVG}title").text or "").startswith(clean)
    assert "nan" not in drawn.findall(f"{SVG}path")[-1].get("d")


def test_words_are_escaped_everywhere():
    drawings = [
        plots.line_plot(EVIL, [Series(EVIL, [0, 1], [0, 1])], Axis(EVIL), Axis(EVIL)),
        charts.bar_chart(EVIL, [EVIL], [0.5], [EVIL], mistakes=[EVIL]),
        charts.confusion_chart(EVIL, np.eye(2, dtype=int), [EVIL, "b"]),
    ]
    for plot in drawings:
        assert "<script" not in plot.svg and parsed(plot).find(f"{SVG}title").text.startswith(EVIL)


def test_the_same_numbers_give_the_same_characters():
    make = [
        lambda: plots.line_plot(
            "t", [Series("a", range(9), np.sin(range(9)))], Axis("x"), Axis("y")
        ),
        lambda: charts.confusion_chart("t", np.arange(9).reshape(3, 3), ["a", "b", "c"]),
    ]
    assert all(draw() == draw() for draw in make)


@given(low=st.floats(-1e5, 1e5), span=st.floats(1e-3, 1e6))
def test_ticks_are_round_rising_and_inside(low, span):
    drawings = plots.plot_axis_ticks(low, low + span)
    assert 1 <= len(drawings) <= 12 and drawings == sorted(set(drawings))
    assert all(low - 1e-6 * span <= tick <= low + span * (1 + 1e-6) for tick in drawings)


def test_ticks_of_the_unit():
    assert plots.plot_axis_ticks(0, 1) == [0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert plots.plot_axis_ticks(3, 3) == [3]


@given(values=st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=40), window=st.integers(1, 15))
def test_smooth_is_the_mean_of_neighbours(values, window):
    drawings = plots.smoothed_curve(values, window)
    half = window // 2 if window > 1 else 0
    want = [np.mean(values[max(0, k - half) : k + half + 1]) for k in range(len(values))]
    np.testing.assert_allclose(drawings, want, atol=1e-8)


@given(length=st.integers(0, 2000))
def test_thinned_lines_keep_their_mean_and_ends(length):
    x, y = plots.thinned_curve(np.arange(length), np.arange(length) * 2.0, 100)
    assert len(x) == min(length, 100) and (np.diff(x) > 0).all()
    np.testing.assert_allclose(y, 2 * x)


def test_confusion_shows_every_count_once():
    counts = np.array([[5, 2, 0], [1, 4, 0], [0, 0, 7]])
    drawn = parsed(charts.confusion_chart("t", counts, ["a", "b", "c"]))
    texts = [element.text for element in drawn.iter(f"{SVG}text")]
    assert sorted(text for text in texts if text.isdigit()) == ["1", "2", "4", "5", "7"]
    assert [texts.count(name) for name in "abc"] == [2, 2, 2]


@pytest.mark.parametrize("classes", [1, 2, 12, 24, 101])
def test_confusion_of_any_number_of_classes(classes):
    drawn = parsed(
        charts.confusion_chart(
            "t", np.eye(classes, dtype=int), [f"class {c}" for c in range(classes)]
        )
    )
    wide, high = map(float, drawn.get("viewBox").split()[2:])
    for cell in drawn.iter(f"{SVG}rect"):
        assert float(cell.get("x")) + float(cell.get("width")) <= wide
        assert float(cell.get("y")) + float(cell.get("height")) <= high


def test_bars_are_as_long_as_their_shares():
    drawn = parsed(charts.bar_chart("t", ["a", "b"], [0.25, 1.0], ["1 of 4", "4 of 4"]))
    width = [float(bar.get("width")) for bar in drawn.iter(f"{SVG}rect")]
    np.testing.assert_allclose([width[1] / width[0], width[3] / width[2]], [0.25, 1.0], atol=0.01)


def test_interval_marks_its_bounds():
    path = parsed(charts.interval_bar_chart(0.5, 0.25, 0.75)).findall(f"{SVG}path")[1]
    assert path.get("d") == "M31.0 7H89.0"


def test_cut():
    assert svg.cut_page_text("abc", 3) == "abc" and svg.cut_page_text("abcd", 3) == "ab…"
