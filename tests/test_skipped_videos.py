"""Skipped test videos count as wrong in every accuracy, unless a setting lets them be missing."""

import shutil

import numpy as np
import pytest
from bad_video_files import BAD, settings, write_folder

from videolstm_jax import files
from videolstm_jax.config import change
from videolstm_jax.errors import FileError
from videolstm_jax.results.work_contents import read_results_of_workdir
from videolstm_jax.stages import fuse, nearest, prepare, report
from videolstm_jax.types import Scores
from videolstm_jax.workdir.layout import Workdir
from videolstm_jax.workdir.scores_npz import save_scores

pytestmark = pytest.mark.filterwarnings(
    "ignore::videolstm_jax.dataset.lists.list_files.ListWarning"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("bad"))


@pytest.fixture(scope="module")
def prepared(folder, tmp_path_factory):
    cfg = settings(folder, tmp_path_factory.mktemp("work"))
    prepare.run(cfg)
    return cfg


@pytest.fixture
def scored(prepared, tmp_path):
    """Two score files that are right on 3 of the 4 test videos that could be read."""
    shutil.copytree(prepared.workdir, tmp_path / "work")
    cfg = change(prepared, workdir=str(tmp_path / "work"))
    rows = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]])
    scores = Scores(
        ("jump/2", "jump/3", "run/2", "run/3"), rows, np.array([0, 0, 1, 1]), ("jump", "run")
    )
    for name in ("a", "b"):
        save_scores(Workdir(cfg.workdir).scores(name), scores)
    return cfg


def test_skipped_test_videos_count_as_wrong(scored, capsys):
    fuse.run(change(scored, fuse__runs=("a", "b")))
    assert f"3 of {4 + len(BAD)} right, 25.00 %" in capsys.readouterr().out
    nearest.run(scored)
    assert (
        f"of {4 + len(BAD)} test videos right ({len(BAD)} could not be read and count as wrong)"
        in (capsys.readouterr().out)
    )
    page = report.run(scored).read_text()
    assert f"3 of {4 + len(BAD)} test videos are named correctly" in page
    assert f"{len(BAD)} test videos could not be read" in page
    results = read_results_of_workdir(Workdir(scored.workdir)).results
    (fused,) = [result for result, _ in results if result.kind == "fusion"]
    assert fused.mean_class == pytest.approx((1 + 1 / (2 + len(BAD))) / 2)


def test_unless_they_may_be_missing(scored, capsys):
    cfg = change(scored, eval__allow_missing=True)
    fuse.run(change(cfg, fuse__runs=("a", "b")))
    assert "3 of 4 right, 75.00 %" in capsys.readouterr().out
    nearest.run(cfg)
    assert "of 4 test videos right," in capsys.readouterr().out
    page = report.run(cfg).read_text()
    assert "3 of 4 test videos are named correctly" in page and "could not be read" not in page


def test_a_skipped_video_of_an_unknown_class_is_named(scored):
    work = Workdir(scored.workdir)
    rows = files.read_jsonl(work.bad)
    files.write_jsonl(work.bad, [rows[0] | {"label": "swim"}])
    with pytest.raises(
        FileError, match=r"bad\.jsonl:1: run/\w+ is of class swim; expected one of jump, run"
    ):
        fuse.run(change(scored, fuse__runs=("a", "b")))
