"""One writer of a folder on a disk: refused beside another, taken over from the dead."""

import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from functools import partial

import pytest
from locked_folders import number_of_winners, owner_file

from videolstm_jax.errors import FileError
from videolstm_jax.lock import local, owner
from videolstm_jax.lock.local import read_owner
from videolstm_jax.lock.sole_writer import release_held_locks, sole_writer

HOLDER = """
import sys, time
from videolstm_jax.lock.sole_writer import sole_writer
with sole_writer(sys.argv[1], "train"):
    print("holds", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock of `tmp_path / "run"`."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "run")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "holds\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_second_process_is_refused_and_told_the_owner(holder, tmp_path):
    message = rf"train runs here already: process {holder.pid} on {socket.gethostname()}, since 20"
    with pytest.raises(FileError, match=message) as error, sole_writer(tmp_path / "run", "train"):
        pytest.fail("both hold the lock")
    assert "\n" not in str(error.value) and "--break_lock" in str(error.value)
    assert read_owner(tmp_path / "run" / ".lock").pid == holder.pid  # it keeps its lock


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_lock_of_a_killed_process_is_taken_over(holder, tmp_path, number):
    holder.send_signal(number)
    # Not waited for: a process that nobody has asked for its status yet is dead all the same.
    deadline = time.monotonic() + 10
    while owner.start_of_lock_owner(holder.pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    with sole_writer(tmp_path / "run", "train"):
        assert read_owner(tmp_path / "run" / ".lock").pid == os.getpid()


def test_a_process_number_that_is_used_again_is_noticed(tmp_path):
    path = owner_file(tmp_path, started="of another boot 1")
    with sole_writer(tmp_path, "train"):
        pass
    assert not path.exists()


def test_a_process_of_another_machine_lives_by_its_heartbeat(tmp_path):
    path = owner_file(tmp_path, machine="elsewhere", host="elsewhere", pid=1)
    with (
        pytest.raises(FileError, match="process 1 on elsewhere"),
        sole_writer(tmp_path, "train"),
    ):
        pytest.fail("both hold the lock")
    silent = time.time() - owner.SILENCE - 1
    os.utime(path, (silent, silent))
    with sole_writer(tmp_path, "train"):
        pass


def test_the_patient_wait_for_a_lock_of_another_machine(tmp_path, monkeypatch, capsys):
    path = owner_file(tmp_path, machine="elsewhere 1")
    monkeypatch.setattr("videolstm_jax.lock.sole_writer._RETRY", 0.01)
    # Its last heartbeat is so old that it counts as dead a moment later.
    then = time.time() - owner.SILENCE + 0.5
    os.utime(path, (then, then))
    with sole_writer(tmp_path, "train", patient=True):
        assert read_owner(path).pid == os.getpid()
        assert read_owner(path).machine != "elsewhere 1"
    assert capsys.readouterr().out.startswith("waits up to 140 s, since this may be over: ")


def test_the_patient_do_not_wait_for_who_lives_here(holder, tmp_path):
    began = time.monotonic()
    with pytest.raises(FileError), sole_writer(tmp_path / "run", "train", patient=True):
        pytest.fail("both hold the lock")
    assert time.monotonic() - began < 10


def test_a_process_that_another_thread_ends_removes_its_locks(tmp_path):
    with pytest.raises(FileError, match="someone took over"), sole_writer(tmp_path, "train"):
        release_held_locks()
        assert not (tmp_path / ".lock").exists()
    release_held_locks()


@pytest.mark.parametrize("ends_by", ["a signal", "another thread"])
def test_a_lock_that_was_claimed_just_before_the_end_is_removed(tmp_path, monkeypatch, ends_by):
    claim = local._claim

    def claim_and_end(*arguments):
        claim(*arguments)
        if ends_by == "another thread":
            release_held_locks()
            assert not (tmp_path / "run" / ".lock").exists()
        raise KeyboardInterrupt

    monkeypatch.setattr(local, "_claim", claim_and_end)
    with pytest.raises(KeyboardInterrupt), sole_writer(tmp_path / "run", "train"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_two_threads_remove_is_gone(tmp_path):
    path = owner_file(tmp_path)
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        arguments = (path, owner.this_lock_owner("train"))
        second = threading.Thread(target=local.release_lock, args=arguments)
        second.start()
        # It has the file open and waits for this thread, which removes it first.
        second.join(0.2)
        path.unlink()
    second.join()
    assert not path.exists()


def test_a_living_owner_is_heard(tmp_path, monkeypatch):
    monkeypatch.setattr(owner, "HEARTBEAT", 0.01)
    with sole_writer(tmp_path, "train"):
        path = tmp_path / ".lock"
        os.utime(path, (1, 1))
        deadline = time.monotonic() + 10
        while path.stat().st_mtime == 1 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert path.stat().st_mtime > 1


@pytest.mark.parametrize(
    ("stage", "repair"),
    [
        ("train", "remove the folder and begin again"),
        # The folder of an evaluation has the checkpoints of the run.
        ("evaluate", "run `evaluate` again"),
    ],
)
def test_a_broken_lock_is_noticed_by_who_had_it(tmp_path, stage, repair):
    with (
        pytest.raises(FileError, match=f"both have written here: {repair}$"),
        sole_writer(tmp_path, stage),
    ):
        with pytest.raises(FileError, match="runs here already"), sole_writer(tmp_path, "train"):
            pytest.fail("both hold the lock")
        owner_file(tmp_path, pid=1, started="later", machine="elsewhere")
    with sole_writer(tmp_path, "train", break_lock=True):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_any_end_releases_it_and_leaves_nothing(tmp_path, error):
    with pytest.raises(error), sole_writer(tmp_path / "new" / "run", "train"):
        raise error
    assert list(tmp_path.iterdir()) == []
    with sole_writer(tmp_path / "new", "train"):
        (tmp_path / "new" / "result").touch()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["result"]


def test_a_full_disk_is_named_and_leaves_no_lock(tmp_path, monkeypatch):
    def no_room(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(local, "owner_bytes", no_room)
    full = pytest.raises(OSError, match=r"No space left on device: .*run/\.lock")
    with full, sole_writer(tmp_path / "run", "train"):
        pytest.fail("holds a lock that was not written")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_another_process_removes_at_its_end_is_made_again(tmp_path, monkeypatch):
    folder = tmp_path / "new" / "run"
    honest = os.open
    removals = []

    def open_of_a_removed_folder(path, *arguments):
        # Between the making of the folder and that of the file in it.
        if len(removals) < 2 and os.fspath(path) == str(folder / ".lock"):
            removals.append(path)
            folder.rmdir()
            folder.parent.rmdir()
        return honest(path, *arguments)

    monkeypatch.setattr(local.os, "open", open_of_a_removed_folder)
    with sole_writer(folder, "train"):
        assert read_owner(folder / ".lock").pid == os.getpid()
    assert len(removals) == 2 and list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"file"), sole_writer(tmp_path / "file", "train"):
        pytest.fail("holds a lock in a file")
    assert (tmp_path / "file").is_file()


def test_half_a_file_is_nobodys(tmp_path):
    (tmp_path / ".lock").write_text('{"stage": "tr')
    with sole_writer(tmp_path, "train"):
        assert '"train"' in (tmp_path / ".lock").read_text()
    assert list(tmp_path.iterdir()) == []


def test_workers_of_different_names_share_a_folder_and_exclude_who_wants_all(tmp_path):
    def worker(name):
        return sole_writer(
            tmp_path, "extract", name=f".extract-{name}.lock", rivals=".extract.lock"
        )

    def alone():
        return sole_writer(tmp_path, "extract", name=".extract.lock", rivals=".extract-*.lock")

    with worker("1of2"), worker("2of2"):
        for again in (worker("1of2"), alone()):
            with pytest.raises(FileError, match="extract runs here already"), again:
                pytest.fail("both hold the lock")
    with alone(), pytest.raises(FileError, match="extract runs here already"), worker("1of2"):
        pytest.fail("both hold the lock")
    assert list(tmp_path.iterdir()) == []


def test_of_many_that_begin_together_one_wins_each_time(tmp_path):
    for path in (tmp_path / "free", tmp_path / "dead"):
        if path.name == "dead":
            owner_file(path, started="of another boot 1")
        assert number_of_winners(partial(sole_writer, path, "train")) == 1


def test_a_thread_that_ends_the_process_removes_a_lock_that_is_being_left(tmp_path, monkeypatch):
    # Another thread ends the process while the main one is about to remove the file.
    monkeypatch.setattr(local, "release_lock", lambda path, owner: release_held_locks())
    with sole_writer(tmp_path, "train"):
        pass
    assert not (tmp_path / ".lock").exists()


def test_all_locks_of_one_second_are_removed(tmp_path):
    rgb, flow = tmp_path / "rgb", tmp_path / "flow"
    # Leaving a lock that somebody has removed is an error; this process would have ended before.
    with (
        pytest.raises(FileError, match="took over the lock"),
        sole_writer(rgb, "extract"),
        sole_writer(flow, "extract"),
    ):
        release_held_locks()
        assert not list(tmp_path.rglob(".lock"))
