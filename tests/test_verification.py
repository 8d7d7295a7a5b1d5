"""Damaged features are refused before results depend on them, and read once for that."""

import json
import shutil
import time

import numpy as np
import pytest
from training_workdir import config, write_work

from videolstm_jax import files, progress_lines
from videolstm_jax.config import change
from videolstm_jax.errors import FileError
from videolstm_jax.features import store as store_module
from videolstm_jax.features.compact import compact_store
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.features.verification import store_verification_record, verify_store
from videolstm_jax.features.writer import FeatureWriter
from videolstm_jax.stages import evaluate, train
from videolstm_jax.workdir.dataset_json import load_dataset
from videolstm_jax.workdir.layout import Workdir

NAMES = ("c/a", "c/b", "c/d")


def features_of(name):
    return np.random.default_rng(ord(name[-1])).random((4, 2, 2, 3))


@pytest.fixture
def store(tmp_path):
    writer = FeatureWriter(tmp_path / "store", (2, 2, 3), {"made": "up"})
    for name in NAMES:
        writer.write(name, features_of(name))
    return writer.finish(NAMES)


@pytest.fixture
def hashed(monkeypatch):
    """The files that are read to their end, by name."""
    names = []
    original = store_module.feature_sha256_if_exists

    def noted(path):
        names.append(path.stem)
        return original(path)

    monkeypatch.setattr(store_module, "feature_sha256_if_exists", noted)
    return names


def flip_bit(path, bit=77):
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(bytes(data))


def test_files_are_read_once_until_they_change(store, hashed):
    verify_store(store, NAMES[:2], "once")
    assert sorted(hashed) == ["a", "b"]
    hashed.clear()
    verify_store(FeatureStore.open(store.folder), NAMES, "once")
    assert hashed == ["d"]
    hashed.clear()
    verify_store(store, NAMES, "once")
    verify_store(store, NAMES, "never")
    assert hashed == []
    verify_store(store, NAMES, "always")
    assert sorted(hashed) == ["a", "b", "d"]
    hashed.clear()
    flip_bit(store.path("c/b"))
    verify_store(store, ["c/a"], "once")
    verify_store(store, NAMES, "never")
    for mode in ("once", "always"):
        with pytest.raises(
            FileError, match=r"missing or damaged: c/b\.f16; remove them and run the stage extract"
        ):
            verify_store(store, NAMES, mode)
    # The message is true: what is removed is made again, and nothing else.
    store.path("c/b").unlink()
    with pytest.raises(FileError, match=r"c/b\.f16: is missing"):
        verify_store(store, NAMES, "once")
    writer = FeatureWriter(store.folder, (2, 2, 3), {"made": "up"})
    assert writer.missing(NAMES) == ["c/b"]
    writer.write("c/b", features_of("c/b"))
    hashed.clear()
    verify_store(writer.finish(NAMES), NAMES, "once")
    assert hashed == ["b"]


def test_a_copy_is_verified_anew(store, hashed, tmp_path):
    verify_store(store, NAMES, "once")
    hashed.clear()
    shutil.copytree(store.folder, tmp_path / "copy")  # keeps the times
    verify_store(FeatureStore.open(tmp_path / "copy"), NAMES, "once")
    assert sorted(hashed) == ["a", "b", "d"]
    hashed.clear()
    shutil.move(tmp_path / "copy", tmp_path / "moved")
    verify_store(FeatureStore.open(tmp_path / "moved"), NAMES, "once")
    assert sorted(hashed) == ["a", "b", "d"]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"folder": "FOLDER", "files": [1]}'])
def test_a_damaged_record_costs_only_time(store, hashed, text):
    record = store_verification_record(store)
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text(text.replace("FOLDER", str(store.folder)))
    verify_store(store, NAMES, "once")
    assert sorted(hashed) == ["a", "b", "d"]
    assert sorted(json.loads(record.read_text())["files"]) == list(NAMES)


def test_a_digest_that_changed_in_the_index_is_compared_again(store, hashed):
    verify_store(store, NAMES, "once")
    index = store.folder / "index.json"
    record = files.read_json(index)
    record["sha256"]["c/d"] = "0" * 64
    files.write_json(index, record)
    with pytest.raises(FileError, match=r"1 of 1 files are missing or damaged: c/d\.f16"):
        verify_store(FeatureStore.open(store.folder), NAMES, "once")


def test_a_folder_that_cannot_be_written_is_verified_each_time(store, monkeypatch, hashed, capsys):
    def refuse(path, data):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(files, "write_bytes", refuse)
    verify_store(store, NAMES, "once")
    verify_store(store, NAMES, "once")
    assert len(hashed) == 6 and ".json: Permission denied" in capsys.readouterr().out


def test_what_takes_long_shows_its_progress(store, monkeypatch, capsys):
    monkeypatch.setattr(progress_lines, "SECONDS", 0.01)
    monkeypatch.setattr(store_module, "call_in_threads", slowly)
    store.verify()
    assert "compared 2 of 3 files, 288 bytes" in capsys.readouterr().out


def slowly(function, items):
    results = []
    for item in items:
        results.append(function(item))
        time.sleep(0.05)
    return results


def test_compacting_does_not_give_damage_new_digests(store, tmp_path):
    flip_bit(store.path("c/b"))
    with pytest.raises(FileError, match=r"damaged: c/b\.f16"):
        compact_store(store.folder, tmp_path / "small")
    assert not (tmp_path / "small").exists()


def test_imported_features_are_imported_again(tmp_path):
    writer = FeatureWriter(tmp_path, (3,), {"imported": "authors"})
    writer.write("c/a", np.ones((2, 3)))
    store = writer.finish(["c/a"])
    flip_bit(store.path("c/a"), 9)
    with pytest.raises(FileError, match="remove the store and import the features again"):
        store.verify()


@pytest.mark.slow
def test_a_list_that_was_changed_after_the_training_is_no_secret(tmp_path, capsys):
    write_work(tmp_path)
    cfg = change(config(tmp_path, "lstm"), train__steps=2, eval__segments=1)
    train.run(cfg)
    evaluate.run(cfg)
    assert "warning" not in capsys.readouterr().out
    path = Workdir(cfg.workdir).dataset
    record = files.read_json(path)
    row = next(row for row in record["videos"] if row["part"] == "test")
    files.write_json(path, record | {"videos": moved(record["videos"], row["name"], "train")})
    evaluate.run(cfg)
    out = capsys.readouterr().out
    assert "the training list has 1 videos that the run was not trained on" in out
    assert f"the first is {row['name']}" in out
    with pytest.raises(FileError, match="videos"):
        train.run(cfg)
    # The other way round is refused.
    row = next(row for row in record["videos"] if row["part"] == "train")
    files.write_json(path, record | {"videos": moved(record["videos"], row["name"], "test")})
    with pytest.raises(FileError, match="trained on 1 of"):
        evaluate.run(cfg)


def moved(rows, name, part):
    return [row | {"part": part} if row["name"] == name else row for row in rows]


def test_the_stages_refuse_damage_in_what_they_read(tmp_path):
    write_work(tmp_path)
    cfg = change(config(tmp_path, "lstm"), train__steps=2, eval__segments=1)
    work = Workdir(cfg.workdir)
    run = train.run(cfg)
    evaluate.run(cfg)
    scores = (run / "scores.npz").read_bytes()
    store = FeatureStore.open(work.features("rgb", "fc7"))
    for part, stage in (("train", train), ("test", evaluate)):
        name = load_dataset(work.dataset).part(part)[0].name
        sound = store.path(name).read_bytes()
        flip_bit(store.path(name))
        with pytest.raises(FileError, match=f"damaged: {name}"):
            stage.run(cfg)
        # The results of the evaluation before are still there.
        assert (run / "scores.npz").read_bytes() == scores
        stage.run(change(cfg, data__verify="never"))
        store.path(name).write_bytes(sound)
        if part == "test":
            assert (run / "scores.npz").read_bytes() != scores  # what damage did unseen
        stage.run(cfg)
