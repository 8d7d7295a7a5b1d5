"""Which checkpoint a training goes on from: the newest sound one, loudly, or none at all."""

import shutil

import pytest
from line_training import (
    IDENTITY,
    assert_same_run,
    finished_training,  # noqa: F401
    fresh_state,
    own_run,  # noqa: F401
    steps_of,
    train,
)

from videolstm_jax.errors import FileError
from videolstm_jax.train.checkpoints import checkpoint
from videolstm_jax.train.checkpoints.checkpoint import Checkpoints


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
        checkpoints.restore(fresh_state(), identity=IDENTITY)


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
