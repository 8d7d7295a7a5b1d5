"""True boxes and detections in every form that is read."""

import json
import pathlib
import tempfile

import numpy as np
from file_encodings import json_bytes, jsonl_bytes, mat_bytes, pickle_bytes, sealed_rows
from foreign_file import ForeignFile

from videolstm_jax.annotations.boxes_json import read_boxes_json
from videolstm_jax.annotations.detections import read_detections
from videolstm_jax.annotations.ground_truth import GroundTruth
from videolstm_jax.annotations.truth import read_truth
from videolstm_jax.annotations.truth_jsonl import save_truth
from videolstm_jax.types import Dataset, Detection, Tube, Video

NAME = "Biking/v_Biking_g01_c01"
VIDEOS = (
    Video(NAME, "a.avi", 0, "train", "g1", 9, 320, 240, 25.0),
    Video("Biking/v_Biking_g02_c01", "b.avi", 0, "test", "g2", 9, 320, 240, 25.0),
)
DATASET = Dataset(("Biking", "Diving"), VIDEOS)
_BOX = [10.0, 20.0, 50.0, 60.0]
_ROWS = np.array([[3, 10, 20, 49, 59], [4, 10, 20, 49, 59]], np.float32)
_TRUTH = GroundTruth(
    ("Biking", "Diving"),
    {NAME: 9},
    {NAME: (320, 240)},
    [Detection(NAME, 0, 1.0, Tube(2, np.array([_BOX, _BOX])))],
    (NAME,),
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
    NAME: {
        "numf": 9,
        "label": 2,
        "annotations": [{"label": 2, "sf": 2, "ef": 4, "boxes": np.full((2, 4), 9, np.uint16)}],
    }
}
_FINAL_ANNOTS = {
    "annot": [
        {
            "name": NAME,
            "num_imgs": 9,
            "tubes": [{"class": 3, "sf": 3, "ef": 4, "boxes": np.full((2, 4), 9, np.uint16)}],
        }
    ]
}
_ACT = {
    "labels": ["Basketball", "Biking"],
    "nframes": {NAME: 9},
    "resolution": {NAME: [240, 320]},
    "test_videos": [[NAME]],
    "gttubes": {NAME: {1: [_ROWS]}},
}
_XMLDATA = {
    "xmldata": [
        {
            "videoName": NAME,
            "score": [0.5, 0.25],
            "class": [1.0, 2.0],
            "framenr": [{"fnr": np.arange(1, 3)}, {"fnr": np.arange(4, 6)}],
            "boxes": [{"bxs": np.tile([1.0, 2, 9, 8], (2, 1))}] * 2,
        }
    ]
}
TUBES = [
    {"video": NAME, "label": 0, "score": 0.5, "start": 2, "boxes": [_BOX, _BOX]},
    {
        "video": NAME,
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
        ({NAME: [None, _BOX, _BOX], VIDEOS[1].name: [_BOX]},),
        lambda folder: read_boxes_json(folder / "boxes.json", DATASET),
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
    ForeignFile(
        "tubes.jsonl",
        "d.jsonl",
        (TUBES, sealed_rows(TUBES)),
        _detections("d.jsonl"),
        jsonl_bytes,
        True,
    ),
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
