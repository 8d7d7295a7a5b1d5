"""One update: pure in state and batch, and the same for recurrent models and backbones."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from learnable_clips import CFG, clips

from videolstm_jax.config import ConvNetConfig, OptimConfig
from videolstm_jax.core.model import make_model
from videolstm_jax.nn.vgg import vgg_network
from videolstm_jax.train.losses import sequence_entropy, sequence_xent
from videolstm_jax.train.optim import optimizer, optimizer_of_convnet, rmsprop
from videolstm_jax.train.state import new_training_state
from videolstm_jax.train.step import convnet_loss, make_step, model_loss


@cache
def _made():
    model, tx = make_model(CFG), rmsprop(OptimConfig(learning_rate=1e-2))
    return model, tx, jax.jit(model.init)(jax.random.key(0))


@cache
def _step(seed):
    model, tx, _ = _made()
    return make_step(model_loss(model.apply), tx, seed)


def _state():
    _, tx, params = _made()
    return new_training_state(params, tx)


def test_one_step_is_gradient_and_optimizer_with_the_key_folded_from_seed_and_step():
    model, _, params = _made()
    params, batch = jax.tree.map(np.asarray, params), clips()

    def loss(p):
        key = jax.random.fold_in(jax.random.key(11), 0)
        logits = model.apply(p, batch.clip, dropout_key=key).logits
        return sequence_xent(logits, batch.label, batch.clip.mask, batch.weight)

    value, gradient = jax.jit(jax.value_and_grad(loss))(jax.tree.map(jnp.asarray, params))
    result, metrics = _step(11)(_state(), batch)
    assert int(result.step) == 1
    np.testing.assert_allclose(metrics.loss, value, rtol=1e-5)
    norm = np.sqrt(sum(np.square(leaf).sum() for leaf in jax.tree.leaves(gradient)))
    np.testing.assert_allclose(metrics.gradient_norm, norm, rtol=1e-5)
    expected = jax.tree.map(
        lambda p, g: p - 1e-2 * g / np.sqrt(0.1 * np.square(g) + 1e-6), params, gradient
    )
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), result.params, expected
    )


@pytest.mark.slow
def test_attention_that_is_paid_for_entropy_has_more_of_it():
    model, tx, _ = _made()

    def entropy_after(weight):
        state, step = _state(), make_step(model_loss(model.apply, attention_entropy=weight), tx, 11)
        for seed in range(20):
            state, _ = step(state, clips(seed))
        batch = clips(99)
        attention = jax.jit(model.apply)(state.params, batch.clip).attention
        return float(sequence_entropy(attention, batch.clip.mask, batch.weight))

    assert entropy_after(3.0) > entropy_after(0.0)


def test_the_entropy_that_attention_is_paid_for_is_part_of_the_loss():
    model, _, params = _made()
    batch, key = clips(), jax.random.key(1)
    output = model.apply(params, batch.clip, dropout_key=key)
    expected = sequence_xent(
        output.logits, batch.label, batch.clip.mask, batch.weight
    ) - 0.5 * sequence_entropy(output.attention, batch.clip.mask, batch.weight)
    loss, _ = model_loss(model.apply, attention_entropy=0.5)(params, batch, key)
    np.testing.assert_allclose(loss, expected, rtol=1e-6)


def test_dropout_differs_from_step_to_step_and_repeats_with_the_seed():
    def loss(seed, step):
        return float(_step(seed)(_state()._replace(step=jnp.int32(step)), clips())[1].loss)

    assert loss(11, 0) == loss(11, 0)
    assert len({loss(11, 0), loss(11, 1), loss(12, 0)}) == 3


def test_the_state_is_donated_but_the_callers_parameters_live_on():
    params, state = _made()[2], _state()
    _step(11)(state, clips())
    assert state.params.head.dense.is_deleted()
    assert not any(leaf.is_deleted() for leaf in jax.tree.leaves(params))


def test_a_recurrent_model_learns():
    model, _, params = _made()
    tx = optimizer(OptimConfig(name="adam", learning_rate=2e-2), 60)
    state, step = new_training_state(params, tx), make_step(model_loss(model.apply), tx, 0)
    first = None
    for k in range(60):
        state, metrics = step(state, clips(k, batch=16))
        first = first or metrics
    assert metrics.loss < 0.5 * first.loss and metrics.accuracy > 0.8


@pytest.mark.slow
def test_a_convnet_learns():
    cfg = ConvNetConfig(
        image_size=8,
        widths=(6, 8),
        depths=(1, 1),
        dense=(12,),
        head="pooled",
        norm="group",
        dropout=0.2,
        optimizer="adam",
        learning_rate=1e-2,
        steps=60,
    )
    net, tx = vgg_network(cfg, 2, 3), optimizer_of_convnet(cfg)
    state, step = (
        new_training_state(net.init(jax.random.key(0)), tx),
        make_step(convnet_loss(net.apply), tx, 0),
    )
    accuracy, pattern = [], np.random.default_rng(99).normal(0, 1, (3, 8, 8, 2))
    for k in range(60):
        r = np.random.default_rng(k)
        label = r.integers(0, 3, 16).astype(np.int32)
        image = r.normal(0, 0.5, (16, 8, 8, 2)) + pattern[label]
        state, metrics = step(state, (image.astype(np.float32), label))
        accuracy.append(float(metrics.accuracy))
    assert np.mean(accuracy[-10:]) > 0.85
