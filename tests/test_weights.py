"""Weights of others converted to ours: against PyTorch, between layouts, and what is refused."""

import json
import pathlib
import re

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from weight_writers import PREPROCESSING, keras_arrays, narrow, torch_arrays, write

from videolstm_jax.config import ConvNetConfig
from videolstm_jax.errors import FileError
from videolstm_jax.nn.preprocessing import preprocess_for_network
from videolstm_jax.nn.vgg import make_vgg
from videolstm_jax.nn.weight_files import read_weights
from videolstm_jax.nn.weights import first_network_kernel, starting_vgg_leaves, vgg_weights
from videolstm_jax.train.graft import graft, named_param_leaves

GOLDEN = pathlib.Path(__file__).parent / "golden"


def assert_same(result, expected):
    assert result.keys() == expected.keys()
    for name, leaf in expected.items():
        assert result[name].dtype == np.float32
        np.testing.assert_array_equal(result[name], leaf, err_msg=name)


@pytest.mark.parametrize("name", ["narrow_zip.pth", "narrow_legacy.pth", "narrow_timm.safetensors"])
def test_what_pytorch_saved_gives_what_pytorch_gave(name):
    weights, truth = vgg_weights(read_weights(GOLDEN / name)), np.load(GOLDEN / "narrow_taps.npz")
    net = make_vgg(ConvNetConfig(image_size=8, widths=(4, 6), depths=(1, 2), dense=(7, 5)), 3, 3)
    params = graft(jax.jit(net.init)(jax.random.key(0)), weights.leaves)
    assert (
        weights.preprocessing == "torch"
        and weights.leaves.keys() == named_param_leaves(params).keys()
    )
    taps = jax.jit(net.apply)(
        params, preprocess_for_network(truth["images"], "rgb", preprocessing="torch")
    )
    for layer, tap in zip(taps._fields, taps, strict=True):
        np.testing.assert_allclose(
            tap, truth[layer], rtol=1e-5, atol=1e-5 * np.abs(truth[layer]).max(), err_msg=layer
        )


@pytest.mark.parametrize("kind", PREPROCESSING)
def test_every_kind_of_file_gives_the_same_weights(tmp_path, kind):
    leaves = narrow()
    weights = vgg_weights(read_weights(write(tmp_path, kind, leaves)))
    assert_same(weights.leaves, leaves)
    assert weights.preprocessing == PREPROCESSING[kind]


@settings(max_examples=25)
@given(st.data())
def test_every_shape_of_vgg_survives_every_layout(data):
    depths = tuple(data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=4)))
    widths = tuple(data.draw(st.integers(1, 5)) for _ in depths)
    dense = tuple(data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=3)))
    leaves = narrow(
        widths, depths, dense, side=data.draw(st.integers(1, 3)), seed=data.draw(st.integers(0, 99))
    )
    for arrays in (
        keras_arrays(leaves),
        torch_arrays(leaves),
        torch_arrays(leaves, "timm"),
        leaves,
    ):
        assert_same(vgg_weights(arrays).leaves, leaves)


def test_the_early_tensorflow_names():
    leaves = narrow((2, 3, 4, 5, 6), (2, 2, 3, 3, 3), (8, 7), side=2)

    def theirs(name):
        layer, _, part = name.rpartition(".")
        part = {"kernel": "W", "bias": "b"}[part]
        if layer.startswith("block"):
            return re.sub(r"block(\d)_conv(\d)", r"conv\1_\2", layer) + f"_{part}"
        return {"fc1": "fc6", "fc2": "fc7", "logits": "fc8"}[layer] + f"_{part}"

    weights = vgg_weights({theirs(name): leaf for name, leaf in leaves.items()})
    assert_same(weights.leaves, leaves)
    assert weights.preprocessing == "caffe"


def test_names_and_shapes_that_keras_publishes_fill_the_whole_vgg16(real_data):
    manifest = json.loads((real_data / "vgg16" / "keras_names_and_shapes.json").read_text())
    shapes = {row["name"]: row["shape"] for row in manifest["weightsManifest"][0]["weights"]}
    leaves = vgg_weights(
        {name: np.zeros(shape, np.float16) for name, shape in shapes.items()}
    ).leaves
    net = make_vgg(ConvNetConfig(), 3, 1000)
    expected = named_param_leaves(jax.eval_shape(net.init, jax.random.key(0)))
    assert {name: leaf.shape for name, leaf in leaves.items()} == {
        name: leaf.shape for name, leaf in expected.items()
    }


def test_flow_reads_the_mean_of_the_three_colours():
    kernel = narrow()["block1_conv1.kernel"]
    result = first_network_kernel(kernel, 2)
    assert result.shape == (3, 3, 2, 6)
    for at in (0, 1):
        np.testing.assert_allclose(
            result[:, :, at], sum(kernel[:, :, colour] for colour in range(3)) / 3, rtol=1e-6
        )
    assert first_network_kernel(kernel, 3) is kernel


def test_the_last_layer_is_left_and_dense_layers_may_be_absent():
    leaves = narrow()
    names = leaves.keys()
    result = starting_vgg_leaves(
        vgg_weights(leaves | {"preprocessing": np.array("torch")}), names, 2
    )
    assert (
        result.keys() == names - {"logits.kernel", "logits.bias"}
        and result["block1_conv1.kernel"].shape[2] == 2
    )
    bare = {name: leaf for name, leaf in leaves.items() if name.startswith("block")}
    assert starting_vgg_leaves(vgg_weights(bare), names, 3).keys() == bare.keys()
    with pytest.raises(FileError, match=r"there is no fc2\.kernel; found block1_conv1"):
        starting_vgg_leaves(vgg_weights(leaves), [*names, "fc2.kernel"], 3)
    with pytest.raises(FileError, match=r"there is no block1_norm1\.scale"):
        starting_vgg_leaves(vgg_weights(leaves), [*names, "block1_norm1.scale"], 3)


def test_convolutions_alone_in_pytorchs_layout_leave_the_preprocessing_open():
    # torchvision publishes such a file whose images were preprocessed as Caffe's
    arrays = {
        name: array for name, array in torch_arrays(narrow()).items() if name.startswith("features")
    }
    assert (
        vgg_weights(arrays).preprocessing == ""
        and vgg_weights(torch_arrays(narrow())).preprocessing == "torch"
    )
    assert vgg_weights(narrow()).preprocessing == ""


def _changed(arrays, **changes):
    arrays = dict(arrays)
    for name, value in changes.items():
        name = next(key for key in arrays if key.replace(".", "_").replace("/", "_") == name)
        arrays[name] = value(arrays[name])
    return arrays


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "nothing: not the names of a VGG"),
        ({"layer1.0.conv1.weight": np.zeros(3)}, "layer1.0.conv1.weight: not the names of a VGG"),
        (
            torch_arrays(narrow())
            | {"features.1.weight": np.ones(6), "features.1.bias": np.ones(6)},
            r"features.1.weight has shape \(6,\).*without batch normalisation",
        ),
        (
            _changed(keras_arrays(narrow()), block1_conv1_kernel=lambda k: k.transpose(3, 2, 0, 1)),
            r"block1_conv1.kernel has shape \(6, 3, 3, 3\); expected \[3, 3, 3, O\]",
        ),
        (
            _changed(keras_arrays(narrow()), block2_conv1_kernel=lambda k: k.transpose(3, 2, 0, 1)),
            r"block2_conv1.kernel has shape \(8, 6, 3, 3\); expected \[3, 3, I, O\]",
        ),
        (
            _changed(torch_arrays(narrow()), classifier_3_bias=lambda b: b * np.nan),
            "logits.bias .* not finite",
        ),
        (
            _changed(torch_arrays(narrow()), classifier_0_weight=lambda w: w[:, :-1]),
            r"classifier.0.weight has shape \(10, 127\); expected \[F, 8 N N\]",
        ),
        (
            {
                name: array
                for name, array in torch_arrays(narrow()).items()
                if name != "features.3.bias"
            },
            "there is no features.3.bias beside features.3.weight",
        ),
        (
            narrow() | {"preprocessing": np.array("inception")},
            "preprocessing is 'inception'; expected one of caffe, torch",
        ),
        (narrow() | {"block9.kernel": np.zeros(3)}, "no place for block9.kernel in a VGG"),
        (
            {name: leaf for name, leaf in narrow().items() if "block1" not in name},
            "there is no block1_conv1.kernel",
        ),
    ],
)
def test_what_is_no_vgg_is_refused_by_name(arrays, message):
    with pytest.raises(FileError, match=message):
        vgg_weights(arrays)
