"""The settings that stages saved."""

import json

from videolstm_jax.report import settings


def test_every_config_is_there_whole_and_differences_are_named():
    configs = {
        "a": {"config": {"seed": 0, "model": {"cell": "lstm"}}, "inputs": ["x"]},
        "b": {"config": {"seed": 1, "model": {"cell": "lstm"}}},
    }
    section = settings.section(configs)
    assert [json.loads(words) for _, words in section.folded] == list(configs.values())
    assert [row[0].text for row in section.tables[0].rows] == ["seed"]
    first, second = (name for name, _ in section.folded)
    assert first.split("sha256")[1] != second.split("sha256")[1]


def test_nothing_saved_yet():
    assert "fit_convnet" in settings.section({}).notices[0]


def test_differences_hold_only_what_differs():
    table = settings.page_setting_differences(
        {
            "one": {"model": {"cell": "lstm", "hidden": 8}, "seed": 0},
            "two": {"model": {"cell": "alstm", "hidden": 8}, "seed": 0, "extra": [1]},
        }
    )
    assert table.head == ("Setting", "one", "two")
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["extra", "–", "[1]"],
        ["model.cell", '"lstm"', '"alstm"'],
    ]
    assert (
        settings.page_setting_differences({"one": {"a": 1}}) is None
        and settings.page_setting_differences({}) is None
    )
