"""Files of a work folder, which may be that of a stranger."""

import numpy as np
from etils import epath
from file_encodings import json_bytes, jsonl_bytes, npz_bytes, sealed_rows
from foreign_annotations import DATASET, NAME, TUBES, VIDEOS
from foreign_file import ForeignFile

from videolstm_jax.annotations.workdir_truth import mean_boxes_of_true_tubes, read_true_tubes
from videolstm_jax.config import DataConfig
from videolstm_jax.dataset.prepared import check_fingerprints
from videolstm_jax.features.notes import read_all_feature_notes
from videolstm_jax.flow_images.flow_index import read_flow_index
from videolstm_jax.flow_images.online import FlowSettings
from videolstm_jax.lock.owner import parse_owner
from videolstm_jax.results import evaluated
from videolstm_jax.trained.localize_settings import localize_settings_of_run
from videolstm_jax.trained.run_record import RunRecord
from videolstm_jax.workdir.dataset_json import load_dataset, load_labels_of_bad_videos
from videolstm_jax.workdir.layout import LAYOUT, Workdir


def _dataset_record():
    return {
        "layout": LAYOUT,
        "classes": list(DATASET.classes),
        "videos": [video._asdict() for video in VIDEOS],
        "settings": {"fps": 0.0},
    }


def _read_run_record(folder):
    record = RunRecord.read(Workdir(str(folder)), "a")
    return record.fps, record.fit, record.attends, record.config


def _run_record():
    return {
        "layout": LAYOUT,
        "config": {
            "data": {"fps": 0.0, "fit": "squash", "stream": "rgb"},
            "localize": {"sigma": 3.0},
            "train": {"keep": "last"},
        },
        "overrides": {"train.steps": 3},
        "classes": ["Biking", "Diving"],
        "attends": True,
    }


_FLOW_INDEX = {
    "method": "tvl1",
    "width": 8,
    "height": 8,
    "bound": 15.0,
    "scaled": False,
    "image": "jpeg",
    "fps": 0.0,
    "max_frames": 0,
    "fit": "squash",
    "frames": {NAME: 8},
    "source": {NAME: "no file"},
}


def _read_flow_records(folder):
    work = Workdir(str(folder))
    path = work.flow / "index.json"
    index = read_flow_index(work, DataConfig())
    check_fingerprints(index, ())
    return FlowSettings.of(index, path)


def _read_localize(folder):
    return localize_settings_of_run(Workdir(str(folder)), "a")


def _read_truth_of_work(folder):
    work = Workdir(str(folder))
    return mean_boxes_of_true_tubes(work, DATASET, read_true_tubes(work, DATASET))


def _read_evaluated(folder):
    return evaluated.load_evaluated_video(Workdir(str(folder)), "a", VIDEOS[1], 2)


_EVALUATED = {
    "scores": np.full((8, 2), 0.5, np.float32),
    "attention": np.full((8, 2, 2), 0.25, np.float32),
}
_BAD = [{"name": NAME, "path": "a.avi", "part": "test", "label": "Biking", "reason": "cut"}]
_CONFIG = {"runs/a/config.json": json_bytes(_run_record())}

WORK_FOLDERS = (
    ForeignFile(
        "dataset.json",
        "dataset.json",
        (_dataset_record(),),
        lambda folder: load_dataset(folder / "dataset.json"),
        json_bytes,
        True,
    ),
    ForeignFile(
        "bad.jsonl",
        "bad.jsonl",
        (_BAD, sealed_rows(_BAD)),
        lambda folder: load_labels_of_bad_videos(Workdir(str(folder)), DATASET.classes),
        jsonl_bytes,
        True,
    ),
    ForeignFile(
        "config.json",
        "runs/a/config.json",
        (_run_record(),),
        _read_run_record,
        json_bytes,
        True,
    ),
    ForeignFile(
        "map.json",
        "runs/a/map.json",
        ({"settings": {"sigma": 3.0, "name": ""}},),
        _read_localize,
        json_bytes,
        True,
        _CONFIG,
    ),
    ForeignFile(
        "flow/index.json",
        "flow/index.json",
        (_FLOW_INDEX,),
        _read_flow_records,
        json_bytes,
        True,
    ),
    ForeignFile(
        "truth.jsonl of a work folder",
        "truth.jsonl",
        (TUBES[:1], sealed_rows(TUBES[:1])),
        _read_truth_of_work,
        jsonl_bytes,
        True,
    ),
    ForeignFile(
        "train_boxes.json",
        "train_boxes.json",
        ({VIDEOS[1].name: [0.1, 0.2, 0.8, 0.9]},),
        _read_truth_of_work,
        json_bytes,
        True,
    ),
    ForeignFile(
        "evaluated video .npz",
        f"runs/a/videos/{VIDEOS[1].name}.npz",
        (_EVALUATED,),
        _read_evaluated,
        npz_bytes,
    ),
    ForeignFile(
        "notes of a store",
        "done.jsonl",
        ([{"name": NAME, "frames": 8, "sha256": "a"}],),
        lambda folder: read_all_feature_notes(epath.Path(folder)),
        jsonl_bytes,
        True,
    ),
    ForeignFile(
        "lock",
        "a.lock",
        ({"host": "a", "pid": 1, "token": "b"},),
        lambda folder: parse_owner((folder / "a.lock").read_bytes()),
        json_bytes,
        True,
    ),
)
