"""Results of rows beside the paper's numbers: means, deviations, marks, and what is missing."""

import numpy as np
import pytest
from paper_archives import request

from videolstm_jax import files
from videolstm_jax.paper.figure4 import draw_figure4, read_figure4_curve
from videolstm_jax.paper.request import SplitPlace, paper_places_of
from videolstm_jax.paper.results import (
    collect_paper_results,
    measures_path_of_paper_row,
    scores_path_of_paper_row,
)
from videolstm_jax.paper.row_names import find_paper_rows
from videolstm_jax.paper.rows import ROWS
from videolstm_jax.paper.showing import paper_results_text
from videolstm_jax.types import Dataset, Scores, Video
from videolstm_jax.workdir.config_json import save_config
from videolstm_jax.workdir.dataset_json import save_dataset
from videolstm_jax.workdir.layout import Workdir
from videolstm_jax.workdir.scores_npz import save_scores

COMMAND = ["videolstm", "paper", "--workdir=work"]
TESTS = ("a/1", "a/2", "b/3", "b/4")


def write_dataset(root, place):
    videos = [Video("a/0", "", 0, "train", "", 9, 24, 32, 25.0)]
    for number, name in enumerate(TESTS):
        videos.append(Video(name, "", number // 2, "test", "", 9, 24, 32, 25.0))
    work = Workdir(str(root / "work" / place.folder))
    save_dataset(work.dataset, Dataset(("a", "b"), tuple(videos)))


def write_scores(path, right, videos=TESTS, trained=None):
    """Scores that have the first `right` of four videos right."""
    label = np.array([0, 0, 1, 1], np.int32)
    first = np.where(np.arange(4) < right, label, 1 - label)
    scores = Scores(tuple(videos), np.eye(2)[first], label, ("a", "b"), trained)
    save_scores(path, scores)


def write_row(root, name, asked, rights, **options):
    """Scores of a row for each seed and split, in the order of seeds."""
    row = ROWS[name]
    rights = iter(rights)
    for seed in asked.seeds:
        for place in paper_places_of(row):
            write_dataset(root, place)
            right = next(rights)
            if right is not None:
                write_scores(scores_path_of_paper_row(row, place, asked, seed), right, **options)


def collected(name, asked):
    (result,) = collect_paper_results([ROWS[name]], asked)
    return result


def test_a_mean_and_a_deviation_over_seeds(tmp_path):
    asked = request(tmp_path, seeds=(0, 1))
    name = "table1/hmdb51/rgb/lstm"
    write_row(tmp_path, name, asked, [1, 2, 3, 2, 3, 4])
    result = collected(name, asked)
    assert result.mean == pytest.approx(62.5) and result.measured == (6, 6)
    # The means of the two seeds are 50 and 75.
    assert result.deviation == pytest.approx(25 / np.sqrt(2))
    assert not result.missing and result.delta is None and not result.on_test


def test_the_mean_over_splits_refuses_while_one_is_missing(tmp_path):
    asked = request(tmp_path)
    name = "table1/hmdb51/rgb/lstm"
    write_row(tmp_path, name, asked, [1, None, 3])
    result = collected(name, asked)
    assert result.mean is None and result.measured == (2, 3)
    assert result.missing == ("hmdb51-2 seed 0: no lstm-rgb/scores.npz",)
    assert collected(f"{name}/split1", asked).mean == 25


def test_a_difference_needs_a_number_of_the_paper(tmp_path):
    external = {name: str(tmp_path / f"{name}-{{dataset}}.npz") for name in ("idt", "objects")}
    asked = request(tmp_path, external=external)
    name = "table4/ucf101/idt+objects+videolstm"
    write_row(tmp_path, name, asked, [3])
    assert collected(name, asked).delta == pytest.approx(75 - 92.2)
    write_scores(tmp_path / "idt-ucf101.npz", 2)
    assert collected("table4/ucf101/idt", asked).mean == 50
    text = paper_results_text(collect_paper_results([ROWS[name]], asked), asked, COMMAND)
    assert [line.split() for line in text.splitlines()][1] == [name, "92.2", "75.0", "-17.2", "1/1"]


def test_other_systems_have_one_seed(tmp_path):
    asked = request(tmp_path, seeds=(0, 1, 2))
    assert collected("table4/ucf101/idt", asked).measured == (0, 1)
    assert collected("table1/ucf101/rgb/convnet", asked).measured == (0, 1)
    assert collected("table4/ucf101/idt+videolstm", asked).measured == (0, 3)


def test_scores_of_another_test_list_are_missing(tmp_path):
    asked = request(tmp_path)
    name = "table1/ucf101/rgb/lstm"
    write_row(tmp_path, name, asked, [4], videos=("a/1", "a/2", "b/3", "b/9"))
    result = collected(name, asked)
    assert result.mean is None and "is of another test list" in result.missing[0]


def test_videos_that_could_not_be_read_count_as_wrong(tmp_path):
    asked = request(tmp_path)
    name = "table1/ucf101/rgb/lstm"
    write_row(tmp_path, name, asked, [4])
    bad = Workdir(str(tmp_path / "work" / "ucf101-1")).bad
    files.write_jsonl(bad, [{"name": "b/5", "label": "b", "part": "test", "reason": "no video"}])
    assert collected(name, asked).mean == 80


def test_results_that_depend_on_the_test_list_are_marked(tmp_path):
    asked = request(tmp_path, "authors", on_test=True)
    name = "table1/ucf101/rgb/lstm"
    write_row(tmp_path, name, asked, [3], trained=np.ones(4, bool))
    result = collected(name, asked)
    assert result.on_test
    text = paper_results_text([result], asked, COMMAND)
    assert " 75.0! " in text and "THE CHECKPOINT WAS CHOSEN ON THE TEST LIST" in text
    unmarked = paper_results_text(
        collect_paper_results([ROWS["table1/ucf101/flow/lstm"]], asked), asked, COMMAND
    )
    assert "!" not in unmarked


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_names_what_is_missing_and_its_command(tmp_path, width):
    asked = request(tmp_path)
    write_dataset(tmp_path, SplitPlace("ucf101", 1))
    rows = find_paper_rows([])
    text = paper_results_text(collect_paper_results(rows, asked), asked, COMMAND, width=width)
    table, _, missing = text.partition("\nmissing:\n")
    assert max(map(len, table.splitlines())) <= width
    assert "no lstm-rgb/scores.npz: ucf101-1 seed 0" in missing
    commands = [line.strip() for line in missing.splitlines() if "videolstm paper" in line]
    assert len(commands) == len(rows)
    assert "videolstm paper --workdir=work table1/ucf101/rgb/lstm" in commands
    assert "videolstm paper --workdir=work table4/hmdb51/idt+videolstm" in commands
    assert ("ConvALSTM, RGB" in table) == (width == 120)


@pytest.mark.parametrize(
    "backbone, inputs, marked",
    [("vgg", {}, True), ("vgg", {"weights": "0a1b"}, False), ("module:NETWORK", {}, False)],
)
def test_backbones_from_random_numbers_are_marked(tmp_path, backbone, inputs, marked):
    """HMDB51's backbones start from those of UCF101, whose record has the first weights."""
    asked = request(tmp_path)
    name = "table1/hmdb51/rgb/lstm"
    write_row(tmp_path, name, asked, [1, 2, 3])
    cfg = asked.settings.config()
    folder = Workdir(str(tmp_path / "work" / "ucf101-1")).convnet("rgb")
    save_config(folder, cfg, convnet={"backbone": backbone}, inputs=inputs)
    result = collected(name, asked)
    assert result.random_start == marked
    text = paper_results_text([result], asked, COMMAND)
    assert (" 50.0* " in text) == ("started from random numbers" in text) == marked


def write_measures(path, values, trained=0):
    iou = [round(0.05 * step, 2) for step in range(1, 20)]
    recall = [max(0.0, values - threshold) for threshold in iou]
    maps = {str(t): max(0.0, values - t) for t in (0.1, 0.2, 0.5)}
    model = {
        "recall": {"iou": iou, "recall": recall},
        "video_map": {"voc": {**maps, "0.5:0.95": 0.1}},
    }
    files.write_json(path, {"model": model, **({"trained_on": trained} if trained else {})})


@pytest.fixture
def figure(tmp_path):
    """Curves of two seeds, but for the second seed of the raw ALSTM."""
    asked = request(tmp_path, seeds=(0, 1))
    write_dataset(tmp_path, SplitPlace("ucf101", 1))
    for row in find_paper_rows(["figure4"]):
        for seed in (0, 1):
            if (row.name, seed) != ("figure4a/alstm/raw", 1):
                path = measures_path_of_paper_row(row, SplitPlace("ucf101", 1), asked, seed)
                write_measures(path, 0.7 + 0.1 * seed)
    return asked


def test_the_number_of_a_curve_is_at_one_threshold(figure):
    assert collected("figure4a/alstm/smooth", figure).mean == pytest.approx(55)
    assert collected("figure4b/videolstm/smooth", figure).mean == pytest.approx(55)
    raw = collected("figure4a/alstm/raw", figure)
    assert raw.mean is None and raw.missing == ("ucf101-1 seed 1: no map-raw.json",)


def test_curves_have_all_thresholds_and_seeds(figure):
    curve = read_figure4_curve(ROWS["figure4a/videolstm/smooth"], figure)
    assert curve.values.shape == (2, 19) and curve.iou[[0, -1]].tolist() == [0.05, 0.95]
    assert read_figure4_curve(ROWS["figure4a/alstm/raw"], figure).values.shape == (1, 19)
    curve = read_figure4_curve(ROWS["figure4b/videolstm/smooth"], figure)
    assert curve.iou.tolist() == [0.1, 0.2, 0.5] and curve.values[0, 2] == pytest.approx(0.2)


def test_figures_are_drawn_as_svg_and_png(figure, tmp_path):
    rows = find_paper_rows(["figure4"])
    first = draw_figure4(rows, figure, str(tmp_path / "drawn" / "figure4"))
    names = ["figure4a.svg", "figure4a.png", "figure4b.svg", "figure4b.png"]
    assert [path.name for path in first] == names
    svg = first[0].read_bytes()
    assert b"<svg" in svg and first[1].read_bytes()[:4] == b"\x89PNG"
    draw_figure4(rows, figure, str(tmp_path / "drawn" / "figure4"))
    assert first[0].read_bytes() == svg


def test_nothing_is_drawn_without_a_curve(tmp_path):
    asked = request(tmp_path)
    write_dataset(tmp_path, SplitPlace("ucf101", 1))
    assert draw_figure4(find_paper_rows(["figure4"]), asked, str(tmp_path / "figure4")) == []
    row = ROWS["figure4a/alstm/smooth"]
    write_measures(
        measures_path_of_paper_row(row, SplitPlace("ucf101", 1), asked, 0), 0.5, trained=2
    )
    assert read_figure4_curve(row, asked).on_test
