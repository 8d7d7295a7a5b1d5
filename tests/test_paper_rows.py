"""The rows of the paper: their names, what they run, and how they are listed."""

import pytest
from command_line import ROOT, run

from videolstm_jax.core.cells import CELLS
from videolstm_jax.errors import ConfigError
from videolstm_jax.paper.listing import paper_row_text, paper_rows_text, published_paper_text
from videolstm_jax.paper.numbers import NUMBERS
from videolstm_jax.paper.row_names import find_paper_rows
from videolstm_jax.paper.rows import EXTERNAL, ROWS


def names_of(*names):
    return [row.name for row in find_paper_rows(names)]


def test_every_table_has_its_rows():
    counts = {}
    for row in find_paper_rows([]):
        counts[row.table] = counts.get(row.table, 0) + 1
    assert counts == {
        "table1": 20,
        "table2": 8,
        "table3": 2,
        "table4": 10,
        "figure4a": 4,
        "figure4b": 2,
    }


def test_a_row_runs_what_exists():
    for row in ROWS.values():
        assert row.cell in (*CELLS, "convnet", "")
        assert set(row.parts) <= {"videolstm", *EXTERNAL} and bool(row.cell) != bool(row.parts)
        if row.cell in CELLS:
            cell = CELLS[row.cell]
            assert row.features == cell.layers.x
            assert (row.attention != "none") == cell.attends
            assert (row.attention == "motion") == (cell.layers.motion is not None)


def test_the_rows_of_a_mean_are_its_splits():
    for row in ROWS.values():
        splits = [other.splits for other in ROWS.values() if other.mean_name == row.name]
        if row.dataset == "ucf101":
            assert row.splits == (1,) and row.mean_name == row.name
        elif row.mean_name == row.name:
            assert row.splits == (1, 2, 3) and splits == [row.splits, (1,), (2,), (3,)]


@pytest.mark.parametrize(
    "name, expected",
    [
        ("table1/ucf101/rgb/convalstm", ["table1/ucf101/rgb/convalstm"]),
        ("table2/hmdb51/motion/alstm", ["table2/hmdb51/motion/alstm"]),
        ("table2/ucf101/videolstm", ["table2/ucf101/motion/convalstm"]),
        ("table3/videolstm", ["table3/ucf101/videolstm", "table3/hmdb51/videolstm"]),
        ("table1/hmdb51/flow/lstm/split2", ["table1/hmdb51/flow/lstm/split2"]),
        ("figure4a/videolstm/smooth", ["figure4a/videolstm/smooth"]),
        ("figure4/alstm/raw", ["figure4a/alstm/raw"]),
    ],
)
def test_a_name_finds_its_rows(name, expected):
    assert names_of(name) == expected


def test_rows_are_found_once_in_the_order_of_the_tables():
    assert names_of("table3", "table1/ucf101/rgb", "table1/ucf101/rgb/lstm")[1::5] == [
        "table1/ucf101/rgb/lstm",
        "table3/hmdb51/videolstm",
    ]


@pytest.mark.parametrize(
    "name, hint",
    [
        ("table1/ucf101/rgb/convalst", r" \(did you mean table1/ucf101/rgb/convalstm\?\)"),
        ("table5", ""),
        ("table1/ucf101/split1", ".*"),
    ],
)
def test_a_name_that_fits_no_row_is_refused(name, hint):
    message = f"there is no row '{name}'{hint}; `videolstm paper --list` prints all names"
    with pytest.raises(ConfigError, match=message):
        find_paper_rows([name])


def test_a_number_has_a_row_and_a_source_and_the_others_are_unknown():
    for name, number in NUMBERS.items():
        assert name in ROWS and 0 < number.per_cent < 100 and number.source
    assert published_paper_text(ROWS["table4/ucf101/idt+objects+videolstm"]) == "92.2"
    assert published_paper_text(ROWS["table1/ucf101/rgb/lstm"]) == "?"


def test_the_documents_have_the_known_numbers():
    text = (ROOT / "docs" / "paper.md").read_text()
    table = text.partition("## Known numbers")[2].partition("\n## ")[0]
    in_table = [line.split(" | ")[:2] for line in table.splitlines() if line.startswith("| `")]
    known = [[f"| `{name}`", f"{number.per_cent}"] for name, number in NUMBERS.items()]
    assert in_table == known
    assert all(number.source in table for number in NUMBERS.values())


@pytest.mark.parametrize("width", [80, 120])
def test_the_list_fits_the_terminal(width):
    rows = find_paper_rows([])
    lines = paper_rows_text(rows, width=width).splitlines()
    assert max(map(len, lines)) <= width
    for row, line in zip(rows, lines[1:], strict=False):
        assert line.startswith(f"{row.name} ") and line.endswith(f" {published_paper_text(row)}")


def test_one_row_is_described_in_full():
    text = paper_row_text(ROWS["table3/ucf101/videolstm"], "authors")
    words = " ".join(text.split())
    assert "runs videolstm on rgb, convalstm on flow" in words
    assert "model.motion_kernel=1" in words and "The paper does not define the flow half" in words
    assert "model.motion_kernel" not in paper_row_text(ROWS["table3/ucf101/videolstm"])
    assert "localize.span=0" in paper_row_text(ROWS["figure4a/alstm/raw"])


def test_the_command_lists_rows():
    done = run("launch.paper", "table3", "--list")
    assert done.returncode == 0 and "table3/hmdb51/videolstm" in done.stdout
    assert "table1" not in done.stdout
    done = run("launch.paper", "table9", "--list")
    assert done.returncode == 1 and "there is no row 'table9'" in done.stderr
