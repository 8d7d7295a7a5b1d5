"""Which checkpoint a training goes on from: the newest sound one, loudly, or none at all."""

import itertools
import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from videolstm_jax.errors import FileError
from videolstm_jax.train.checkpoints import checkpoint
from videolstm_jax.train.checkpoints.checkpoint import Checkpoints
from videolstm_jax.train.loop import fit
from videolstm_jax.train.record import Plan
from videolstm_jax.train.state import new_state
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


def _fresh():
    return new_state({"w": jnp.arange(3.0)}, TX)


def train(folder, steps=23, **changes):
    plan = Plan(steps=steps, log_every=4, save_every=5, identity=IDENTITY, about={}, hash_every=10)
    return fit(_fresh(), STEP, _batches, plan._replace(**changes), folder=folder)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder with checkpoints of steps 20 and 23, and its last state."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    return folder, train(folder)


@pytest.fixture
def run(finished, tmp_path):
    shutil.copytree(finished[0], tmp_path / "run")
    return tmp_path / "run"


def cut(folder):
    """Cuts the last byte of every file of a checkpoint's parameters."""
    for path in (folder / "params").rglob("*"):
        if path.is_file() and path.stat().st_size:
            path.write_bytes(path.read_bytes()[:-1])


def remove_meta(folder):
    shutil.rmtree(folder / "meta")


def empty(folder):
    shutil.rmtree(folder)
    folder.mkdir()


def flip(folder):
    """Changes one letter of the JSON item."""
    (path,) = [path for path in (folder / "meta").iterdir() if "metadata" in path.name]
    path.write_bytes(path.read_bytes().replace(b'"line"', b'"lime"'))


def steps_of(run):
    return sorted(int(path.name) for path in (run / "ckpt").iterdir())


def assert_same_run(run, state, finished):
    for ours, theirs in zip(jax.tree.leaves(state), jax.tree.leaves(finished[1]), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    for name in ("metrics.jsonl", "hashes.jsonl"):
        assert (run / name).read_bytes() == (finished[0] / name).read_bytes()


@pytest.mark.parametrize(
    "damage, words",
    [
        (cut, "params cannot be read: "),
        (remove_meta, "the JSON item cannot be read: "),
        (empty, "the JSON item cannot be read: "),
        (flip, "the JSON item is damaged: its sha256 does not agree"),
    ],
)
def test_a_damaged_newest_checkpoint_is_skipped_loudly(finished, run, capsys, damage, words):
    damage(run / "ckpt" / "23")
    assert_same_run(run, train(run), finished)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"warning: {run}/ckpt/23: {words}")
    assert line.endswith(f". It was moved to {run}/ckpt-damaged/23; training goes on from step 20")
    # The step was made and saved again, and the damaged one is there to be looked at.
    assert steps_of(run) == [20, 23] and (run / "ckpt-damaged" / "23").is_dir()
    with Checkpoints(run / "ckpt") as checkpoints:
        checkpoints.restore(_fresh(), identity=IDENTITY)


def test_a_training_goes_further_from_the_older_one(run, capsys):
    """Orbax saves no step before the newest one that it knows of."""
    cut(run / "ckpt" / "23")
    train(run, steps=21)
    assert steps_of(run) == [20, 21]
    cut(run / "ckpt" / "21")
    train(run, steps=23)
    cut(run / "ckpt" / "23")
    train(run, steps=25)
    names = sorted(path.name for path in (run / "ckpt-damaged").iterdir())
    assert names == ["21", "23", "23-2"]
    assert len(capsys.readouterr().err.splitlines()) == 3


def test_without_a_sound_checkpoint_nothing_is_trained(run, capsys):
    cut(run / "ckpt" / "23")
    flip(run / "ckpt" / "20")
    metrics = (run / "metrics.jsonl").read_bytes()
    message = (
        rf"no checkpoint in {run}/ckpt is sound: {run}/ckpt/23: params cannot be read: .*; "
        rf"{run}/ckpt/20: the JSON item is damaged.*remove {run} to train anew"
    )
    for resume in ("auto", "must"):
        with pytest.raises(FileError, match=message):
            train(run, resume=resume)
    assert steps_of(run) == [20, 23] and (run / "metrics.jsonl").read_bytes() == metrics
    assert not capsys.readouterr().err


def test_a_checkpoint_that_may_not_be_read_is_not_skipped(run, monkeypatch):
    """It may be sound: nothing is known of it."""

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(checkpoint.Checkpoints, "_read", refuse)
    with pytest.raises(PermissionError):
        train(run, steps=30)
    assert steps_of(run) == [20, 23]


def test_an_unfinished_save_is_removed_loudly(finished, run, capsys):
    shutil.copytree(run / "ckpt" / "20", run / "ckpt" / "25.orbax-checkpoint-tmp")
    assert_same_run(run, train(run), finished)
    expected = f"warning: {run}/ckpt: the save of step 25 was not finished; it was removed\n"
    assert capsys.readouterr().err == expected
    assert steps_of(run) == [20, 23]


def test_a_folder_without_the_mark_of_its_end_is_no_checkpoint(run, capsys, monkeypatch):
    """In a bucket nothing is renamed, so a save that did not end has a folder of the final name."""
    monkeypatch.setattr(Checkpoints, "steps", property(lambda _: [20]))
    train(run, steps=20, resume="must")
    expected = f"warning: {run}/ckpt/23 is passed over: its save was not finished\n"
    assert capsys.readouterr().err == expected
    monkeypatch.setattr(Checkpoints, "steps", property(lambda _: []))
    with pytest.raises(FileError, match=r"holds no checkpoint; .*=must"):
        train(run, steps=20, resume="must")


# ---- --resume ------------------------------------------------------------------------------------


def test_must_refuses_a_folder_without_a_checkpoint(run, tmp_path):
    for folder in (tmp_path / "new", run):
        if folder == run:
            shutil.rmtree(run / "ckpt")
            (run / "ckpt" / "5.orbax-checkpoint-tmp").mkdir(parents=True)
        with pytest.raises(FileError, match=rf"{folder}/ckpt holds no checkpoint; .*=must"):
            train(folder, resume="must")
    assert not (tmp_path / "new").exists()
    assert (run / "ckpt" / "5.orbax-checkpoint-tmp").exists()


def test_never_refuses_a_folder_with_a_checkpoint_and_removes_nothing(run, tmp_path):
    (run / "config.json").write_text("{}")
    files = sorted(run.rglob("*"))
    cut(run / "ckpt" / "23")
    with pytest.raises(
        FileError, match=rf"{run}/ckpt holds checkpoints of steps 20, 23; .*never: remove {run}, or"
    ):
        train(run, resume="never")
    assert sorted(run.rglob("*")) == files
    train(tmp_path / "new", steps=2, resume="never")
    train(tmp_path / "new", steps=3, resume="must")


def test_lost_checkpoints_are_not_passed_over(run, capsys):
    (run / "config.json").write_text("{}")
    shutil.rmtree(run / "ckpt" / "23")
    train(run)
    assert capsys.readouterr().err == (
        f"warning: {run}/ckpt holds step 20, and this training had ended at step 23: its newest "
        "checkpoint is missing\n"
    )
    shutil.rmtree(run / "ckpt")
    train(run)
    assert capsys.readouterr().err == (
        f"warning: {run}/ckpt holds no checkpoint, and metrics.jsonl goes to step 23; training "
        "begins at step 0 (--resume=must would end here)\n"
    )


@pytest.mark.parametrize("left", ["config.json", "hashes.jsonl", "ckpt-damaged"])
def test_a_training_of_which_little_is_left_is_not_begun_anew_silently(tmp_path, capsys, left):
    run = tmp_path / "run"
    run.mkdir()
    if "." in left:
        (run / left).write_text("")
    else:
        (run / left).mkdir()
    train(run, steps=2)
    assert capsys.readouterr().err == (
        f"warning: {run}/ckpt holds no checkpoint, and {left} is there from an earlier training; "
        "training begins at step 0 (--resume=must would end here)\n"
    )


def test_a_best_state_that_is_damaged_or_lost_is_not_passed_over(tmp_path, capsys):
    run = tmp_path / "run"
    with_best = {"validate": lambda state: {"valid_accuracy": 0.5}, "keep_best": True}
    train(run, steps=6, **with_best)
    flip(run / "best" / "5")
    with pytest.raises(FileError, match=rf"best/5: .* is damaged: .* remove {run} to train anew"):
        train(run, steps=7, **with_best)
    shutil.rmtree(run / "best")
    train(run, steps=7, **with_best)
    assert capsys.readouterr().err == (
        f"warning: {run}/best holds no checkpoint; the best one will be of a step after 6\n"
    )


# ---- what a checkpoint must agree with -----------------------------------------------------------


def resaved(run, change):
    """Replaces the checkpoints by one whose records are changed."""
    with Checkpoints(run / "ckpt") as checkpoints:
        state, about = checkpoints.restore(_fresh(), identity={})
    shutil.rmtree(run / "ckpt")
    identity, about = dict(IDENTITY), dict(about)
    change(identity, about)
    with Checkpoints(run / "ckpt") as checkpoints:
        checkpoints.save(state, identity=identity, about=about)


def test_another_position_in_the_data_is_refused(run):
    resaved(run, lambda identity, about: about.update(batches=22))
    with pytest.raises(FileError, match="ckpt/23 was made with batches 22; expected 23, one for"):
        train(run)


def test_another_extractor_is_refused(run):
    change = {"extractor.x.convnet": "cd34"}
    resaved(run, lambda identity, about: identity.update(change))
    with pytest.raises(
        FileError, match=r"23 was made with extractor\.x\.convnet 'cd34'; expected 'ab12'"
    ):
        train(run)


def test_other_versions_are_a_warning(finished, run, capsys, monkeypatch):
    others = {"jax": "0.1", "numpy": "1.0", "tensorflow": "2.1"}
    monkeypatch.setattr(checkpoint, "package_versions", lambda: others)
    resaved(run, lambda identity, about: None)
    assert_same_run(run, train(run), finished)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"warning: {run}/ckpt/23 was made with jax 0.1, here {jax.__version__}")
    assert f"numpy 1.0, here {np.__version__}" in line and "jaxlib none, here" in line
    # TensorFlow draws the clips.
    assert "; tensorflow 2.1, here 2." in line
    assert line.endswith(": results may differ by rounding")


def test_a_checkpoint_of_before_loads_with_one_line(finished, run, capsys, monkeypatch):
    def older(identity, about):
        del identity["extractor.x.convnet"]
        for name in ("batches", "skipped"):
            del about[name]

    honest = checkpoint.manifest.as_json

    def without_versions(value):
        if isinstance(value, dict):
            value = {key: item for key, item in value.items() if key != "versions"}
        return honest(value)

    with monkeypatch.context() as patched:
        patched.setattr(checkpoint.manifest, "as_json", without_versions)
        resaved(run, older)
    assert_same_run(run, train(run), finished)
    assert capsys.readouterr().err == (
        f"warning: {run}/ckpt/23 is of an earlier version; not compared: extractor.x.convnet, "
        "batches, versions\n"
    )


def test_a_checkpoint_records_versions_and_batches(finished):
    with Checkpoints(finished[0] / "ckpt") as checkpoints:
        meta = checkpoints.meta()
    assert meta["versions"]["jax"] == jax.__version__ and meta["about"]["batches"] == 23
    assert json.dumps(meta)
