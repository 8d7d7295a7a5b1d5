"""Every reader of files that may come from a stranger, each with valid files that it reads.

A reader is called with a folder. What it returns does not matter: it must succeed or raise one of
the project's errors, which names the file.
"""

import gzip
import io
import json
import pathlib
import pickle
import struct
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import h5py
import numpy as np
import scipy.io
import weight_writers
from bounded_reading import outcome_of
from etils import epath
from hostile_edits import changed_bytes, changed_text, changed_tree
from scores_to_import import fields, save_csv

from videolstm_jax import artifacts
from videolstm_jax.annotations.boxes_json import read_boxes_json
from videolstm_jax.annotations.detections import read_detections
from videolstm_jax.annotations.ground_truth import GroundTruth
from videolstm_jax.annotations.truth import read_truth
from videolstm_jax.annotations.truth_jsonl import save_truth
from videolstm_jax.annotations.workdir_truth import read_true_tubes, train_boxes
from videolstm_jax.artifacts import Workdir
from videolstm_jax.config import DataConfig
from videolstm_jax.dataset.listing import list_videos
from videolstm_jax.dataset.prepared import check_fingerprints, read_flow_index
from videolstm_jax.features import foreign
from videolstm_jax.features.importers import dataset_from_lists
from videolstm_jax.features.notes import read_all_notes
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.features.writer import FeatureWriter
from videolstm_jax.flow_images import flow_file
from videolstm_jax.flow_images.online import FlowSettings
from videolstm_jax.lock.owner import parse_owner
from videolstm_jax.nn.weight_files import read_weights
from videolstm_jax.score_files.fusion_record import load_fusion
from videolstm_jax.score_files.import_settings import ImportSettings
from videolstm_jax.score_files.importing import import_scores
from videolstm_jax.sealed_json import SEAL, json_sha256
from videolstm_jax.trained.results import evaluated
from videolstm_jax.trained.run_record import RunRecord
from videolstm_jax.trajectories.reader import read_trajectories
from videolstm_jax.types import Dataset, Detection, Tube, Video


class ForeignFile(NamedTuple):
    """A kind of file and its reader.

    Attributes:
      name: of the parser, for reports.
      path: of the file below the folder.
      valid: contents that are read, bytes or values that `encode` makes bytes of.
      read: reads the folder.
      encode: of the values.
      is_text: whether words may be exchanged.
      beside: other files of the folder by their paths.
      named: what a message must contain, if not the folder; empty stands for the name of the file.
      cost: how often fewer examples than of a cheap reader are tried.
    """

    name: str
    path: str
    valid: tuple[Any, ...]
    read: Callable[[Any], object]
    encode: Callable[[Any], bytes] | None = None
    is_text: bool = False
    beside: Mapping[str, bytes] = MappingProxyType({})
    named: str = ""
    cost: int = 1

    @property
    def ways(self) -> tuple[str, ...]:
        """How the file can be changed, the likeliest to be read furthest more often."""
        ways = ["bytes"]
        if self.is_text:
            ways += ["text", "text"]
        if self.encode is not None:
            ways += ["tree", "tree", "tree"]
        return tuple(ways)

    def content(self, number):
        """The bytes of a valid file."""
        valid = self.valid[number % len(self.valid)]
        return valid if self.encode is None else self.encode(valid)

    def changed(self, example):
        """The bytes of an example; None where the values cannot be written in this format."""
        if example.way == "raw":
            return example.raw
        if example.way == "bytes":
            return changed_bytes(self.content(example.valid), example.edits)
        if example.way == "text":
            return changed_text(self.content(example.valid), example.edits)
        tree = changed_tree(self.valid[example.valid % len(self.valid)], example.edits)
        try:
            return self.encode(tree)
        except Exception:  # libraries refuse values in many ways
            return None

    def outcome(self, folder, content):
        """What reading does with a content, see `bounded_reading`."""
        (folder / self.path).write_bytes(content)
        name = self.named or pathlib.PurePath(self.path).name
        return outcome_of(self.read, folder, name)

    def prepare(self, folder):
        """Writes the files beside it, once for all examples."""
        for path, content in self.beside.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
        (folder / self.path).parent.mkdir(parents=True, exist_ok=True)


# ---- encodings -----------------------------------------------------------------------------------


def _plain(value):
    """What JSON has in place of an array or of bytes."""
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    if isinstance(value, bytes):
        return value.decode("latin1")
    return str(value)


def json_bytes(tree):
    return json.dumps(tree, default=_plain).encode()


def jsonl_bytes(rows):
    if not isinstance(rows, list):
        rows = [rows]
    return b"".join(json_bytes(row) + b"\n" for row in rows)


def signed_json(record):
    """As model.json is: with the sum of its other fields, which whoever edits it can make."""
    record = json.loads(json_bytes(record))
    if isinstance(record, dict):
        record.pop("sha256", None)
        record["sha256"] = json_sha256(record)
    return json_bytes(record)


def npz_bytes(arrays):
    file = io.BytesIO()
    np.savez(file, **{str(name): np.asarray(array) for name, array in arrays.items()})
    return file.getvalue()


def npy_bytes(array):
    file = io.BytesIO()
    np.save(file, np.asarray(array))
    return file.getvalue()


def mat_bytes(variables):
    file = io.BytesIO()
    cells = {}
    for name, value in variables.items():
        # MATLAB keeps a list of names as a cell array, which an array of objects becomes.
        is_names = isinstance(value, list) and value and all(isinstance(row, str) for row in value)
        cells[name] = np.array(value, object) if is_names else value
    scipy.io.savemat(file, cells)
    return file.getvalue()


def pickle_bytes(value):
    return pickle.dumps(value, protocol=2)


def h5_bytes(arrays):
    file = io.BytesIO()
    with h5py.File(file, "w") as root:
        for name, array in arrays.items():
            root.create_dataset(str(name), data=array)
    return file.getvalue()


def zip_bytes(members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content if isinstance(content, bytes) else json_bytes(content))
    return file.getvalue()


def safetensors_bytes(parts):
    header = json_bytes(parts["header"])
    return struct.pack("<Q", len(header)) + header + parts["data"]


# ---- scores --------------------------------------------------------------------------------------


def _lists(table):
    """The fields of a score file with lists in place of tuples, which edits can change."""
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in table.items()
    }


def _imports(path):
    return lambda folder: import_scores(str(folder / path), ImportSettings(kind="logits"))


def _csv_content():
    class Collected:
        def write_text(self, text, encoding):
            self.content = text.encode(encoding)

    path = Collected()
    save_csv(path, fields())
    return path.content


_TABLE = _lists(fields(part="test", kind="logits"))
_JSON_TABLES = (
    {**_TABLE, "scores": _TABLE["scores"].tolist()},
    {"videos": ["a/b", "a/c"], "streams": {"rgb": [[1, 2], [3, 4]]}, "classes": ["a", "b"]},
    {"Jump/a": {"Jump": 1.0, "Run": 2.0}, "Run/b": {"Jump": 3.0, "Run": 4.0}},
)
_OWN_SCORES = {
    "videos": np.array(["Jump/a", "Run/b"]),
    "scores": np.eye(2, dtype=np.float32),
    "label": np.array([0, 1], np.int32),
    "classes": np.array(["Jump", "Run"]),
    "trained": np.array([True, False]),
    "part": np.array("valid"),
}
_FUSION = {
    "method": "product",
    "runs": ["a", "b"],
    "weights": [0.5, 0.5],
    "part": "test",
    "videos": 2,
    "videos_right": 1,
    "search": {
        "files": ["a", "b"],
        "videos": 2,
        "trained": 0,
        "best": {"weights": [1.0, 0.0], "right": 1, "loss": 0.5},
        "equal": {"weights": [0.5, 0.5], "right": 1, "loss": 0.5},
        "tried": [{"weights": [1.0, 0.0], "right": 1, "loss": 0.5}],
    },
}

SCORES = (
    ForeignFile("scores .npz", "s.npz", (_TABLE,), _imports("s.npz"), npz_bytes),
    ForeignFile("scores .csv", "s.csv", (_csv_content(),), _imports("s.csv"), is_text=True),
    ForeignFile("scores .json", "s.json", _JSON_TABLES, _imports("s.json"), json_bytes, True),
    ForeignFile("scores .mat", "s.mat", (_TABLE,), _imports("s.mat"), mat_bytes),
    ForeignFile("scores .pkl", "s.pkl", (_TABLE,), _imports("s.pkl"), pickle_bytes),
    ForeignFile(
        "scores.npz of a run",
        "scores.npz",
        (_OWN_SCORES,),
        lambda folder: artifacts.load_scores(folder / "scores.npz"),
        npz_bytes,
    ),
    ForeignFile(
        "fusion record",
        "fused.json",
        (_FUSION,),
        lambda folder: load_fusion(folder / "fused.json"),
        json_bytes,
        True,
    ),
)

# ---- lists ---------------------------------------------------------------------------------------

_CLIPS = {
    f"videos/{name}/v_{name}_g0{group}_c01.avi": b""
    for name in ("Archery", "Biking")
    for group in (1, 2)
}
_LISTS = {
    "classInd.txt": b"1 Archery\n2 Biking\n",
    "trainlist01.txt": b"Archery/v_Archery_g01_c01.avi 1\nBiking/v_Biking_g01_c01.avi 2\n",
    "testlist01.txt": b"Archery/v_Archery_g02_c01.avi\nBiking/v_Biking_g02_c01.avi\n",
}
_HMDB51 = {
    "Archery_test_split1.txt": b"v_Archery_g01_c01.avi 1 \nv_Archery_g02_c01.avi 2 \n",
    "Biking_test_split1.txt": b"v_Biking_g01_c01.avi 1 \nv_Biking_g02_c01.avi 2 \n",
}
_LABELS = (
    b"path,label,group,part\n"
    b"Archery/v_Archery_g01_c01.avi,Archery,a,train\n"
    b"Archery/v_Archery_g02_c01.avi,Archery,b,test\n"
    b"Biking/v_Biking_g01_c01.avi,Biking,c,train\n"
    b'"Biking/v_Biking_g02_c01.avi",Biking,d,test\n'
)


def _listed(folder):
    return list_videos(DataConfig(videos=str(folder / "videos"), lists=str(folder / "lists")))


def _list_file(name, content, beside):
    lists = {f"lists/{other}": text for other, text in beside.items() if other != name}
    return ForeignFile(
        f"official list {name}",
        f"lists/{name}",
        (content,),
        _listed,
        is_text=True,
        beside={**_CLIPS, **lists},
        named="lists",
    )


LISTS = (
    ForeignFile(
        "labels.csv",
        "videos/labels.csv",
        (_LABELS,),
        lambda folder: list_videos(DataConfig(videos=str(folder / "videos"))),
        is_text=True,
        beside=_CLIPS,
        named="labels.csv",
    ),
    *(_list_file(name, content, _LISTS) for name, content in _LISTS.items()),
    _list_file("Biking_test_split1.txt", _HMDB51["Biking_test_split1.txt"], _HMDB51),
)

# ---- annotations and detections ------------------------------------------------------------------

_NAME = "Biking/v_Biking_g01_c01"
_VIDEOS = (
    Video(_NAME, "a.avi", 0, "train", "g1", 9, 320, 240, 25.0),
    Video("Biking/v_Biking_g02_c01", "b.avi", 0, "test", "g2", 9, 320, 240, 25.0),
)
_DATASET = Dataset(("Biking", "Diving"), _VIDEOS)
_BOX = [10.0, 20.0, 50.0, 60.0]
_ROWS = np.array([[3, 10, 20, 49, 59], [4, 10, 20, 49, 59]], np.float32)
_TRUTH = GroundTruth(
    ("Biking", "Diving"),
    {_NAME: 9},
    {_NAME: (320, 240)},
    [Detection(_NAME, 0, 1.0, Tube(2, np.array([_BOX, _BOX])))],
    (_NAME,),
    ("a note",),
)
_XGTF = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<viper xmlns="http://lamp.cfar.umd.edu/viper#" '
    b'xmlns:data="http://lamp.cfar.umd.edu/viperdata#"><config/><data>'
    b'<sourcefile filename="/x/v_Biking_g01_c01.mpg"><file id="0" name="Information">'
    b'<attribute name="NUMFRAMES"><data:dvalue value="50"/></attribute>'
    b'<attribute name="H-FRAME-SIZE"><data:dvalue value="320"/></attribute></file>'
    b'<object framespan="1:9 12:14" id="0" name="PERSON"><attribute name="Location">'
    b'<data:bbox framespan="1:9" height="40" width="30" x="10" y="20"/></attribute>'
    b'<attribute name="Biking"><data:bvalue framespan="2:7" value="true"/></attribute>'
    b"</object></sourcefile></data></viper>"
)
_PYANNOT = {
    _NAME: {
        "numf": 9,
        "label": 2,
        "annotations": [{"label": 2, "sf": 2, "ef": 4, "boxes": np.full((2, 4), 9, np.uint16)}],
    }
}
_FINAL_ANNOTS = {
    "annot": [
        {
            "name": _NAME,
            "num_imgs": 9,
            "tubes": [{"class": 3, "sf": 3, "ef": 4, "boxes": np.full((2, 4), 9, np.uint16)}],
        }
    ]
}
_ACT = {
    "labels": ["Basketball", "Biking"],
    "nframes": {_NAME: 9},
    "resolution": {_NAME: [240, 320]},
    "test_videos": [[_NAME]],
    "gttubes": {_NAME: {1: [_ROWS]}},
}
_XMLDATA = {
    "xmldata": [
        {
            "videoName": _NAME,
            "score": [0.5, 0.25],
            "class": [1.0, 2.0],
            "framenr": [{"fnr": np.arange(1, 3)}, {"fnr": np.arange(4, 6)}],
            "boxes": [{"bxs": np.tile([1.0, 2, 9, 8], (2, 1))}] * 2,
        }
    ]
}
_TUBES = [
    {"video": _NAME, "label": 0, "score": 0.5, "start": 2, "boxes": [_BOX, _BOX]},
    {
        "video": _NAME,
        "label": 1,
        "score": 0.5,
        "start": 0,
        "boxes": [_BOX],
        "scores": [0.25, 0.5],
    },
]


def _truth_rows():
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "truth.jsonl"
        save_truth(path, _TRUTH)
        return [json.loads(line) for line in path.read_text().splitlines()]


def _detections(path):
    return lambda folder: read_detections(folder / path, _TRUTH)


def _truth(path):
    return lambda folder: read_truth(folder / path)


_FRAME_BOXES = np.array([[0, 3, 0, 0.5, 10, 20, 49, 59]], np.float32)
ANNOTATIONS = (
    ForeignFile(
        "boxes.json",
        "boxes.json",
        ({_NAME: [None, _BOX, _BOX], _VIDEOS[1].name: [_BOX]},),
        lambda folder: read_boxes_json(folder / "boxes.json", _DATASET),
        json_bytes,
        True,
    ),
    ForeignFile("truth.jsonl", "t.jsonl", (_truth_rows(),), _truth("t.jsonl"), jsonl_bytes, True),
    ForeignFile(
        "ViPER .xgtf",
        "Biking/v_Biking_g01_c01.xgtf",
        (_XGTF,),
        _truth("Biking/v_Biking_g01_c01.xgtf"),
        is_text=True,
    ),
    ForeignFile("UCF101-24 .pkl", "a.pkl", (_PYANNOT,), _truth("a.pkl"), pickle_bytes),
    ForeignFile("UCF101-24 .mat", "a.mat", (_FINAL_ANNOTS,), _truth("a.mat"), mat_bytes),
    ForeignFile("ACT annotations .pkl", "gt.pkl", (_ACT,), _truth("gt.pkl"), pickle_bytes),
    ForeignFile("tubes.jsonl", "d.jsonl", (_TUBES,), _detections("d.jsonl"), jsonl_bytes, True),
    ForeignFile(
        "ACT tubes .pkl",
        "Biking/v_Biking_g01_c01_tubes.pkl",
        ({0: [[_ROWS, 0.5]], 1: []},),
        _detections("Biking/v_Biking_g01_c01_tubes.pkl"),
        pickle_bytes,
    ),
    ForeignFile(
        "ACT frame boxes .pkl",
        "frame_detections.pkl",
        (_FRAME_BOXES,),
        _detections("frame_detections.pkl"),
        pickle_bytes,
    ),
    ForeignFile("detections .mat", "d.mat", (_XMLDATA,), _detections("d.mat"), mat_bytes),
)

# ---- work folders --------------------------------------------------------------------------------


def _dataset_record():
    return {
        "layout": artifacts.LAYOUT,
        "classes": list(_DATASET.classes),
        "videos": [video._asdict() for video in _VIDEOS],
        "settings": {"fps": 0.0},
    }


def _read_run_record(folder):
    record = RunRecord.read(Workdir(str(folder)), "a")
    return record.fps, record.fit, record.attends, record.config


def _run_record():
    return {
        "layout": artifacts.LAYOUT,
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
    "frames": {_NAME: 8},
    "source": {_NAME: "no file"},
}


def _read_flow_records(folder):
    work = Workdir(str(folder))
    path = work.flow / "index.json"
    index = read_flow_index(work, DataConfig())
    check_fingerprints(index, ())
    return FlowSettings.of(index, path)


def _read_localize(folder):
    return evaluated.localize_settings(Workdir(str(folder)), "a")


def _read_truth_of_work(folder):
    work = Workdir(str(folder))
    return train_boxes(work, _DATASET, read_true_tubes(work, _DATASET))


def _read_evaluated(folder):
    return evaluated.load_video(Workdir(str(folder)), "a", _VIDEOS[1], 2)


_EVALUATED = {
    "scores": np.full((8, 2), 0.5, np.float32),
    "attention": np.full((8, 2, 2), 0.25, np.float32),
}
_BAD = [{"name": _NAME, "path": "a.avi", "part": "test", "label": "Biking", "reason": "cut"}]
_CONFIG = {"runs/a/config.json": json_bytes(_run_record())}

WORK_FOLDERS = (
    ForeignFile(
        "dataset.json",
        "dataset.json",
        (_dataset_record(),),
        lambda folder: artifacts.load_dataset(folder / "dataset.json"),
        json_bytes,
        True,
    ),
    ForeignFile(
        "bad.jsonl",
        "bad.jsonl",
        (_BAD,),
        lambda folder: artifacts.load_missing(Workdir(str(folder)), _DATASET.classes),
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
        (_TUBES[:1],),
        _read_truth_of_work,
        jsonl_bytes,
        True,
    ),
    ForeignFile(
        "train_boxes.json",
        "train_boxes.json",
        ({_VIDEOS[1].name: [0.1, 0.2, 0.8, 0.9]},),
        _read_truth_of_work,
        json_bytes,
        True,
    ),
    ForeignFile(
        "evaluated video .npz",
        f"runs/a/videos/{_VIDEOS[1].name}.npz",
        (_EVALUATED,),
        _read_evaluated,
        npz_bytes,
    ),
    ForeignFile(
        "notes of a store",
        "done.jsonl",
        ([{"name": _NAME, "frames": 8, "sha256": "a"}],),
        lambda folder: read_all_notes(epath.Path(folder)),
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

# ---- features, flow and trajectories -------------------------------------------------------------

_MAPS = np.ones((3, 4, 2, 2), np.float32)
_FEATURE_LISTS = {
    "train_filenames.txt": b"Archery/v_Archery_g01_c01.avi\nBiking/v_Biking_g01_c01.avi\n",
    "train_framenum.txt": b"3\n2\n",
    "train_labels.txt": b"0\n1\n",
}


def _import(open_features):
    """Reads lists and features and writes the store, as `features import` does."""

    def read(folder):
        features = open_features(folder)
        for video in features.values():
            video.read()

    return read


def _sharma(folder):
    features = foreign.sharma_features(folder, side=2)
    dataset = dataset_from_lists(folder, features)
    for video in features.values():
        video.read()
    return dataset


def _stored_features():
    with tempfile.TemporaryDirectory() as folder:
        writer = FeatureWriter(folder, (2,), {"sha256": "a"})
        writer.write(_NAME, np.ones((3, 2), np.float16))
        writer.finish([_NAME], train=[_NAME])
        index = json.loads((pathlib.Path(folder) / "index.json").read_text())
        records = (pathlib.Path(folder) / f"{_NAME}.f16").read_bytes()
    index.pop(SEAL, None)
    return index, records


def _read_store(folder):
    store = FeatureStore.open(folder)
    names = list(store.frames)
    store.check_sizes(names)
    store.verify(names)
    if names:
        store.statistics(names)
        store.read(names[0])


def _flow_zip():
    with tempfile.TemporaryDirectory() as folder:
        contents = []
        for kind in ("png", "jpeg"):
            path = pathlib.Path(folder) / "a.zip"
            flow_file.write_flow(path, np.full((2, 6, 5, 2), 128, np.uint8), kind)
            with zipfile.ZipFile(path) as archive:
                contents.append({name: archive.read(name) for name in archive.namelist()})
    return tuple(contents)


def _read_flow(folder):
    flow_file.describe(folder / "a.zip")
    flow_file.content_sha256(folder / "a.zip")
    return flow_file.read_flow(folder / "a.zip")


def _trajectory_rows(length):
    r = np.random.default_rng(0)
    rows = []
    for frame in (15, 16):
        information = [frame, 30.5, 20.25, 3.0, 2.0, 40.0, 1.41421, 0.4, 0.999, 0.125]
        rows.append(information + r.random(2 * length + 96 + 108 + 96 + 96).tolist())
    return rows


def _trajectory_text(length=2):
    lines = []
    for row in _trajectory_rows(length):
        lines.append(f"{int(row[0])}\t" + "".join(f"{value:.6f}\t" for value in row[1:]) + "\n")
    return "".join(lines).encode()


def _trajectory_binary(length=2):
    return b"".join(struct.pack(f"<{len(row)}f", *row) for row in _trajectory_rows(length))


_INDEX, _RECORDS = _stored_features()
_H5 = ({"features": _MAPS}, {"features": _MAPS[:, :, 0, 0]})
_SHARMA_H5 = {"train_features.h5": h5_bytes({"features": np.ones((5, 8), np.float32)})}


def _feature_list(name):
    beside = {other: text for other, text in _FEATURE_LISTS.items() if other != name}
    return ForeignFile(
        f"feature list {name}",
        name,
        (_FEATURE_LISTS[name],),
        _sharma,
        is_text=True,
        beside=beside | _SHARMA_H5,
        named="train_",
    )


FEATURES = (
    ForeignFile(
        "features .h5 of the authors", "v.h5", _H5, _import(foreign.authors_features), h5_bytes
    ),
    ForeignFile(
        "features .h5 of a list",
        "train_features.h5",
        ({"features": np.ones((5, 8), np.float32)},),
        _sharma,
        h5_bytes,
        beside=_FEATURE_LISTS,
    ),
    *map(_feature_list, _FEATURE_LISTS),
    ForeignFile(
        "features .npy",
        "v.npy",
        (np.ones((3, 2, 2, 4), np.float32), np.ones((3, 4), np.float16)),
        _import(foreign.array_features),
        npy_bytes,
    ),
    ForeignFile(
        "features .npz",
        "v.npz",
        ({"features": np.moveaxis(_MAPS, 1, 3), "other": np.arange(3)}, {"a": _MAPS[:, :, 0, 0]}),
        _import(foreign.array_features),
        npz_bytes,
    ),
    ForeignFile(
        "index.json of a store",
        "index.json",
        (_INDEX,),
        _read_store,
        json_bytes,
        True,
        {f"{_NAME}.f16": _RECORDS},
    ),
    ForeignFile("flow zip", "a.zip", _flow_zip(), _read_flow, zip_bytes),
    ForeignFile(
        "trajectories, text",
        "a.txt",
        (_trajectory_text(),),
        lambda folder: read_trajectories(folder / "a.txt", 2),
        is_text=True,
    ),
    ForeignFile(
        "trajectories, binary",
        "a.bin",
        (_trajectory_binary(),),
        lambda folder: read_trajectories(folder / "a.bin", 2),
    ),
    ForeignFile(
        "trajectories, gzip",
        "a.gz",
        (_trajectory_text(), _trajectory_binary()),
        lambda folder: read_trajectories(folder / "a.gz", 2),
        gzip.compress,
    ),
)

# ---- weights -------------------------------------------------------------------------------------

_TENSORS = {"a.weight": np.ones((2, 3), np.float32), "a.bias": np.zeros(3, np.float32)}


def _written(write, name, arrays=_TENSORS):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / name
        write(path, arrays)
        return path.read_bytes()


def _torch_members():
    with zipfile.ZipFile(io.BytesIO(_written(weight_writers.write_pth, "a.pth"))) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _legacy_torch():
    """A file from before PyTorch 1.6: five pickles, then each storage behind its length."""
    start = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}]
    content = b"".join(pickle.dumps(part, 2) for part in start)
    content += _torch_members()["narrow/data.pkl"]
    content += pickle.dumps(["0", "1"], 2)
    for array in _TENSORS.values():
        content += struct.pack("<q", array.size) + array.tobytes()
    return content


def _weights(path):
    return lambda folder: read_weights(folder / path)


_HEADER = {
    "__metadata__": {"format": "pt"},
    "a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
    "b": {"dtype": "BF16", "shape": [4], "data_offsets": [24, 32]},
}
WEIGHTS = (
    ForeignFile("weights .npz", "w.npz", (_TENSORS,), _weights("w.npz"), npz_bytes),
    ForeignFile(
        "weights .safetensors",
        "w.safetensors",
        ({"header": _HEADER, "data": bytes(32)},),
        _weights("w.safetensors"),
        safetensors_bytes,
    ),
    ForeignFile(
        "weights .h5",
        "w.h5",
        ({"a/kernel": np.ones((2, 3), np.float32), "a/bias": np.zeros(3, np.float32)},),
        _weights("w.h5"),
        h5_bytes,
    ),
    ForeignFile("weights .pth, zip", "w.pth", (_torch_members(),), _weights("w.pth"), zip_bytes),
    ForeignFile("weights .pth, legacy", "w.pt", (_legacy_torch(),), _weights("w.pt")),
)

FOREIGN_FILES = (*SCORES, *LISTS, *ANNOTATIONS, *WORK_FOLDERS, *FEATURES, *WEIGHTS)
"""All kinds of files whose readers are cheap."""
