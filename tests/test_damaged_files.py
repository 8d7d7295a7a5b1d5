"""Random bit flips in the files of a work folder: an error, or the same content as before."""

import dataclasses
import json

import numpy as np
import pytest

from videolstm_jax import files
from videolstm_jax.config import LocalizeConfig, RunConfig
from videolstm_jax.errors import FileError
from videolstm_jax.features.index import StoreIndex
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.features.verification import verify_store
from videolstm_jax.features.writer import FeatureWriter
from videolstm_jax.flow_images.flow_file import read_flow, write_flow
from videolstm_jax.flow_images.flow_index import check_flow, flow_digests
from videolstm_jax.json_records import read_record
from videolstm_jax.results.work_contents import (
    load_localized_tubes,
    load_metrics_of_results,
    load_truth_of_results,
    read_results_of_workdir,
)
from videolstm_jax.score_files.fusion_record import FusionRecord, load_fusion, save_fusion
from videolstm_jax.sealed_json import ROWS_SEAL, SEAL
from videolstm_jax.trained.localize_settings import localize_settings_of_run
from videolstm_jax.types import Dataset, Detection, Scores, Tube, Video
from videolstm_jax.workdir.config_json import load_config, save_config
from videolstm_jax.workdir.dataset_json import load_dataset, load_labels_of_bad_videos, save_dataset
from videolstm_jax.workdir.layout import Workdir
from videolstm_jax.workdir.scores_npz import load_scores, save_scores
from videolstm_jax.workdir.tubes_jsonl import save_detections

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
    save_config(work.run("x"), RunConfig(), classes=CLASSES, scales={"x": 0.7})
    write_results(work)
    return work


def write_results(work):
    """The files of boxes, of skipped videos and of a fusion."""
    tube = Tube(0, np.array([[1.0, 2, 7, 8], [1, 3, 7, 9]]))
    save_detections(work.truth, [Detection(name, 0, 1.0, tube) for name in NAMES])
    save_dataset(work.dataset, Dataset(CLASSES, VIDEOS), beside=["bad.jsonl", "truth.jsonl"])
    skipped = [{"name": f"bad/{n}", "label": CLASSES[n % 2], "part": "test"} for n in range(5)]
    files.write_jsonl(work.bad, skipped, sealed=True)
    tubes = [Detection(name, 1, 0.1 * n, tube) for n, name in enumerate(NAMES)]
    save_detections(work.run("x") / "tubes.jsonl", tubes)
    measures = {"settings": dataclasses.asdict(LocalizeConfig()), "tubes": len(tubes)}
    files.write_json(work.run("x") / "map.json", measures, sealed=True)
    fusion = FusionRecord("product", ("x", "y"), (1.0, 0.5), "test", 2, 1)
    save_fusion(work.fusion_record("fused"), fusion)


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
    "metrics": ("runs/x/metrics.jsonl", lambda work: load_metrics_of_results(work)),
    "true tubes": ("truth.jsonl", lambda work: tubes_content(load_truth_of_results(work))),
    "skipped videos": ("bad.jsonl", lambda work: load_labels_of_bad_videos(work, CLASSES).tolist()),
    "tubes": ("runs/x/tubes.jsonl", lambda work: tubes_content(load_localized_tubes(work, "x"))),
    "measures of tubes": ("runs/x/map.json", lambda work: localize_settings_of_run(work, "x")),
    "the record of a fusion": ("fused/fused.json", lambda w: load_fusion(w.fusion_record("fused"))),
}


def tubes_content(tubes):
    return {name: [(tube.start, tube.boxes.tolist()) for tube in tubes[name]] for name in tubes}


def loaded_config(work):
    config = load_config(work.run("x"))
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
def test_files_that_end_early_are_an_error(work, kind, capsys):
    name, content = KINDS[kind]
    path = work.path / name
    sound = path.read_bytes()
    for share in (0, 0.3, 0.9, 0.99):
        path.write_bytes(sound[: int(share * (len(sound) - 2))])
        if kind == "tubes" and not share:
            # A run may have no tube, so the page only warns where map.json has some.
            assert content(work) == {}
            assert f"{path} is missing or empty" in capsys.readouterr().err
            continue
        with pytest.raises(FileError, match=path.name):
            content(work)


@pytest.mark.parametrize("kind", ["true tubes", "skipped videos", "tubes"])
def test_files_that_lack_lines_are_an_error(work, kind):
    name, content = KINDS[kind]
    path = work.path / name
    lines = path.read_bytes().splitlines(keepends=True)
    for fewer in (lines[:-1], [*lines[:1], *lines[2:]], [lines[0], lines[2], lines[1], *lines[3:]]):
        path.write_bytes(b"".join(fewer))
        with pytest.raises(FileError, match=rf"{path.name}: its lines do not agree with .* keep"):
            content(work)
    # Without the first line, or its field, the file is as one of another program.
    row = json.loads(lines[0])
    del row[ROWS_SEAL]
    path.write_bytes(json.dumps(row).encode() + b"\n" + lines[2])
    assert len(content(work)) == 2


@pytest.mark.parametrize("kind", ["true tubes", "skipped videos"])
def test_files_that_belong_to_the_list_must_be_there(work, kind):
    name, content = KINDS[kind]
    (work.path / name).unlink()
    with pytest.raises(FileError, match=f"{name} is missing or empty; .*dataset.json was written"):
        content(work)
    save_dataset(work.dataset, Dataset(CLASSES, VIDEOS))
    assert not content(work)


def test_half_of_what_localize_writes_is_noticed(work, capsys):
    (work.run("x") / "map.json").unlink()
    warning = "map.json is missing beside tubes.jsonl; the stage localize writes both"
    assert localize_settings_of_run(work, "x") == LocalizeConfig()
    assert warning in capsys.readouterr().err
    assert not read_results_of_workdir(work, allow_trained=True).maps
    assert warning in capsys.readouterr().err


def test_missing_metrics_of_a_finished_training_are_an_error(work):
    (work.run("x") / "metrics.jsonl").unlink()
    with pytest.raises(FileError, match=r"runs/x/metrics\.jsonl is missing"):
        load_metrics_of_results(work)
    # A training that goes on has no config.json, and one from elsewhere no metrics.
    (work.run("x") / "config.json").unlink()
    assert load_metrics_of_results(work) == ({}, {})


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
