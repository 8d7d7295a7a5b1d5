"""The optimizers against the rules written out by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from videolstm_jax.config import ConvNetConfig, OptimConfig
from videolstm_jax.train.optim import optimizer, optimizer_of_convnet, rmsprop

PARAMS = {"kernel": jnp.array([[1.0, -2.0], [0.5, 3.0]]), "bias": jnp.array([0.1, -0.3])}


def _run(tx, steps=5, seed=0):
    params, state, gradients = PARAMS, tx.init(PARAMS), []
    r = np.random.default_rng(seed)
    for _ in range(steps):
        gradient = jax.tree.map(lambda p: jnp.asarray(r.normal(0, 2, p.shape), jnp.float32), params)
        gradients.append(gradient)
        updates, state = tx.update(gradient, state, params)
        params = optax.apply_updates(params, updates)
    return params, gradients


def test_rmsprop_is_the_authors_rule():
    result, gradients = _run(rmsprop(OptimConfig()))
    for name, value in PARAMS.items():
        w, r = np.asarray(value, np.float64), 0.0
        for gradient in gradients:
            g = np.asarray(gradient[name], np.float64)
            r = 0.9 * r + 0.1 * g**2
            w = w - 1e-3 * g / np.sqrt(r + 1e-6)
        np.testing.assert_allclose(result[name], w, rtol=1e-6)


@pytest.mark.parametrize("build", [rmsprop, lambda cfg: optimizer(cfg, 100)])
def test_rmsprop_is_optax_rmsprop_to_the_bit(build):
    ours, _ = _run(build(OptimConfig()))
    theirs, _ = _run(optax.rmsprop(1e-3, decay=0.9, eps=1e-6))
    assert all(jax.tree.leaves(jax.tree.map(lambda a, b: bool((a == b).all()), ours, theirs)))


def test_the_composed_rule_agrees_with_the_plain_one():
    plain, _ = _run(optimizer(OptimConfig(), 100))
    composed, _ = _run(optimizer(OptimConfig(clip=1e9), 100))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), composed, plain)


def test_adam_by_hand():
    result, gradients = _run(optimizer(OptimConfig(name="adam", learning_rate=1e-2), 100))
    w, m, v = np.asarray(PARAMS["bias"], np.float64), 0.0, 0.0
    for t, gradient in enumerate(gradients, 1):
        g = np.asarray(gradient["bias"], np.float64)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        w = w - 1e-2 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    np.testing.assert_allclose(result["bias"], w, rtol=1e-5)


def test_clipping_bounds_the_whole_gradient():
    tx = optimizer(OptimConfig(clip=1.0), 10)
    gradient = jax.tree.map(lambda p: 100 * jnp.ones_like(p), PARAMS)
    clipped = jax.tree.map(lambda p: jnp.ones_like(p) / jnp.sqrt(6.0), PARAMS)
    result, _ = tx.update(gradient, tx.init(PARAMS), PARAMS)
    plain = rmsprop(OptimConfig())
    expected, _ = plain.update(clipped, plain.init(PARAMS), PARAMS)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), result, expected)


def test_cosine_ends_at_zero():
    tx = optimizer(OptimConfig(name="adam", schedule="cosine"), 4)
    state, sizes = tx.init(PARAMS), []
    for _ in range(5):
        updates, state = tx.update(jax.tree.map(jnp.ones_like, PARAMS), state, PARAMS)
        sizes.append(float(-updates["bias"][0]))
    expected = [1e-3 * (1 + np.cos(np.pi * k / 4)) / 2 for k in range(5)]
    np.testing.assert_allclose(sizes, expected, rtol=1e-4, atol=1e-9)


def test_weight_decay_is_decoupled_and_spares_biases():
    zero = jax.tree.map(jnp.zeros_like, PARAMS)
    tx = optimizer(OptimConfig(weight_decay=0.1), 10)
    updates, _ = tx.update(zero, tx.init(PARAMS), PARAMS)
    np.testing.assert_allclose(updates["kernel"], -1e-3 * 0.1 * PARAMS["kernel"], rtol=1e-6)
    assert not updates["bias"].any()


def test_the_convnets_sgd_by_hand():
    cfg = ConvNetConfig(learning_rate=0.1, weight_decay=0.01, steps=20)
    result, gradients = _run(optimizer_of_convnet(cfg), steps=6)
    w, v = np.asarray(PARAMS["kernel"], np.float64), 0.0
    for k, gradient in enumerate(gradients):
        v = 0.9 * v + np.asarray(gradient["kernel"], np.float64) + 0.01 * w
        w = w - 0.1 * (1 + np.cos(np.pi * k / 20)) / 2 * v
    np.testing.assert_allclose(result["kernel"], w, rtol=1e-5)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [1.0] * 10),
        ("steps", [1.0] * 4 + [0.1] * 4 + [0.01] * 2),
        ("cosine", [(1 + np.cos(np.pi * k / 10)) / 2 for k in range(10)]),
    ],
)
def test_schedules_of_the_convnets(schedule, expected):
    cfg = ConvNetConfig(
        schedule=schedule, optimizer="adam", weight_decay=0.0, learning_rate=0.5, steps=10
    )
    tx, sizes = optimizer_of_convnet(cfg), []
    state = tx.init(PARAMS)
    for _ in range(10):
        updates, state = tx.update(jax.tree.map(jnp.ones_like, PARAMS), state, PARAMS)
        sizes.append(float(-updates["bias"][0]) / 0.5)
    np.testing.assert_allclose(sizes, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("layers", "still"),
    [("all", set()), ("dense", {"block1_conv1"}), ("last", {"block1_conv1", "fc1"})],
)
def test_frozen_layers_are_not_even_decayed(layers, still):
    params = {
        layer: {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2)}
        for layer in ("block1_conv1", "fc1", "logits")
    }
    tx = optimizer_of_convnet(
        ConvNetConfig(train_layers=layers, weight_decay=0.1, learning_rate=0.5)
    )
    updates, _ = tx.update(jax.tree.map(jnp.ones_like, params), tx.init(params), params)
    assert {layer for layer, leaves in updates.items() if not leaves["kernel"].any()} == still
    np.testing.assert_allclose(updates["logits"]["kernel"], -0.5 * 1.1, rtol=1e-6)
    np.testing.assert_allclose(updates["logits"]["bias"], -0.5, rtol=1e-6)
