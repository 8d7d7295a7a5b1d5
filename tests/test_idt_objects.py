"""The benchmark of iDT and Objects on the list of a finished pipeline, with made-up scores."""

import json

import numpy as np
import pytest

from benchmarks import idt_objects
from videolstm_jax.types import Dataset, Scores, Video
from videolstm_jax.workdir.dataset_json import save_dataset
from videolstm_jax.workdir.layout import Workdir
from videolstm_jax.workdir.scores_npz import save_scores

NAMES = ("c/a", "c/b")


def write_scores(path, first, second):
    """Scores of both test clips: of the first class for c/a, of the second for c/b."""
    table = np.array([[first, 1 - first], [1 - second, second]])
    save_scores(path, Scores(NAMES, table, np.arange(2), ("x", "y")))
    return path


@pytest.fixture
def work(tmp_path, monkeypatch):
    """A work folder with scores of both models, and of a run with two seeds."""
    work = Workdir(str(tmp_path / "work"))
    videos = [Video("c/t", "t.mp4", 0, "train", "g1", 9, 8, 8, 25.0)]
    for label, name in enumerate(NAMES):
        videos.append(Video(name, f"{name}.mp4", label, "test", "g2", 9, 8, 8, 25.0))
    save_dataset(work.dataset, Dataset(("x", "y"), tuple(videos)))
    objects = write_scores(work.run("objects") / "scores.npz", 0.4, 0.4)
    idt = write_scores(work.run("idt") / "scores.npz", 0.9, 0.3)
    monkeypatch.setattr(idt_objects.objects, "run", lambda cfg: objects)
    monkeypatch.setattr(idt_objects.idt, "run", lambda cfg: idt)
    monkeypatch.setattr(idt_objects.trajectories, "run", lambda cfg: None)
    # With seed 0 the product with iDT has the second clip right, with seed 1 it has not.
    write_scores(work.run("lstm-rgb-seed0") / "scores.npz", 0.6, 0.9)
    write_scores(work.run("lstm-rgb-seed1") / "scores.npz", 0.6, 0.6)
    return work


def test_seeds_of_a_run_are_rows_and_models_without_seeds_are_one(work, tmp_path, monkeypatch):
    pattern = f"{work.root}/runs/lstm-rgb-seed{{seed}}/scores.npz"
    arguments = [f"--workdir={work.root}", "--folds=0", "--seeds=2", f"--out={tmp_path}"]
    monkeypatch.setattr("sys.argv", ["x", "--name=t", *arguments, "--runs", pattern])
    idt_objects.main()
    figures = json.loads((tmp_path / "idt_objects_t.json").read_text())
    right = {name: record["right"] for name, record in figures["rows"].items()}
    assert figures["videos"] == list(NAMES) and figures["commit"]
    assert right["iDT"] == ["10"] and right["Objects"] == ["00"]
    assert right["lstm-rgb"] == ["11", "11"]
    assert right["lstm-rgb + iDT"] == ["11", "10"]
    assert ["lstm-rgb + iDT", "iDT"] in figures["pairs"]


def test_folds_need_the_folder_of_the_videos(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["x", "--name=t", "--workdir=w", "--folds=2"])
    with pytest.raises(SystemExit):
        idt_objects.main()
    assert "--videos is missing; expected the folder of the videos" in capsys.readouterr().err
