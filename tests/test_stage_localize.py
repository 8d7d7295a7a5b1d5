"""The stage `localize` on attention that follows a square: tubes, scores, refusals."""

import hashlib
import json

import numpy as np
import pytest
from localize_workdir import (
    CLASSES,
    FRAMES,
    SIZE,
    attention_of,
    config,
    frame_scores,
    listed_video,
    true_tube,
    write_work,
)

from videolstm_jax import files
from videolstm_jax.config import LocalizeConfig, change
from videolstm_jax.errors import ConfigError, FileError
from videolstm_jax.localize.tubes import video_tube
from videolstm_jax.measure.video_ap import video_map
from videolstm_jax.results.evaluated import remove_results
from videolstm_jax.stages import localize
from videolstm_jax.types import Dataset, Detection, Scores, Tube
from videolstm_jax.workdir.dataset_json import save_dataset
from videolstm_jax.workdir.scores_npz import save_scores
from videolstm_jax.workdir.tubes_jsonl import load_detections, save_detections


@pytest.fixture
def work(tmp_path):
    """Two training videos and four test videos of which three have truth."""
    return write_work(tmp_path)


def test_tubes_follow_the_square(work, capsys):
    path = localize.run(config(work))
    assert path == work.run("videolstm-rgb") / "map.json"
    value = json.loads(path.read_text())
    assert (value["videos"], value["truth"]) == (4, {"videos": 3, "tubes": 3})
    model = value["model"]
    assert model["mean_frame_iou"]["value"] > 0.6
    assert model["video_map"]["voc"]["0.3"] == model["video_map"]["act"]["0.3"] == 1
    assert model["video_map"]["voc"]["0.5:0.95"] < 1
    assert (
        model["frame_map"]["voc"]["truth"]["0.5"] >= model["frame_map"]["voc"]["all"]["0.5"] > 0.5
    )
    assert model["errors"]["0.2"]["right"] == 3
    assert model["recall"]["recall"][0] == 1
    assert set(model["per_class"]) == {"0", "1"}
    assert value["attention"]["mass_inside_truth"] > 3 * value["attention"]["area_of_truth"]
    assert value["attention"]["area_of_truth"] == pytest.approx(24 * 24 / (60 * 80), rel=1e-6)
    assert value["attention"]["full_frame_boxes"] == 0
    assert value["attention"]["warning"] is None
    assert "video-mAP" in capsys.readouterr().out


def test_the_file_of_tubes(work):
    localize.run(config(work))
    path = work.run("videolstm-rgb") / "tubes.jsonl"
    rows = files.read_jsonl(path)
    assert [row["video"] for row in rows] == [
        "Left/test0",
        "Left/test2",
        "Right/test1",
        "Right/test3",
    ]
    assert all(
        len(row["boxes"]) == FRAMES and len(row["scores"]) == 2 and row["start"] == 0
        for row in rows
    )
    detections = load_detections(path)
    assert [(detection.video, detection.label) for detection in detections[:2]] == [
        ("Left/test0", 0),
        ("Left/test0", 1),
    ]
    assert detections[0].tube is detections[1].tube
    assert detections[0].score == pytest.approx(0.8)
    expected = video_tube(
        attention_of(true_tube(0)), SIZE, FRAMES, settings=LocalizeConfig(sigma=6.0, span=5)
    )
    np.testing.assert_allclose(detections[0].tube.boxes, expected.boxes, atol=1e-3)
    value = files.read_json(work.run("videolstm-rgb") / "map.json")
    truth = load_detections(work.truth)
    annotated = [detection for detection in detections if detection.video != "Right/test3"]
    tested = [detection for detection in truth if "test" in detection.video]
    assert value["model"]["video_map"]["voc"]["0.5"] == pytest.approx(
        video_map(annotated, tested, 0.5)
    )


def test_several_tubes_share_the_score(work):
    """Attention lies on the square and, more faintly and for a while, in a far corner."""
    path = work.evaluated_video("videolstm-rgb", "Left/test0")
    maps = attention_of(true_tube(0))
    maps[3:7, 0, 0] += 0.8 * maps.max()
    files.write_arrays(
        path, scores=frame_scores(0), attention=maps / maps.sum(axis=(1, 2), keepdims=True)
    )
    value = files.read_json(localize.run(config(work, localize__tubes=0)))
    rows = [
        row
        for row in files.read_jsonl(work.run("videolstm-rgb") / "tubes.jsonl")
        if row["video"] == "Left/test0"
    ]
    assert value["tubes"] == 5 and [row["start"] for row in rows] == [0, 3]
    assert len(rows[0]["boxes"]) == FRAMES and len(rows[1]["boxes"]) == 4
    assert rows[0]["score"] > 3 * rows[1]["score"] > 0
    assert rows[0]["score"] + rows[1]["score"] == pytest.approx(0.8)
    assert value["model"]["video_map"]["voc"]["0.3"] == 1, "a fainter tube comes after all others"
    assert files.read_json(localize.run(config(work, localize__tubes=1)))["tubes"] == 4


def test_tubes_are_cut_to_the_frames_of_their_class(work):
    scores = frame_scores(0)
    scores[:2], scores[9:] = [0.1, 0.9], [0.3, 0.7]
    files.write_arrays(
        work.evaluated_video("videolstm-rgb", "Left/test0"),
        scores=scores,
        attention=attention_of(true_tube(0)),
    )
    value = files.read_json(localize.run(config(work, localize__trim="chance")))
    detections = load_detections(work.run("videolstm-rgb") / "tubes.jsonl")[:2]
    spans = [
        (detection.label, detection.tube.start, len(detection.tube.boxes))
        for detection in detections
    ]
    assert spans == [(0, 2, 7), (1, 0, 2)]
    assert [detection.score for detection in detections] == pytest.approx(
        scores.mean(axis=0).tolist()
    )
    assert value["settings"]["trim"] == "chance"
    full = files.read_json(localize.run(config(work)))
    assert value["model"]["mean_tube_iou"] > full["model"]["mean_tube_iou"]
    assert value["model"]["mean_frame_iou"] == full["model"]["mean_frame_iou"], (
        "boxes alone, whatever the time"
    )
    assert (
        value["baselines"]["centred"]["mean_tube_iou"]
        > full["baselines"]["centred"]["mean_tube_iou"]
    )


def test_classes_that_share_a_tube_are_written_in_order(work):
    tube = true_tube(0)
    with pytest.raises(FileError, match=r"classes \[1, 0\] share a tube of Left/test0"):
        save_detections(
            work.path / "t.jsonl", [Detection("Left/test0", k, 0.5, tube) for k in (1, 0)]
        )


def test_the_same_config_writes_the_same_bytes(work):
    def digest():
        path = localize.run(config(work))
        return [
            hashlib.sha256(file.read_bytes()).hexdigest()
            for file in (path, path.parent / "tubes.jsonl")
        ]

    assert digest() == digest()


def test_named_tubes_lie_beside_the_others(work):
    path = localize.run(config(work))
    before = path.read_bytes()
    named = localize.run(change(config(work), localize__name="raw", localize__span=0))
    assert (path.name, named.name) == ("map.json", "map-raw.json")
    assert path.read_bytes() == before != named.read_bytes()
    folder = work.run("videolstm-rgb")
    assert (folder / "tubes-raw.jsonl").read_bytes() != (folder / "tubes.jsonl").read_bytes()
    remove_results(folder)
    assert not list(folder.glob("map*")) and not list(folder.glob("tubes*"))
    with pytest.raises(ConfigError, match=r"localize.name is 'a/b'; expected letters, digits"):
        config(work, localize__name="a/b")


def test_without_truth_there_are_tubes_and_nulls(work, capsys):
    work.truth.unlink()
    value = files.read_json(localize.run(config(work)))
    assert (
        value["model"] is None
        and value["baselines"] == {}
        and value["truth"] == {"videos": 0, "tubes": 0}
    )
    assert value["attention"]["mass_inside_truth"] is None
    assert len(files.read_jsonl(work.run("videolstm-rgb") / "tubes.jsonl")) == 4
    assert "no true boxes" in capsys.readouterr().out


def test_fused_scores_replace_the_mean_of_frames(work):
    names = ("Right/test3", "Right/test1", "Left/test2", "Left/test0", "Left/other")
    swapped = Scores(
        names,
        np.array([[0.9, 0.1], [0.6, 0.4], [0.3, 0.7], [0.4, 0.6], [0.5, 0.5]], np.float32),
        np.array([1, 1, 0, 0, 0]),
        CLASSES,
    )
    save_scores(work.fused("two"), swapped)
    value = files.read_json(localize.run(config(work, localize__scores="two")))
    assert value["scores"] == "two"
    rows = {
        row["video"]: row for row in files.read_jsonl(work.run("videolstm-rgb") / "tubes.jsonl")
    }
    assert rows["Right/test1"]["scores"] == pytest.approx([0.6, 0.4])
    save_scores(work.fused("two"), swapped._replace(classes=("Left", "Up")))
    with pytest.raises(FileError, match="classes that are not the 2"):
        localize.run(config(work, localize__scores="two"))
    fewer = Scores(names[1:], swapped.scores[1:], swapped.label[1:], CLASSES)
    save_scores(work.fused("two"), fewer)
    with pytest.raises(FileError, match="lacks 1 of 4 test videos, the first is Right/test3"):
        localize.run(config(work, localize__scores="two"))


def test_refuses(work):
    path = work.evaluated_video("videolstm-rgb", "Left/test2")
    good = {"scores": frame_scores(0), "attention": attention_of(true_tube(0))}
    files.write_arrays(path, scores=good["scores"])
    with pytest.raises(
        FileError, match=r"test2\.npz holds no attention.*expected a run whose cell attends"
    ):
        localize.run(config(work))
    files.write_arrays(path, **{**good, "attention": good["attention"][:5]})
    with pytest.raises(
        FileError, match=r"attention \(5, 7, 7\); expected .* L' 11 or 12 for 12 frames"
    ):
        localize.run(config(work))
    files.write_arrays(path, **{**good, "attention": -good["attention"]})
    with pytest.raises(FileError, match=r"test2\.npz: attention has values from"):
        localize.run(config(work))
    files.write_arrays(path, **{**good, "scores": np.full_like(good["scores"], np.nan)})
    with pytest.raises(FileError, match="scores are not finite"):
        localize.run(config(work))
    path.unlink()
    with pytest.raises(
        FileError, match=r"is missing; the stage evaluate \(for the test list\) writes it"
    ):
        localize.run(config(work))
    assert not (work.run("videolstm-rgb") / "map.json").exists()
    files.write_arrays(path, **good)
    save_detections(work.truth, [Detection("Left/test0", 0, 1.0, Tube(9, true_tube(0).boxes))])
    with pytest.raises(
        FileError, match="a tube of Left/test0 ends with frame 17; expected at most 11"
    ):
        localize.run(config(work))
    save_detections(work.truth, [Detection("Left/test0", 2, 1.0, true_tube(0))])
    with pytest.raises(FileError, match="has label 2; expected 0 to 1"):
        localize.run(config(work))
    save_dataset(work.dataset, Dataset(CLASSES, (listed_video("Left/a", 0, "train"),)))
    with pytest.raises(FileError, match="no videos of the part 'test'"):
        localize.run(config(work))
