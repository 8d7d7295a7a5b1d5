"""The tables of docs/results/real_data.md are those of the result file."""

import json
import pathlib

import numpy as np
import pytest

from benchmarks.ladder.tables import filled
from benchmarks.real_data import (
    fit_tables,
    flow_backbone_tables,
    page,
    titles,
    try_tables,
    ucf101_tables,
    vgg16_tables,
)
from benchmarks.real_data.rows import rows_of, share
from videolstm_jax.errors import FileError

RESULTS = pathlib.Path(page.PAGE).parents[2] / "benchmarks" / "results"


@pytest.fixture(scope="module")
def tables():
    figures = json.loads((RESULTS / "real_data_ut_interaction.json").read_text())
    return page.tables_of(figures)


def test_no_figure_of_the_page_differs(tables):
    text = page.PAGE.read_text()
    assert filled(text, tables) == text
    for name in tables:
        assert f"<!-- {name} -->" in text, name


def test_no_figure_of_vgg16_differs():
    figures = json.loads((RESULTS / "real_data_ut_vgg16.json").read_text())
    tables = vgg16_tables.tables_of(figures)
    text = page.PAGE.read_text()
    assert filled(text, tables) == text and "<!-- vgg16 -->" in text
    assert "ALSTM, VGG-16 pool5" in tables["vgg16"]


def test_crops_of_other_videos_are_refused():
    with pytest.raises(FileError, match="tested on 1 videos and squashed ones on 2; expected the"):
        fit_tables.tables_of({"videos": ["a"]}, {"videos": ["a", "b"]})


def test_no_figure_of_ucf101_differs():
    figures = json.loads((RESULTS / "real_data_ucf101_fc6.json").read_text())
    tables = ucf101_tables.tables_of(figures)
    text = page.PAGE.read_text()
    assert filled(text, tables) == text
    assert "<!-- ucf101 rows -->" in text and "<!-- ucf101 tries -->" in text
    # No row and no try of the file is missing.
    assert list(ucf101_tables.ROWS) == list(figures["rows"])
    assert set(ucf101_tables.TRIES) == set(figures["validation"]["tries"])


def test_no_figure_of_the_orderings_in_short_differs(tmp_path):
    copy = tmp_path / "results.md"
    text = page.RESULTS_PAGE.read_text()
    assert "| VideoLSTM over ConvALSTM, RGB | +" in text
    copy.write_text(text.replace("VideoLSTM over ConvALSTM, RGB | +", "typed | -"))
    page.write_orderings(RESULTS, copy)
    assert copy.read_text() == text


def test_the_default_way_to_score_is_that_of_the_rows():
    rows = rows_of(json.loads((RESULTS / "real_data_ut_interaction.json").read_text())["rows"])
    counts = [int(rows[f"videolstm-{stream}"].right[0].sum()) for stream in ("rgb", "flow")]
    assert list(try_tables.READ_OUTS[0][1:]) == counts


def test_a_count_has_the_interval_of_wilson():
    assert share(0, 18).startswith("0 of 18: 0.0 (0.0 to 17.6")
    assert share(9, 18) == "9 of 18: 50.0 (29.0 to 71.0)"


def test_flow_backbones_of_other_videos_are_refused():
    with pytest.raises(FileError, match="tested on 1 videos and frozen Lite0 on 2; expected the"):
        flow_backbone_tables.tables_of({"videos": ["a"]}, {"videos": ["a", "b"]})


def test_a_cell_of_some_folds_is_compared_on_their_clips():
    figures = {
        "runs": {"alstm-vgg16": {"train__steps": 9}, "convalstm-vgg16": {"train__steps": 4}},
        "rows": {"alstm-vgg16": {"right": ["1010"]}},
        "partial": {
            "convalstm-vgg16": {
                "folds": [1, 3],
                "rows": {"alstm-vgg16": {"right": ["10"]}, "convalstm-vgg16": {"right": ["11"]}},
            }
        },
    }
    tables = vgg16_tables.tables_of(figures)
    shown = [line.split(" | ")[:3] for line in tables["vgg16"].splitlines()[2:]]
    assert shown == [
        ["| ALSTM, VGG-16 pool5", "9", "2 of 4"],
        ["| ConvALSTM, VGG-16 pool5, folds 1, 3", "4", "2 of 2"],
    ]
    (line,) = tables["vgg16 orderings"].splitlines()[2:]
    assert "pool5, folds 1, 3 | +50.0 (" in line


@pytest.mark.parametrize(
    "results, typed",
    [
        ("real_data_ut_flow_backbones.json", "| VideoLSTM | small network | 68 72 65 |"),
        ("real_data_ut_fit.json", "| 70 69 65 | 57 59 65 |"),
        pytest.param(
            "real_data_ut_interaction.json", "**74 66 73**", marks=pytest.mark.slow, id="slow"
        ),
    ],
)
def test_a_figure_that_was_typed_is_replaced(results, typed, tmp_path):
    copy = tmp_path / "page.md"
    text = page.PAGE.read_text()
    copy.write_text(text.replace(typed, typed.replace("6", "9")))
    assert copy.read_text() != text
    page.write(RESULTS / results, copy)
    assert copy.read_text() == text


def test_titles():
    expected = {
        "videolstm-rgb": "VideoLSTM, RGB",
        "fusion": "both VideoLSTMs, product of scores",
        "frame classifier, flow": "frame classifier (ConvNet), flow",
        "ridge on both mean vectors": "ridge regression on both mean vectors",
    }
    assert {name: titles.title(name) for name in expected} == expected


def test_a_try_that_was_not_run_says_so():
    tries = {"a, flow": {"right": [9, 8], "videos": [18, 19]}}
    tries["b, flow"] = {"right": [9, 8, 7], "videos": [18, 19, 18]}
    assert try_tables.tried(tries, "a", "flow") == ("9 8", share(17, 37))
    assert try_tables.tried(tries, "b", "flow") == ("9 8 7", share(24, 55))
    assert try_tables.tried(tries, "b", "rgb") == ("not run", "")


def test_blind_clips_are_those_of_folds_1_and_5():
    names = [f"A/v_A_g{sequence:02}_c01" for sequence in range(1, 16)]
    blind = np.flatnonzero(page._blind(names)) + 1
    assert blind.tolist() == [1, 5, 6, 10, 11, 15]
