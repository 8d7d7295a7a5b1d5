"""One writer a folder in a bucket; any folder stands for one, since only its listing is used."""

import os
import time
from functools import partial

import pytest
from etils import epath
from locked_folders import number_of_winners, owner_file

from videolstm_jax.errors import FileError
from videolstm_jax.lock import owner
from videolstm_jax.lock.bucket import bucket_writer


def in_bucket(folder, *, name=".lock", rivals="", break_lock=False):
    return bucket_writer(
        epath.Path(folder),
        owner.this_lock_owner("train"),
        name=name,
        rivals=rivals,
        break_lock=break_lock,
    )


def bucket_object(folder, **changes):
    """Leaves the object of this process, as it would be with some fields of another."""
    path = owner_file(folder, **changes)
    return path.rename(folder / ".lock-0123")


def test_a_second_process_is_refused_in_a_bucket_and_nothing_is_left(tmp_path):
    with in_bucket(tmp_path):
        with pytest.raises(FileError, match="train runs here already"), in_bucket(tmp_path):
            pytest.fail("both hold the lock")
        with in_bucket(tmp_path, name=".prepare.lock"):
            pass  # another lock
    assert list(tmp_path.iterdir()) == []


def test_workers_in_a_bucket_exclude_who_wants_all(tmp_path):
    worker = {"name": ".extract-1of2.lock", "rivals": ".extract.lock"}
    alone = {"name": ".extract.lock", "rivals": ".extract-*.lock"}
    for first, second in ((worker, alone), (alone, worker)):
        with (
            in_bucket(tmp_path, **first),
            pytest.raises(FileError, match="runs here already"),
            in_bucket(tmp_path, **second),
        ):
            pytest.fail("both hold the lock")


def test_a_dead_owner_in_a_bucket_is_replaced(tmp_path):
    for changes in ({"started": "of another boot 1"}, {"machine": "elsewhere"}):
        path = bucket_object(tmp_path, **changes)
        silent = time.time() - owner.SILENCE - 60
        os.utime(path, (silent, silent))
        with in_bucket(tmp_path):
            assert not path.exists()


def test_a_living_owner_on_another_machine_is_heard_in_a_bucket(tmp_path):
    bucket_object(tmp_path, machine="elsewhere", host="elsewhere", pid=1)
    with pytest.raises(FileError, match="process 1 on elsewhere"), in_bucket(tmp_path):
        pytest.fail("both hold the lock")


def test_the_heartbeat_in_a_bucket_renews_the_object(tmp_path, monkeypatch):
    monkeypatch.setattr(owner, "HEARTBEAT", 0.01)
    with in_bucket(tmp_path):
        (path,) = tmp_path.glob(".lock-*")
        os.utime(path, (1, 1))
        deadline = time.monotonic() + 10
        while path.stat().st_mtime == 1 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert path.stat().st_mtime > 1


def test_a_broken_lock_in_a_bucket_is_noticed_by_who_had_it(tmp_path, monkeypatch):
    monkeypatch.setattr(owner, "HEARTBEAT", 0.01)
    with pytest.raises(FileError, match="both have written"), in_bucket(tmp_path):
        with in_bucket(tmp_path, break_lock=True):
            pass
        time.sleep(0.05)  # a beat does not write the object anew
    assert list(tmp_path.iterdir()) == []


def test_of_many_that_begin_together_in_a_bucket_never_two_go_on(tmp_path):
    assert number_of_winners(partial(in_bucket, tmp_path)) <= 1
