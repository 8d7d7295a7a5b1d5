"""Rows that can be planned with the data that were given, and the notes about the others."""

import pytest
from command_line import run

from videolstm_jax.errors import ConfigError
from videolstm_jax.paper.request import lacks_paper_weights, paper_request_of
from videolstm_jax.paper.row_names import find_paper_rows
from videolstm_jax.paper.rows import ROWS
from videolstm_jax.paper.selection import (
    paper_selection_notes,
    require_paper_weights,
    select_paper_rows,
)
from videolstm_jax.presets import configured

UCF101 = {"ucf101": "UCF101"}
BOTH = {"ucf101": "UCF101", "hmdb51": "hmdb51_org"}


def request(videos=UCF101, preset="paper", **settings):
    cfg = configured(preset, workdir="work", data__videos="UCF101", **settings)
    return paper_request_of(cfg, videos=videos)


def test_rows_without_their_data_are_left_out_and_named():
    selection = select_paper_rows(["table1", "figure4"], request())
    assert selection.rows == find_paper_rows(["table1/ucf101"])
    first, second, *_ = paper_selection_notes(selection, request())
    assert first == "left out: 10 rows (table1/hmdb51); --hmdb51=HMDB51 adds them"
    assert second == "left out: 6 rows (figure4a, figure4b); --data.boxes=BOXES adds them"


def test_nothing_is_left_out_where_all_was_given():
    given = request(BOTH, data__boxes="b.pkl", convnet__weights="vgg16.h5")
    selection = select_paper_rows([], given)
    assert selection.rows == find_paper_rows([]) and paper_selection_notes(selection, given) == []


@pytest.mark.parametrize(
    "names, message",
    [
        (["table1", "table2/hmdb51/motion/alstm"], "table2/hmdb51/motion/alstm needs --hmdb51"),
        (["table1", "table2/hmdb51/videolstm"], "table2/hmdb51/motion/convalstm needs --hmdb51"),
        (["table1/hmdb51", "figure4"], "table1/hmdb51/rgb/convnet needs --hmdb51=HMDB51"),
        (["table3", "figure4a/alstm/raw"], r"figure4a/alstm/raw needs --data\.boxes=BOXES"),
    ],
)
def test_a_row_named_itself_and_a_plan_of_no_row_are_refused(names, message):
    with pytest.raises(ConfigError, match=message):
        select_paper_rows(names, request())


@pytest.mark.parametrize(
    "name, lacking",
    [
        ("table1/ucf101/rgb/convnet", True),
        ("table1/ucf101/flow/lstm", True),
        ("table3/ucf101/videolstm", True),
        ("table4/ucf101/idt", False),
        ("table4/ucf101/objects", False),
    ],
)
def test_rows_with_backbones_need_imagenet_weights(name, lacking):
    assert lacks_paper_weights(ROWS[name], request()) == lacking
    assert not lacks_paper_weights(ROWS[name], request(convnet__weights="vgg16.h5"))
    # This preset has frozen ImageNet features of frames, and learns flow from nothing by design.
    assert not lacks_paper_weights(ROWS[name], request(preset="small"))


def test_a_run_without_weights_is_refused_unless_random_ones_were_asked_for():
    rows = find_paper_rows(["table2/ucf101"])
    message = r"table2/ucf101/.* needs --convnet\.weights=FILE.*`videolstm fetch_weights`.*=random"
    with pytest.raises(ConfigError, match=message):
        require_paper_weights(rows, request())
    # A plan alone says it in its last line, with all that it costs above.
    (note,) = paper_selection_notes(select_paper_rows(["table2/ucf101"], request()), request())
    assert note.startswith("before it runs: ") and "docs/convnets.md" in note
    random = request(convnet__weights="random")
    require_paper_weights(rows, random)
    (note,) = paper_selection_notes(select_paper_rows(["table2/ucf101"], random), random)
    assert "start from random numbers" in note


def test_motion_attention_reads_the_flow_backbone_too():
    assert ROWS["table2/ucf101/motion/alstm"].backbones == ("rgb", "flow")
    assert ROWS["table2/ucf101/appearance/alstm"].backbones == ("rgb",)
    assert ROWS["table3/ucf101/videolstm"].backbones == ("rgb", "flow")


def test_the_command_plans_the_rows_of_one_data_set(tmp_path):
    words = ["table1", "--nocost", "--videos=UCF101", f"--workdir={tmp_path}"]
    done = run("launch.paper", *words, "--plan")
    assert done.returncode == 0, done.stderr
    assert "stages for 10 rows" in done.stdout and "hmdb51-1/" not in done.stdout
    assert "left out: 10 rows (table1/hmdb51); --hmdb51=HMDB51 adds them" in done.stdout
    refused = run("launch.paper", *words, "--as=shell")
    assert refused.returncode == 1 and "needs --convnet.weights=FILE" in refused.stderr
