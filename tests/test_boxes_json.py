"""boxes.json, real and damaged."""

import json

import numpy as np
import pytest
from tube_scenes import rows_of

from videolstm_jax.annotations.boxes_json import read_boxes_json
from videolstm_jax.errors import FileError
from videolstm_jax.types import Dataset, Video

DATASET = Dataset(
    ("a", "b"),
    (
        Video("a/x", "", 0, "train", "x", 4, 64, 48, 25.0),
        Video("b/y", "", 1, "test", "y", 6, 64, 48, 25.0),
    ),
)
BOX = [1, 2, 3, 4]


def read(tmp_path, table, **options):
    (tmp_path / "boxes.json").write_text(json.dumps(table))
    return read_boxes_json(tmp_path / "boxes.json", DATASET, **options)


def test_null_frames_split_a_tube(tmp_path):
    detections = read(
        tmp_path, {"b/y": [None, BOX, [0, 0, 64, 48], None, None, [1.5, 2, 3, 4]], "a/x": [BOX]}
    )
    assert rows_of(detections) == [
        ("a/x", 0, 1.0, 0, [[1, 2, 3, 4]]),
        ("b/y", 1, 1.0, 1, [[1, 2, 3, 4], [0, 0, 64, 48]]),
        ("b/y", 1, 1.0, 5, [[1.5, 2, 3, 4]]),
    ]
    assert detections[0].tube.boxes.dtype == np.float64
    assert read(tmp_path, {"a/x": [None, None], "b/y": []}) == []


def test_real_boxes_fit_their_videos(real_data):
    table = json.loads((real_data / "weizmann" / "boxes.json").read_text())
    dataset = Dataset(
        ("any",),
        tuple(
            Video(name, "", 0, "train", "", len(rows), 64, 64, 25.0) for name, rows in table.items()
        ),
    )
    detections = read_boxes_json(real_data / "weizmann" / "boxes.json", dataset)
    assert sum(len(detection.tube.boxes) for detection in detections) == sum(
        row is not None for rows in table.values() for row in rows
    )
    assert len({detection.video for detection in detections}) == 24


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"a/z": [BOX]}, "boxes of a/z, which is no listed video"),
        ({"a/x": [BOX] * 5}, "5 boxes of a/x; expected a list of at most its 4 frames"),
        ({"a/x": 3}, "a/x is 3; expected a list"),
        ({"a/x": None}, "a/x is null; expected a list"),
        (
            {"a/x": [BOX, [3, 2, 1, 4]]},
            r"a/x frame 1: box \[3.0, 2.0, 1.0, 4.0\] is inverted or empty",
        ),
        ({"a/x": [[1, 2, 1, 4]]}, "inverted or empty"),
        ({"a/x": [[0, 0, 64, 49]]}, "leaves the frame of 64 x 48 pixels"),
        ({"a/x": [[-1, 0, 6, 4]]}, "leaves the frame"),
        ({"a/x": [[1, 2, 3]]}, r"a/x\[0\]\[3\] is missing"),
        ({"a/x": [[1, 2, 3, 4, 5]]}, r"a/x\[0\] is .*; expected at most 4 items"),
        ({"a/x": [[1, 2, 3, "4"]]}, r'a/x\[0\]\[3\] is "4"; expected a number'),
        ({"a/x": [[1, 2, 3, True]]}, r"a/x\[0\]\[3\] is true; expected a number"),
        ({"a/x": [[1, 2, 3, float("inf")]]}, "is Infinity; expected a finite number"),
        ([BOX], r"the content is \[\[1, 2, 3, 4\]\]; expected an object"),
    ],
)
def test_bad_boxes_are_named(tmp_path, table, message):
    with pytest.raises(FileError, match=message):
        read(tmp_path, table)


def test_boxes_of_unlisted_videos_and_unread_frames(tmp_path):
    assert len(read(tmp_path, {"a/z": [BOX], "a/x": [BOX]}, unlisted={"a/z"})) == 1
    detections = read(tmp_path, {"a/x": [BOX] * 9}, cut=True)
    assert len(detections[0].tube.boxes) == 4


def test_a_file_that_is_not_json(tmp_path):
    (tmp_path / "boxes.json").write_text("{")
    with pytest.raises(FileError, match="not JSON"):
        read_boxes_json(tmp_path / "boxes.json", DATASET)
