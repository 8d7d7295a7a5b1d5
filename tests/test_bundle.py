"""A bundle equals the run that it was written from, and is refused where anything in it changed."""

import json
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
import safetensors.numpy
import tiny_pipeline

from videolstm_jax import artifacts, files
from videolstm_jax.artifacts import Workdir
from videolstm_jax.config import BundleConfig, LocalizeConfig, PredictConfig, change
from videolstm_jax.errors import ConfigError, FileError
from videolstm_jax.presets import Settings
from videolstm_jax.stages import bundle as stage
from videolstm_jax.stages import predict
from videolstm_jax.train.graft import named_leaves
from videolstm_jax.trained.model import TrainedModel
from videolstm_jax.trained.predictor import Predictor
from videolstm_jax.types import Scores
from videolstm_jax.video import encode

ROOT = pathlib.Path(__file__).parents[1]
CELLS = (("videolstm", "rgb"), ("motion_alstm", "flow"), ("lstm", "rgb"))
FRAMES = np.random.default_rng(7).integers(0, 256, (5, 32, 40, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle") / "work"
    return Settings(
        "small",
        {
            "workdir": str(folder),
            "data__videos": "/secret/place",
            "train__graft": ("/secret/runs/old:cell.top",),
            **tiny_pipeline.TINY,
        },
    )


@pytest.fixture(scope="module")
def work(settings):
    """A work folder of runs with random parameters, one of them evaluated."""
    for stream in ("rgb", "flow"):
        tiny_pipeline.write_convnet(settings.for_cell("lstm", stream), stream)
    for cell, stream in CELLS:
        cfg = settings.for_cell(cell, stream)
        tiny_pipeline.write_flow_settings(cfg)
        tiny_pipeline.write_run(cfg)
    work = Workdir(settings.overrides["workdir"])
    videos = ("SitDown/a", "SitDown/b", "StandUp/c")
    table = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]])
    labels = np.array([0, 0, 1])
    artifacts.save_scores(
        work.scores("videolstm-rgb"), Scores(videos, table, labels, tiny_pipeline.CLASSES)
    )
    overlap = {"value": 0.5, "low": 0.4, "high": 0.6}
    measured = {
        "settings": {"sigma": 3.0, "scores": "/secret/fused.npz"},
        "model": {"mean_frame_iou": overlap},
    }
    files.write_json(work.run("videolstm-rgb") / "map.json", measured)
    return work


@pytest.fixture(scope="module")
def bundle(work, tmp_path_factory):
    folder = tmp_path_factory.mktemp("written") / "videolstm"
    return TrainedModel.load(work.run("videolstm-rgb")).save(folder)


@pytest.fixture
def copy(bundle, tmp_path):
    """A bundle that may be damaged."""
    return pathlib.Path(shutil.copytree(bundle, tmp_path / "copy"))


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
    kept = safetensors.numpy.load_file(bundle / "rgb.safetensors")
    assert set(kept) and all(name.startswith("block") for name in kept), "pool5 needs no others"
    record = files.read_json(bundle / "model.json")
    assert record["provenance"]["preset"] == "small"
    assert record["provenance"]["overrides"]["model.hidden"] == 6
    assert "secret" not in (bundle / "model.json").read_text(), "places of this machine stay here"
    assert record["results"]["accuracy"] == {"right": 2, "videos": 3}
    card = (bundle / "README.md").read_text()
    settings = ("`--convnet.dense=8`", "`--convnet.widths=4,6`", "`--localize.causal=True`")
    for words in (
        *settings,
        "SitDown, StandUp",
        "2 of 3 test videos, 66.7 %",
        "0.500 (0.400 to 0.600)",
    ):
        assert words in card


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


def test_the_model_is_that_of_the_run(bundle, work):
    ours, theirs = TrainedModel.load(bundle), TrainedModel.load(work.run("videolstm-rgb"))
    for name in ("config", "scales", "classes", "stream", "extractors"):
        assert getattr(ours, name) == getattr(theirs, name), name
    leaves, expected = named_leaves(ours.params), named_leaves(theirs.params)
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


# ---- refused -------------------------------------------------------------------------------------


def edited(copy, change, *, signed=True):
    """Changes model.json as `change` does; `signed` makes its sums agree again."""
    path = copy / "model.json"
    record = json.loads(path.read_text())
    change(record)
    if signed:
        record.pop("sha256", None)
        for name in record["files"]:
            if (copy / name).exists():
                record["files"][name] = files.bytes_sha256((copy / name).read_bytes())
        record["sha256"] = files.json_sha256(record)
    path.write_text(json.dumps(record))


def retensored(copy, change):
    """Changes the tensors of the cell, and signs the bundle again."""
    path = copy / "model.safetensors"
    tensors = {name: array.copy() for name, array in safetensors.numpy.load_file(path).items()}
    change(tensors)
    safetensors.numpy.save_file(tensors, path)
    edited(copy, lambda record: None)


def refusal(copy):
    with pytest.raises(FileError) as caught:
        TrainedModel.load(copy)
    message = str(caught.value)
    assert str(copy) in message and "\n" not in message
    return message


@pytest.mark.parametrize("name", ["model.safetensors", "rgb.safetensors", "flow.safetensors"])
def test_a_flipped_byte(copy, name):
    data = bytearray((copy / name).read_bytes())
    data[-9] ^= 1
    (copy / name).write_bytes(data)
    assert f"{name} is damaged: its sha256 is" in refusal(copy)


@pytest.mark.parametrize("name", ["model.json", "model.safetensors", "rgb.safetensors"])
def test_a_missing_file(copy, name):
    (copy / name).unlink()
    assert f"{name} is missing" in refusal(copy)


def test_an_edited_number(copy):
    edited(copy, lambda record: record["scales"].update(x=0.5), signed=False)
    assert "model.json: the content has been changed" in refusal(copy)


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_another_version_of_the_format(copy, version):
    edited(copy, lambda record: record.update(version=version))
    assert f"the format has version {version!r}; this program reads 1" in refusal(copy)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda tensors: tensors.pop("cell.top.x"), "lacks the tensor cell.top.x"),
        (
            lambda tensors: tensors.update(more=np.zeros(1, np.float32)),
            "has the tensor more, which the model does not have",
        ),
        (
            lambda tensors: tensors.update({"head.classes": np.zeros((8, 3), np.float32)}),
            "head.classes is float32 [8, 3]; expected float32 [8, 2]",
        ),
        (
            lambda tensors: tensors.update({"head.classes": np.zeros((8, 2), np.float16)}),
            "head.classes is float16 [8, 2]; expected float32",
        ),
        (
            lambda tensors: tensors["cell.top.bias"].__setitem__(3, np.nan),
            "cell.top.bias has values that are not finite",
        ),
    ],
)
def test_tensors_that_do_not_fit(copy, change, message):
    retensored(copy, change)
    assert f"model.safetensors: {message}" in refusal(copy)


def test_a_file_that_is_no_safetensors(copy):
    (copy / "rgb.safetensors").write_bytes(b"no tensors")
    edited(copy, lambda record: None)
    assert "rgb.safetensors: cannot be read as safetensors" in refusal(copy)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda record: record["classes"].append("Walk"), "3 class names; expected 2"),
        (lambda record: record["backbones"].pop("flow"), "ConvNets of rgb; expected those of flow"),
        (lambda record: record.update(classes=["Walk", "Walk"]), "expected different names"),
        (
            lambda record: record["scales"].update(motion=0),
            "scales.motion is 0; expected more than 0",
        ),
        (
            lambda record: record["scales"].update(x="1"),
            'scales.x is "1"; expected a number',
        ),
        (lambda record: record.update(fps=-1), "fps is -1; expected 0 or more"),
        (
            lambda record: record["backbones"]["rgb"]["layers"].update(pool5="int4"),
            "backbones.rgb.layers.pool5 is \"int4\"; expected one of 'float16'",
        ),
        (lambda record: record["layers"].update(x="fc7"), "the cell videolstm read"),
        (lambda record: record["model"].update(cell="no_module:CELL"), "cannot import the module"),
        (lambda record: record["model"].pop("hidden"), "model.hidden is missing"),
        (
            lambda record: record["model"].update(of_a_later_day=1),
            "model has the unknown fields of_a",
        ),
        (lambda record: record["localize"].update(sigma=-1.0), "sigma is -1.0"),
        (lambda record: record.pop("scales"), "scales is missing"),
        (lambda record: record["flow"].pop("bound"), "flow.bound is missing"),
        (
            lambda record: record["backbones"]["rgb"].update(layers={"pool9": "float16"}),
            "backbones.rgb.layers are pool9; expected pool5, which the cell reads",
        ),
        (
            lambda record: record["backbones"]["rgb"].update(layers={}),
            "backbones.rgb.layers is {}; expected at least 1 items",
        ),
        (lambda record: record["flow"].update(method="foo"), 'flow.method is "foo"; expected one'),
        (lambda record: record["flow"].update(bound=-1), "flow.bound is -1; expected more than 0"),
        (lambda record: record["flow"].update(width=0), "flow is 0 x 24; expected both sides"),
        (lambda record: record.update(flow=None), "flow is null; expected settings"),
        (
            lambda record: record.update(classes={"a": 1, "b": 2}),
            'classes is {"a": 1, "b": 2}; expected a list',
        ),
        (lambda record: record.update(extractors=[]), "extractors is []; expected an object"),
        (lambda record: record.update(extractors={"x": 5}), "extractors.x is 5; expected an obj"),
        (lambda record: record.update(provenance=[]), "provenance is []; expected an object"),
        (
            lambda record: record["provenance"]["overrides"].update(seed=None),
            "provenance: overrides.seed is null; expected text, a number, true or false, or a list",
        ),
        (lambda record: record.pop("provenance"), "provenance is missing"),
        (lambda record: record.update(results=None), "results is null; expected an object"),
        (lambda record: record.update(format="zip"), 'format is "zip"; expected one of \'videol'),
        (
            lambda record: record["backbones"]["flow"]["preprocessing"].update(mean=[1.0, 2.0]),
            "backbones.flow.preprocessing is",
        ),
        (lambda record: record["backbones"]["flow"].update(channels=3), "flow.channels is 3; exp"),
        (lambda record: record["files"].update({"../x": "0"}), "lists ../x, flow.safetensors"),
    ],
)
def test_a_record_that_does_not_fit(copy, change, message):
    edited(copy, change)
    assert message in refusal(copy)


def leaves_of(value, keys=()):
    """The keys of every value without parts."""
    items = value
    if isinstance(value, list):
        items = dict(enumerate(value))
    if not isinstance(items, dict) or not items:
        return [keys]
    paths = []
    for key, item in items.items():
        paths += leaves_of(item, (*keys, key))
    return paths


def replaced(record, keys, value):
    record = json.loads(json.dumps(record))
    owner = record
    for key in keys[:-1]:
        owner = owner[key]
    owner[keys[-1]] = value
    record.pop("sha256")
    # The sum that Python makes of infinity too, which JSON itself does not have.
    content = json.dumps(record, sort_keys=True).encode()
    return {**record, "sha256": files.bytes_sha256(content)}


@pytest.mark.slow
def test_any_value_of_another_kind_is_refused_or_harmless(bundle, copy):
    """Every leaf of model.json is replaced by values of each kind, and the sum is made anew."""
    original = files.read_json(bundle / "model.json")
    like = TrainedModel.load(bundle)
    accepted = set()
    for keys in leaves_of(original):
        # The sum is made anew, and what repeats is tried once.
        if keys[:2] in {("sha256",), ("backbones", "flow"), ("provenance", "overrides")}:
            continue
        for value in (None, -1, "x", [], {}, float("inf")):
            if keys == ("sha256",):
                continue
            text = json.dumps(replaced(original, keys, value)).replace("Infinity", "1e400")
            (copy / "model.json").write_text(text)
            try:
                model = TrainedModel.load(copy)
            except FileError as error:
                message = str(error)
                assert str(copy) in message and "\n" not in message
                assert "Error" not in message and "supported" not in message, message
                continue
            accepted.add(keys[0])
            for name in ("config", "scales", "classes", "stream", "extractors"):
                assert type(getattr(model, name)) is type(getattr(like, name)), (keys, value)
    harmless = {"backbones", "classes", "extractors", "localize", "model", "provenance"}
    assert accepted <= {*harmless, "trained_on", "versions"}


def test_a_record_that_is_no_record(copy):
    for text in ("[]", "{}", "no json"):
        (copy / "model.json").write_text(text)
        assert "model.json: not" in refusal(copy)


# ---- commands ------------------------------------------------------------------------------------


def test_the_stage_writes_a_bundle(work, tmp_path):
    folder = stage.run(BundleConfig(run=str(work.run("lstm-rgb")), to=str(tmp_path / "bundle")))
    assert TrainedModel.load(folder).classes == tiny_pipeline.CLASSES
    for settings in ({"run": "x"}, {"to": "x"}):
        with pytest.raises(ConfigError, match="is empty"):
            BundleConfig(**settings)


def test_a_bundle_is_filmed_in_the_current_folder(bundle, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    encode.write(tmp_path / "clip.avi", FRAMES, 10, codec="ffv1")
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
