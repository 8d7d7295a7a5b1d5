"""Detections of every form: what they become, and how each bad one is refused by file and line."""

import json
import pickle

import numpy as np
import pytest
from scipy import io as scipy_io

from videolstm_jax import files
from videolstm_jax.annotations.detections import read_detections
from videolstm_jax.annotations.ground_truth import GroundTruth
from videolstm_jax.errors import FileError
from videolstm_jax.types import Detection, Tube
from videolstm_jax.workdir.tubes_jsonl import save_detections

BOX = [1.0, 2, 30, 40]


def tube(start=0, frames=2, box=BOX):
    return Tube(start, np.tile(np.array(box, float), (frames, 1)))


TRUTH = GroundTruth(
    ("a", "b"),
    {"a/x": 9, "b/y": 6, "b/train": 6},
    {"a/x": (64, 48), "b/y": (64, 48)},
    [
        Detection("a/x", 0, 1.0, tube()),
        Detection("b/y", 1, 1.0, tube()),
        Detection("b/train", 1, 1.0, tube()),
    ],
    test=("a/x", "b/y", "b/bare"),
)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "tubes.jsonl"
    save_detections(
        path,
        [Detection("a/x", 0, 0.5, tube()), Detection("b/y", 1, 0.25, tube(start=3, frames=3))],
    )
    # Lines are added to it, as to a file of another program, which has no seal.
    files.write_jsonl(path, files.read_jsonl(path))
    return path


def add(path, **changed):
    row = {"video": "b/y", "label": 1, "score": 0.5, "start": 0, "boxes": [BOX], **changed}
    with path.open("a") as file:
        file.write(json.dumps(row) + "\n")


def test_our_own_file(path):
    measured = read_detections(path, TRUTH)
    assert [
        (detection.video, detection.label, detection.score) for detection in measured.detections
    ] == [
        ("a/x", 0, 0.5),
        ("b/y", 1, 0.25),
    ]
    assert not measured.single and measured.notes == ()
    add(path, scores=[0.5, 0.25])
    assert [detection.label for detection in read_detections(path, TRUTH).detections] == [
        0,
        1,
        0,
        1,
    ]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"video": "b/z"}, "a detection of b/z, which is no video of the truth or of the list"),
        ({"label": 2}, "a detection of b/y has label 2; expected 0 to 1"),
        ({"label": -1}, "has label -1"),
        ({"scores": [0.1, 0.2, 0.3]}, "has label 2; expected 0 to 1"),
        ({"scores": [0.1]}, "1 scores of b/y; expected 2, one for each class"),
        ({"boxes": [BOX] * 7}, "goes from frame 0 to 6; expected frames 0 to 5"),
        ({"start": 6}, "goes from frame 6 to 6"),
        ({"start": -2}, "goes from frame -2"),
        (
            {"boxes": [BOX, [1, 2, 65, 4]]},
            r"the box \[1.0, 2.0, 65.0, 4.0\] on frame 1, which leaves the frame of 64 x 48",
        ),
        ({"boxes": [[-3, 2, 6, 4]]}, "leaves the frame"),
        ({"boxes": [[1, 2, 6, 49]]}, "leaves the frame"),
    ],
)
def test_detections_that_do_not_fit_are_named_by_line(path, changed, message):
    add(path, **changed)
    with pytest.raises(FileError, match=rf"tubes\.jsonl:3: .*{message}"):
        read_detections(path, TRUTH)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"score": float("nan")}, "score is NaN; expected a finite number"),
        ({"scores": [0.1, float("inf")]}, r"scores\[1\] is Infinity; expected a finite"),
        ({"boxes": [[3, 2, 1, 4]]}, "a box of b/y is inverted or empty"),
        ({"boxes": [[1, 2, 1, 4]]}, "inverted or empty"),
        ({"boxes": []}, r"boxes is \[\]; expected at least 1"),
        ({"boxes": [[1, 2, float("nan"), 4]]}, r"boxes\[0\]\[2\] is NaN; expected a finite"),
        ({"score": None}, "score is null; expected a number"),
    ],
)
def test_lines_that_are_no_tube(path, changed, message):
    add(path, **changed)
    with pytest.raises(FileError, match=rf"tubes\.jsonl:3: .*{message}"):
        read_detections(path, TRUTH)


def test_a_line_cut_short(path):
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(FileError, match=r"tubes\.jsonl:2: not JSON"):
        read_detections(path, TRUTH)


def test_what_is_not_measured_is_left_out_and_counted(path):
    add(path, video="b/bare")
    add(path, video="b/train")
    measured = read_detections(path, TRUTH)
    assert len(measured.detections) == 2
    assert measured.notes == (
        "2 detections left out: of videos that are not measured or not annotated",
    )
    assert [
        detection.video
        for detection in read_detections(path, TRUTH, listed=("b/train", "b/bare")).detections
    ] == ["b/train"]


def test_what_is_found_in_a_video_annotated_as_empty_is_false_not_left_out(path):
    add(path, video="b/bare")
    measured = read_detections(path, TRUTH._replace(frames={**TRUTH.frames, "b/bare": 9}))
    assert [detection.video for detection in measured.detections] == [
        "a/x",
        "b/y",
        "b/bare",
    ] and measured.notes == ()


def test_classes_are_matched_by_name(path):
    add(path, label=2)
    measured = read_detections(path, TRUTH, classes=("b", "z", "a"))
    assert [(detection.video, detection.label) for detection in measured.detections] == [
        ("a/x", 1),
        ("b/y", 0),
    ]
    assert measured.notes == ("1 detections left out: of classes that the truth does not have",)
    with pytest.raises(FileError, match="label 2; expected 0 to 1"):
        read_detections(path, TRUTH._replace(classes=()))


def test_tubes_of_moc(tmp_path):
    rows = np.array([[1, 0, 0, 63, 47, 0.9], [2, 0, 0, 63, 47, 0.9]], np.float32)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x_tubes.pkl").write_bytes(pickle.dumps({0: [[rows, 0.5]], 1: []}))
    (detection,) = read_detections(tmp_path, TRUTH).detections
    assert (
        detection[:3] == ("a/x", 0, 0.5)
        and detection.tube.start == 0
        and detection.tube.boxes.tolist() == [[0, 0, 64, 48]] * 2
    )
    (tmp_path / "a" / "z_tubes.pkl").write_bytes(pickle.dumps({0: [[rows, 0.5]]}))
    with pytest.raises(
        FileError, match=r"z_tubes\.pkl: label 0, tube 0: a detection of a/z, which is no video"
    ):
        read_detections(tmp_path, TRUTH)
    with pytest.raises(FileError, match=r"label 0, tube 0: a detection of a/x has a score of nan"):
        (tmp_path / "a" / "x_tubes.pkl").write_bytes(pickle.dumps({0: [[rows, float("nan")]]}))
        read_detections(tmp_path / "a" / "x_tubes.pkl", TRUTH)


class Call:
    """Pickles to the call of a function."""

    def __reduce__(self):
        return print, ("run",)


def test_malicious_pickles_are_refused_by_name(tmp_path, capsys):
    for name in ("x_tubes.pkl", "frame_detections.pkl"):
        (tmp_path / name).write_bytes(pickle.dumps({0: [Call()]}))
        with pytest.raises(FileError, match=rf"{name}: asks for (__builtin__|builtins)\.print"):
            read_detections(tmp_path / name, TRUTH)
    assert capsys.readouterr().out == ""


def test_boxes_of_single_frames_count_the_test_list(tmp_path):
    table = np.array([[1, 3, 1, 0.5, 0, 0, 9, 9], [0, 1, 0, 0.5, 0, 0, 9, 9]])
    path = tmp_path / "frame_detections.pkl"
    path.write_bytes(pickle.dumps(table))
    measured = read_detections(path, TRUTH)
    assert measured.single and [
        (detection.video, detection.tube.start) for detection in measured.detections
    ] == [
        ("b/y", 2),
        ("a/x", 0),
    ]
    assert [
        detection.video
        for detection in read_detections(path, TRUTH, listed=("b/y", "a/x")).detections
    ] == [
        "b/y",
        "a/x",
    ]
    with pytest.raises(
        FileError, match=r"frame_detections\.pkl: counts the test list; expected --list, or a truth"
    ):
        read_detections(path, TRUTH._replace(test=()), listed=("a/x", "b/y"))
    path.write_bytes(pickle.dumps(table * [1, 9, 1, 1, 1, 1, 1, 1]))
    with pytest.raises(FileError, match=r"frame_detections\.pkl: row 0: .*goes from frame 26"):
        read_detections(path, TRUTH)


def matlab(**changed):
    struct = {
        "videoName": "a/x",
        "score": [0.5, 0.25],
        "class": [1.0, 2.0],
        "nr": [1, 2],
        "framenr": [{"fnr": np.arange(1, 3)}, {"fnr": np.arange(4, 9)}],
        "boxes": [
            {"bxs": np.tile([1.0, 2, 29, 38], (2, 1))},
            {"bxs": np.tile([1.0, 2, 3.5, 4], (5, 1))},
        ],
        **changed,
    }
    return {
        "xmldata": [
            struct,
            {"videoName": "b/y", "score": [], "class": [], "nr": [], "framenr": [], "boxes": []},
        ]
    }


def test_the_matlab_file_of_the_published_evaluation(tmp_path):
    scipy_io.savemat(tmp_path / "d.mat", matlab(), do_compression=True)
    first, second = read_detections(tmp_path / "d.mat", TRUTH).detections
    assert (
        first[:3] == ("a/x", 0, 0.5)
        and first.tube.start == 0
        and first.tube.boxes.tolist() == [[1, 2, 30, 40]] * 2
    )
    assert (
        second[:3] == ("a/x", 1, 0.25)
        and second.tube.start == 3
        and second.tube.boxes[4].tolist() == [1, 2, 4.5, 6]
    )


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"videoName": "a/z"}, "d.mat: video 1, tube 1: a detection of a/z, which is no video"),
        ({"class": [1.0, 3.0]}, "video 1, tube 2: a detection of a/x has label 2"),
        ({"class": [1.5, 1]}, "tube 1: class 1.5"),
        ({"score": [0.5, np.nan]}, "tube 2: a detection of a/x has a score of nan"),
        ({"score": [0.5]}, "2 classes, 1 scores, 2 spans and 2 tubes"),
        (
            {"framenr": [{"fnr": np.arange(1, 3)}, {"fnr": np.array([1, 2, 3, 5, 6])}]},
            "tube 2: class 2, 5 frames",
        ),
        (
            {"framenr": [{"fnr": np.arange(1, 3)}, {"fnr": np.arange(4, 8)}]},
            r"4 frames and boxes \[5, 4\]",
        ),
        ({"framenr": 3}, "not detections as the evaluation"),
        ({"score": "high"}, "not detections as the evaluation"),
    ],
)
def test_matlab_detections_that_do_not_fit(tmp_path, changed, message):
    scipy_io.savemat(tmp_path / "d.mat", matlab(**changed))
    with pytest.raises(FileError, match=message):
        read_detections(tmp_path / "d.mat", TRUTH)


def test_other_matlab_files(tmp_path):
    scipy_io.savemat(tmp_path / "d.mat", {"x": np.zeros(3)})
    with pytest.raises(FileError, match=r"d\.mat: holds \['x'\]; expected structs with videoName"):
        read_detections(tmp_path / "d.mat", TRUTH)
    content = (tmp_path / "d.mat").read_bytes()
    (tmp_path / "d.mat").write_bytes(content[:-9])
    with pytest.raises(FileError, match=r"d\.mat: is not a whole MATLAB file"):
        read_detections(tmp_path / "d.mat", TRUTH)


def test_no_such_file_and_no_such_form(tmp_path):
    with pytest.raises(FileError, match=r"nowhere\.jsonl is missing"):
        read_detections(tmp_path / "nowhere.jsonl", TRUTH)
    (tmp_path / "x.csv").write_text("")
    with pytest.raises(FileError, match=r"x\.csv: expected \.jsonl, \.pkl, \.mat or a folder"):
        read_detections(tmp_path / "x.csv", TRUTH)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileError, match=r"empty: holds no \*_tubes\.pkl"):
        read_detections(tmp_path / "empty", TRUTH)
