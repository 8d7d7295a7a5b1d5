"""The pickles of ACT and MOC: frames from 1, corners inside the box, and what is no tube."""

import pickle

import numpy as np
import pytest
from etils import epath
from tube_scenes import rows_of

from videolstm_jax.annotations import act
from videolstm_jax.annotations.truth import read_truth
from videolstm_jax.errors import FileError
from videolstm_jax.measure.overlap import box_iou

NAME = "Biking/v_Biking_g01_c01"


def rows(first=3, frames=2, box=(10, 20, 49, 59), **_):
    return np.array([[first + at, *box] for at in range(frames)], np.float32)


def annotations(**changed):
    return {
        "labels": ["Basketball", "Biking"],
        "nframes": {NAME: 9, "Basketball/b": 5},
        "resolution": {NAME: (240, 320), "Basketball/b": (240, 320)},
        "train_videos": [[NAME], []],
        "test_videos": [["Basketball/b"], [NAME]],
        "gttubes": {NAME: {1: [rows(), rows(first=1, frames=9)]}, "Basketball/b": {0: [rows()]}},
        **changed,
    }


def read(tmp_path, value, **options):
    path = tmp_path / "UCF101v2-GT.pkl"
    path.write_bytes(pickle.dumps(value, protocol=2))
    return read_truth(path, **options)


def test_one_record(tmp_path):
    ground_truth = read(tmp_path, annotations())
    assert ground_truth.classes == ("Basketball", "Biking") and ground_truth.test == (
        "Basketball/b",
    )
    assert ground_truth.frames[NAME] == 9 and ground_truth.sizes[NAME] == (320, 240)
    assert [
        (detection.video, detection.label, detection.tube.start, len(detection.tube.boxes))
        for detection in ground_truth.tubes
    ] == [
        ("Basketball/b", 0, 2, 2),
        (NAME, 1, 0, 9),
        (NAME, 1, 2, 2),
    ]
    assert ground_truth.tubes[0].tube.boxes.tolist() == [[10, 20, 50, 60]] * 2
    assert read(tmp_path, annotations(), split=2).test == (NAME,)


def act_iou(a, b):
    """The overlap of ACT's evaluation: corners are pixels, so one is added to every side."""
    side = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]) + 1
    shared = np.prod(np.maximum(side, 0))
    area = [np.prod(box[2:] - box[:2] + 1) for box in (a, b)]
    return shared / (sum(area) - shared)


def test_boxes_overlap_as_their_evaluation_has_it():
    generator = np.random.default_rng(0)
    for _ in range(200):
        corner = generator.uniform(0, 100, (2, 2))
        pair = np.concatenate([corner, corner + generator.uniform(1, 80, (2, 2))], axis=1)
        boxes = [act.act_tube(np.array([[1, *box]])).boxes[0] for box in pair]
        assert box_iou(*boxes) == pytest.approx(act_iou(*pair))


def test_a_corner_on_the_frames_edge_ends_there():
    edge = act.act_tube(np.array([[1, 0, 0, 320, 239.5]]), (320, 240)).boxes
    assert edge.tolist() == [[0, 0, 320, 240]]
    assert act.act_tube(np.array([[1, 0, 0, 319, 239]]), (320, 240)).boxes.tolist() == [
        [0, 0, 320, 240]
    ]
    assert act.act_tube(np.array([[1, 0, 0, 322, 9]]), (320, 240)).boxes.tolist() == [
        [0, 0, 323, 10]
    ]  # refused later


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"nframes": {"Basketball/b": 5}}, "nframes lacks Biking/v_Biking_g01_c01"),
        ({"test_videos": [["Biking/unknown"]]}, "nframes lacks Biking/unknown"),
        (
            {"gttubes": {NAME: {1: [rows(first=8, frames=3)]}}},
            "goes from frame 7 to 9; expected frames 0 to 8",
        ),
        ({"gttubes": {NAME: {1: [rows(first=0)]}}}, "goes from frame -1"),
        ({"gttubes": {NAME: {2: [rows()]}}}, "has label 2; expected 0 to 1"),
        (
            {"gttubes": {NAME: {1: [rows()[[0, 0]]]}}},
            "expected whole frames that follow each other",
        ),
        ({"gttubes": {NAME: {1: [rows()[::-1]]}}}, "expected whole frames that follow each other"),
        ({"gttubes": {NAME: {1: [rows() + [0.5, 0, 0, 0, 0]]}}}, "expected whole frames"),
        (
            {"gttubes": {NAME: {1: [rows()[:, :4]]}}},
            r"is \[2, 4\]; expected rows of frame, x1, y1, x2, y2",
        ),
        ({"gttubes": {NAME: {1: [rows(box=(10, 20, 330, 59))]}}}, "leaves the frame of 320 x 240"),
        ({"gttubes": {NAME: {1: [rows(box=(50, 20, 40, 59))]}}}, "inverted or empty"),
        ({"gttubes": {NAME: {1: [rows(box=(np.nan, 20, 40, 59))]}}}, "not finite"),
        ({"gttubes": {NAME: {1: [rows().astype(str)]}}}, "is of <U32; expected numbers"),
        (
            {"gttubes": {NAME: {1: [rows(3e9, 1)]}}, "nframes": {NAME: 0, "Basketball/b": 5}},
            "frames 0 to 2147483647",
        ),
        ({"nframes": {NAME: float("inf")}}, "not annotations as ACT keeps them: OverflowError"),
        ({"gttubes": {NAME: [rows()]}}, "not annotations as ACT keeps them"),
        ({"resolution": {NAME: 3}}, "not annotations as ACT keeps them"),
        ({"labels": None}, "not annotations as ACT keeps them"),
    ],
)
def test_annotations_that_do_not_fit(tmp_path, changed, message):
    with pytest.raises(FileError, match=r"UCF101v2-GT\.pkl: .*" + message):
        read(tmp_path, annotations(**changed))


def test_a_split_that_is_not_there(tmp_path):
    with pytest.raises(FileError, match="has 2 test lists; there is no split 3"):
        read(tmp_path, annotations(), split=3)


def test_linked_tubes_of_a_folder(tmp_path):
    place = tmp_path / "Biking"
    place.mkdir()
    scored = np.concatenate([rows(), np.full((2, 1), 0.25, np.float32)], axis=1)
    (place / "v_Biking_g01_c01_tubes.pkl").write_bytes(
        pickle.dumps({0: [], 1: [[scored, np.float32(0.5)], (scored, 0.125)]})
    )
    for path in (tmp_path, place / "v_Biking_g01_c01_tubes.pkl"):
        rows_read = list(act.read_act_tubes(epath.Path(path), {NAME: (320, 240)}))
        assert [
            (detection.video, detection.label, detection.score, detection.tube.start)
            for _, detection in rows_read
        ] == [
            (NAME, 1, 0.5, 2),
            (NAME, 1, 0.125, 2),
        ]
        assert rows_read[0][1].tube.boxes.tolist() == [[10, 20, 50, 60]] * 2
        assert rows_read[1][0].endswith("_tubes.pkl: label 1, tube 1")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({1: [rows()]}, r"label 1, tube 0: "),
        ({1: [(rows()[:, :3], 1.0)]}, r"label 1, tube 0: is \[2, 3\]"),
        ({1: [(rows().astype(str), 1.0)]}, "is of <U32; expected numbers"),
        ({float("inf"): [(rows(), 1.0)]}, "not the tubes of a video by label: OverflowError"),
        ({1: [(rows(), 10**400)]}, "label 1, tube 0: .*int too large"),
        ({"x": [(rows(), 1.0)]}, "not the tubes of a video by label"),
        ([1], "not the tubes of a video by label"),
        ({1: 3}, "not the tubes of a video by label"),
    ],
)
def test_linked_tubes_of_another_layout(tmp_path, value, message):
    path = tmp_path / "a_tubes.pkl"
    path.write_bytes(pickle.dumps(value))
    with pytest.raises(FileError, match=message):
        list(act.read_act_tubes(epath.Path(path), {}))


def test_a_folder_without_tubes_and_a_file_that_is_cut(tmp_path):
    with pytest.raises(FileError, match=r"holds no \*_tubes\.pkl"):
        list(act.read_act_tubes(epath.Path(tmp_path), {}))
    (tmp_path / "a_tubes.pkl").write_bytes(pickle.dumps({1: [(rows(), 1.0)]})[:-30])
    with pytest.raises(FileError, match=r"a_tubes\.pkl: not a whole pickle"):
        list(act.read_act_tubes(epath.Path(tmp_path), {}))


def test_boxes_of_single_frames():
    table = np.array([[0, 3, 1, 0.5, 10, 20, 49, 59], [1, 1, 0, 0.25, 0, 0, 9, 9]], np.float32)
    detections = [
        detection
        for _, detection in act.read_act_boxes(
            epath.Path("f.pkl"), table, (NAME, "Basketball/b"), {}
        )
    ]
    assert rows_of(detections) == [
        (NAME, 1, 0.5, 2, [[10, 20, 50, 60]]),
        ("Basketball/b", 0, 0.25, 0, [[0, 0, 10, 10]]),
    ]
    for bad, message in (
        (table[:, :7], r"\[2, 7\]"),
        (table + [2, *[0] * 7], "row 0: video 2; the test list has 2"),
        (table + [0, 0.5, *[0] * 6], "not a whole video, frame"),
        ({}, "dict"),
        (table.astype(str), r"<U32 \[2, 8\]; expected the boxes of frames, numbers"),
        (table + [np.inf, *[0] * 7], "not a whole video, frame"),
    ):
        with pytest.raises(FileError, match=message):
            list(act.read_act_boxes(epath.Path("f.pkl"), bad, (NAME, "Basketball/b"), {}))
    with pytest.raises(
        FileError, match="counts the test list; expected --list, or a truth that has one"
    ):
        list(act.read_act_boxes(epath.Path("f.pkl"), table, (), {}))
