"""Rows of the paper, run on small stand-ins of both data sets: every name ends with a number."""

import contextlib
import io

import numpy as np
import pytest
from command_line import run
from paper_archives import SETTINGS, request, write_hmdb51, write_ucf101

from videolstm_jax.config import setting_text
from videolstm_jax.errors import FileError
from videolstm_jax.paper.execute import is_paper_task_finished, run_paper_tasks
from videolstm_jax.paper.figure4 import draw_figure4
from videolstm_jax.paper.plan import plan_paper_rows
from videolstm_jax.paper.results import collect_paper_results
from videolstm_jax.paper.row_names import find_paper_rows
from videolstm_jax.trained.run_folder import read_run
from videolstm_jax.types import Scores
from videolstm_jax.workdir.dataset_json import load_dataset
from videolstm_jax.workdir.layout import Workdir
from videolstm_jax.workdir.scores_npz import save_scores

# The fixture runs pipelines; the other tests of `paper` plan and show without one.
pytestmark = pytest.mark.slow

ROWS = ("table2/hmdb51/appearance/alstm/split1", "figure4/alstm", "table1/ucf101/rgb/convnet")


def make(rows, asked):
    """Runs rows without a print, and returns what was printed."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        run_paper_tasks(plan_paper_rows(rows, asked))
    return printed.getvalue()


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    root = tmp_path_factory.mktemp("archives")
    write_ucf101(root)
    write_hmdb51(root)
    return root


@pytest.fixture(scope="module")
def finished(archives):
    """Two rows of two data sets and curves of Figure 4, with all that they share."""
    asked = request(archives)
    make(find_paper_rows(ROWS), asked)
    return asked


def test_some_rows_end_with_a_number(finished, archives):
    results = collect_paper_results(find_paper_rows(ROWS), finished)
    assert [result.row.name for result in results] == [
        "table1/ucf101/rgb/convnet",
        "table2/hmdb51/appearance/alstm/split1",
        "figure4a/alstm/smooth",
        "figure4a/alstm/raw",
        "figure4b/alstm/smooth",
    ]
    for result in results:
        assert 0 <= result.mean <= 100 and not result.missing and not result.on_test
        assert result.random_start
    drawn = draw_figure4(find_paper_rows(["figure4/alstm"]), finished, str(archives / "figure4"))
    assert len(drawn) == 4


def test_a_finished_stage_is_skipped_and_the_others_go_on(finished):
    printed = make(find_paper_rows(ROWS), finished)
    tasks = plan_paper_rows(find_paper_rows(ROWS), finished)
    assert printed.count("finished: ") == sum(map(is_paper_task_finished, tasks)) == 4
    assert "step 1/3" not in printed


def test_hmdb51_starts_from_all_but_the_classifier(finished):
    works = [Workdir(f"{finished.root}/{place}") for place in ("ucf101-1", "hmdb51-1")]
    (ucf101, _), (hmdb51, run) = (read_run(work, "alstm-rgb") for work in works)
    assert hmdb51.classes == ("clap", "wave")
    entries = run.record["config"]["train"]["graft"]
    assert [entry.rpartition(":")[2] for entry in entries] == [
        "cell",
        "head.dense",
        "head.dense_bias",
    ]
    # Three steps leave the parameters near those that they started from.
    near = abs(hmdb51.params.cell.top.x - ucf101.params.cell.top.x).max()
    assert 0 < near < 0.1
    names = {video.name for video in load_dataset(works[0].dataset).part("train")}
    assert names <= set(hmdb51.trained_on)


def test_the_command_shows_what_is_there(finished, archives):
    flags = [
        f"--{name.replace('__', '.')}={setting_text(value)}" for name, value in SETTINGS.items()
    ]
    words = [*flags, f"--workdir={finished.root}", f"--videos={archives / 'UCF-101'}"]
    done = run("launch.paper", "table1/ucf101/rgb", "figure4a", "--show", *words)
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    convnet = next(line for line in lines if line[:1] == ["table1/ucf101/rgb/convnet"])
    assert convnet[1] == "?" and convnet[2].endswith("*") and convnet[-1] == "1/1"
    assert "The backbones started from random numbers" in done.stdout
    assert ["no", "lstm-rgb/scores.npz:", "ucf101-1", "seed", "0"] in lines
    assert f"wrote {finished.root}/figure4a.svg" in done.stdout
    assert (archives / "work" / "figure4a.png").exists()


def test_a_row_of_other_systems_without_their_files_is_missing(finished):
    (result,) = collect_paper_results(find_paper_rows(["table4/ucf101/idt"]), finished)
    assert result.missing == ("ucf101-1 seed 0: no idt/scores.npz",)


def write_external(root):
    """Scores of iDT and of objects for each split of both data sets, as another system has them."""
    patterns = {}
    for name in ("idt", "objects"):
        patterns[name] = str(root / f"{name}-{{dataset}}-{{split}}.npz")
        for place in ("ucf101-1", "hmdb51-1", "hmdb51-2", "hmdb51-3"):
            dataset = load_dataset(Workdir(str(root / "work" / place)).dataset)
            tests = dataset.part("test")
            label = np.array([video.label for video in tests], np.int32)
            scores = np.random.default_rng(len(name)).dirichlet([1, 1], len(tests))
            names = tuple(video.name for video in tests)
            save_scores(root / f"{name}-{place}.npz", Scores(names, scores, label, dataset.classes))
    return patterns


@pytest.mark.parametrize("preset", ["paper", "authors"])
def test_every_row_ends_with_a_number(archives, preset):
    """The whole of each table: 46 rows, 60 rows of single splits, all curves of Figure 4.

    Of `paper` iDT and Objects are made by their stages; of `authors` they come from files.
    """
    on_test = preset == "authors"
    asked = request(archives, preset, on_test=on_test)
    if on_test:
        make([row for row in find_paper_rows(["table1"]) if row.cell == "convnet"], asked)
        asked = asked._replace(external=write_external(archives))
    else:
        pytest.importorskip("sklearn", reason="needs scikit-learn")
    rows = find_paper_rows([])
    make(rows, asked)
    for result in collect_paper_results(rows, asked):
        assert 0 <= result.mean <= 100, result.row.name
        # ConvNets and other systems choose nothing on the test list.
        chooses = result.row.cell != "convnet" and bool(result.row.streams)
        assert result.on_test == (on_test and chooses), result.row.name
    splits = [row._replace(splits=(split,)) for row in rows for split in row.splits]
    assert all(result.mean is not None for result in collect_paper_results(splits, asked))
    assert len(draw_figure4(find_paper_rows(["figure4"]), asked, str(archives / preset))) == 4


def test_damaged_scores_are_named(finished, tmp_path):
    path = Workdir(f"{finished.root}/hmdb51-1").run("alstm-rgb") / "scores.npz"
    content = path.read_bytes()
    path.write_bytes(content[:50])
    with pytest.raises(FileError, match=r"scores\.npz"):
        collect_paper_results(find_paper_rows(ROWS), finished)
    path.write_bytes(content)
