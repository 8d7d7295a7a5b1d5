"""What the commands measure and annotations refuse, each in one line."""

import json

import pytest
from measured_workdir import (
    ROOT,
    TRUE,
    command,
    flags,
    refused,
    write_work,
)
from tube_scenes import BOX, HALF, tube

from videolstm_jax.annotations.ground_truth import GroundTruth
from videolstm_jax.annotations.truth import read_truth
from videolstm_jax.annotations.truth_jsonl import save_truth


@pytest.fixture
def work(tmp_path):
    return write_work(tmp_path)


@pytest.mark.parametrize(
    ("tubes", "about", "message"),
    [
        ([TRUE[0]._replace(label=2)], {}, "has label 2; expected 0 to 1"),
        (
            [TRUE[0]._replace(tube=tube(BOX, 5))],
            {},
            "goes from frame 5 to 8; expected frames 0 to 7",
        ),
        ([TRUE[0]._replace(tube=tube([0, 0, 65, 9]))], {}, "leaves the frame of 64 x 48 pixels"),
        (
            [TRUE[0]],
            {"sizes": {"a/x": (80, 48)}},
            "boxes of a/x are of (80, 48) pixels; the video has (64, 48)",
        ),
    ],
)
def test_a_truth_that_does_not_fit_the_data_set(work, tubes, about, message):
    save_truth(work / "truth.jsonl", GroundTruth((), {}, {}, tubes)._replace(**about))
    assert message in refused(*flags(work))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            {"video": "a/q"},
            "tubes.jsonl:6: a detection of a/q, which is no video of the truth or of the list",
        ),
        ({"label": 7}, "tubes.jsonl:6: a detection of a/x has label 7; expected 0 to 1"),
        (
            {"boxes": [BOX, [0, 0, 65, 10]]},
            "tubes.jsonl:6: a detection of a/x has the box [0.0, 0.0, 65.0, 10.0] on frame",
        ),
        ({"boxes": [[9, 0, 1, 10]]}, "tubes.jsonl:6: a box of a/x is inverted"),
        (
            {"boxes": [BOX] * 9},
            "tubes.jsonl:6: a detection of a/x goes from frame 0 to 8; expected frames 0 to 7",
        ),
        ({"score": float("nan")}, "tubes.jsonl:6: score is NaN; expected a finite number"),
    ],
)
def test_bad_detections_are_one_line(work, row, message):
    with (work / "tubes.jsonl").open("a") as file:
        file.write(
            json.dumps(
                {"video": "a/x", "label": 0, "score": 0.5, "start": 0, "boxes": [BOX], **row}
            )
            + "\n"
        )
    assert message in refused(*flags(work, json=work / "m.json"))
    assert not (work / "m.json").exists()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"iou": "50"}, "--iou=50; expected IoU thresholds from 0 to 1"),
        ({"frame_iou": "half"}, "--frame_iou=half"),
        ({"style": "coco"}, "--style=coco; expected one or more of voc, act"),
        ({"frames": "some"}, "--frames=some"),
        ({"nms": "3"}, "--nms=3.0; expected IoU thresholds"),
        ({"truth": "nowhere.jsonl"}, "nowhere.jsonl is missing"),
        ({"detections": "nowhere.jsonl"}, "nowhere.jsonl is missing"),
        ({"dataset": "nowhere.json"}, "nowhere.json is missing"),
        (
            {"truth": "boxes.json", "dataset": None},
            "boxes.json contains no classes and no numbers of frames; expected --dataset",
        ),
    ],
)
def test_bad_flags_are_one_line(work, changed, message):
    assert message in refused(*flags(work, **changed))


def test_lists_without_truth_and_malicious_truth(work):
    (work / "list.txt").write_text("b/bare.avi\n")
    assert "none of the 1 listed videos has a true tube" in refused(
        *flags(work, list=work / "list.txt")
    )
    (work / "truth.pkl").write_bytes(b"cos\nsystem\n(S'touch touched'\ntR.")
    assert "truth.pkl: asks for os.system" in refused(*flags(work, truth=work / "truth.pkl"))
    assert not (ROOT / "touched").exists()


def test_without_what_they_need_the_commands_say_how():
    for name, flag in (("measure", "--detections=FILE"), ("annotations", "--from=FILE")):
        done = command(name)
        assert done.returncode != 0 and "Traceback" not in done.stderr
        assert f"expected {flag}" in done.stdout + done.stderr


def test_annotations_that_differ_are_listed(work):
    save_truth(
        work / "b.jsonl",
        read_truth(work / "truth.jsonl")._replace(
            tubes=[TRUE[0]._replace(tube=tube(HALF)), *TRUE[1:]]
        ),
    )
    done = command("annotations", f"--from={work / 'truth.jsonl'}", f"--against={work / 'b.jsonl'}")
    assert (
        done.returncode == 1 and "a/x tube 0: 4 of 4 boxes differ, by up to 5 pixels" in done.stdout
    )
    assert "error: 1 differences between" in done.stderr
    assert "holds no *.xgtf" in refused(
        f"--from={work}", f"--to={work / 'c.jsonl'}", name="annotations"
    )
    assert not (work / "c.jsonl").exists()
