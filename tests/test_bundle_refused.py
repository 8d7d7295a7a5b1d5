"""A bundle is refused, in one line, where anything in it is missing, damaged or does not fit."""

import json
import pathlib
import shutil

import numpy as np
import pytest
import safetensors.numpy
from bundle_workdir import run_settings, write_work

from videolstm_jax import files
from videolstm_jax.errors import FileError
from videolstm_jax.sealed_json import json_sha256
from videolstm_jax.trained.model import TrainedModel


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle")
    work = write_work(run_settings(folder / "work"), [("videolstm", "rgb")])
    return TrainedModel.load(work.run("videolstm-rgb")).save(folder / "videolstm")


@pytest.fixture
def copy(bundle, tmp_path):
    """A bundle that may be damaged."""
    return pathlib.Path(shutil.copytree(bundle, tmp_path / "copy"))


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
        record["sha256"] = json_sha256(record)
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


def test_a_link_that_leads_out_of_the_bundle(copy, bundle):
    (copy / "model.safetensors").unlink()
    (copy / "model.safetensors").symlink_to(pathlib.Path(bundle) / "model.safetensors")
    assert "is a symbolic link that leads out of the bundle" in refusal(copy)


def test_layers_of_a_size_that_no_array_has(copy):
    def change(record):
        record["backbones"]["rgb"]["convnet"]["dense"] = [2**31 - 1, 2**31 - 1]

    edited(copy, change)
    assert "model.json" in refusal(copy) or "safetensors" in refusal(copy)


def test_an_edited_number(copy):
    edited(copy, lambda record: record["scales"].update(x=0.5), signed=False)
    assert "model.json: the content has been changed" in refusal(copy)


@pytest.mark.parametrize("version", [0, 5, "1", None])
def test_another_version_of_the_format(copy, version):
    edited(copy, lambda record: record.update(version=version))
    assert f"the format has version {version!r}; this program reads 1, 2, 3 and 4" in refusal(copy)


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
        (
            lambda record: record["backbones"].pop("flow"),
            "backbones of rgb; expected those of flow",
        ),
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
        (
            lambda record: record.update(foreground={"axis": [1.0], "offset": 0.0}),
            "foreground.axis has 1 numbers; expected 6, the channels of x",
        ),
        (lambda record: record.update(foreground={"offset": 0.0}), "foreground.axis is missing"),
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
