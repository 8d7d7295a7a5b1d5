"""Checkpoints come back to the bit; damaged ones and those of something else are refused."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from videolstm_jax.errors import FileError
from videolstm_jax.train.checkpoints.checkpoint import Checkpoints
from videolstm_jax.train.checkpoints.last_checkpoint import load_checkpoint_params
from videolstm_jax.train.checkpoints.orbax_errors import orbax_checkpoint_error
from videolstm_jax.train.mesh import data_mesh, replicated_sharding
from videolstm_jax.train.state import new_training_state
from videolstm_jax.types import CellParams, HeadParams, LSTMParams, Params

IDENTITY = {"cell": "convlstm", "classes": ["bend", "jack"], "optim.clip": 0.5}


def _params(seed=0, hidden=3):
    r = np.random.default_rng(seed)

    def draw(*shape):
        return jnp.asarray(r.normal(0, 1, shape), jnp.float32)

    top = LSTMParams(draw(3, 3, 4, 4 * hidden), draw(3, 3, hidden, 4 * hidden), draw(4 * hidden))
    return Params(
        CellParams(top),
        None,
        HeadParams(draw(9, 5), draw(5), draw(5, 2), draw(2).astype(jnp.bfloat16)),
    )


def _state(seed=0, step=7, hidden=3):
    return new_training_state(_params(seed, hidden), optax.adam(1e-3))._replace(
        step=jnp.int32(step)
    )


def _saved(folder, *states):
    with Checkpoints(folder) as checkpoints:
        for state in states:
            checkpoints.save(
                state, identity=IDENTITY, about={"window": [[0.1, 2 / 3]], "note": "ü"}
            )


def assert_same(a, b):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        assert x.dtype == y.dtype
        np.testing.assert_array_equal(x, y)


def test_a_state_comes_back_to_the_bit_with_its_records(tmp_path):
    _saved(tmp_path / "ckpt", _state())
    with Checkpoints(tmp_path / "ckpt") as checkpoints:
        state, about = checkpoints.restore(jax.eval_shape(_state), identity=IDENTITY)
        assert checkpoints.latest == 7
    assert_same(state, _state())
    assert isinstance(state.params.cell.top, LSTMParams) and state.params.cell.attend is None
    assert about == {"window": [[0.1, 2 / 3]], "note": "ü"}


def test_donating_the_state_right_after_save_does_not_reach_the_disk(tmp_path):
    state, double = _state(), jax.jit(lambda s: jax.tree.map(lambda a: a + a, s), donate_argnums=0)
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(state, identity=IDENTITY, about={})
        jax.block_until_ready(double(state))
        checkpoints.wait()
        assert_same(checkpoints.restore(jax.eval_shape(_state), identity={})[0], _state())


def test_the_last_two_are_kept_and_any_can_be_read(tmp_path):
    _saved(tmp_path, *(_state(step, step) for step in (5, 10, 15)))
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.latest == 15
        assert_same(checkpoints.restore(_state(), identity={}, step=10)[0], _state(10, 10))
        with pytest.raises(FileError, match=r"step 5; it holds \[10, 15\]"):
            checkpoints.restore(_state(), identity={}, step=5)


def test_parameters_alone(tmp_path):
    _saved(tmp_path, _state(3))
    assert_same(load_checkpoint_params(tmp_path, jax.eval_shape(_params)), _params(3))
    assert_same(
        load_checkpoint_params(str(tmp_path), _params(), identity={"cell": "convlstm"}), _params(3)
    )


def test_restores_onto_other_devices(tmp_path):
    _saved(tmp_path, _state())
    everywhere = replicated_sharding(data_mesh(4, 4))
    like = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=everywhere), _state()
    )
    with Checkpoints(tmp_path) as checkpoints:
        state, _ = checkpoints.restore(like, identity=IDENTITY)
    assert all(leaf.sharding == everywhere for leaf in jax.tree.leaves(state))
    assert_same(state, _state())


def test_a_relative_folder_works(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _saved("some/ckpt", _state())
    assert_same(load_checkpoint_params("some/ckpt", _params()), _params())


@pytest.mark.parametrize(
    ("identity", "message"),
    [
        ({"cell": "alstm"}, "made with cell 'convlstm'; expected 'alstm'"),
        (
            {"classes": ["bend", "wave"]},
            r"made with classes \['bend', 'jack'\]; expected \['bend', 'wave'\]",
        ),
        ({"optim.clip": 1.0}, "made with optim.clip 0.5; expected 1.0"),
        ({"unheard": 1}, "made with unheard None; expected 1"),
        ({"videos": "0b1c"}, "made with another training list: its videos, their labels or"),
    ],
)
def test_a_checkpoint_of_something_else_is_refused(tmp_path, identity, message):
    _saved(tmp_path, _state())
    with Checkpoints(tmp_path) as checkpoints:
        for read in (checkpoints.restore, checkpoints.check):
            with pytest.raises(FileError, match=message):
                read(_state(), identity={**IDENTITY, **identity})
        checkpoints.check(_state(), identity=IDENTITY)


def test_shapes_and_trees_that_differ_are_named_by_leaf(tmp_path):
    _saved(tmp_path, _state())
    with Checkpoints(tmp_path) as checkpoints:
        with pytest.raises(
            FileError, match=r"params.cell.top.x is float32 \[3, 3, 4, 12\]; expected .* 16\]"
        ):
            checkpoints.restore(_state(hidden=4), identity={})
        plain = new_training_state(_params(), optax.sgd(1e-3))
        with pytest.raises(FileError, match=r"opt_state.0.count is int32 \[\]; expected absent"):
            checkpoints.restore(plain, identity={})
        more = _params()._replace(cell=CellParams(_params().cell.top, None, _params().cell.top))
        with pytest.raises(FileError, match=r"params.cell.motion.x is absent; expected float32"):
            checkpoints.restore_params(more, identity={})


def test_every_flipped_bit_is_found(tmp_path):
    _saved(tmp_path, _state())
    files = sorted(
        path for path in (tmp_path / "7").rglob("*") if path.is_file() and path.stat().st_size
    )
    # Flips in what is never read are of no consequence: half of them go where the arrays and their
    # digests lie.
    payload = [
        path
        for path in files
        if path.parent.name in ("d", "meta") and "ocdbt.process" not in str(path)
    ]
    r, undetected, messages = np.random.default_rng(0), 0, []
    for turn in range(60):
        among = payload if turn % 2 else files
        path = among[r.integers(len(among))]
        intact = path.read_bytes()
        broken = bytearray(intact)
        broken[r.integers(len(broken))] ^= 1 << r.integers(8)
        path.write_bytes(bytes(broken))
        try:
            with Checkpoints(tmp_path) as checkpoints:
                state, about = checkpoints.restore(jax.eval_shape(_state), identity=IDENTITY)
            undetected += about["note"] != "ü" or not all(
                np.array_equal(a, b)
                for a, b in zip(jax.tree.leaves(state), jax.tree.leaves(_state()), strict=True)
            )
        except FileError as error:
            messages.append(str(error))
        path.write_bytes(intact)
    assert undetected == 0
    assert len(messages) > 20 and all(str(tmp_path) in message for message in messages)


def test_a_flipped_bit_of_a_parameter_names_the_leaf(tmp_path, monkeypatch):
    _saved(tmp_path, _state())
    with Checkpoints(tmp_path) as checkpoints:
        honest = checkpoints._manager.restore

        def flipped(step, args):
            read = honest(step, args=args)
            if "params" in read.keys():  # noqa: SIM118  (not a dict)
                read["params"].head.dense.view(np.uint8).reshape(-1)[17] ^= 4
            return read

        monkeypatch.setattr(checkpoints._manager, "restore", flipped)
        with pytest.raises(FileError, match=r"params.head.dense is damaged: its sha256"):
            checkpoints.restore(jax.eval_shape(_state), identity=IDENTITY)


def test_nothing_there(tmp_path):
    with pytest.raises(FileError, match="absent is missing"):
        load_checkpoint_params(tmp_path / "absent", _params())
    assert not (tmp_path / "absent").exists()
    with Checkpoints(tmp_path / "empty") as checkpoints:
        assert checkpoints.latest is None
        with pytest.raises(FileError, match="does not hold a checkpoint; it holds none"):
            checkpoints.restore(_state(), identity={})


def test_a_disk_that_cannot_be_written_is_a_clear_error(tmp_path, monkeypatch):
    with Checkpoints(tmp_path) as checkpoints:

        def full(*_, **__):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(checkpoints._manager, "save", full)
        with pytest.raises(FileError, match=r"cannot save step 7: No space left .*\(errno 28\)"):
            checkpoints.save(_state(), identity={}, about={})


def test_an_error_while_the_folder_is_closed_names_it_too(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    for failing in (("close",), ("wait_until_finished", "close")):
        checkpoints = Checkpoints(tmp_path)
        for method in failing:
            monkeypatch.setattr(checkpoints._manager, method, full)
        with pytest.raises(FileError, match=rf"{tmp_path}: cannot save: No space left"):
            checkpoints.close()


def test_an_error_of_tensorstore_is_shown_without_its_settings(tmp_path):
    cause = "Error reading d/01: data corruption [tensorstore_spec='{\"context\":{}}']"
    with pytest.raises(FileError) as error, orbax_checkpoint_error(tmp_path, "cannot be read"):
        raise ValueError(cause)
    expected = f"{tmp_path}: cannot be read: ValueError: Error reading d/01: data corruption"
    assert str(error.value) == expected
