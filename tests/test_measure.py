"""The command measure against the functions that it calls and against published figures."""

import json

import pytest
from measured_workdir import (
    DETECTIONS,
    FAR,
    TRUE,
    flags,
    output_of,
    write_work,
)
from tube_scenes import BOX

from videolstm_jax.annotations.truth import read_truth
from videolstm_jax.localize.baselines import centred_tube
from videolstm_jax.measure.frame_ap import frame_map
from videolstm_jax.measure.suppress import suppress_overlapping_tubes
from videolstm_jax.measure.video_ap import averaged_video_map, video_aps, video_map
from videolstm_jax.types import Detection
from videolstm_jax.workdir.tubes_jsonl import save_detections


@pytest.fixture
def work(tmp_path):
    return write_work(tmp_path)


def test_a_work_folder_by_hand(work):
    out = output_of(
        *flags(work, json=work / "m.json", iou="0.2,0.5,0.75", frame_iou="0.5", class_iou="0.5")
    )
    record = json.loads((work / "m.json").read_text())
    measured, truth_of = (
        [detection for detection in DETECTIONS if detection.video != "b/bare"],
        [TRUE[0], TRUE[1], TRUE[3]],
    )
    assert (record["videos"], record["tubes"], record["detections"]) == (3, 3, 4)
    assert record["classes"] == {"0": "a", "1": "b"}
    for style in ("voc", "act"):
        assert record["video_map"][style] == {
            **{
                str(iou): video_map(measured, truth_of, iou, style=style)
                for iou in (0.2, 0.5, 0.75)
            },
            "0.5:0.95": averaged_video_map(measured, truth_of, style=style),
        }
        for frames in ("all", "truth"):
            assert record["frame_map"][style][frames]["0.5"] == frame_map(
                measured, truth_of, 0.5, style=style, frames=frames
            )
    # class a: right, a duplicate, then IoU .5, which passes in act only; class b: never
    assert record["per_class"] == {"0": {"0.5": 0.5}, "1": {"0.5": 0.0}}
    assert record["video_map"]["act"]["0.5"] == pytest.approx((0.5 + 0.5 * (1 / 2 + 2 / 3) / 2) / 2)
    assert record["errors"]["0.5"] == {
        "right": 1,
        "localisation": 1,
        "classification": 0,
        "time": 0,
        "duplicate": 1,
        "other": 0,
        "missed": 2,
    }
    assert record["mean_tube_iou"] == pytest.approx((1 + 0.5 + 0) / 3)
    assert record["recall"]["recall"][record["recall"]["iou"].index(0.5)] == pytest.approx(1 / 3)
    assert "1 detections left out" in out and "4 detected tubes, 3 true tubes, 3 videos" in out
    before = (work / "m.json").read_bytes()
    output_of(
        *flags(work, json=work / "m.json", iou="0.2,0.5,0.75", frame_iou="0.5", class_iou="0.5")
    )
    assert (work / "m.json").read_bytes() == before


def test_one_style_some_frames_and_no_repeats(work):
    output_of(*flags(work, json=work / "m.json", style="act", frames="truth", nms="0.3"))
    record = json.loads((work / "m.json").read_text())
    left = suppress_overlapping_tubes(
        [detection for detection in DETECTIONS if detection.video != "b/bare"], 0.3
    )
    assert record["detections"] == len(left) == 3 and list(record["video_map"]) == ["act"]
    assert list(record["frame_map"]["act"]) == ["truth"]
    assert (
        record["video_map"]["act"]["0.5"]
        == video_map(left, [TRUE[0], TRUE[1], TRUE[3]], 0.5, style="act")
        == 0.5
    )
    assert "1 detections overlap a better one by more than 0.3" in record["notes"]


def test_boxes_json_and_a_list(work):
    rows = {"a/x": [BOX] * 4, "a/y": [None, None, *[BOX] * 4], "b/z": [FAR] * 4}
    (work / "boxes.json").write_text(json.dumps(rows))
    output_of(*flags(work, json=work / "boxes_measured.json", truth=work / "boxes.json"))
    output_of(*flags(work, json=work / "measured.json"))
    assert (work / "boxes_measured.json").read_bytes() == (work / "measured.json").read_bytes()
    (work / "list.txt").write_text("a/x.avi\nb/bare.avi\n")
    output_of(*flags(work, json=work / "m.json", list=work / "list.txt"))
    record = json.loads((work / "m.json").read_text())
    assert (record["videos"], record["tubes"], record["detections"]) == (1, 1, 2)


def test_boxes_of_videos_that_are_not_listed_are_skipped_and_counted(work):
    rows = {"a/x": [BOX] * 4, "b/z": [FAR] * 4, "b/bare": [None], "q/q": [BOX] * 99, "q/r": None}
    (work / "boxes.json").write_text(json.dumps(rows))
    out = output_of(*flags(work, json=work / "m.json", truth=work / "boxes.json"))
    record = json.loads((work / "m.json").read_text())
    assert (record["videos"], record["tubes"], record["detections"]) == (
        2,
        2,
        4,
    )  # b/bare is annotated, a/y is not
    assert (
        "2 videos with boxes are not listed, such as q/q" in out
        and "1 measured videos have no true tube" in out
    )
    assert "1 detections left out: of videos that are not measured or not annotated" in out


def test_a_class_without_detections_counts_as_nothing(work):
    assert video_aps(
        [detection for detection in DETECTIONS if detection.label == 0], TRUE[:2] + TRUE[3:], [0.5]
    )[1] == [0.0]
    (work / "tubes.jsonl").write_text("")
    out = output_of(*flags(work, json=work / "m.json"))
    record = json.loads((work / "m.json").read_text())
    assert (
        set(record["video_map"]["voc"].values()) == {0.0}
        and "3 measured videos have no detection" in out
    )


@pytest.mark.slow
def test_the_reference_figures_from_the_command(real_data, tmp_path):
    annotations = real_data / "ucf24_annots"
    out = output_of(
        f"--from={annotations / 'pyannot.pkl'}",
        f"--to={tmp_path / 'truth.jsonl'}",
        f"--against={annotations / 'finalAnnots.mat'}",
        name="annotations",
    )
    assert "4458 tubes" in out and "3194 videos" in out and "the same, tube by tube" in out
    annotated = read_truth(tmp_path / "truth.jsonl")
    listing = real_data / "splits" / "ucfTrainTestlist" / "testlist01.txt"
    label = {detection.video: detection.label for detection in annotated.tubes}
    names = sorted(name.removesuffix(".avi") for name in listing.read_text().split())
    names = [name for name in names if name in label]
    save_detections(
        tmp_path / "tubes.jsonl",
        [
            Detection(
                name,
                label[name],
                1 - at / 910,
                centred_tube((240, 320), annotated.frames[name], 0.5),
            )
            for at, name in enumerate(names)
        ],
    )
    out = output_of(
        f"--detections={tmp_path / 'tubes.jsonl'}",
        f"--truth={tmp_path / 'truth.jsonl'}",
        f"--list={listing}",
        f"--json={tmp_path / 'm.json'}",
        "--frames=truth",
        "--frame_iou=0.5",
    )
    assert "910 detected tubes, 1315 true tubes, 910 videos" in out
    rows = {
        line.split()[0]: line.split()[1:-1]
        for line in out.splitlines()
        if line.startswith(("  voc  ", "  act  "))
    }
    assert rows == {
        "voc": ["66.75", "51.06", "45.90", "31.59", "17.11", "0.42"],
        "act": ["65.46", "49.23", "43.89", "29.40", "15.73", "0.31"],
    }
    assert len(json.loads((tmp_path / "m.json").read_text())["per_class"]) == 24
