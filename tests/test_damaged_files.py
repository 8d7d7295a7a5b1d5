"""Random bit flips in the files of a work folder: an error, or the same content as before."""

import dataclasses
import json
import os

import numpy as np
import pytest

from videolstm_jax import artifacts, files
from videolstm_jax.artifacts import Workdir, load_dataset, load_scores, save_dataset, save_scores
from videolstm_jax.config import RunConfig
from videolstm_jax.dataset.prepared import check_flow, flow_digests
from videolstm_jax.errors import FileError
from videolstm_jax.features.index import StoreIndex
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.features.verification import verify_store
from videolstm_jax.features.writer import FeatureWriter
from videolstm_jax.flow_images.flow_file import read_flow, write_flow
from videolstm_jax.json_records import read_record
from videolstm_jax.sealed_json import SEAL
from videolstm_jax.trained.results.work_contents import load_metrics
from videolstm_jax.types import Dataset, Scores, Video

CLASSES = ("a", "b")
VIDEOS = tuple(
    Video(f"{name}/{at}", f"{name}/{at}.mp4", label, part, str(at), 4, 8, 8, 25.0)
    for label, name in enumerate(CLASSES)
    for at, part in enumerate(("train", "test"))
)
NAMES = [video.name for video in VIDEOS]


@pytest.fixture
def work(tmp_path):
    """A work folder with a file of every kind that is tried."""
    work = Workdir(str(tmp_path))
    random = np.random.default_rng(0)
    save_dataset(work.dataset, Dataset(CLASSES, VIDEOS))
    writer = FeatureWriter(work.features("rgb", "pool5"), (2, 2, 3), {"made": "up"})
    for name in NAMES:
        writer.write(name, random.random((3, 2, 2, 3)))
        images = random.integers(0, 256, (3, 8, 8, 2)).astype(np.uint8)
        write_flow(work.flow / f"{name}.zip", images, "png")
    writer.finish(NAMES, train=[NAMES[0], NAMES[2]])
    index = {"frames": dict.fromkeys(NAMES, 3), "sha256": flow_digests(work, NAMES)}
    files.write_json(work.flow / "index.json", index, sealed=True)
    scores = np.full((2, 2), 0.5)
    names, label, trained = (NAMES[1], NAMES[3]), np.array([0, 1]), np.array([True, False])
    save_scores(work.scores("x"), Scores(names, scores, label, CLASSES, trained))
    rows = [{"step": step, "loss": 4.0 / step} for step in range(1, 4)]
    files.write_jsonl(work.run("x") / "metrics.jsonl", rows)
    artifacts.save_config(work.run("x"), RunConfig(), classes=CLASSES, scales={"x": 0.7})
    return work


def features_content(work):
    store = FeatureStore.open(work.features("rgb", "pool5"))
    verify_store(store, NAMES, "once")
    return [store.read(name).tobytes() for name in NAMES]


def flow_content(work):
    check_flow(work, VIDEOS, "once")
    return [read_flow(work.flow / f"{name}.zip").tobytes() for name in NAMES]


def scores_content(work):
    scores = load_scores(work.scores("x"))
    return [np.asarray(value).tolist() for value in scores]


KINDS = {
    "feature records": ("features/rgb/pool5/a/0.f16", features_content),
    "the index of features": (
        "features/rgb/pool5/index.json",
        lambda work: dataclasses.astuple(
            read_record(work.features("rgb", "pool5") / "index.json", StoreIndex)
        ),
    ),
    "flow": ("flow/a/1.zip", flow_content),
    "the index of flow": ("flow/index.json", flow_content),
    "the list": ("dataset.json", lambda work: load_dataset(work.dataset)),
    "scores": ("runs/x/scores.npz", scores_content),
    "settings of a run": ("runs/x/config.json", lambda work: loaded_config(work)),
    "metrics": ("runs/x/metrics.jsonl", lambda work: load_metrics(work)),
}


def loaded_config(work):
    config = artifacts.load_config(work.run("x"))
    return [config["scales"], config["classes"], config["config"]]


def try_damage(work, kind, trials, seed):
    """Counts the trials that ended in an error, and fails where other content was read."""
    name, content = KINDS[kind]
    path = work.path / name
    sound, expected = path.read_bytes(), content(work)
    random = np.random.default_rng(seed)
    refused = 0
    for trial in range(trials):
        data = bytearray(sound)
        for bit in random.integers(0, 8 * len(data), 1 + trial % 2):
            data[bit // 8] ^= 1 << bit % 8
        path.write_bytes(bytes(data))
        try:
            damaged = content(work)
        except FileError:
            refused += 1
            continue
        assert damaged == expected, f"trial {trial}: other content was read without an error"
    path.write_bytes(sound)
    assert content(work) == expected
    return refused


@pytest.mark.parametrize("kind", KINDS)
def test_flipped_bits_are_an_error_or_change_nothing(work, kind):
    assert try_damage(work, kind, 60, seed=len(kind)) > 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_thousand_flipped_bits_are_an_error_or_change_nothing(work, kind):
    assert try_damage(work, kind, 1000, seed=1) > 0


@pytest.mark.parametrize("kind", KINDS)
def test_files_that_end_early_are_an_error(work, kind):
    name, content = KINDS[kind]
    path = work.path / name
    sound = path.read_bytes()
    for share in (0, 0.3, 0.9, 0.99):
        path.write_bytes(sound[: int(share * (len(sound) - 2))])
        with pytest.raises(FileError, match=path.name):
            content(work)


def test_missing_metrics_of_a_finished_training_are_an_error(work):
    (work.run("x") / "metrics.jsonl").unlink()
    with pytest.raises(FileError, match=r"runs/x/metrics\.jsonl is missing"):
        load_metrics(work)
    # A training that goes on has no config.json, and one from elsewhere no metrics.
    (work.run("x") / "config.json").unlink()
    assert load_metrics(work) == ({}, {})


def test_flow_of_another_video_is_refused(work):
    first, second = work.flow / "a/0.zip", work.flow / "a/1.zip"
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)
    with pytest.raises(FileError, match=r"a/0\.zip: is not the flow that the stage prepare wrote"):
        check_flow(work, VIDEOS, "once")
    check_flow(work, VIDEOS, "never")
    check_flow(work, VIDEOS[2:], "once")


def test_an_edited_file_is_named_and_can_be_kept(work):
    text = work.dataset.read_text().replace('"part": "test"', '"part": "train"', 1)
    work.dataset.write_text(text)
    with pytest.raises(FileError, match=r"dataset\.json: .* does not agree .* or was edited by"):
        load_dataset(work.dataset)
    content = json.loads(text)
    del content[SEAL]
    work.dataset.write_text(json.dumps(content))
    assert len(load_dataset(work.dataset).part("train")) == 3


@pytest.mark.parametrize(
    "number, changes, message",
    [
        (0, {"label": 2}, "a/0 has the label 2; expected 0 to 1"),
        (0, {"label": -1}, "a/0 has the label -1"),
        (1, {"part": "tset"}, "part 'tset'; expected one of train, valid, test, unused|part is"),
        (1, {"name": "a/0"}, "a/0 is listed twice"),
        (1, {"path": "a/0.mp4"}, "a/1 and a/0 are both of a/0.mp4; expected different files"),
        (2, {"name": "c/0", "path": "a/0.mp4"}, "c/0 and a/0 are both of"),
    ],
)
def test_lists_that_contradict_themselves_are_refused(work, number, changes, message):
    record = files.read_json(work.dataset)
    record["videos"][number] |= changes
    files.write_json(work.dataset, record)
    with pytest.raises(FileError, match=rf"dataset\.json: .*({message})"):
        load_dataset(work.dataset)


def test_a_pool_has_a_video_once_for_each_part(work):
    videos = (VIDEOS[0], VIDEOS[1]._replace(path=VIDEOS[0].path))
    save_dataset(work.dataset, Dataset(CLASSES, videos), pooled=True)
    assert load_dataset(work.dataset).videos == videos


# ---- a loss of power -----------------------------------------------------------------------------


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
