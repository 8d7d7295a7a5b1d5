"""Numbers as rows of words."""

from videolstm_jax.report import tables
from videolstm_jax.report.tables import Result


def result(name, correct, total=10, kind="recurrent", **more):
    return Result(name, kind, "RGB", correct, total, 0.1, 0.9, correct / total, **more)


def column(table, head):
    k = table.head.index(head)
    return [row[k] for row in table.rows]


def test_results_hold_exact_counts_and_mark_the_best():
    table = tables.page_table([result("a", 7), result("b", 9), result("c", 8)])
    assert [cell.text for cell in column(table, "Right")] == ["7 / 10", "9 / 10", "8 / 10"]
    assert [cell.text for cell in column(table, "Accuracy")] == ["70.0 %", "90.0 %", "80.0 %"]
    assert [cell.best for cell in column(table, "Accuracy")] == [False, True, False]
    assert all(cell.svg.startswith("<svg") for cell in column(table, "95 % interval"))
    assert "Video-mAP at .2" not in table.head


def test_nothing_is_best_where_all_are_equal():
    assert not any(
        cell.best
        for cell in column(tables.page_table([result("a", 7), result("b", 7)]), "Accuracy")
    )


def test_localisation_columns_appear_with_the_first_number():
    table = tables.page_table([result("a", 7), result("b", 6, map_20=0.25, mass=0.4, area=0.08)])
    assert [cell.text for cell in column(table, "Video-mAP at .2")] == ["–", "0.250"]
    assert [cell.text for cell in column(table, "Attention in the box (of the frame)")] == [
        "–",
        "40.0 % (of 8.0 %)",
    ]
    assert "Video-mAP at .5" not in table.head


def test_plain_tells_numbers_from_words():
    table = tables.plain_page_table(
        "t", ("name", "count", "share", "none"), [("a", 3, 0.25, None), ("b", None, 1.0, None)]
    )
    assert table.numeric == (False, True, True, False)
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["a", "3", "0.250", "–"],
        ["b", "–", "1.000", "–"],
    ]
