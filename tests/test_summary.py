"""The opening of the page."""

from videolstm_jax.report import summary
from videolstm_jax.report.tables import Result
from videolstm_jax.types import Dataset, Video


def result(name, kind, correct):
    return Result(name, kind, "RGB", correct, 20, 0.4, 0.8, correct / 20)


def test_the_headline_is_of_a_fusion_where_there_is_one():
    rows = [
        result("convnet-rgb", "ConvNet", 19),
        result("a", "recurrent", 15),
        result("b", "recurrent", 16),
    ]
    assert summary.page_headline(rows).name == "b"
    assert summary.page_headline([*rows, result("a+b", "fusion", 14)]).name == "a+b"
    assert summary.page_headline([result("x", "comparison", 20)]) is None


def test_picking_the_best_of_several_is_admitted():
    rows = [result("a", "recurrent", 15), result("b", "recurrent", 16)]
    page = summary.page_opening(rows, None)
    expected = "16 of 20 test videos are named correctly; mean class accuracy 80.0 %"
    assert page.headline == expected
    assert "80.0 % (95 % interval 40.0 to 80.0 %)" in page.lead[0] and "best of 2" in page.lead[0]
    assert "best of" not in summary.page_opening(rows[:1], None).lead[0]


def test_facts_count_the_videos():
    videos = tuple(
        Video(f"c/{k}", "", 0, part, f"g{k % 2}", 9, 8, 8, 25.0)
        for k, part in enumerate(["train", "train", "test"])
    )
    facts = summary.page_opening([], Dataset(("a", "b"), videos)).facts
    assert facts == (
        ("2", "classes"),
        ("3", "videos"),
        ("2", "groups"),
        ("2", "to train on"),
        ("1", "to test on"),
    )


def test_what_is_absent_is_said():
    section = summary.section([], None)
    assert (
        not section.tables
        and [
            stage
            for stage in ("prepare", "fit_convnet", "evaluate", "fuse")
            if not any(stage in notice for notice in section.notices)
        ]
        == []
    )


def test_the_headline_says_what_a_constant_answer_gives():
    constant = summary.ConstantAnswer("Walk", 18, "training")
    page = summary.page_opening([result("a", "recurrent", 16)], None, constant=constant)
    assert page.headline.endswith("mean class accuracy 80.0 %; always answering Walk: 18 of 20")
    expected = "Always answering Walk, the commonest class of the training list, gives 90.0 %."
    assert expected in page.lead[0]


def test_a_result_on_training_videos_is_named_and_wins_no_headline():
    trained = result("a", "recurrent", 20)._replace(trained_on=7)
    clean = result("b", "recurrent", 12)
    assert summary.page_headline([trained, clean]).name == "b"
    assert summary.page_headline([trained]).name == "a"
    assert "trained on 7 of these videos" in summary.page_opening([trained], None).lead[0]
    table = summary.section([trained, clean], None).tables[0]
    column = table.head.index("Trained on")
    assert [row[column].text for row in table.rows] == ["7 / 20", "–"]
    assert "trained on" in table.note
    assert "Trained on" not in summary.section([clean], None).tables[0].head
