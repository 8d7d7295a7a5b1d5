"""Our VGG-16 against `keras.applications.VGG16`, from pixels to logits, in both layouts."""

import jax
import numpy as np
import pytest
from weight_writers import torch_arrays, write_h5

from videolstm_jax.config import ConvNetConfig
from videolstm_jax.nn.preprocessing import preprocess_for_network
from videolstm_jax.nn.vgg import make_vgg
from videolstm_jax.nn.weight_files import read_weights
from videolstm_jax.nn.weights import vgg_weights
from videolstm_jax.train.graft import graft

TAPS = {"pool5": "block5_pool", "fc7": "fc2", "logits": "predictions"}


def _keras_vgg16(side, classes):
    """Keras' own network; weights keep the size of activations, and biases are not zero."""
    import keras

    net = keras.applications.VGG16(
        weights=None, input_shape=(side, side, 3), classes=classes, classifier_activation=None
    )
    r = np.random.default_rng(side)
    for layer in net.layers:
        if layer.weights:
            kernel, bias = (tuple(weight.shape) for weight in layer.weights)
            deviation = np.float32(np.sqrt(2 / np.prod(kernel[:-1])))
            layer.set_weights(
                [
                    deviation * r.standard_normal(kernel, np.float32),
                    np.float32(0.1) * r.standard_normal(bias, np.float32),
                ]
            )
    return net


def assert_equal_taps(folder, side, classes, batch, ways):
    import keras

    theirs = _keras_vgg16(side, classes)
    images = np.random.default_rng(0).integers(0, 256, (batch, side, side, 3)).astype(np.uint8)
    keras_images = keras.applications.vgg16.preprocess_input(
        images.astype(np.float32)
    )  # B, G, R minus their mean
    outputs = keras.Model(
        theirs.input, {name: theirs.get_layer(layer).output for name, layer in TAPS.items()}
    )
    truth = {name: np.asarray(tap) for name, tap in outputs(keras_images).items()}
    net = make_vgg(ConvNetConfig(image_size=side), 3, classes)
    like = jax.tree.map(
        lambda leaf: np.zeros(leaf.shape, leaf.dtype), jax.eval_shape(net.init, jax.random.key(0))
    )
    apply = jax.jit(net.apply)
    for way in ways:
        weights = vgg_weights(read_weights(way(theirs, folder)))
        assert weights.preprocessing == "caffe"
        taps = apply(
            graft(like, weights.leaves),
            preprocess_for_network(images, "rgb", preprocessing="caffe"),
        )
        for name, tap in taps._asdict().items():
            np.testing.assert_allclose(
                tap,
                truth[name],
                rtol=1e-5,
                atol=1e-5 * np.abs(truth[name]).max(),
                err_msg=f"{name} by {way.__name__}",
            )


def _published(net, folder):
    """The layout of the published file, which Keras itself reads back."""
    arrays = {
        f"{layer.name}/{part}": value
        for layer in net.layers
        if layer.weights
        for part, value in zip(("kernel", "bias"), layer.get_weights(), strict=True)
    }
    write_h5(folder / "published.h5", arrays)
    for layer in net.layers:
        layer.set_weights([0 * value for value in layer.get_weights()])
    net.load_weights(folder / "published.h5")
    for name, value in arrays.items():
        layer, _, part = name.partition("/")
        assert np.array_equal(net.get_layer(layer).get_weights()[part == "bias"], value)
    return folder / "published.h5"


def _version_3(net, folder):
    net.save_weights(folder / "x.weights.h5")
    return folder / "x.weights.h5"


def _whole_model(net, folder):
    net.save(folder / "model.h5")
    return folder / "model.h5"


def _in_pytorchs_layout(net, folder):
    """PyTorch's order of axes under our names, since the numbers are Caffe's."""
    keras = vgg_weights(read_weights(_published(net, folder))).leaves
    turned = vgg_weights(torch_arrays(keras)).leaves
    np.savez(folder / "turned.npz", preprocessing="caffe", **turned)
    return folder / "turned.npz"


@pytest.mark.slow
def test_every_tap_at_64_pixels(tmp_path):
    # full widths and depths; the last map is 2 x 2, so that the order in which it is flattened
    # counts
    assert_equal_taps(
        tmp_path, 64, 10, 2, [_published, _version_3, _whole_model, _in_pytorchs_layout]
    )


@pytest.mark.slow
def test_every_tap_at_full_size(tmp_path):
    assert_equal_taps(tmp_path, 224, 1000, 2, [_published, _in_pytorchs_layout])
