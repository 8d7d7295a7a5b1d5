"""ImageNet weights: fit_convnet and extract with each kind of file and its preprocessing."""

import json
import shutil

import jax
import numpy as np
import pytest
from etils import epath
from narrow_vgg import CONVOLUTIONS, LEAVES, STILL, params_of, vgg, write_npz
from prepared_workdir import write_prepared
from weight_writers import PREPROCESSING, write

from videolstm_jax.backbone.convnet import load_convnet
from videolstm_jax.clips.frame_reader import FrameReader
from videolstm_jax.errors import ConfigError
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.nn.vgg import make_vgg
from videolstm_jax.nn.weight_files import weights_sha256
from videolstm_jax.stages import extract, fit_convnet
from videolstm_jax.workdir.dataset_json import load_dataset
from videolstm_jax.workdir.scores_npz import load_scores


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return write_prepared(tmp_path_factory.mktemp("imagenet"))


@pytest.fixture
def work(prepared, tmp_path):
    shutil.copytree(prepared, tmp_path / "work")
    return tmp_path / "work"


@pytest.mark.parametrize(
    ("kind", "stream"),
    [
        ("h5", "rgb"),
        pytest.param("pth", "flow", marks=pytest.mark.slow),
        *(
            pytest.param(kind, "rgb", marks=pytest.mark.slow)
            for kind in PREPROCESSING
            if kind != "h5"
        ),
    ],
)
def test_each_file_goes_the_whole_way(work, tmp_path, kind, stream, capsys):
    path = write(tmp_path, kind, LEAVES)
    cfg = vgg(work, stream, convnet__weights=str(path), **STILL)
    fit_convnet.run(cfg)
    extract.run(cfg)
    assert (
        f"preprocessed as {PREPROCESSING[kind]}; logits from random numbers"
        in capsys.readouterr().out
    )
    params = params_of(work, stream)
    for name, leaf in LEAVES.items():
        if name == "block1_conv1.kernel" and stream == "flow":
            leaf = np.stack([leaf.mean(2)] * 2, 2)
        if not name.startswith("logits"):
            np.testing.assert_allclose(params[name], leaf, rtol=1e-6, err_msg=name)
    record = json.loads((work / "convnets" / stream / "config.json").read_text())
    assert (
        record["inputs"]["weights"] == weights_sha256(path)
        and record["convnet"]["preprocessing"] == PREPROCESSING[kind]
    )
    about = FeatureStore.open(work / "features" / stream / "pool5").about["preprocessing"]
    mean = {"caffe": [123.68, 116.779, 103.939], "torch": [123.675, 116.28, 103.53]}[
        PREPROCESSING[kind]
    ]
    assert about["name"] == PREPROCESSING[kind] and about["mean"] == (
        mean if stream == "rgb" else [128.0, 128.0]
    )
    if stream == "rgb":
        _features_are_those_of(work, PREPROCESSING[kind])


def _features_are_those_of(work, preprocessing):
    """Of the weights themselves, on images preprocessed by hand."""
    video = load_dataset(work / "dataset.json").videos[0]
    pixels = FrameReader("rgb", 16).read(video).astype(np.float64)
    if preprocessing == "caffe":
        images = pixels - [123.68, 116.779, 103.939]
    else:
        images = (pixels / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    tree: dict = {}
    for name, leaf in LEAVES.items():
        layer, _, part = name.rpartition(".")
        tree.setdefault(layer, {})[part] = leaf
    taps = jax.jit(make_vgg(vgg(work, "rgb").convnet, 3, 5).apply)(tree, images.astype(np.float32))
    for layer in ("pool5", "fc7"):
        stored, truth = (
            FeatureStore.open(work / "features" / "rgb" / layer).read(video.name),
            getattr(taps, layer),
        )
        np.testing.assert_allclose(stored, truth, rtol=2e-3, atol=2e-3 * np.abs(truth).max())


@pytest.mark.parametrize(
    ("layers", "moves", "optimizer"),
    [
        pytest.param("all", {"block", "fc"}, "sgd", marks=pytest.mark.slow),
        ("dense", {"fc"}, "sgd"),
        pytest.param("last", set(), "adam", marks=pytest.mark.slow),
    ],
)
def test_frozen_layers_stay(work, tmp_path, layers, moves, optimizer):
    cfg = vgg(
        work,
        "rgb",
        convnet__weights=str(write(tmp_path, "h5", LEAVES)),
        convnet__train_layers=layers,
        convnet__weight_decay=0.1,
        convnet__optimizer=optimizer,
    )
    fit_convnet.run(cfg)
    for name, leaf in params_of(work, "rgb").items():
        if not name.startswith("logits"):
            moved = any(name.startswith(part) for part in moves)
            assert np.array_equal(leaf, LEAVES[name]) != moved, name
    begun = make_vgg(cfg.convnet, 3, 2).init(jax.random.key(cfg.seed))
    assert not np.array_equal(params_of(work, "rgb")["logits.kernel"], begun["logits"]["kernel"])


def test_every_option_of_fine_tuning_resumes_to_the_bit(work, tmp_path):
    options = {
        "convnet__weights": str(write(tmp_path, "pth", LEAVES)),
        "convnet__train_layers": "dense",
        "convnet__schedule": "steps",
        "convnet__crop": 0.6,
        "convnet__flip": True,
        "convnet__steps": 6,
        "train__save_every": 2,
    }
    honest = fit_convnet.run(vgg(work, "flow", **options))
    expected = (params_of(work, "flow"), (honest / "metrics.jsonl").read_bytes())
    (honest / "config.json").unlink()
    for step in ("4", "6"):
        shutil.rmtree(honest / "ckpt" / step)
    fit_convnet.run(vgg(work, "flow", **options))
    params = params_of(work, "flow")
    assert all(np.array_equal(params[name], leaf) for name, leaf in expected[0].items())
    assert (honest / "metrics.jsonl").read_bytes() == expected[1]


def test_accuracy_is_that_of_frames_and_videos(work, tmp_path):
    cfg = vgg(
        work,
        "flow",
        convnet__weights=str(write(tmp_path, "safetensors", LEAVES)),
        convnet__steps=30,
    )
    fit_convnet.run(cfg)
    extract.run(cfg)
    record = json.loads((work / "convnets" / "flow" / "accuracy.json").read_text())
    logits, right = FeatureStore.open(work / "features" / "flow" / "logits"), 0
    tests = [video for video in load_dataset(work / "dataset.json").videos if video.part == "test"]
    for video in tests:
        right += int((logits.read(video.name).argmax(1) == video.label).sum())
    scores = load_scores(work / "convnets" / "flow" / "scores.npz")
    assert record == {
        "videos": 2,
        "videos_right": int((scores.scores.argmax(1) == scores.label).sum()),
        "missing": 0,
        "frames": sum(video.frames - 1 for video in tests),
        "frames_right": right,
    }


@pytest.mark.slow
def test_weights_from_a_folder_keep_their_preprocessing(work, tmp_path):
    cfg = vgg(work, "rgb", convnet__weights=str(write(tmp_path, "pth", LEAVES)), **STILL)
    first = fit_convnet.run(cfg)
    first.rename(tmp_path / "rgb")
    fit_convnet.run(vgg(work, "rgb", convnet__weights=str(tmp_path / "{stream}"), **STILL))
    assert load_convnet(epath.Path(work / "convnets" / "rgb")).config.preprocessing == "torch"
    with pytest.raises(
        ConfigError,
        match=r"preprocessing is 'caffe'; the weights in .*rgb were trained with 'torch'",
    ):
        fit_convnet.run(
            vgg(work, "rgb", convnet__weights=str(tmp_path / "rgb"), convnet__preprocessing="caffe")
        )


def test_convolutions_alone_leave_the_dense_layers_random(work, tmp_path, capsys):
    path = write_npz(tmp_path, CONVOLUTIONS)
    fit_convnet.run(
        vgg(work, "rgb", convnet__weights=path, convnet__preprocessing="caffe", **STILL)
    )
    assert "preprocessed as caffe; fc1, logits from random numbers" in capsys.readouterr().out
    params = params_of(work, "rgb")
    np.testing.assert_array_equal(params["block2_conv1.kernel"], LEAVES["block2_conv1.kernel"])
    assert not np.array_equal(params["fc1.kernel"], LEAVES["fc1.kernel"])
