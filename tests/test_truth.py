"""truth.jsonl: the written tubes come back, and what does not fit is refused by line."""

import json

import numpy as np
import pytest
from annotated_videos import ANNOTATED, true_tube

from videolstm_jax.annotations.compare import compare_ground_truth
from videolstm_jax.annotations.truth import read_truth
from videolstm_jax.annotations.truth_jsonl import save_truth
from videolstm_jax.errors import FileError
from videolstm_jax.sealed_json import ROWS_SEAL
from videolstm_jax.workdir.tubes_jsonl import load_detections, save_detections

THIN = [1 / 3, 2, 1 / 3 + 1e-4, 40]
# All that a file can say, and a box that would be empty if it were rounded to three digits.
COMPLETE = ANNOTATED._replace(
    frames={**ANNOTATED.frames, "a/bare": 7, "c/q": 90},
    sizes={**ANNOTATED.sizes, "a/bare": (64, 48), "c/w": (8, 6)},
    tubes=[true_tube("a/x", 0, 3, 4, box=THIN), *ANNOTATED.tubes[1:]],
    test=("b/y", "a/bare", "a/x"),
    notes=("clipped",),
)


@pytest.fixture
def path(tmp_path):
    save_truth(tmp_path / "truth.jsonl", ANNOTATED)
    return tmp_path / "truth.jsonl"


def alter(path, line, **changed):
    """Rewrites some fields of one line; None takes a field away."""
    rows = [json.loads(row) for row in path.read_text().splitlines()]
    rows[0].pop(ROWS_SEAL)  # as a user does to keep an edit
    rows[line].update(changed)
    rows[line] = {key: value for key, value in rows[line].items() if value is not None}
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_round_trip(path):
    ground_truth = read_truth(path)
    assert (
        compare_ground_truth(ANNOTATED, ground_truth) == []
        and ground_truth.classes == ("a", "b")
        and ground_truth.sizes == ANNOTATED.sizes
    )
    before = path.read_bytes()
    save_truth(path, ground_truth)
    assert path.read_bytes() == before and b"pickle" not in before
    assert [detection.video for detection in load_detections(path)] == [
        "a/x",
        "b/y",
        "b/y",
    ]


def test_everything_comes_back(tmp_path):
    save_truth(tmp_path / "truth.jsonl", COMPLETE)
    ground_truth = read_truth(tmp_path / "truth.jsonl")
    assert compare_ground_truth(COMPLETE, ground_truth) == [] and ground_truth._replace(
        tubes=[]
    ) == COMPLETE._replace(tubes=[])
    np.testing.assert_array_equal(ground_truth.tubes[0].tube.boxes, [THIN] * 4)
    rows = [json.loads(row) for row in (tmp_path / "truth.jsonl").read_text().splitlines()]
    assert [set(row) - set(rows[1]) for row in rows] == [
        {"tubes", "classes", "test", "notes", "without_tubes", ROWS_SEAL},
        set(),
        set(),
    ]


def test_the_truth_of_a_walk_says_less(tmp_path):
    save_detections(tmp_path / "truth.jsonl", ANNOTATED.tubes)
    ground_truth = read_truth(tmp_path / "truth.jsonl")
    assert (
        len(ground_truth.tubes) == 3
        and ground_truth.classes == ()
        and ground_truth.frames == {}
        and ground_truth.videos == {"a/x", "b/y"}
    )


@pytest.mark.parametrize(
    ("line", "changed", "message"),
    [
        (
            1,
            {"boxes": [[1, 2, 3, 4]] * 7},
            r":2: a tube of b/y goes from frame 0 to 6; expected frames 0 to 5",
        ),
        (1, {"start": -1}, ":2: a tube of b/y goes from frame -1"),
        (2, {"frames": 7}, ":3: b/y has 7; an earlier line"),
        (2, {"size": [1, 2]}, r":3: b/y has \(1, 2\)"),
        (1, {"boxes": [[1, 2, 65, 4]]}, "leaves the frame of 64 x 48"),
        (1, {"label": 0}, ":2: class 'b' with label 0, 'a'"),
        (1, {"label": 5, "class": "b"}, "has label 5; expected 0"),
        (1, {"scores": [0.1, 0.9]}, ":2: 2 scores of b/y; expected true tubes"),
        (0, {"tubes": 4}, "holds 3 tubes; expected 4"),
        (1, {"size": 3}, ":2: size is 3; expected a list"),
        (0, {"frames": "nine"}, ':1: frames is "nine"; expected a number'),
        (0, {"frames": 2.7}, ":1: frames is 2.7; expected a whole"),
        (0, {"frames": float("inf")}, ":1: frames is Infinity; expected a finite"),
        (0, {"frames": True}, ":1: frames is true; expected a number"),
        (0, {"size": [64, 10**400]}, r":1: size\[1\] is 1000"),
        (0, {"classes": "ab"}, ':1: classes is "ab"; expected a list'),
        (0, {"test": [3]}, r":1: test\[0\] is 3; expected text"),
        (0, {"without_tubes": []}, r":1: without_tubes is \[\]; expected an object"),
        (0, {"without_tubes": {"q/q": 3}}, ":1: without_tubes.q/q is 3; expected an object"),
        (0, {"without_tubes": {"b/y": {"frames": 5}}}, ":2: b/y has 6; an earlier line has 5"),
    ],
)
def test_lines_that_do_not_fit(path, line, changed, message):
    alter(path, line, **changed)
    with pytest.raises(
        FileError, match=rf"truth\.jsonl{message}|truth\.jsonl:? .*{message}|{message}"
    ):
        read_truth(path)


@pytest.mark.parametrize(
    ("line", "changed", "message"),
    [
        (1, {"start": None}, ":2: start is missing"),
        (0, {"boxes": [[1, 2, 3]]}, r":1: boxes\[0\]\[3\] is missing"),
        (0, {"boxes": [[1, 2, 3, "x"]]}, r':1: boxes\[0\]\[3\] is "x"; expected a number'),
        (0, {"boxes": [[1], [1, 2]]}, ":1: boxes"),
        (2, {"boxes": [[3, 2, 1, 4]]}, ":3: a box of b/y is inverted"),
        (0, {"score": float("nan")}, ":1: score is NaN; expected a finite number"),
        (0, {"label": 0.5}, ":1: label is 0.5; expected a whole number"),
        (0, {"label": True}, ":1: label is true; expected a number"),
        (0, {"video": 3}, ":1: video is 3; expected text"),
        (0, {"start": "0"}, ':1: start is "0"; expected a number'),
        (0, {"start": 1e30}, r":1: start is 1e\+30; expected 2147483648 or less"),
        (0, {"label": 10**400}, ":1: label is 1000"),
        (0, {"scores": 5}, ":1: scores is 5; expected a list"),
        (0, {"scores": []}, r":1: scores is \[\]; expected at least 1"),
        (0, {"scores": [None]}, r":1: scores\[0\] is null; expected a number"),
        (0, {"score": 10**400}, r":1: score is 10+\.\.; expected a finite number"),
        (0, {"boxes": [["1", "2", "3", "4"]]}, r':1: boxes\[0\]\[0\] is "1"; expected a number'),
        (0, {"boxes": [[1, 2, 3, 10**400]]}, r":1: boxes\[0\]\[3\] is 10+\.\.; expected a finite"),
        (0, {"boxes": [[1, 2, 3, {}]]}, r":1: boxes\[0\]\[3\] is {}; expected a number"),
        (0, {"boxes": 5}, ":1: boxes is 5; expected a list"),
    ],
)
def test_lines_that_are_no_tube(path, line, changed, message):
    alter(path, line, **changed)
    with pytest.raises(FileError, match=rf"truth\.jsonl{message}"):
        read_truth(path)


@pytest.mark.parametrize("line", [b'{"video": "\xff"}', b"[" * 200_000, b"9" * 5_000, b"", b"{}}"])
def test_lines_that_are_no_json(path, line):
    path.write_bytes(path.read_bytes() + line + b"\n")
    with pytest.raises(FileError, match=r"truth\.jsonl:4: not JSON"):
        read_truth(path)


def test_files_cut_short(path):
    content = path.read_bytes()
    for length in range(0, len(content) - 1, 3):  # without the last line end nothing is missing
        path.write_bytes(content[:length])
        with pytest.raises((FileError, FileError), match=r"truth\.jsonl"):
            read_truth(path)
    path.write_text("[1, 2]\n")
    with pytest.raises(FileError, match=r":1: the content is \[1, 2\]; expected an object"):
        read_truth(path)


def test_files_of_no_known_form(tmp_path):
    with pytest.raises(FileError, match=r"nowhere\.pkl is missing"):
        read_truth(tmp_path / "nowhere.pkl")
    (tmp_path / "boxes.txt").write_text("1 2 3 4")
    with pytest.raises(FileError, match=r"boxes\.txt: expected \.jsonl, \.pkl, \.mat"):
        read_truth(tmp_path / "boxes.txt")


def test_differences_are_listed_one_by_one():
    other = ANNOTATED._replace(
        frames={"a/x": 8, "b/y": 6},
        tubes=[
            true_tube("a/x", 0, 3, 4, box=[1, 2, 30, 42.5]),
            true_tube(start=1),
            true_tube(start=4),
        ],
    )
    assert compare_ground_truth(ANNOTATED, other) == [
        "a/x: 9 and 8 frames",
        "a/x tube 0: 4 of 4 boxes differ, by up to 2.5 pixels",
        "b/y tube 0: label 1 and 1, frames from 0 and 1, 2 and 2 of them",
    ]
    assert compare_ground_truth(ANNOTATED, ANNOTATED._replace(tubes=ANNOTATED.tubes[::-1])) == []
    assert compare_ground_truth(ANNOTATED, ANNOTATED._replace(tubes=ANNOTATED.tubes[:2])) == [
        "b/y: 2 and 1 tubes"
    ]
    assert compare_ground_truth(ANNOTATED, ANNOTATED._replace(classes=("a",)))[0].startswith(
        "classes: "
    )
