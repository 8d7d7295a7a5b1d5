"""A cell in a package of the user's own goes through all stages, from a folder anywhere."""

import json
import os
import pathlib
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import tiny_pipeline
from example_cell import listing, load_example

from videolstm_jax import files
from videolstm_jax.config import RunConfig, change
from videolstm_jax.stages import evaluate
from videolstm_jax.synthetic import stick_actions
from videolstm_jax.workdir.dataset_json import load_dataset
from videolstm_jax.workdir.layout import Workdir
from videolstm_jax.workdir.tubes_jsonl import load_detections

ROOT = pathlib.Path(__file__).parents[1]
CELL = "my_package.my_module:CELL"
RUN = "my_module-rgb"
FLAGS = tiny_pipeline.TINY | {
    "data__frames": 6,
    "data__batch": 2,
    "convnet__batch": 2,
    "convnet__steps": 2,
    "train__steps": 3,
    "train__save_every": 3,
    "train__log_every": 1,
    "eval__states": "hidden",
    "report__examples": 1,
    "pipeline__flow_cell": CELL,
}


def command(folder, *arguments):
    """Runs a command as a user does whose own package lies in the current folder."""
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def flag(name, value):
    text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return f"--{name.replace('__', '.')}={text}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the package of the cell, two videos a class, and the work of the pipeline."""
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "my_package").mkdir()
    (folder / "my_package" / "__init__.py").touch()
    (folder / "my_package" / "my_module.py").write_text(listing())
    stick_actions.generate_stick_actions(
        folder / "videos",
        classes=tiny_pipeline.CLASSES,
        clips_per_class=1,
        test_clips_per_class=1,
        seed=3,
    )
    settings = [flag(name, value) for name, value in FLAGS.items()]
    arguments = ["--preset=small", "--videos=videos", f"--cells={CELL}", *settings]
    command(folder, "launch.pipeline", *arguments)
    return folder


@pytest.mark.slow
def test_every_stage_leaves_its_results(folder):
    work = Workdir(str(folder / "work"))
    run = work.run(RUN)
    config = json.loads((run / "config.json").read_text())
    assert config["model"]["cell"] == CELL
    assert config["attends"] and config["layers"] == {"x": "pool5", "motion": None}
    video, *others = [v for v in load_dataset(work.dataset).videos if v.part == "test"]
    (attention,) = files.read_arrays(work.evaluated_video(RUN, video.name), "attention")
    np.testing.assert_allclose(attention.sum((1, 2)), 1.0, rtol=1e-5)
    kind, maps = files.read_arrays(work.states(RUN, video.name), "kind", "maps")
    assert (str(kind), maps.ndim) == ("hidden", 4)
    tubes = load_detections(run / "tubes.jsonl")
    assert {tube.video for tube in tubes} == {video.name, *(other.name for other in others)}
    assert (work.path / "fused").exists()
    assert RUN in (work.report / "index.html").read_text()


@pytest.mark.slow
def test_it_streams(folder):
    video = next((folder / "videos").rglob("*.mp4"))
    model = f"work/runs/{RUN}"
    arguments = [f"--model={model}", f"--video={video}", "--output=film.mp4", "--max_frames=5"]
    text = command(folder, "launch.predict", *arguments)
    assert "predict: wrote film.mp4" in text and (folder / "film.mp4").stat().st_size > 0


def test_a_state_that_the_cell_lacks_is_not_written(capsys):
    cfg = change(RunConfig(), eval__states="cell", model__cell=CELL)
    model = SimpleNamespace(cell=load_example().CELL)
    evaluate._write_states(cfg, model, None, ["a video"])
    assert capsys.readouterr().out == (
        "no maps of the state 'cell' are written; the cell has hidden\n"
    )
