"""A training of one line, in milliseconds, with checkpoints of steps 20 and 23."""

import itertools
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from videolstm_jax.train.loop import fit
from videolstm_jax.train.record import Plan
from videolstm_jax.train.state import new_training_state
from videolstm_jax.train.step import make_step

TX = optax.trace(0.9)
IDENTITY = {"cell": "line", "extractor.x.convnet": "ab12"}


def _loss(params, batch, key):
    del key
    loss = jnp.mean(jnp.square(batch @ params["w"] - 1.0))
    return loss, jnp.float32(0.5)


STEP = make_step(_loss, TX, 0)


def _batches(start):
    for number in itertools.count(start):
        yield np.random.default_rng(number).normal(0, 0.01, (4, 3)).astype(np.float32)


def fresh_state():
    return new_training_state({"w": jnp.arange(3.0)}, TX)


def train(folder, steps=23, **changes):
    plan = Plan(steps=steps, log_every=4, save_every=5, identity=IDENTITY, about={}, hash_every=10)
    return fit(fresh_state(), STEP, _batches, plan._replace(**changes), folder=folder)


def steps_of(run):
    return sorted(int(path.name) for path in (run / "ckpt").iterdir())


def assert_same_run(run, state, finished):
    for ours, theirs in zip(jax.tree.leaves(state), jax.tree.leaves(finished[1]), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    for name in ("metrics.jsonl", "hashes.jsonl"):
        assert (run / name).read_bytes() == (finished[0] / name).read_bytes()


# A test file that imports these two has the fixtures `finished` and `run`.
@pytest.fixture(scope="module", name="finished")
def finished_training(tmp_path_factory):
    """A folder with checkpoints of steps 20 and 23, and its last state."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    return folder, train(folder)


@pytest.fixture(name="run")
def own_run(finished, tmp_path):
    """A copy of the folder for one test."""
    shutil.copytree(finished[0], tmp_path / "run")
    return tmp_path / "run"
