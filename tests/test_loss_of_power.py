"""Which files are on the disk before their name is, and what a disk that fails leaves."""

import os

import numpy as np
import pytest

from videolstm_jax import files
from videolstm_jax.flow_images.flow_file import write_flow
from videolstm_jax.types import Scores
from videolstm_jax.workdir.scores_npz import save_scores

CLASSES = ("a", "b")


@pytest.fixture
def calls(monkeypatch):
    """What is asked of the disk, in order."""
    calls, paths = [], {}
    real_open, real_sync, real_replace = os.open, os.fsync, os.replace

    def opened(path, *arguments, **settings):
        descriptor = real_open(path, *arguments, **settings)
        paths[descriptor] = os.fspath(path)
        return descriptor

    def synced(descriptor):
        calls.append(("fsync", os.path.basename(paths[descriptor])))
        real_sync(descriptor)

    def replaced(old, new, **settings):
        calls.append(("replace", os.path.basename(os.fspath(new))))
        real_replace(old, new, **settings)

    monkeypatch.setattr(os, "open", opened)
    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    return calls


def test_content_is_on_the_disk_before_its_name(tmp_path, calls):
    folder = tmp_path / "folder"
    files.write_json(folder / "index.json", {})
    temporary = calls[0][1]
    assert temporary.startswith(".index.json.part-")
    assert calls == [("fsync", temporary), ("replace", "index.json"), ("fsync", "folder")]


def test_which_files_survive_a_loss_of_power(tmp_path, calls):
    def syncs(write):
        calls.clear()
        write()
        return sum(name == "fsync" for name, _ in calls)

    arrays = {"x": np.zeros(3)}
    assert syncs(lambda: files.write_jsonl(tmp_path / "tubes.jsonl", [])) == 2
    scores = Scores((), np.zeros((0, 2)), np.zeros(0), CLASSES)
    assert syncs(lambda: save_scores(tmp_path / "scores.npz", scores)) == 2
    assert syncs(lambda: files.write_arrays(tmp_path / "a.npz", **arrays)) == 0
    assert syncs(lambda: files.write_bytes(tmp_path / "a.png", b"")) == 0
    assert syncs(lambda: write_flow(tmp_path / "a.zip", np.zeros((1, 8, 8, 2), np.uint8))) == 0


def test_a_disk_that_fails_to_sync_keeps_the_old_file(tmp_path, monkeypatch):
    files.write_json(tmp_path / "a.json", [1])

    def fail(descriptor):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match=r"Input/output error: .*a\.json"):
        files.write_json(tmp_path / "a.json", [2])
    assert files.read_json(tmp_path / "a.json") == [1]
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_a_folder_that_cannot_be_synced_is_passed_over(tmp_path, monkeypatch):
    def refuse(descriptor):
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):
            raise OSError(22, "Invalid argument")

    monkeypatch.setattr(os, "fsync", refuse)
    files.write_json(tmp_path / "a.json", [2])
    assert files.read_json(tmp_path / "a.json") == [2]
