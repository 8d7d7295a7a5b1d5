"""One real pipeline, from videos to the page, and what must be true of all its files."""

import contextlib
import io
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from short_pipeline import contents, tiny, write_videos

from videolstm_jax import files, pipeline
from videolstm_jax.errors import ConfigError, FileError
from videolstm_jax.nn import lite0_weights
from videolstm_jax.pipeline import plan, run
from videolstm_jax.workdir.dataset_json import load_dataset
from videolstm_jax.workdir.layout import Workdir
from videolstm_jax.workdir.scores_npz import load_scores
from videolstm_jax.workdir.tubes_jsonl import load_detections

pytestmark = pytest.mark.usefixtures("quick_pictures")
ROOT = pathlib.Path(__file__).parents[1]


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    return write_videos(tmp_path_factory.mktemp("stick") / "set")


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
        # The bound is measured on flow, which takes minutes where videos have many sizes.
        < printed.index("flow is bounded by")
        < printed.index("fits the rgb backbone")
    )


def _no_package(folder, patch):
    patch.setattr(lite0_weights, "MODULE", "no_such_package_of_weights")


def _damaged_package(folder, patch):
    package = folder / "damaged_weights_of_lite0"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / lite0_weights.FILE).write_bytes(b"x")
    patch.syspath_prepend(folder)
    patch.setattr(lite0_weights, "MODULE", package.name)


def _module_that_fails(folder, patch):
    (folder / "failing_backbone.py").write_text("import no_such_library_of_networks")
    patch.syspath_prepend(folder)


@pytest.mark.parametrize(
    ("prepare", "settings", "message"),
    [
        (_no_package, {"convnet__backbone": "lite0"}, "is not installed; expected it: pip inst"),
        (_damaged_package, {"convnet__backbone": "lite0"}, "is damaged or of another version"),
        (
            _module_that_fails,
            {"convnet__backbone": "failing_backbone:BACKBONE"},
            "cannot import the module of the backbone 'failing_backbone:BACKBONE': ModuleNot",
        ),
        (
            lambda folder, patch: None,
            {"pipeline__flow_backbone": "json:no_such_function"},
            "the backbone 'json:no_such_function' is NoneType; expected a function",
        ),
        (
            lambda folder, patch: None,
            {"convnet__weights": "no_such_weights.h5"},
            "convnet.weights is no_such_weights.h5, which is missing; .*fetch_weights",
        ),
    ],
)
def test_a_backbone_that_cannot_start_ends_it_before_any_work(
    videos, tmp_path, monkeypatch, capsys, prepare, settings, message
):
    monkeypatch.chdir(tmp_path)
    prepare(tmp_path, monkeypatch)
    with pytest.raises((ConfigError, FileError), match=message) as raised:
        run(tiny(videos, **settings))
    assert "\n" not in str(raised.value)
    assert not capsys.readouterr().out and not (tmp_path / "work").exists()


def test_every_stage_left_its_files(finished):
    work = Workdir(str(finished))
    assert len(load_dataset(work.dataset).videos) == 6
    assert len(load_detections(work.truth)) == 6
    for name in (
        "nearest-motion",
        "nearest-size",
        "convnet-rgb",
        "convnet-flow",
        "videolstm-rgb",
        "videolstm-flow",
        "videolstm-rgb+videolstm-flow",
    ):
        scores = load_scores(work.scores(name))
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
    for video in load_dataset(work.dataset).videos:
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


@pytest.mark.slow
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

    run(
        pipeline.pipeline_stage_command("pipeline", tiny(videos), "python -m launch."),
        tmp_path / "pipeline",
    )
    for step in plan(tiny(videos)):
        run(
            pipeline.pipeline_stage_command(step.stage, step.cfg, "python -m launch."),
            tmp_path / "single",
        )
    assert contents(tmp_path / "single" / "work") == contents(tmp_path / "pipeline" / "work")
