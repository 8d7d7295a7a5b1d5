"""The step at which two trainings part, by their logs."""

import jax.numpy as jnp
import optax
import pytest
from command_line import run

from videolstm_jax.errors import FileError
from videolstm_jax.files import write_jsonl
from videolstm_jax.train.numerics.compare import compare_trainings
from videolstm_jax.train.numerics.state_hashes import StateHashes, state_digests
from videolstm_jax.train.state import new_training_state

TX = optax.trace(0.9)


def state(step, bias=0.0):
    params = {"kernel": jnp.arange(3.0), "bias": jnp.array([bias])}
    return new_training_state(params, TX)._replace(step=jnp.int32(step))


def write_training(folder, biases, losses=(), every=2):
    """The logs of a training whose bias and loss are these at each step."""
    folder.mkdir()
    hashes = StateHashes(folder / "hashes.jsonl", every, 0)
    for step, bias in enumerate(biases, 1):
        if step % every == 0:
            hashes.add(state(step, bias))
    hashes.wait()
    rows = [{"step": step, "loss": loss} for step, loss in enumerate(losses or biases, 1)]
    # A validation has a line of its own.
    rows.append({"step": rows[-1]["step"], "valid_loss": 0.5})
    write_jsonl(folder / "metrics.jsonl", rows)
    return folder


@pytest.fixture
def first(tmp_path):
    return write_training(tmp_path / "first", [1, 2, 3, 4, 5, 6])


def test_equal_trainings_agree_as_far_as_both_go(first, tmp_path):
    longer = write_training(tmp_path / "longer", [1, 2, 3, 4, 5, 6, 7, 8])
    write_jsonl(first / "metrics.jsonl", [{"step": 5, "loss": 5}])
    write_jsonl(longer / "metrics.jsonl", [{"step": 5, "loss": 5}, {"step": 8, "loss": 8}])
    agree, lines = compare_trainings(first, longer)
    assert agree
    assert lines == ["the states agree up to step 6", "the metrics agree up to step 5"]


def test_the_first_step_and_array_that_differ_are_named(first, tmp_path):
    second = write_training(tmp_path / "second", [1, 2, 3, 4.5, 5, 6], [1, 2, 3, 4, 5.5, 6])
    agree, lines = compare_trainings(first, second)
    assert not agree
    assert lines == [
        "the states agree up to step 2, and differ by step 4: the first that differs is "
        "params.bias",
        "the metrics agree up to step 4, and differ by step 5: the first that differs is loss",
    ]


def test_the_command_prints_it_and_its_status_tells(first, tmp_path):
    other = write_training(tmp_path / "other", [0, 2])
    equal = compared(first, first)
    assert equal.returncode == 0 and equal.stdout.count("agree up to step 6") == 2
    parted = compared(first, other)
    assert parted.returncode == 1 and not parted.stderr
    assert "the metrics agree in no step before, and differ by step 1: " in parted.stdout
    alone = compared(first, "")
    assert alone.returncode == 1
    assert alone.stderr == "error: --other is empty; expected the folder of a training\n"


def compared(folder, other):
    return run("videolstm_jax.cli", "compare", f"--run={folder}", f"--other={other}")


def test_logs_that_cannot_be_compared_are_named(first, tmp_path):
    sparse = write_training(tmp_path / "sparse", [1, 2, 3, 4, 5, 6, 7], every=7)
    with pytest.raises(FileError, match=r"no step in common; expected the same train\.log_every"):
        compare_trainings(first, sparse)
    (sparse / "hashes.jsonl").unlink()
    with pytest.raises(FileError, match=r"sparse/hashes\.jsonl"):
        compare_trainings(first, sparse)
    (sparse / "hashes.jsonl").write_text('{"sha256": "ab"}\n')
    with pytest.raises(FileError, match=r"hashes\.jsonl has a line without a step"):
        compare_trainings(first, sparse)
    (sparse / "hashes.jsonl").write_text('{"step": 2, "arrays": [1]}\n')
    with pytest.raises(FileError, match=r"hashes\.jsonl has no digests of arrays at step 2"):
        compare_trainings(first, sparse)


def test_a_digest_is_of_every_array_and_of_the_step():
    digests = state_digests(state(3))
    assert list(digests["arrays"]) == [
        "step",
        "params.bias",
        "params.kernel",
        "opt_state.trace.bias",
        "opt_state.trace.kernel",
    ]
    others = [state(4), state(3, bias=-0.0), state(3, bias=1e-45)]
    assert len({digests["sha256"], *(state_digests(other)["sha256"] for other in others)}) == 4


def test_lines_of_later_steps_are_dropped_where_training_goes_on(first):
    expected = (first / "hashes.jsonl").read_bytes()
    hashes = StateHashes(first / "hashes.jsonl", 2, 3)
    assert len((first / "hashes.jsonl").read_bytes().splitlines()) == 1
    hashes.add(state(4, 4))
    hashes.add(state(6, 6))
    hashes.wait()
    assert (first / "hashes.jsonl").read_bytes() == expected
