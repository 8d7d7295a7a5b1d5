"""VGG against plain loops at tiny sizes, and against the published parameter count at full size."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from videolstm_jax.config import ConvNetConfig, ModelConfig
from videolstm_jax.core.model import make_model
from videolstm_jax.nn.network import network_params_for_layers
from videolstm_jax.nn.vgg import VGG, make_vgg, vgg_network
from videolstm_jax.nn.videolstm import VideoLSTM
from videolstm_jax.types import Clip, Inputs

TINY = ConvNetConfig(image_size=8, widths=(4, 6), depths=(1, 2), dense=(7, 5), dropout=0.5)


def _noisy(params, seed=1):
    """Biases and norms start at trivial values; random ones leave no term unseen."""
    r = np.random.default_rng(seed)
    return jax.tree.map(lambda p: p + jnp.asarray(r.normal(0, 0.2, p.shape), p.dtype), params)


def _conv(x, kernel, bias):
    b, n, m, _ = x.shape
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    out = np.zeros((b, n, m, kernel.shape[-1]))
    for i in range(n):
        for j in range(m):
            out[:, i, j] = (
                np.einsum("bklc,klcd->bd", padded[:, i : i + 3, j : j + 3], kernel) + bias
            )
    return out


def _group_norm(x, groups, scale, bias):
    b, n, m, c = x.shape
    g = x.reshape(b, n, m, groups, c // groups)
    mean, var = g.mean((1, 2, 4), keepdims=True), g.var((1, 2, 4), keepdims=True)
    return ((g - mean) / np.sqrt(var + 1e-6)).reshape(x.shape) * scale + bias


def _oracle(cfg, params, x):
    params = jax.tree.map(lambda p: np.asarray(p, np.float64), params)
    for block, depth in enumerate(cfg.depths, 1):
        for layer in range(1, depth + 1):
            x = _conv(x, **params[f"block{block}_conv{layer}"])
            if cfg.norm == "group":
                x = _group_norm(x, 2, **params[f"block{block}_norm{layer}"])
            x = np.maximum(x, 0)
        b, n, m, c = x.shape
        x = x.reshape(b, n // 2, 2, m // 2, 2, c).max((2, 4))
    pool5 = x
    x = (
        x.reshape(len(x), -1)
        if cfg.head == "flatten"
        else np.concatenate([x.mean((1, 2)), x.max((1, 2))], 1)
    )
    for layer in range(1, len(cfg.dense) + 1):
        x = np.maximum(x @ params[f"fc{layer}"]["kernel"] + params[f"fc{layer}"]["bias"], 0)
    return pool5, x, x @ params["logits"]["kernel"] + params["logits"]["bias"]


@pytest.mark.parametrize(
    ("channels", "head", "norm"), [(3, "flatten", "none"), (2, "pooled", "group")]
)
def test_taps_against_plain_loops(channels, head, norm):
    # 6 channels in gcd(8, 6) = 2 groups; 4 would make 4 groups, so both blocks have 6
    cfg = dataclasses.replace(TINY, head=head, norm=norm, widths=(6, 6))
    net = make_vgg(cfg, channels, 3)
    params = _noisy(jax.jit(net.init)(jax.random.key(0)))
    x = np.random.default_rng(2).normal(0, 1, (2, 8, 8, channels)).astype(np.float32)
    for result, expected in zip(
        jax.jit(net.apply)(params, x), _oracle(cfg, params, x.astype(np.float64)), strict=True
    ):
        np.testing.assert_allclose(result, expected, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize(
    ("channels", "classes", "count"),
    [
        (3, 1000, 138_357_544),
        (2, 101, 138_357_544 - 899 * 4097 - 9 * 64),
    ],
)
def test_vgg16_has_the_published_parameters_and_shapes(channels, classes, count):
    cfg = ConvNetConfig()
    net = make_vgg(cfg, channels, classes)
    params = jax.eval_shape(net.init, jax.random.key(0))
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == count
    taps = jax.eval_shape(
        net.apply, params, jax.ShapeDtypeStruct((5, 224, 224, channels), jnp.float32)
    )
    assert [tap.shape for tap in taps] == [(5, 7, 7, 512), (5, 4096), (5, classes)]


def test_dropout_is_off_without_a_key_and_spares_the_taps():
    net = make_vgg(TINY, 3, 3)
    params = _noisy(jax.jit(net.init)(jax.random.key(0)))
    x = jnp.ones((2, 8, 8, 3))
    apply = jax.jit(net.apply)
    plain, again = apply(params, x), apply(params, x)
    dropped = apply(params, x, dropout_key=jax.random.key(1))
    other = apply(params, x, dropout_key=jax.random.key(2))
    np.testing.assert_array_equal(plain.logits, again.logits)
    np.testing.assert_array_equal(plain.pool5, dropped.pool5)
    assert not np.array_equal(dropped.logits, other.logits)


def test_he_initialisation_keeps_the_scale_of_activations():
    cfg = ConvNetConfig(image_size=32, widths=(32, 32), depths=(3, 3), dense=(64,))
    net = make_vgg(cfg, 3, 10)
    params = jax.jit(net.init)(jax.random.key(0))
    kernel = params["block1_conv2"]["kernel"]
    np.testing.assert_allclose(kernel.std(), np.sqrt(2 / (9 * 32)), rtol=0.05)
    assert not params["block1_conv2"]["bias"].any()


def test_bfloat16_keeps_float32_parameters_and_logits():
    cfg = dataclasses.replace(TINY, norm="group")
    net, half = make_vgg(cfg, 3, 3), make_vgg(cfg, 3, 3, dtype="bfloat16")
    params = jax.jit(net.init)(jax.random.key(0))
    x = jax.random.normal(jax.random.key(1), (2, 8, 8, 3))
    result = jax.jit(half.apply)(params, x)
    assert result.pool5.dtype == jnp.bfloat16 and result.logits.dtype == jnp.float32
    np.testing.assert_allclose(result.logits, jax.jit(net.apply)(params, x).logits, atol=0.1)


def test_other_channels_are_refused():
    net = make_vgg(TINY, 2, 3)
    with pytest.raises(ValueError, match="the images have 3 channels; expected 2"):
        net.apply(jax.eval_shape(net.init, jax.random.key(0)), jnp.ones((1, 8, 8, 3)))


@pytest.mark.slow
def test_the_cells_as_a_module_say_what_make_model_says_and_stack_on_a_vgg():
    model_cfg = ModelConfig(
        cell="convalstm", map_size=2, depth=6, classes=3, hidden=4, attention=4, head=5
    )
    module, model = VideoLSTM(model_cfg), make_model(model_cfg)
    vgg = VGG.from_config(TINY, 3, 3)
    frames = jax.random.normal(jax.random.key(3), (2, 3, 8, 8, 3))
    weights = jax.jit(vgg.init)(jax.random.key(0), frames[0])
    pool5 = jax.jit(vgg.apply)(weights, frames.reshape(6, 8, 8, 3)).pool5.reshape(2, 3, 2, 2, 6)
    clip = Clip(Inputs(pool5), jnp.ones((2, 3), bool))
    variables = jax.jit(module.init)(jax.random.key(1), clip)
    params, apply = variables["params"]["model"], jax.jit(module.apply)
    assert jax.tree.structure(params) == jax.tree.structure(
        jax.eval_shape(model.init, jax.random.key(1))
    )
    result, expected = apply(variables, clip), jax.jit(model.apply)(params, clip)
    np.testing.assert_array_equal(result.logits, expected.logits)
    np.testing.assert_array_equal(result.attention, expected.attention)
    dropped = apply(variables, clip, rngs={"dropout": jax.random.key(2)})
    assert not np.array_equal(dropped.logits, result.logits)


@pytest.mark.parametrize("layers", [("pool5",), ("fc7",), ("fc7", "pool5"), ("logits",)])
def test_what_taps_need(layers):
    cfg = ConvNetConfig(image_size=8, widths=(4, 6), depths=(1, 1), dense=(10, 9))
    net = vgg_network(cfg, 3, 5)
    params = net.init(jax.random.key(0))
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype(np.float32)
    all_features, reduced = net.apply(params, x), network_params_for_layers(net, params, layers)
    assert {layer: values.shape[1:] for layer, values in all_features.items()} == net.layers
    result = jax.jit(net.apply)(reduced, x)
    for layer in layers:
        np.testing.assert_allclose(result[layer], all_features[layer], rtol=1e-5, atol=1e-6)
    empty = {
        name
        for name, rows in reduced.items()
        for leaf in rows.values()
        if 0 in np.asarray(leaf).strides
    }
    assert empty == {("pool5",): {"fc1", "fc2", "logits"}, ("logits",): set()}.get(
        layers, {"logits"}
    )
