"""Backbones of the user's own: the contract, every stage, the stream and bundles."""

import dataclasses
import json
import shutil
import sys

import numpy as np
import pytest
import tiny_pipeline

from videolstm_jax import Predictor, TrainedModel
from videolstm_jax.clips.frame_reader import FrameReader
from videolstm_jax.config import ConvNetConfig
from videolstm_jax.errors import ConfigError, FileError
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.nn.backbones import image_network
from videolstm_jax.presets import Settings
from videolstm_jax.results import evaluated
from videolstm_jax.stages import extract, fit_convnet, train
from videolstm_jax.video import decode
from videolstm_jax.workdir.dataset_json import load_dataset
from videolstm_jax.workdir.layout import Workdir

HOOK = "hook_of_a_test:BACKBONE"
CFG = ConvNetConfig(backbone=HOOK, image_size=28)
SOURCE = '''
"""Means over 4 x 4 pixels, less their own mean: maps with values below zero."""

import numpy as np


def BACKBONE(frames):
    assert frames.dtype == np.uint8
    n, side, _, channels = frames.shape
    blocks = frames.reshape(n, side // 4, 4, side // 4, 4, channels).astype(np.float64)
    return blocks.mean((2, 4)) / 100 - 1


BACKBONE.version = "2"
'''


@pytest.fixture(scope="module")
def module(tmp_path_factory):
    """Makes the module of the hook importable."""
    folder = tmp_path_factory.mktemp("hook")
    (folder / "hook_of_a_test.py").write_text(SOURCE)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield folder
    sys.modules.pop("hook_of_a_test", None)


@pytest.fixture(scope="module")
def walked(module, tmp_path_factory):
    """A work folder whose RGB features are the hook's, with a run of random parameters."""
    folder = tmp_path_factory.mktemp("walk")
    cells = [("videolstm", "rgb")]
    return tiny_pipeline.make(folder, cells, convnet__backbone=HOOK, convnet__steps=2)


def test_the_network_around_a_function(module):
    network = image_network(CFG, 3, 5)
    assert network.identity == f"{HOOK} 2"
    assert network.layers == {"pool5": (7, 7, 3), "fc7": (3,), "logits": (5,)}
    images = np.random.default_rng(0).integers(0, 256, (4, 28, 28, 3)).astype(np.uint8)
    maps = network.prepare(images)
    assert maps.dtype == np.float32
    params = {"logits": {"kernel": np.ones((3, 5), np.float32), "bias": np.zeros(5, np.float32)}}
    output = network.apply(params, maps)
    np.testing.assert_array_equal(output["pool5"], maps)
    np.testing.assert_allclose(output["fc7"], maps.mean((1, 2)), rtol=1e-6)
    np.testing.assert_allclose(output["logits"][:, 0], maps.mean((1, 2)).sum(1), rtol=1e-5)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "frames[:, :7, :7, 0] / 2",
            r"float64 \[1, 7, 7\]; expected floats \[1, N, N, D\]",
        ),
        ("frames[:, :7, :6] / 2", r"\[1, 7, 6, 3\]; expected floats \[1, N, N, D\], square maps"),
        ("frames[:0] / 2", r"0 maps; expected 1, one a frame"),
        ("frames[:, :7, :7]", r"returned uint8 \[1, 7, 7, 3\]; expected floats"),
        ("frames[:, :7, :7] / np.nan", r"147 values are not finite; expected none"),
        ("frames.no_such", r"raised AttributeError: .*no_such"),
    ],
)
def test_a_function_that_breaks_the_contract(tmp_path, monkeypatch, body, message):
    name = f"broken_hook_{abs(hash(body))}"
    text = f"import numpy as np\n\n\ndef BACKBONE(frames):\n    return {body}\n"
    (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    cfg = dataclasses.replace(CFG, backbone=f"{name}:BACKBONE")
    with pytest.raises(ConfigError, match=message) as raised:
        image_network(cfg, 3, 5)
    assert name in str(raised.value) and "\n" not in str(raised.value)


def test_maps_that_change_their_shape(tmp_path, monkeypatch):
    text = "def BACKBONE(frames):\n    n = len(frames)\n    return frames[:, :n, :n] / 2\n"
    (tmp_path / "growing_hook.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    network = image_network(dataclasses.replace(CFG, backbone="growing_hook:BACKBONE"), 3, 5)
    with pytest.raises(ConfigError, match=r"\[2, 2, 2, 3\]; expected maps \[1, 1, 3\], as it"):
        network.prepare(np.zeros((2, 28, 28, 3), np.uint8))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "frames[:1, :7, :7] / 2",
            r"returned float64 \[1, 7, 7, 3\], 1 maps; expected 2, one a frame",
        ),
        ("1 / frames[:, :7, :7]", r"of which 294 values are not finite; expected none"),
    ],
)
def test_a_function_that_breaks_the_contract_later(tmp_path, monkeypatch, body, message):
    """The one grey frame before an extraction does not show this; the frames of a video do."""
    name = f"late_hook_{len(body)}"
    (tmp_path / f"{name}.py").write_text(f"def BACKBONE(frames):\n    return {body}\n")
    monkeypatch.syspath_prepend(tmp_path)
    network = image_network(dataclasses.replace(CFG, backbone=f"{name}:BACKBONE"), 3, 5)
    with np.errstate(divide="ignore"), pytest.raises(ConfigError, match=message) as raised:
        network.prepare(np.zeros((2, 28, 28, 3), np.uint8))
    assert name in str(raised.value) and "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "no_such_module_here:A",
            "cannot import the module of the backbone 'no_such_mod",
        ),
        ("json:missing", "the backbone 'json:missing' is NoneType; expected a function"),
    ],
)
def test_a_function_that_does_not_exist(name, message):
    with pytest.raises(ConfigError, match=message):
        image_network(dataclasses.replace(CFG, backbone=name), 3, 5)


def test_features_are_the_functions_maps(walked):
    work = Workdir(walked.workdir)
    store = FeatureStore.open(work.features("rgb", "pool5"))
    assert store.about["backbone"] == f"{HOOK} 2" and store.shape == (7, 7, 3)
    video = load_dataset(work.dataset).videos[0]
    frames = FrameReader("rgb", 28, flow=work.flow).read(video)
    maps = image_network(CFG, 3, 5).prepare(frames)
    np.testing.assert_array_equal(store.read(video.name), maps.astype(np.float16))
    assert maps.min() < 0
    training_video = load_dataset(work.dataset).part("train")[0]
    frames = FrameReader("rgb", 28, flow=work.flow).read(training_video)
    maps = image_network(CFG, 3, 5).prepare(frames[:, :, ::-1])
    mirrored = FeatureStore.open(work.features("rgb", "pool5", "mirrored"))
    np.testing.assert_array_equal(mirrored.read(training_video.name), maps.astype(np.float16))
    # The flow stream keeps the network of the preset.
    assert FeatureStore.open(work.features("flow", "pool5")).about["backbone"] == "vgg"


def test_a_function_that_fails_on_a_video_names_it(walked, tmp_path, monkeypatch):
    """Here it fails on the mirrored side; one grey frame before the extraction shows nothing."""
    shutil.copytree(walked.workdir, tmp_path / "work")
    shutil.rmtree(tmp_path / "work" / "features" / "rgb")
    module = sys.modules["hook_of_a_test"]
    plain, calls = module.BACKBONE, []

    def failing(frames):
        calls.append(len(frames))
        maps = plain(frames)
        # The first is that of the grey frame, the second the block as filmed.
        return maps * np.nan if len(calls) > 2 else maps

    failing.version = plain.version
    monkeypatch.setattr(module, "BACKBONE", failing)
    cfg = Settings.of(walked).override(data__stream="rgb", workdir=str(tmp_path / "work")).config()
    name = load_dataset(Workdir(cfg.workdir).dataset).part("train")[0].name
    message = rf"^{name} \(mirrored\): the backbone '{HOOK}' on uint8 .* values are not finite"
    with pytest.raises(ConfigError, match=message):
        extract.run(cfg)


def test_the_stream_gives_what_the_stages_gave(walked, tmp_path):
    work = Workdir(walked.workdir)
    dataset = load_dataset(work.dataset)
    (video,) = [video for video in dataset.videos if video.part == "test"][:1]
    expected = evaluated.load_evaluated_video(work, "videolstm-rgb", video, len(dataset.classes))
    model = TrainedModel.of_run(work, "videolstm-rgb")
    bundle = model.save(tmp_path / "bundle")
    for source in (model, bundle):
        predictor = Predictor(source)
        frames = decode.read_video(video.path)[:6]
        predictions = [predictor(frame) for frame in frames][1:]
        scores = np.stack([prediction.scores for prediction in predictions])
        np.testing.assert_allclose(scores, expected.scores[:5], atol=1e-5)
    record = json.loads((bundle / "model.json").read_text())
    assert record["backbones"]["rgb"]["convnet"]["backbone"] == HOOK
    assert f"The backbone `{HOOK}` of the stream rgb" in (bundle / "README.md").read_text()


def test_a_bundle_without_its_function_says_which_one_it_needs(walked, module, tmp_path):
    bundle = TrainedModel.of_run(Workdir(walked.workdir), "videolstm-rgb").save(tmp_path / "bundle")
    source = module / "hook_of_a_test.py"
    sys.modules.pop("hook_of_a_test")
    source.rename(module / "elsewhere.py")
    try:
        with pytest.raises(FileError, match=f"cannot import the module of the backbone '{HOOK}'"):
            TrainedModel.load(bundle)
        source.write_text(SOURCE.replace('"2"', '"3"'))
        sys.modules.pop("hook_of_a_test", None)
        with pytest.raises(FileError, match=r"is of the backbone .* 2; its convnet makes .* 3"):
            TrainedModel.load(bundle)
    finally:
        (module / "elsewhere.py").replace(source)
        sys.modules.pop("hook_of_a_test", None)


def test_only_the_classes_are_fitted(walked, capsys):
    cfg = Settings.of(walked).override(data__stream="rgb", convnet__batch=2).config()
    assert cfg.convnet.train_layers == "last"
    folder = Workdir(cfg.workdir).convnet("rgb")
    folder.rmtree()
    fit_convnet.run(cfg)
    assert json.loads((folder / "config.json").read_text())["convnet"]["preprocessing"] == "raw"
    assert "from random numbers" not in capsys.readouterr().out


def test_another_backbone_than_the_features(walked):
    settings = Settings.of(walked).override(convnet__backbone="vgg", data__stream="rgb")
    message = f"is of the backbone {HOOK}; the preset small and its settings have vgg for rgb"
    for stage in (extract, train):
        with pytest.raises(ConfigError, match=message):
            stage.run(settings.config())
