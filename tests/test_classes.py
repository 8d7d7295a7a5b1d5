"""Class by class."""

import numpy as np

from videolstm_jax.report import classes


def test_names_the_mistakes():
    section = classes.section("fused", np.array([[3, 1], [0, 4]]), ["in", "out"])
    assert "in / out" in section.tables[0].rows[0][0].text
    assert "predicted as out (1)" in section.wide[1].svg and "3 of 4" in section.wide[1].svg
    assert section.wide[0].title == "Confusion matrix of fused"


def test_says_so_where_all_is_right():
    section = classes.section("fused", np.diag([3, 4]), ["in", "out"])
    assert (
        not section.tables and section.paragraphs[-1] == "All test videos are predicted correctly."
    )


def test_of_many_classes_the_worst_are_drawn():
    counts = np.diag(np.arange(101)) + np.eye(101, k=1, dtype=int)
    plot = classes.class_bar_chart(counts, [f"class-{c}" for c in range(101)])
    assert (
        plot.title.startswith("The 30 classes")
        and "class-1<" in plot.svg
        and "class-90<" not in plot.svg
    )


def test_nothing_scored_yet():
    assert "evaluate" in classes.section("", np.zeros((0, 0), int), ()).notices[0]


def test_confused_pairs_count_both_directions_most_first():
    counts = np.array([[5, 2, 0], [3, 4, 1], [0, 0, 7]])
    table = classes.confused_pairs_of_page(counts, ["in", "out", "up"])
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["in / out", "2", "3", "5 of 15"],
        ["out / up", "1", "0", "1 of 15"],
    ]
    assert classes.confused_pairs_of_page(np.diag([3, 4]), ["a", "b"]) is None


def test_wrong_predictions_name_the_classes_most_frequent_first():
    assert classes.wrong_predictions_of_page(
        np.array([[5, 1, 2], [0, 4, 0], [0, 0, 7]]), ["a", "b", "c"]
    ) == [
        "predicted as c (2), b (1)",
        "",
        "",
    ]
