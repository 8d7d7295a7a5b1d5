"""The tables of the ladder and of its fusions with iDT and Objects, made of made-up rows."""

import json

import numpy as np

from benchmarks.ladder import paper_table, reasons, table4, tables
from benchmarks.real_data.rows import Row, as_record

VIDEOS = 40


def row(right, seeds=2):
    """A row of several seeds that have the first clips right."""
    answers = np.zeros((seeds, VIDEOS), bool)
    answers[:, :right] = True
    return Row(answers)


def test_every_ordering_of_a_set_has_a_line_and_a_verdict():
    rows = {
        "convalstm-rgb": row(30),
        "convlstm-rgb": row(10),
        "lstm-rgb": row(30),
        "motion_alstm-rgb": row(0),
    }
    lines = tables.ordering_table({"made up": rows}).splitlines()
    assert (
        "| ConvALSTM over ConvLSTM | ConvALSTM, RGB - ConvLSTM, RGB | made up | +50.0" in lines[3]
    )
    assert lines[3].endswith("| yes |")
    assert lines[2].endswith("| no, the opposite |")
    assert lines[4].endswith("| +0.0 (+0.0 to +0.0) | open |")
    # ALSTM is missing, so nothing is said of it.
    assert len(lines) == 5 and "ALSTM with motion" not in "\n".join(lines)


def test_gains_of_both_sets_are_paired_clip_by_clip():
    independent = {"motion_alstm-rgb": row(30), "alstm-rgb": row(10)}
    tied = {"motion_alstm-rgb": row(40), "alstm-rgb": row(40)}
    lines = tables.gain_table(independent, tied).splitlines()
    assert len(lines) == 3
    cells = [cell.strip() for cell in lines[2].strip("|").split("|")]
    assert cells[:2] == ["ALSTM with motion, RGB", "ALSTM, RGB"]
    assert cells[2].startswith("+50.0") and cells[3].startswith("+0.0")
    assert cells[4] == cells[2]


def test_a_change_is_compared_with_the_backbone_and_with_the_ladder():
    rows = {"flow ConvNet": row(20, seeds=1), "ladder": row(10), "changed": row(30)}
    lines = tables.change_table(rows).splitlines()
    assert lines[2].startswith("| flow ConvNet | 20 | 50.0 | - | +25.0")
    assert lines[3].startswith("| ladder | 10 10 | 25.0 | -25.0") and lines[3].endswith("| - |")
    assert "| changed | 30 30 | 75.0 | +25.0" in lines[4]


def test_tables_are_made_of_the_files_that_there_are(tmp_path):
    assert set(tables.of_folder(tmp_path)) == {"orderings", "summary", "paper orderings"}
    rows = {"fusion": row(30), "videolstm-rgb": row(10)}
    stick = {"rows": {"independent": as_record(rows), "tied": as_record({"alstm-rgb": row(40)})}}
    real = {"rows": as_record({"convnet-rgb": row(5), "lstm-rgb": row(9)})}
    (tmp_path / "ladder_stick.json").write_text(json.dumps(stick))
    (tmp_path / "ladder_ut_interaction.json").write_text(json.dumps(real))
    larger = {"rows": as_record({"frame classifier, RGB": row(9), "lstm-rgb": row(5)})}
    (tmp_path / "real_data_ut_interaction.json").write_text(json.dumps(larger))
    of_results = tables.of_folder(tmp_path)
    assert "| ALSTM, RGB | 40 40 of 40 |" in of_results["tied"]
    assert "| ConvNet, RGB | 5 5 of 40 |" in of_results["ladder_ut_interaction"]
    lines = of_results["orderings"].splitlines()
    assert "| LSTM, RGB - ConvNet, RGB | UT-Interaction | +10.0" in lines[2]
    assert "| LSTM, RGB - ConvNet, RGB | UT-Interaction, larger | -10.0" in lines[3]
    assert "| fusion - VideoLSTM, RGB | stick actions, independent | +50.0" in lines[4]
    short = of_results["paper orderings"].splitlines()
    sets = "stick actions | UT-Interaction | UT-Interaction, larger"
    assert short[0] == f"| ordering of the paper | {sets} |"
    assert short[2].startswith("| LSTM over ConvNet, RGB | - | +10.0") and "reversed |" in short[2]
    assert short[3].startswith("| fusion over VideoLSTM, RGB | +50.0")


def test_tables_go_between_their_marks():
    page = (
        "a\n<!-- tied -->\nold\n<!-- end of tied -->\nb\n<!-- flow -->\nc\n<!-- end of flow -->\n"
    )
    filled = tables.filled(page, {"tied": "new"})
    assert filled == page.replace("old", "new")
    assert tables.filled(filled, {"tied": "new"}) == filled


def test_reasons_are_compared_with_the_ladder(tmp_path):
    stick = {"rows": {"independent": as_record({"convalstm-rgb": row(10), "lstm-rgb": row(20)})}}
    changed = {"convalstm-rgb-scaled": row(30), "alstm-rgb-all_channels": row(10)}
    figures = {"rows": as_record(changed), "pairs": reasons.PAIRS}
    (tmp_path / "ladder_stick.json").write_text(json.dumps(stick))
    (tmp_path / "ladder_reasons.json").write_text(json.dumps(figures))
    of_results = tables.of_folder(tmp_path)
    assert "| ConvALSTM, RGB, A * X times 49 | 30 30 of 40 |" in of_results["changed"]
    lines = of_results["reasons"].splitlines()
    assert lines[2].startswith("| ConvALSTM, RGB, A * X times 49 | ConvALSTM, RGB | +50.0")
    assert lines[3].startswith("| ALSTM, RGB, 64 channels | LSTM, RGB | -25.0") and len(lines) == 4


def test_the_summary_has_one_verdict_where_both_streams_agree():
    both = {f"{cell}-{stream}": row(30) for cell in ("lstm", "alstm") for stream in ("rgb", "flow")}
    both |= {"convlstm-rgb": row(40), "convlstm-flow": row(40), "convalstm-rgb": row(35)}
    both |= {"convalstm-flow": row(30)}
    lines = tables.summary_table({"a": both, "b": {"fusion": row(3)}}).splitlines()
    assert lines[:2] == ["| ordering of the paper | a | b |", "|---|---|---|"]
    assert "| ConvLSTM over LSTM | both: yes | - |" in lines
    assert "| ConvALSTM over LSTM | RGB: yes; flow: open | - |" in lines
    assert "| LSTM over ConvNet | - | - |" in lines


def test_orderings_of_vgg16_take_the_rows_that_there_are():
    shared = {"convalstm-vgg16": row(20), "alstm-vgg16": row(10)}
    shared["frame classifier, VGG-16"] = row(30)
    folds = {"folds": [1, 3], "rows": as_record({**shared, "convlstm-vgg16": row(5)})}
    figures = {"rows": as_record(shared), "partial": {"convlstm-vgg16": folds}}
    table = paper_table.table_of({"VGG": paper_table.vgg16_source(figures)})
    cells = [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]
    assert [name for name, _ in cells] == [
        "ConvALSTM over ConvLSTM, RGB",
        "ConvALSTM over ALSTM, RGB",
        "ConvALSTM over ConvNet, RGB",
    ]
    assert cells[0][1].startswith("+37.5 (") and cells[0][1].endswith(") holds, folds 1, 3")
    assert cells[1][1].startswith("+25.0 (") and cells[1][1].endswith(") holds")
    assert cells[2][1].startswith("-25.0 (") and cells[2][1].endswith(") reversed")


def test_names_of_fusions_have_both_streams_as_one_part():
    names = {
        "videolstm-rgb-seed0": "VideoLSTM, RGB",
        "videolstm-rgb-seed0 + videolstm-flow-seed0": "both VideoLSTMs",
        "videolstm-rgb-scaled + videolstm-flow-scaled + iDT": (
            "both VideoLSTMs, A * X times 49 + iDT"
        ),
        "iDT + Objects": "iDT + Objects",
    }
    assert {name: table4.model_name(name) for name in names} == names


def test_a_fusion_is_compared_with_itself_without_a_part():
    rows = {"iDT": row(30), "Objects": row(10), "iDT + Objects": row(35)}
    streams = {"videolstm-rgb": row(5), "videolstm-flow": row(20)}
    streams |= {"videolstm-rgb + videolstm-flow": row(25)}
    accuracies, differences = table4.fusion_tables([rows, {**rows, **streams}]).split("\n\n")
    models = [line.split(" | ")[0] for line in accuracies.splitlines()[2:]]
    assert models == [
        "| iDT",
        "| Objects",
        "| VideoLSTM, RGB",
        "| VideoLSTM, flow",
        "| both VideoLSTMs",
        "| iDT + Objects",
    ]
    assert "| iDT + Objects | Objects | +62.5" in differences
    assert "| both VideoLSTMs | VideoLSTM, flow | +12.5" in differences
    assert "| both VideoLSTMs | iDT | -12.5" in differences
