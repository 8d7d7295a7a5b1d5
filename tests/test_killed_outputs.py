"""Commands of one output remove what a killed one left of it, and nothing of a living one."""

import os
import re
import signal

import pytest
import report_workdir
from bundle_workdir import run_settings, write_work
from forked_commands import python
from locked_folders import owner_file
from small_films import smooth

from videolstm_jax.errors import FileError
from videolstm_jax.lock.file_writer import file_writer
from videolstm_jax.video import encode

TOKEN = ".part-0123456789abcdef"
# With `kill` as their first word these processes end just before their first file gets its name.
BEGINNING = """
import os, signal, sys, types
import numpy as np
from etils import epath

def end_here(*_):
    os.kill(os.getpid(), signal.SIGKILL)

if sys.argv[1] == "kill":
    type(epath.Path()).replace = end_here
"""
OVERLAY = """
from videolstm_jax.config import OverlayConfig
from videolstm_jax.stages import overlay
overlay.run(OverlayConfig(run=sys.argv[2], videos=("c0/test_0",), side=64))
"""
# A model that is loaded and compiled would take most of the time of this test.
PREDICT = """
from videolstm_jax.config import PredictConfig
from videolstm_jax.stages import predict
from videolstm_jax.trained.predictor import Prediction

class Even:
    warning, delay, classes = "", 0, ("a", "b")
    functions = types.SimpleNamespace(settings=types.SimpleNamespace(sigma=0.0), fit="squash")
    model = types.SimpleNamespace(place=types.SimpleNamespace(fps=0.0))
    frames = 0

    def __init__(self, folder, flow=""):
        pass

    def __call__(self, frame):
        self.frames += 1
        even = np.full(2, 0.5)
        return Prediction(self.frames - 1, even, even, None, None, {})

predict.Predictor = Even
predict.run(PredictConfig(model="x", video=sys.argv[2], output=sys.argv[3], side=64))
"""
BUNDLE = """
from videolstm_jax.config import BundleConfig
from videolstm_jax.stages import bundle
bundle.run(BundleConfig(run=sys.argv[2], to=sys.argv[3]))
"""
FIGURE = """
from videolstm_jax.paper import figure4
from videolstm_jax.paper.rows import ROWS
row = ROWS["figure4a/videolstm/smooth"]
figure4._draw([figure4.Curve(row, np.array([0.1, 0.5]), np.ones((1, 2)), False)], sys.argv[2])
"""


def run_code(code, *words):
    return python("-c", BEGINNING + code, *words)


def hidden(folder):
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


def assert_killed_and_repeated(code, words, outputs):
    """Kills a command while it writes, and runs it again: only whole files are left.

    Args:
      code: of the command.
      words: behind `kill` or `end`.
      outputs: the paths that it writes, all in one folder.
    """
    folder = outputs[0].parent
    killed = run_code(code, "kill", *words)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    left = hidden(folder)
    assert any(".part-" in name for name in left)
    assert any(name.endswith(".lock") for name in left)
    assert not outputs[0].exists()
    repeated = run_code(code, "end", *words)
    assert repeated.returncode == 0, repeated.stderr
    assert sorted(folder.iterdir()) == sorted(outputs)


@pytest.mark.slow
def test_a_killed_overlay(tmp_path):
    work = report_workdir.make(tmp_path, per_class=1)
    film = work.path / "overlays" / "videolstm-rgb" / "c0-test_0.mp4"
    run = work.run("videolstm-rgb")
    assert_killed_and_repeated(OVERLAY, [run], [film, film.with_suffix(".png")])


def test_a_killed_prediction(tmp_path):
    encode.write_video(tmp_path / "clip.avi", smooth(5, 24, 32), 10, codec="ffv1")
    film = tmp_path / "out" / "film.mp4"
    words = [tmp_path / "clip.avi", film]
    assert_killed_and_repeated(PREDICT, words, [film, film.with_suffix(".png")])


@pytest.mark.slow
def test_a_killed_bundle(tmp_path):
    work = write_work(run_settings(tmp_path / "work"), [("lstm", "rgb")])
    folder = tmp_path / "out" / "bundle"
    assert_killed_and_repeated(BUNDLE, [work.run("lstm-rgb"), folder], [folder])


def test_a_killed_drawing_of_figure_4(tmp_path):
    target = tmp_path / "out" / "figure4"
    outputs = [target.with_suffix(suffix) for suffix in (".svg", ".png")]
    assert_killed_and_repeated(FIGURE, [target], outputs)


def test_a_living_process_keeps_what_it_writes(tmp_path):
    left = tmp_path / f".film.mp4{TOKEN}"
    left.write_bytes(b"half")
    path = owner_file(tmp_path, ".film.mp4.lock")
    message = rf"film\.mp4: train writes this already: process {os.getpid()} on .*; wait for it"
    with pytest.raises(FileError, match=message), file_writer(tmp_path / "film.mp4", "predict"):
        pytest.fail("both write the film")
    assert left.exists()
    # Another film of the folder is free, and does not touch this one.
    with file_writer(tmp_path / "other.mp4", "predict"):
        assert left.exists()
    path.unlink()
    with file_writer(tmp_path / "film.mp4", "predict"):
        assert not left.exists()


def test_a_process_of_another_machine_counts_as_dead_after_a_while(tmp_path):
    owner_file(tmp_path, ".film.mp4.lock", machine="elsewhere")
    message = r"If it no longer runs, try again after 120 s$"
    with pytest.raises(FileError, match=message), file_writer(tmp_path / "film.mp4", "predict"):
        pytest.fail("both write the film")


@pytest.mark.parametrize("name", ["a" * 255, "file/film.mp4"], ids=["long", "below a file"])
def test_a_place_where_nothing_can_be_written_is_named_without_the_lock(tmp_path, name):
    (tmp_path / "file").touch()
    with (
        pytest.raises(FileError, match=f"{re.escape(str(tmp_path / name))}: .*errno"),
        file_writer(tmp_path / name, "predict"),
    ):
        pass
