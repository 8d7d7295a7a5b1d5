"""The command measure on ground truth and detections in the pickles of ACT and MOC."""

import json
import pickle

import numpy as np
import pytest
from measured_workdir import (
    flags,
    output_of,
    refused,
    write_work,
)
from tube_scenes import BOX, tube

from videolstm_jax.types import Detection
from videolstm_jax.workdir.tubes_jsonl import save_detections

PIXELS = [0, 0, 9, 9]
ROWS = np.array([[frame, *PIXELS, 0.5] for frame in range(1, 5)], np.float32)


@pytest.fixture
def work(tmp_path):
    return write_work(tmp_path)


def ground_truth(work, test):
    """Annotations of a/w to a/z in the layout of ACT, of which a/x and a/y have a tube."""
    names = [f"a/{letter}" for letter in "wxyz"]
    (work / "GT.pkl").write_bytes(
        pickle.dumps(
            {
                "labels": ["a", "b"],
                "nframes": dict.fromkeys(names, 8),
                "resolution": dict.fromkeys(names, (48, 64)),
                "train_videos": [["a/y"]],
                "test_videos": [test],
                "gttubes": {"a/x": {0: [ROWS[:, :5]]}, "a/y": {0: [ROWS[:, :5]]}},
            },
            protocol=2,
        )
    )


def test_what_is_measured_outlives_a_conversion(work):
    """A false tube, ranked first, in a test video without truth; and a test list out of order."""
    ground_truth(work, ["a/x", "a/w"])
    save_detections(
        work / "tubes.jsonl",
        [
            Detection("a/w", 0, 0.9, tube(BOX)),
            Detection("a/x", 0, 0.8, tube(BOX)),
            Detection("a/z", 0, 0.7, tube(BOX)),
        ],
    )
    (work / "frame_detections.pkl").write_bytes(
        pickle.dumps(np.array([[0, frame, 0, 0.5, *PIXELS] for frame in range(1, 5)]))
    )
    output_of(f"--from={work / 'GT.pkl'}", f"--to={work / 'GT.jsonl'}", name="annotations")
    for file, value in (("tubes.jsonl", 0.5), ("frame_detections.pkl", 1.0)):
        for name in ("GT.pkl", "GT.jsonl"):
            output_of(
                *flags(
                    work,
                    detections=work / file,
                    truth=work / name,
                    dataset=None,
                    json=work / f"{name}.json",
                )
            )
        assert (work / "GT.pkl.json").read_bytes() == (work / "GT.jsonl.json").read_bytes()
        record = json.loads((work / "GT.pkl.json").read_text())
        assert record["videos"] == 1 and record["frame_map"]["voc"]["all"]["0.5"] == value
        assert "all their detections are false, such as a/w" in record["notes"][-1]


def test_boxes_of_single_frames_need_the_list_they_count(work):
    (work / "frame_detections.pkl").write_bytes(pickle.dumps(np.array([[0, 1, 0, 0.5, *PIXELS]])))
    values = {"detections": work / "frame_detections.pkl"}
    for dataset in (None, work / "dataset.json"):
        assert (
            "frame_detections.pkl: counts the test list; expected --list, or a truth that has one"
            in refused(*flags(work, **values, dataset=dataset))
        )
    (work / "list.txt").write_text("b/z.avi\na/x.avi\n")
    out = output_of(*flags(work, **values, list=work / "list.txt"))
    assert (
        "1 detected boxes of single frames, 2 true tubes, 2 videos" in out and "such as a/x" in out
    )


def test_tubes_and_boxes_of_moc(work):
    ground_truth(work, ["a/x"])
    (work / "a").mkdir()
    (work / "a" / "x_tubes.pkl").write_bytes(pickle.dumps({0: [[ROWS, 0.9]], 1: []}))
    (work / "frame_detections.pkl").write_bytes(
        pickle.dumps(np.array([[0, frame, 0, 0.5, *PIXELS] for frame in (1, 2)], np.float32))
    )
    output_of(
        *flags(
            work, detections=work / "a", truth=work / "GT.pkl", dataset=None, json=work / "m.json"
        )
    )
    record = json.loads((work / "m.json").read_text())
    assert (record["videos"], record["tubes"]) == (1, 1) and record["video_map"]["act"][
        "0.5:0.95"
    ] == 1
    out = output_of(
        *flags(
            work,
            detections=work / "frame_detections.pkl",
            truth=work / "GT.pkl",
            dataset=None,
            json=work / "m.json",
        )
    )
    record = json.loads((work / "m.json").read_text())
    assert record["frame_map"]["voc"]["all"]["0.5"] == 0.5 and "video_map" not in record
    assert "2 detected boxes of single frames" in out
