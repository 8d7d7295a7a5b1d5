"""Localisation as numbers, tables and plots."""

import copy

import pytest

from videolstm_jax.report import local, local_tables


def measures(iou):
    return {
        "video_map": {
            "voc": {"0.05": 0.9, "0.1": 0.8, "0.2": 0.7, "0.3": 0.6, "0.5": iou, "0.5:0.95": 0.1}
        },
        "recall": {"iou": [0.05, 0.5, 0.95], "recall": [1.0, iou, 0.0]},
        "errors": {
            "0.2": {
                "right": 7,
                "localisation": 1,
                "classification": 2,
                "time": 0,
                "duplicate": 0,
                "other": 0,
                "missed": 3,
            }
        },
        "mean_frame_iou": {"value": iou, "low": iou - 0.1, "high": iou + 0.1},
    }


@pytest.fixture
def run_measures():
    look = {
        "entropy": 0.8,
        "peak": 0.2,
        "drift": 0.1,
        "motion": 0.3,
        "between": 0.1,
        "warning": None,
        "full_frame_boxes": 0.0,
        "mass_inside_truth": 0.45,
        "area_of_truth": 0.125,
    }
    minus = {"value": 0.1, "low": -0.05, "high": 0.25}
    baselines = {
        kind: {**measures(iou), "about": "", "model_minus_baseline": minus}
        for kind, iou in (
            ("perfect_tube", 1.0),
            ("ideal_attention", 0.7),
            ("centred", 0.5),
            ("flow_magnitude", 0.35),
        )
    }
    baselines["centred"]["fraction"] = 0.6
    return {"attention": look, "model": measures(0.45), "baselines": baselines}


def unmeasured(run_measures):
    bare = copy.deepcopy(run_measures)
    bare |= {"model": None, "baselines": {}}
    bare["attention"] |= {"mass_inside_truth": None, "area_of_truth": None}
    return bare


def test_numbers_of_the_results_table(run_measures):
    assert local.localization_page_numbers(run_measures) == {
        "map_20": 0.7,
        "map_50": 0.45,
        "frame_iou": 0.45,
        "mass": 0.45,
        "area": 0.125,
    }
    assert local.localization_page_numbers(None) == {}
    assert local.localization_page_numbers(unmeasured(run_measures)) == {"mass": None, "area": None}


def test_runs_whose_boxes_are_of_the_foreground_are_named(run_measures):
    foreground = run_measures | {"settings": {"input": "foreground"}}
    others = {"a": run_measures, "b": run_measures | {"settings": {"input": "attention"}}}
    assert local.page_foreground_note(others) == ()
    section = local.section(others | {"c": foreground})
    assert len(section.paragraphs) == 2
    assert section.paragraphs[1].startswith("Boxes of c are made of the foreground")
    section = local.section({"c": unmeasured(foreground)})
    assert section.paragraphs[0].startswith("Boxes of c are made of the foreground")


def test_each_run_stands_over_floors_with_its_own_scores_ceilings_last(run_measures):
    worse = copy.deepcopy(run_measures)
    worse["model"]["mean_frame_iou"]["value"] = 0.2
    worse["baselines"]["centred"]["video_map"]["voc"]["0.2"] = 0.25
    first, second, *_ = local.section({"a": worse, "b": run_measures}).tables
    for name, table in (("a", first), ("b", second)):
        assert [row[0].text for row in table.rows] == [
            name,
            "flow magnitude",
            "centred box, 0.6 of the sides",
            "ideal attention",
            "perfect tube",
        ]
        assert [row[1].text for row in table.rows] == [
            "run",
            "baseline",
            "baseline",
            "upper bound",
            "upper bound",
        ]
    at = first.head.index("Video-mAP .2")
    assert (first.rows[2][at].text, second.rows[2][at].text) == ("0.250", "0.700")
    assert first.rows[1][-1].text == "+0.100 (-0.050 to +0.250)"


def test_attention_over_time_is_drawn_for_runs_that_say_it(run_measures):
    with_curves = copy.deepcopy(run_measures)
    with_curves["attention"] |= {
        "drift": 0.05,
        "over_time": {
            "entropy": [0.9, 0.8, 0.7],
            "peak": [0.1, 0.2, 0.3],
            "drift": [None, 0.2, 0.1],
            "mass_inside_truth": [None, 0.5, 0.6],
            "area_of_truth": [None, 0.3, 0.3],
        },
    }
    assert local.time_plots({"old": run_measures}) == ()
    plots = local.section({"old": run_measures, "new": with_curves}).plots[2:]
    assert [plot.legend[0] for plot in plots] == [("new", 1, False)] * 4
    assert plots[3].legend == (("new", 1, False), ("area of the true box", 1, True))
    assert all("nan" not in plot.svg for plot in plots)
    table = local_tables.attention_page_table({"old": run_measures, "new": with_curves})
    assert [row[table.head.index("Drift")].text for row in table.rows] == ["0.100", "0.050"]
    bare = unmeasured(with_curves)
    del (
        bare["attention"]["over_time"]["mass_inside_truth"],
        bare["attention"]["over_time"]["area_of_truth"],
    )
    assert len(local.section({"new": bare}).plots) == 3


def test_every_line_is_in_the_recall_plot(run_measures):
    plot = local.section({"a": run_measures}).plots[0]
    assert [(name, dashed) for name, _, dashed in plot.legend] == [
        ("a", False),
        ("flow magnitude", True),
        ("centred box", True),
        ("ideal attention", True),
        ("perfect tube", True),
    ]


def test_errors_are_told_by_threshold(run_measures):
    row = local_tables.tube_error_page_table({"a": run_measures}).rows[0]
    assert [cell.text for cell in row] == ["a at IoU 0.2", "7", "1", "2", "0", "0", "0", "3"]


def test_without_true_boxes_only_attention_is_described(run_measures):
    section = local.section({"a": unmeasured(run_measures)})
    assert len(section.tables) == 1 and not section.plots and "no true boxes" in section.notices[0]
    table = section.tables[0]
    assert table.rows[0][table.head.index("Mass in the true box")].text == "–"


def test_a_warning_of_the_stage_is_passed_on(run_measures):
    run_measures["attention"]["warning"] = "attention is nearly uniform"
    assert local.section({"a": run_measures}).notices == ("a: attention is nearly uniform.",)


def test_no_tubes_yet():
    assert "localize" in local.section({}).notices[0]
