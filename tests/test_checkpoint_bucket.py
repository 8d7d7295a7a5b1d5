"""Checkpoints of a bucket are copies of local ones, and complete or not there.

Any folder may stand for a bucket, since only files and their names are used.
"""

import jax
import numpy as np
import pytest
from etils import epath

from videolstm_jax.errors import FileError
from videolstm_jax.train.checkpoints.bucket import LAST_FILE
from videolstm_jax.train.checkpoints.checkpoint import Checkpoints
from videolstm_jax.types import TrainState


@pytest.fixture(autouse=True)
def every_folder_is_a_bucket(monkeypatch):
    for module in ("checkpoint", "manager"):
        monkeypatch.setattr(f"videolstm_jax.train.checkpoints.{module}.is_bucket", lambda _: True)


def state_of(step):
    return TrainState(np.int32(step), {"w": np.full((3, 2), step, np.float32)}, ())


def save(folder, *steps, keep=2):
    with Checkpoints(folder, keep=keep) as checkpoints:
        for step in steps:
            checkpoints.save(state_of(step), identity={"cell": "lstm"}, about={"step": step})


def restored(folder, step=None):
    with Checkpoints(folder, create=False) as checkpoints:
        like = jax.eval_shape(lambda: jax.tree.map(np.asarray, state_of(0)))
        state, about = checkpoints.restore(like, identity={"cell": "lstm"}, step=step)
    assert about == {"step": int(state.step)}
    return int(state.step), state.params["w"]


def test_the_last_ones_come_back_and_are_ordinary_checkpoints(tmp_path, monkeypatch):
    save(tmp_path, 5, 10, 15)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["10", "15"]
    for step in (10, None):
        number, values = restored(tmp_path, step)
        assert number == (step or 15)
        np.testing.assert_array_equal(values, number)
    monkeypatch.undo()  # a local folder again, as where a bucket was copied to a disk
    assert restored(tmp_path)[0] == 15


def test_half_a_checkpoint_is_not_seen_and_the_next_training_removes_it(tmp_path):
    save(tmp_path, 5, 10)
    (tmp_path / "10" / LAST_FILE).unlink()
    assert restored(tmp_path)[0] == 5
    assert (tmp_path / "10").exists()  # a reader removes nothing
    save(tmp_path, 15)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["15", "5"]


def test_a_folder_without_objects_is_an_empty_one(tmp_path):
    with Checkpoints(tmp_path / "ckpt") as checkpoints:
        (tmp_path / "ckpt").rmdir()  # as where the last object in it was removed
        assert checkpoints.latest is None
        checkpoints.save(state_of(5), identity={"cell": "lstm"}, about={"step": 5})
        assert checkpoints.latest == 5


def test_a_save_that_is_not_sent_is_an_error_and_leaves_the_one_before(tmp_path, monkeypatch):
    save(tmp_path, 5)
    sent, path_class = [], type(epath.Path(tmp_path))
    write_bytes = path_class.write_bytes

    def fail_after_three(path, content):
        if len(sent) == 3:
            raise OSError(5, "the service is gone")
        sent.append(path)
        return write_bytes(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(path_class, "write_bytes", fail_after_three)
        with pytest.raises(FileError, match="cannot save step 10: the service is gone"):
            save(tmp_path, 10)
    assert len(sent) == 3 and restored(tmp_path)[0] == 5


def test_local_copies_are_removed(tmp_path, monkeypatch):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    save(tmp_path / "ckpt", 5)
    restored(tmp_path / "ckpt")
    assert list(scratch.iterdir()) == []
