"""The loop: stopped anywhere and started again, it ends at the same bits."""

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import textwrap

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from videolstm_jax.errors import FileError
from videolstm_jax.train.checkpoints.checkpoint import Checkpoints
from videolstm_jax.train.loop import Stopped, fit
from videolstm_jax.train.record import Plan
from videolstm_jax.train.state import new_training_state
from videolstm_jax.train.step import make_step

TX = optax.rmsprop(1e-2, decay=0.9, eps=1e-6)


def _loss(params, batch, key):
    x, y = batch
    keep = jax.random.bernoulli(key, 0.7, x.shape)
    loss = jnp.mean(jnp.square(jnp.sum(jnp.where(keep, x, 0.0) * params["w"][None], axis=1) - y))
    return loss, jnp.mean((y > 0).astype(jnp.float32))


STEP = make_step(_loss, TX, 3)


def _batches(start):
    for k in itertools.count(start):
        r = np.random.default_rng(k)
        yield r.normal(0, 1, (8, 4)).astype(np.float32), r.normal(0, 1, 8).astype(np.float32)


def _fresh():
    return new_training_state({"w": jnp.arange(4.0)}, TX)


def _plan(steps=23, **changes):
    plan = Plan(
        steps=steps, log_every=4, save_every=5, identity={"cell": "line"}, about={"note": 1}
    )
    return plan._replace(**changes)


def _train(folder, **changes):
    return fit(_fresh(), STEP, _batches, _plan(**changes), folder=folder)


class Killed(Exception):
    """Stands for a process that dies between two steps."""


def _dying(after):
    def batches(start):
        for k, batch in enumerate(_batches(start), start):
            if k == after:
                raise Killed
            yield batch

    return batches


def assert_same(a, b):
    assert all(
        np.array_equal(x, y) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    )


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reference")
    return _train(folder), (folder / "metrics.jsonl").read_bytes()


@settings(max_examples=6, deadline=None)
@given(after=st.lists(st.integers(0, 22), min_size=1, max_size=3))
def test_killed_anywhere_it_ends_at_the_same_bits(reference, tmp_path_factory, after):
    folder = tmp_path_factory.mktemp("killed")
    for k in after:
        with contextlib.suppress(Killed):
            fit(_fresh(), STEP, _dying(k), _plan(), folder=folder)
    state = _train(folder)
    assert_same(state, reference[0])
    assert (folder / "metrics.jsonl").read_bytes() == reference[1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_says_how_to_go_on_and_costs_nothing(reference, tmp_path, number, capsys):
    def batches(start):
        for k, batch in enumerate(_batches(start), start):
            if k == 7:
                os.kill(os.getpid(), number)
            yield batch

    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with pytest.raises(
        Stopped, match=r"stopped after step 7; saved in .*ckpt.* same command goes on"
    ):
        fit(_fresh(), STEP, batches, _plan(), folder=tmp_path)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
    with Checkpoints(tmp_path / "ckpt") as checkpoints:
        assert checkpoints.latest == 7
    state = _train(tmp_path)
    assert_same(state, reference[0])
    assert (tmp_path / "metrics.jsonl").read_bytes() == reference[1]
    assert "goes on from step 7" in capsys.readouterr().out


@pytest.mark.parametrize("at", ["step", "validation"])
def test_a_signal_in_the_last_step_stops_too(reference, tmp_path, at):
    def step(state, batch):
        if at == "step" and int(state.step) == 22:
            os.kill(os.getpid(), signal.SIGTERM)
        return STEP(state, batch)

    def validate(state):
        if at == "validation" and int(state.step) == 23:
            os.kill(os.getpid(), signal.SIGTERM)
        return {"valid_accuracy": 0.5}

    plan = _plan(validate=validate)
    with pytest.raises(Stopped, match="stopped after step 23"):
        fit(_fresh(), step, _batches, plan, folder=tmp_path)
    assert_same(fit(_fresh(), step, _batches, plan, folder=tmp_path), reference[0])


def test_the_mark_of_a_finished_run_goes_when_training_goes_on(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    _train(tmp_path, steps=5)
    assert not (tmp_path / "config.json").exists()
    (tmp_path / "config.json").write_text("{}")
    _train(tmp_path, steps=5)
    with pytest.raises(FileError):
        _train(tmp_path, steps=9, identity={"cell": "curve"})
    assert (tmp_path / "config.json").exists()


def test_metrics_are_means_since_the_last_line(reference):
    rows = [json.loads(line) for line in reference[1].splitlines()]
    assert [row["step"] for row in rows] == [4, 8, 12, 16, 20, 23]
    losses, state = [], _fresh()
    for _, batch in zip(range(4), _batches(0), strict=False):
        state, metrics = STEP(state, batch)
        losses.append(float(metrics.loss))
    assert rows[0]["loss"] == np.mean(losses)
    assert rows[0].keys() == {"step", "loss", "accuracy", "gradient_norm"}


def test_a_finished_run_is_left_alone(reference, tmp_path):
    _train(tmp_path)

    def none(start):
        raise AssertionError("a finished run asks for no batch")

    assert_same(fit(_fresh(), STEP, none, _plan(), folder=tmp_path), reference[0])


def test_a_loss_that_is_not_finite_stops_before_it_is_saved(tmp_path):
    def batches(start):
        for k, (x, y) in enumerate(_batches(start), start):
            yield x, y + np.float32(np.nan if k == 9 else 0)

    with pytest.raises(ValueError, match="loss is nan at step 10; nothing was saved"):
        fit(_fresh(), STEP, batches, _plan(), folder=tmp_path)
    with Checkpoints(tmp_path / "ckpt") as checkpoints:
        state, _ = checkpoints.restore(_fresh(), identity={})
    assert int(state.step) == 5 and np.isfinite(state.params["w"]).all()


def test_an_update_that_overflows_is_not_saved(tmp_path):
    """Its metrics are finite: they are of the parameters before the update."""

    def step(state, batch):
        state, metrics = STEP(state, batch)
        if int(state.step) == 10:
            state = state._replace(params={"w": state.params["w"].at[2].set(jnp.inf)})
        return state, metrics

    message = r"params\.w is not finite after step 10; this step was not saved"
    with pytest.raises(ValueError, match=message):
        fit(_fresh(), step, _batches, _plan(), folder=tmp_path)
    with Checkpoints(tmp_path / "ckpt") as checkpoints:
        assert checkpoints.latest == 5


def test_another_run_in_the_folder_is_refused(tmp_path):
    _train(tmp_path, steps=5)
    with pytest.raises(FileError, match="made with cell 'line'; expected 'curve'"):
        _train(tmp_path, identity={"cell": "curve"})


def test_the_best_state_is_kept_beside_the_last(tmp_path):
    accuracy = {5: 0.25, 10: 0.75, 15: 0.5, 20: 0.75, 23: 0.7}
    parameters = {}

    def validate(state):
        parameters[int(state.step)] = np.array(state.params["w"])
        return {"valid_accuracy": accuracy[int(state.step)]}

    with_best = {"validate": validate, "keep_best": True}
    with pytest.raises(Killed):
        fit(_fresh(), STEP, _dying(17), _plan(**with_best), folder=tmp_path)
    _train(tmp_path, **with_best)
    with Checkpoints(tmp_path / "best") as best:
        assert best.latest == 10
        np.testing.assert_array_equal(
            best.restore_params({"w": jnp.zeros(4)}, identity={})[0]["w"], parameters[10]
        )
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert {
        row["step"]: row["valid_accuracy"] for row in rows if "valid_accuracy" in row
    } == accuracy


def test_a_best_state_of_another_run_is_refused(tmp_path):
    with_best = {"validate": lambda state: {"valid_accuracy": float(state.step)}, "keep_best": True}
    _train(tmp_path, steps=12, **with_best)
    (tmp_path / "ckpt").rename(tmp_path / "gone")
    with pytest.raises(
        FileError, match=rf"{tmp_path}: best/ holds step 12 and ckpt/ none; expected both of one"
    ):
        _train(tmp_path, steps=12, **with_best)
    with pytest.raises(FileError, match=r"best/12 was made with cell 'line'; expected 'curve'"):
        _train(tmp_path, steps=12, identity={"cell": "curve"}, **with_best)


def test_killed_between_the_best_state_and_its_checkpoint_it_goes_on(reference, tmp_path):
    with_best = {"validate": lambda state: {"valid_accuracy": float(state.step)}, "keep_best": True}
    _train(tmp_path, steps=5, **with_best)
    (tmp_path / "ckpt").rename(tmp_path / "gone")
    assert_same(_train(tmp_path, **with_best), reference[0])


def test_a_second_interrupt_stops_at_once(tmp_path):
    program = textwrap.dedent(f"""
        import os, signal, sys, time
        sys.path.insert(0, {os.path.dirname(__file__)!r})
        from test_loop import STEP, _batches, _fresh, _plan, fit
        def batches(start):
            for batch in _batches(start):
                os.kill(os.getpid(), signal.SIGINT)
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(60)
                yield batch
        fit(_fresh(), STEP, batches, _plan(), folder={str(tmp_path)!r})
    """)
    process = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=50,
        cwd=os.path.dirname(os.path.dirname(__file__)),
    )
    assert "KeyboardInterrupt" in process.stderr
