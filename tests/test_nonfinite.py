"""Steps whose loss, gradient or update is not finite: caught in the step, and skipped whole."""

import contextlib
import itertools
import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from training_workdir import config, damage_record, write_work

from videolstm_jax.stages import train
from videolstm_jax.train.checkpoints.checkpoint import Checkpoints
from videolstm_jax.train.loop import fit
from videolstm_jax.train.mesh import batch_on_mesh, data_mesh, replicate_on_mesh
from videolstm_jax.train.numerics.divergence import Diverged
from videolstm_jax.train.numerics.finite import names_of_finite_checks, not_finite_problem
from videolstm_jax.train.record import Plan
from videolstm_jax.train.state import new_training_state
from videolstm_jax.train.step import make_step
from videolstm_jax.workdir.config_json import load_config

# Every number here is a small multiple of a power of two, so that any order of sums is exact.
DECAY, RATES = 0.5, (0.25, 0.125)


def momentum_update(updates, state, params=None):
    """Momentum, and a rate that halves after three updates: a state of all kinds of arrays."""
    del params
    trace = jax.tree.map(lambda g, t: g + DECAY * t, updates, state["trace"])
    rate = jnp.where(state["count"] >= 3, RATES[1], RATES[0])
    updates = jax.tree.map(lambda leaf: -rate * leaf, trace)
    return updates, {"count": state["count"] + 1, "trace": trace}


def momentum_start(params):
    return {"count": jnp.int32(0), "trace": jax.tree.map(jnp.zeros_like, params)}


TX = optax.GradientTransformation(momentum_start, momentum_update)


def loss_fn(params, batch, key):
    """The mean of w x over the rows; its gradient by b is infinite where `steep` is 1."""
    del key
    x, steep = batch
    is_steep = steep.max() > 0
    # The root of zero is zero, and its slope infinite. The inner choice keeps it off other batches.
    at_zero = jnp.where(is_steep, params["b"] - jax.lax.stop_gradient(params["b"]), 1.0)
    loss = jnp.mean(jnp.sum(x * params["w"][None], axis=1))
    return loss + jnp.where(is_steep, jnp.sum(jnp.sqrt(at_zero)), 0.0), jnp.float32(0.5)


def batch_of(number, fault=""):
    x = np.random.default_rng(number).integers(-8, 8, (8, 3)).astype(np.float32)
    steep = np.zeros(8, np.float32)
    if fault == "nan":
        x[5, 1] = np.nan
    if fault == "inf":
        x[2, 0] = np.inf
    if fault == "steep":
        steep[7] = 1
    if fault == "long":
        # Each value is finite, and the sum of squares is not.
        x[:, 2] = 2.0**100
    return x, steep


def fresh(tx=TX):
    return new_training_state({"b": jnp.zeros(2), "w": jnp.array([1.0, 2.0, 3.0])}, tx)


class Oracle:
    """The same training in numpy, which leaves out the steps with a fault."""

    def __init__(self):
        self.w, self.trace = np.array([1, 2, 3], np.float32), np.zeros(3, np.float32)
        self.count = 0

    def step(self, number):
        self.trace = batch_of(number)[0].mean(0) + np.float32(DECAY) * self.trace
        self.w = self.w - np.float32(RATES[self.count >= 3]) * self.trace
        self.count += 1


STEP = make_step(loss_fn, TX, 0)
FAULTS = {1: "nan", 2: "inf", 4: "steep", 5: "long", 9: "nan"}
PROBLEMS = {
    "nan": "the loss is nan",
    "inf": "the loss is inf",
    "steep": "the gradient of params.b is not finite",
    "long": "the norm of the gradient is not finite",
}


def flat(state):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(state)]


@pytest.mark.parametrize("devices, shards", [(0, 0), (1, 0), (4, 0), (1, 4), (2, 4)])
def test_a_skipped_step_leaves_parameters_and_optimizer_to_the_bit(devices, shards):
    step, state, mesh = STEP, fresh(), None
    if devices:
        mesh = data_mesh(devices, 8, shards)
        step = make_step(loss_fn, TX, 0, mesh=mesh, shards=shards)
        state = replicate_on_mesh(state, mesh)
    names, oracle = names_of_finite_checks(state), Oracle()
    for number in range(12):
        before = flat(state)
        batch = batch_of(number, FAULTS.get(number, ""))
        if mesh is not None:
            batch = batch_on_mesh(batch, mesh)
        state, metrics = step(state, batch)
        metrics = jax.device_get(metrics)
        assert int(state.step) == number + 1
        if number in FAULTS:
            assert not_finite_problem(metrics, names) == PROBLEMS[FAULTS[number]]
            for old, new in zip(before[1:], flat(state)[1:], strict=True):
                np.testing.assert_array_equal(old, new)
        else:
            oracle.step(number)
            assert not_finite_problem(metrics, names) == ""
        np.testing.assert_array_equal(state.params["w"], oracle.w)
        np.testing.assert_array_equal(state.opt_state["trace"]["w"], oracle.trace)
        assert int(state.opt_state["count"]) == oracle.count


def test_an_update_that_overflows_is_not_applied():
    """Loss and gradient are finite; the learning rate is too high."""
    tx = optax.sgd(2.0**127)
    step, state = make_step(loss_fn, tx, 0), fresh(tx)
    x, steep = batch_of(0)
    state, metrics = step(state, (x * np.float32(16), steep))
    assert np.isfinite(jax.device_get(metrics.gradient_norm))
    names = names_of_finite_checks(state)
    assert not_finite_problem(metrics, names) == "params.w after the update is not finite"
    np.testing.assert_array_equal(state.params["w"], [1, 2, 3])


def test_an_optimizer_that_overflows_is_named():
    """A sum of gradients may be infinite where none of them is, and moves no parameter yet."""

    def update(updates, total, params=None):
        del params
        total = jax.tree.map(lambda t, g: 2.0**100 * (t + g), total, updates)
        return jax.tree.map(jnp.zeros_like, updates), total

    tx = optax.GradientTransformation(lambda params: jax.tree.map(jnp.zeros_like, params), update)
    step, state = make_step(loss_fn, tx, 0), fresh(tx)
    problems = []
    for number in range(2):
        state, metrics = step(state, batch_of(number))
        problems.append(not_finite_problem(metrics, names_of_finite_checks(state)))
    assert problems == ["", "opt_state.w after the update is not finite"]


# ---- the loop ------------------------------------------------------------------------------------


class Killed(Exception):
    """Stands for a process that dies between two steps."""


def batches_with(faults, dies_at=None):
    def batches(start):
        for number in itertools.count(start):
            if number == dies_at:
                raise Killed
            yield batch_of(number, faults.get(number, ""))

    return batches


def plan(**changes):
    base = Plan(
        steps=16,
        log_every=3,
        save_every=4,
        identity={"cell": "line"},
        about={},
        nonfinite="skip",
        hash_every=4,
        videos_of=lambda number: ["a/v1", f"a/v{number}", "a/v1"],
    )
    return base._replace(**changes)


def trained(folder, faults, *, dies_at=None, **changes):
    batches = batches_with(faults, dies_at)
    return fit(fresh(), STEP, batches, plan(**changes), folder=folder)


def rows_of(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_abort_names_step_and_videos_and_leaves_the_last_checkpoint(tmp_path):
    message = (
        "the gradient of params.b is not finite at step 6; nothing was saved after it. .*"
        "--train.nonfinite=skip. Videos of the batch: a/v1, a/v5$"
    )
    with pytest.raises(Diverged, match=message):
        trained(tmp_path, {5: "steep"}, nonfinite="abort")
    with Checkpoints(tmp_path / "ckpt") as checkpoints:
        assert checkpoints.latest == 4
    # The same command ends at the same step, and another setting goes on.
    with pytest.raises(Diverged, match=message):
        trained(tmp_path, {5: "steep"}, nonfinite="abort")
    assert int(trained(tmp_path, {5: "steep"}).step) == 16


def test_skipped_steps_are_printed_and_counted(tmp_path, capsys):
    trained(tmp_path, {3: "nan", 4: "nan", 5: "steep", 7: "long"})
    lines = [line for line in capsys.readouterr().out.splitlines() if "skipped:" in line]
    assert len(lines) == 4
    assert lines[0] == "skipped: the loss is nan at step 4. Videos of the batch: a/v1, a/v3"
    rows = rows_of(tmp_path)
    assert [row["step"] for row in rows] == [3, 6, 9, 12, 15, 16]
    # All steps of the second line were skipped, so it has no means.
    assert rows[1] == {"step": 6, "skipped": 3} and rows[2]["skipped"] == 1
    assert rows[0].keys() == rows[3].keys() == {"step", "loss", "accuracy", "gradient_norm"}
    # The mean is of the steps that were made.
    state, losses = fresh(), []
    for number in range(9):
        batch = batch_of(number, {3: "nan", 4: "nan", 5: "steep", 7: "long"}.get(number, ""))
        state, metrics = STEP(state, batch)
        if number in (6, 8):
            losses.append(float(metrics.loss))
    assert rows[2]["loss"] == np.mean(losses)


def test_killed_among_skipped_steps_it_writes_the_same_files(tmp_path):
    faults = {2: "nan", 3: "inf", 4: "steep", 5: "nan", 8: "long", 15: "nan"}
    unbroken = trained(tmp_path / "unbroken", faults)
    # After the checkpoint of step 4, which is in the middle of them, and among the last ones.
    for dies_at in (5, 10):
        folder = tmp_path / str(dies_at)
        with contextlib.suppress(Killed):
            trained(folder, faults, dies_at=dies_at)
        for ours, theirs in zip(flat(trained(folder, faults)), flat(unbroken), strict=True):
            np.testing.assert_array_equal(ours, theirs)
        for name in ("metrics.jsonl", "hashes.jsonl"):
            expected = (tmp_path / "unbroken" / name).read_bytes()
            assert (folder / name).read_bytes() == expected, (dies_at, name)


@pytest.mark.parametrize("dies_at", [None, 8])
def test_ten_skipped_steps_in_a_row_end_a_training(tmp_path, dies_at):
    faults = dict.fromkeys([1, *range(4, 30)], "nan")
    if dies_at:
        with pytest.raises(Killed):
            trained(tmp_path, faults, dies_at=dies_at)
    message = "nan at step 14, the last of 10 steps in a row that were skipped; .*: a/v1, a/v13$"
    with pytest.raises(Diverged, match=message):
        trained(tmp_path, faults)


# ---- the stage -----------------------------------------------------------------------------------


def test_a_damaged_feature_record_is_named(tmp_path, capsys):
    write_work(tmp_path)
    damage_record(tmp_path, "bend/p0")
    # With the digests the stage would refuse the file before the first step.
    cfg = config(tmp_path, data__verify="never", data__feature_scale="raw", train__steps=9)
    with pytest.raises(Diverged, match=r"the loss is nan at step \d+; .*: .*bend/p0"):
        train.run(cfg)
    cfg = config(
        tmp_path,
        data__verify="never",
        data__feature_scale="raw",
        train__steps=9,
        train__nonfinite="skip",
    )
    folder = train.run(cfg)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("skipped: ")]
    skipped = sum(row.get("skipped", 0) for row in rows_of(folder))
    assert 0 < skipped == len(lines) < 9
    assert all("bend/p0" in line for line in lines)
    (warning,) = load_config(folder)["warnings"]
    assert warning.startswith(f"{skipped} of 9 steps were skipped: ")
