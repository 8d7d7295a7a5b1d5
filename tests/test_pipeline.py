"""One real pipeline, from videos to the page, and what must be true of all its files."""

import contextlib
import io
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from tiny_pipeline import SIZES

from videolstm_jax import artifacts, files, pipeline
from videolstm_jax.artifacts import Workdir
from videolstm_jax.pipeline import plan, run
from videolstm_jax.presets import configured
from videolstm_jax.synthetic import stick_actions
from videolstm_jax.train.checkpoints.checkpoint import Checkpoints

pytestmark = pytest.mark.usefixtures("quick_pictures")
ROOT = pathlib.Path(__file__).parents[1]
TINY = {
    "convnet__backbone": "vgg",
    **SIZES,
    "data__frames": 6,
    "data__batch": 4,
    "convnet__batch": 4,
    "convnet__steps": 6,
    "train__steps": 6,
    "train__save_every": 3,
    "train__log_every": 2,
    "eval__segments": 3,
    "eval__batch": 4,
    "eval__chunk": 16,
    "report__examples": 1,
}


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stick")
    return stick_actions.generate(
        folder / "set",
        classes=("SitDown", "StandUp"),
        clips_per_class=2,
        test_clips_per_class=1,
        seed=3,
    )


def tiny(videos, **settings):
    return configured("small", data__videos=str(videos), workdir="work", **{**TINY, **settings})


def contents(folder):
    """Every file's bytes by its relative path.

    The files of checkpoints carry times, so for those it is the digests of their arrays.
    """
    files_by_name = {}
    for path in sorted(folder.rglob("*")):
        place = path.relative_to(folder)
        if path.is_file() and "ckpt" not in place.parts:
            files_by_name[str(place)] = path.read_bytes()
        elif path.name == "ckpt":
            with Checkpoints(path) as checkpoints:
                files_by_name[str(place)] = json.dumps(checkpoints.meta(), sort_keys=True)
    return files_by_name


@pytest.fixture(scope="module")
def finished(videos, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pipeline")
    before = pathlib.Path.cwd()
    os.chdir(folder)
    try:
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            run(tiny(videos))
    finally:
        os.chdir(before)
    (folder / "printed.txt").write_text(printed.getvalue())
    return folder / "work"


def test_the_cost_is_printed_first(finished):
    printed = (finished.parent / "printed.txt").read_text()
    assert (
        printed.index("together")
        < printed.index("flow takes about")
        < printed.index("fits the rgb ConvNet")
    )


def test_every_stage_left_its_files(finished):
    work = Workdir(str(finished))
    assert len(artifacts.load_dataset(work.dataset).videos) == 6
    assert len(artifacts.load_detections(work.truth)) == 6
    for name in (
        "nearest-motion",
        "convnet-rgb",
        "convnet-flow",
        "videolstm-rgb",
        "videolstm-flow",
        "videolstm-rgb+videolstm-flow",
    ):
        scores = artifacts.load_scores(work.scores(name))
        assert scores.classes == ("SitDown", "StandUp") and len(scores.videos) == 2
        np.testing.assert_allclose(scores.scores.sum(1), 1, rtol=1e-5)
    measured = files.read_json(work.run("videolstm-rgb") / "map.json")
    assert (
        0 <= measured["model"]["mean_frame_iou"]["value"] <= 1
        and "mean_train_box" in measured["baselines"]
    )
    page = (work.report / "index.html").read_text()
    assert "videolstm-rgb+videolstm-flow" in page and "http://" not in page.replace(
        "http://www.w3.org", ""
    )


def test_passes_cover_whole_videos(finished):
    work = Workdir(str(finished))
    for video in artifacts.load_dataset(work.dataset).videos:
        if video.part == "test":
            scores, attention = files.read_arrays(
                work.evaluated_video("videolstm-rgb", video.name), "scores", "attention"
            )
            assert scores.shape == (video.frames - 1, 2) and attention.shape == (
                video.frames - 1,
                7,
                7,
            )
            np.testing.assert_allclose(attention.sum((1, 2)), 1, rtol=1e-5)


def test_a_second_pipeline_in_the_same_folder_changes_nothing(finished, videos, monkeypatch):
    monkeypatch.chdir(finished.parent)
    before = contents(finished)
    run(tiny(videos))
    assert contents(finished) == before


@pytest.mark.slow
def test_the_same_pipeline_elsewhere_gives_the_same_bytes(finished, videos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(tiny(videos))
    assert contents(tmp_path / "work") == contents(finished)


@pytest.mark.slow
def test_single_commands_give_the_same_bytes_as_a_pipeline(videos, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    def run(command, folder):
        words = command.replace("python", sys.executable, 1)
        folder.mkdir(exist_ok=True)
        done = subprocess.run(
            words, shell=True, cwd=folder, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"

    run(pipeline.command("pipeline", tiny(videos), "python -m launch."), tmp_path / "pipeline")
    for step in plan(tiny(videos)):
        run(pipeline.command(step.stage, step.cfg, "python -m launch."), tmp_path / "single")
    assert contents(tmp_path / "single" / "work") == contents(tmp_path / "pipeline" / "work")
