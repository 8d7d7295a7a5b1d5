"""Data parallelism: four devices compute what one computes."""

import jax
import numpy as np
import pytest
from learnable_clips import CFG, clips

from videolstm_jax.config import OptimConfig
from videolstm_jax.core.model import make_model
from videolstm_jax.errors import ConfigError
from videolstm_jax.train.mesh import batch_on_mesh, data_mesh, mesh_text, replicate_on_mesh
from videolstm_jax.train.optim import rmsprop
from videolstm_jax.train.state import new_training_state
from videolstm_jax.train.step import make_step, model_loss


def _trained(devices, steps=5, shards=0):
    model, tx = make_model(CFG), rmsprop(OptimConfig())
    mesh = data_mesh(devices, 8, shards)
    state = replicate_on_mesh(new_training_state(model.init(jax.random.key(0)), tx), mesh)
    step = make_step(model_loss(model.apply), tx, 0, mesh=mesh, shards=shards)
    losses = []
    for k in range(steps):
        state, metrics = step(state, batch_on_mesh(clips(k, batch=8), mesh))
        jax.block_until_ready(
            state
        )  # steps in flight can deadlock the all-reduce of fake devices on few cores
        losses.append(float(metrics.loss))
    return state, losses


def test_four_devices_equal_one():
    (single, losses), (four, losses_of_four) = _trained(1), _trained(4)
    assert len(four.params.head.dense.sharding.device_set) == 4
    assert four.params.head.dense.sharding.is_fully_replicated
    np.testing.assert_allclose(losses_of_four, losses, rtol=1e-6)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=1e-6), four.params, single.params
    )


@pytest.mark.slow
def test_with_shards_every_number_of_devices_gives_the_same_bits():
    (single, losses), (two, losses_of_two) = [_trained(n, steps=3, shards=4) for n in (1, 2)]
    assert losses_of_two == losses
    jax.tree.map(np.testing.assert_array_equal, two.params, single.params)


def test_the_batch_is_spread():
    placed = batch_on_mesh(clips(batch=8), data_mesh(4, 8))
    assert {shard.data.shape for shard in placed.clip.inputs.x.addressable_shards} == {
        (2, 3, 3, 3, 4)
    }
    np.testing.assert_array_equal(placed.label, clips(batch=8).label)


@pytest.mark.parametrize(
    ("devices", "batch", "shards", "words"),
    [
        (64, 64, 0, "devices is 64; this machine shows 4"),
        (4, 6, 0, "batch is 6; expected a multiple of train.devices, 4, or --train.devices=3"),
        (4, 8, 2, "shards is 2; expected a divisor of the batch, 8, and a multiple of .*, 4"),
        (4, 8, 16, "shards is 16; expected a divisor of the batch, 8"),
    ],
)
def test_impossible_meshes_raise(devices, batch, shards, words):
    with pytest.raises(ConfigError, match=words):
        data_mesh(devices, batch, shards)


def test_processes_that_have_not_joined_are_refused(monkeypatch):
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    with pytest.raises(ConfigError, match="JAX runs on 2 processes that have not joined"):
        data_mesh(1, 4)


def test_the_devices_of_a_mesh_in_words():
    assert mesh_text(data_mesh(1, 4)) == "1 device" and mesh_text(data_mesh(4, 4)) == "4 devices"
