"""A bundle equals the run that it was written from, in this process and without TensorFlow."""

import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
import safetensors.numpy
import tiny_pipeline
from bundle_workdir import run_settings, write_work

from videolstm_jax import files
from videolstm_jax.config import BundleConfig, LocalizeConfig, PredictConfig, change
from videolstm_jax.errors import ConfigError, FileError
from videolstm_jax.localize.foreground import ForegroundAxis
from videolstm_jax.stages import bundle as stage
from videolstm_jax.stages import predict
from videolstm_jax.train.graft import named_param_leaves
from videolstm_jax.trained.model import TrainedModel
from videolstm_jax.trained.predictor import Predictor
from videolstm_jax.video import encode

ROOT = pathlib.Path(__file__).parents[1]
CELLS = (("videolstm", "rgb"), ("motion_alstm", "flow"), ("lstm", "rgb"))
FRAMES = np.random.default_rng(7).integers(0, 256, (5, 32, 40, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    return run_settings(tmp_path_factory.mktemp("bundle") / "work")


@pytest.fixture(scope="module")
def work(settings):
    return write_work(settings, CELLS)


@pytest.fixture(scope="module")
def bundle(work, tmp_path_factory):
    folder = tmp_path_factory.mktemp("written") / "videolstm"
    return TrainedModel.load(work.run("videolstm-rgb")).save(folder)


def stream_of(predictor):
    return [prediction for prediction in map(predictor, FRAMES) if prediction is not None]


def assert_same_stream(one, other):
    for a, b in zip(one, other, strict=True):
        assert a.frame == b.frame
        for name in ("scores", "mean", "attention", "box"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name), strict=True)


def test_what_it_holds(bundle, work):
    names = {"README.md", "flow.safetensors", "model.json", "model.safetensors", "rgb.safetensors"}
    assert {path.name for path in bundle.iterdir()} == names
    tensors = safetensors.numpy.load_file(bundle / "rgb.safetensors")
    assert set(tensors) and all(name.startswith("block") for name in tensors), (
        "pool5 needs no others"
    )
    record = files.read_json(bundle / "model.json")
    assert record["provenance"]["preset"] == "small"
    assert record["provenance"]["overrides"]["model.hidden"] == 6
    assert "secret" not in (bundle / "model.json").read_text(), "places of this machine stay here"
    assert record["results"]["accuracy"] == {"right": 2, "videos": 3}
    card = (bundle / "README.md").read_text()
    settings = ("`--convnet.dense=8`", "`--convnet.widths=4,6`", "`--localize.causal=True`")
    for phrase in (
        *settings,
        "SitDown, StandUp",
        "2 of 3 test videos, 66.7 %",
        "0.500 (0.400 to 0.600)",
    ):
        assert phrase in card


@pytest.mark.parametrize("cell, stream", CELLS)
def test_its_stream_is_that_of_the_run_to_the_bit(work, tmp_path, cell, stream):
    run = work.run(f"{cell}-{stream}")
    folder = TrainedModel.load(run).save(tmp_path / "bundle")
    expected = stream_of(Predictor(run))
    assert len(expected) >= 4
    assert_same_stream(expected, stream_of(Predictor(folder)))


def test_a_cell_of_ones_own_travels_by_its_name(work, settings, tmp_path):
    """Its parameters and its carry are trees of another form than those of the six cells."""
    cfg = settings.for_cell("examples.conv_gru:CELL", "rgb")
    run = tiny_pipeline.write_run(change(cfg, name="own"))
    folder = TrainedModel.load(run).save(tmp_path / "bundle")
    assert files.read_json(folder / "model.json")["model"]["cell"] == "examples.conv_gru:CELL"
    card = (folder / "README.md").read_text()
    assert "The cell `examples.conv_gru:CELL` is not part of the folder." in card
    assert_same_stream(stream_of(Predictor(run)), stream_of(Predictor(folder)))


def test_the_foreground_travels(work, settings, tmp_path):
    axis = ForegroundAxis(np.random.default_rng(0).normal(size=6), -0.1)

    def streams(name, kind):
        """The version of the bundle, and the streams of the run and of the bundle."""
        cfg = settings.override(localize__input=kind).for_cell("videolstm", "rgb")
        run = tiny_pipeline.write_run(change(cfg, name=name), foreground=axis)
        folder = TrainedModel.load(run).save(tmp_path / name)
        record = files.read_json(folder / "model.json")
        assert record["foreground"] == {"axis": axis.axis.tolist(), "offset": -0.1}
        predictor = Predictor(folder)
        assert not predictor.warning
        return record["version"], stream_of(Predictor(run)), stream_of(predictor)

    # An older program does not know the axis, which matters only where boxes are made of it. Else
    # the version is that of padded frames.
    version, of_run, of_bundle = streams("foreground", "foreground")
    assert version == 4
    assert_same_stream(of_run, of_bundle)
    version, of_attention, _ = streams("attention", "attention")
    assert version == 2
    boxes, others = (
        np.array([prediction.box for prediction in stream]) for stream in (of_run, of_attention)
    )
    assert np.abs(boxes - others).max() > 1


def test_the_model_is_that_of_the_run(bundle, work):
    ours, theirs = TrainedModel.load(bundle), TrainedModel.load(work.run("videolstm-rgb"))
    for name in ("config", "scales", "classes", "stream", "extractors"):
        assert getattr(ours, name) == getattr(theirs, name), name
    leaves, expected = named_param_leaves(ours.params), named_param_leaves(theirs.params)
    assert leaves.keys() == expected.keys()
    for name, leaf in leaves.items():
        np.testing.assert_array_equal(leaf, expected[name], strict=True)
    assert ours.place.localize_settings() == LocalizeConfig(sigma=3.0)
    assert ours.place.flow_settings() == theirs.place.flow_settings()


def test_a_bundle_of_a_bundle_has_the_same_bytes(bundle, tmp_path):
    again = TrainedModel.load(bundle).save(tmp_path / "again")
    for path in bundle.iterdir():
        assert path.read_bytes() == (again / path.name).read_bytes(), path.name


def test_a_folder_that_exists_is_not_replaced(bundle, work):
    before = (bundle / "model.json").read_bytes()
    with pytest.raises(FileError, match="exists; expected the path of a new folder"):
        TrainedModel.load(work.run("lstm-rgb")).save(bundle)
    assert (bundle / "model.json").read_bytes() == before


def test_nothing_is_left_of_a_bundle_that_could_not_be_written(work, tmp_path, monkeypatch):
    def full(path, value):
        raise OSError("no space left")

    monkeypatch.setattr(files, "write_json", full)
    with pytest.raises(OSError, match="no space left"):
        TrainedModel.load(work.run("lstm-rgb")).save(tmp_path / "bundle")
    assert not list(tmp_path.iterdir())


def test_a_run_without_its_convnet_makes_no_bundle(work, tmp_path):
    shutil.copytree(work.run("lstm-rgb"), tmp_path / "runs" / "lstm-rgb")
    with pytest.raises(FileError, match=r"convnets/rgb/config\.json is missing"):
        TrainedModel.load(tmp_path / "runs" / "lstm-rgb").save(tmp_path / "bundle")


def test_the_stage_writes_a_bundle(work, tmp_path):
    folder = stage.run(BundleConfig(run=str(work.run("lstm-rgb")), to=str(tmp_path / "bundle")))
    assert TrainedModel.load(folder).classes == tiny_pipeline.CLASSES
    for settings in ({"run": "x"}, {"to": "x"}):
        with pytest.raises(ConfigError, match="is empty"):
            BundleConfig(**settings)


def test_a_bundle_is_filmed_in_the_current_folder(bundle, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    encode.write_video(tmp_path / "clip.avi", FRAMES, 10, codec="ffv1")
    path = predict.run(PredictConfig(model=str(bundle), video="clip.avi", side=64))
    assert path.as_posix() == "predicted/clip.mp4" and path.exists()
    assert f"predict: {bundle} reads clip.avi" in capsys.readouterr().out
    assert len(list(bundle.iterdir())) == 5, "nothing is written to the bundle"


CHILD = """
import sys
for name in ("tensorflow", "orbax", "h5py"):
    sys.modules[name] = None  # Python then raises as if it were not installed
import numpy as np
from videolstm_jax import Predictor, TrainedModel
predictor = Predictor(TrainedModel.load(sys.argv[1]))
frames = np.load(sys.argv[2])
predictions = [prediction for prediction in map(predictor, frames) if prediction is not None]
np.savez(sys.argv[3], scores=[prediction.scores for prediction in predictions])
assert sys.modules["tensorflow"] is None
"""


@pytest.mark.usefixtures("flow_of_commands")
def test_a_machine_without_tensorflow_and_work_folder(bundle, work, tmp_path):
    folder = shutil.copytree(bundle, tmp_path / "elsewhere")
    np.save(tmp_path / "frames.npy", FRAMES)
    done = subprocess.run(
        [sys.executable, "-c", CHILD, folder, tmp_path / "frames.npy", tmp_path / "scores.npz"],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    (scores,) = files.read_arrays(tmp_path / "scores.npz", "scores")
    expected = stream_of(Predictor(work.run("videolstm-rgb")))
    np.testing.assert_array_equal(scores, [prediction.scores for prediction in expected])
