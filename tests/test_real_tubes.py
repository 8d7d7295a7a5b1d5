"""From true boxes of UCF101-24 to measured tubes, on two real clips."""

import json
import subprocess
import sys

import numpy as np
import pytest

from videolstm_jax import files, pipeline
from videolstm_jax.annotations.truth import read_truth
from videolstm_jax.presets import configured
from videolstm_jax.video import decode, encode
from videolstm_jax.workdir.dataset_json import load_dataset
from videolstm_jax.workdir.layout import Workdir
from videolstm_jax.workdir.tubes_jsonl import load_detections

TESTED = {
    "BasketballDunk": "v_BasketballDunk_g17_c03",
    "SoccerJuggling": "v_SoccerJuggling_g23_c01",
}


@pytest.fixture(scope="module")
def prepared_workdir(real_data, tmp_path_factory):
    """The pipeline over both clips, trained on mirrored copies, so accuracy is no test."""
    folder = tmp_path_factory.mktemp("ucf")
    for number, (label, name) in enumerate(TESTED.items(), 1):
        place = folder / "videos" / label
        place.mkdir(parents=True)
        (place / f"{name}.avi").symlink_to(real_data / "ucf101_clips" / f"{name}.avi")
        mirrored = f"mirrored_g0{number}_c01"
        encode.write_video(
            place / f"{mirrored}.mp4",
            decode.read_video(place / f"{name}.avi", max_frames=60)[:, :, ::-1],
        )
        for part, stem in (("train", f"{mirrored}.mp4"), ("test", f"{name}.avi")):
            with (folder / f"{part}list01.txt").open("a") as file:
                file.write(f"{label}/{stem}" + (f" {number}\n" if part == "train" else "\n"))
    (folder / "classInd.txt").write_text(
        "".join(f"{at} {label}\n" for at, label in enumerate(TESTED, 1))
    )
    boxes = real_data / "ucf24_annots" / "pyannot.pkl"
    cfg = configured(
        "small",
        convnet__backbone="vgg",
        data__videos=str(folder),
        data__boxes=str(boxes),
        workdir=str(folder / "work"),
        convnet__steps=3,
        train__steps=3,
        convnet__widths=(8, 8, 16),
        report__examples=2,
    )
    pipeline.run(cfg)
    return Workdir(cfg.workdir), boxes


@pytest.mark.slow
def test_true_tubes_are_those_of_the_annotations(prepared_workdir):
    work, boxes = prepared_workdir
    annotated = {detection.video: detection for detection in read_truth(boxes).tubes}
    detections = load_detections(work.truth)
    assert [
        (detection.video, detection.tube.start, len(detection.tube.boxes))
        for detection in detections
    ] == [
        (f"BasketballDunk/{TESTED['BasketballDunk']}", 16, 40),
        (f"SoccerJuggling/{TESTED['SoccerJuggling']}", 0, 240),
    ]
    for detection in detections:
        np.testing.assert_allclose(
            detection.tube.boxes, annotated[detection.video].tube.boxes, atol=1e-3
        )


@pytest.mark.slow
def test_tubes_lie_in_the_frame_and_are_measured(prepared_workdir):
    work, _ = prepared_workdir
    lengths = {video.name: video.frames for video in load_dataset(work.dataset).videos}
    for run in ("videolstm-rgb", "videolstm-flow"):
        for detection in load_detections(work.run(run) / "tubes.jsonl"):
            assert (
                len(detection.tube.boxes) == lengths[detection.video]
                and (detection.tube.boxes >= 0).all()
            )
            assert (detection.tube.boxes[:, 2] <= 320).all() and (
                detection.tube.boxes[:, 3] <= 240
            ).all()
        value = files.read_json(work.run(run) / "map.json")
        assert value["truth"] == {"videos": 2, "tubes": 2}
        assert 0 < value["model"]["mean_frame_iou"]["value"] < 1
        baselines = {
            name: floor["mean_frame_iou"]["value"] for name, floor in value["baselines"].items()
        }
        assert (
            baselines["perfect_tube"] == 1
            and baselines["ideal_attention"] > baselines["uniform_attention"]
        )
        assert {"mean_train_box"} == {
            "full_frame",
            "centred",
            "mean_train_box",
            "uniform_attention",
            "flow_magnitude",
            "perfect_box",
            "ideal_attention",
            "perfect_tube",
        } - set(baselines)
        print(
            {name: round(iou, 3) for name, iou in baselines.items()},
            value["model"]["mean_frame_iou"],
        )


@pytest.mark.slow
def test_the_command_measures_what_the_walk_did(prepared_workdir, tmp_path):
    work, boxes = prepared_workdir
    run_folder = work.run("videolstm-rgb")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "launch.measure",
            f"--detections={run_folder / 'tubes.jsonl'}",
            f"--truth={boxes}",
            f"--dataset={work.dataset}",
            f"--json={tmp_path / 'measured.json'}",
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    measured, own = (
        json.loads((tmp_path / "measured.json").read_text()),
        files.read_json(run_folder / "map.json")["model"],
    )
    for style, by_iou in own["video_map"].items():
        for iou, value in by_iou.items():
            assert measured["video_map"][style][iou] == pytest.approx(value, abs=1e-6)
    assert measured["mean_tube_iou"] == pytest.approx(own["mean_tube_iou"], abs=1e-6)
