"""HMDB51 and UCF101-24 of tensorflow-datasets become folders of videos, from small archives."""

# ruff: noqa: E402 (what is imported next needs tensorflow-datasets)
import shutil

import numpy as np
import pytest
from tfds_clips import config, frames, grey

tfds = pytest.importorskip("tensorflow_datasets")

from videolstm_jax.annotations import ucf24
from videolstm_jax.annotations.ground_truth import GroundTruth, check_ground_truth
from videolstm_jax.annotations.truth_jsonl import save_truth
from videolstm_jax.config import DataConfig
from videolstm_jax.dataset import scan
from videolstm_jax.dataset.listing import list_videos
from videolstm_jax.dataset.tfds import hmdb51 as hmdb51_classes
from videolstm_jax.dataset.tfds.export import export_tfds
from videolstm_jax.errors import FileError
from videolstm_jax.types import Detection, Tube
from videolstm_jax.video import decode, encode

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def hmdb51(manual, classes=("wave", "chew", "flic_flac")):
    """A manual directory of a few clips: the videos as a zip, the lists as a folder."""
    lines = {}
    for at, label in enumerate(classes):
        for clip in range(4):
            name = f"Clip_#{clip}!_({at})_{label}_f_cm_np1_fr_med_0.avi"
            encode.write_video(
                manual / "hmdb51_org" / label / name, frames(4 * at + clip), 30.0, codec="mpeg4"
            )
            lines.setdefault(label, []).append(f"{name} {(1, 2, 1, 0)[clip]} ")
    (manual / "testTrainMulti_7030_splits").mkdir()
    for label, rows in lines.items():
        (manual / "testTrainMulti_7030_splits" / f"{label}_test_split2.txt").write_text(
            "\n".join(rows) + "\n"
        )
    shutil.make_archive(str(manual / "hmdb51_org"), "zip", manual, "hmdb51_org")
    shutil.rmtree(manual / "hmdb51_org")
    return manual


def test_hmdb51_from_its_archives(tmp_path):
    hmdb51(tmp_path / "data" / "downloads" / "manual")
    root = export_tfds(config("hmdb51/hmdb51_2", tmp_path / "data"), tmp_path / "out")
    builder = tfds.builder("hmdb51/hmdb51_2", data_dir=str(tmp_path / "data"))
    assert builder.info.features["label"].num_classes == 51
    assert {name: split.num_examples for name, split in builder.info.splits.items()} == {
        "train": 6,
        "test": 3,
    }
    choice = list_videos(DataConfig(videos=str(root)))
    assert choice.classes == ("chew", "flic_flac", "wave") and len(choice.videos) == 9
    assert {video.group for video in choice.videos if video.part == "test"} == {
        f"Clip_#1!_({at})_{label}" for at, label in enumerate(("wave", "chew", "flic_flac"))
    }
    video = next(
        listed
        for listed in choice.videos
        if listed.name == "wave/Clip_#2!_(0)_wave_f_cm_np1_fr_med_0"
    )
    assert decode.probe_video(video.path) == (6, 33, 24, 30.0)
    assert (
        np.abs(grey(decode.read_video(video.path)) - grey(frames(2))).mean() < 3
    )  # MPEG-4, then JPEG


def test_hmdb51_says_what_it_lacks(tmp_path):
    manual = tmp_path / "downloads" / "manual"
    with pytest.raises(FileError, match=r"(?s)does not exist or is empty.*hmdb51_org"):
        export_tfds(config("hmdb51/hmdb51_1", tmp_path), tmp_path / "a")
    manual.mkdir(parents=True)
    (manual / "hmdb51_org.rar").touch()
    with pytest.raises(
        FileError, match=r"no hmdb51_org; .*Unpack hmdb51_org\.rar first \(unrar x or bsdtar -xf\)"
    ):
        export_tfds(config("hmdb51/hmdb51_1", tmp_path), tmp_path / "b")
    hmdb51(manual)
    with pytest.raises(FileError, match=r"lacks trainlist01\.txt"):
        export_tfds(config("hmdb51/hmdb51_1", tmp_path), tmp_path / "c")


def ucf101_24(manual, *, long=False):
    """A manual directory of two clips of each class; those of two classes have tubes."""
    for part, group in (("train", 8), ("test", 1)):
        names = []
        for at, label in enumerate(ucf24.UCF24_CLASSES):
            names.append(f"{label}/v_{label}_g{group:02}_c01.avi")
            encode.write_video(manual / "UCF-101" / names[-1], frames(at), codec="mpeg4")
        (manual / "ucfTrainTestlist").mkdir(exist_ok=True)
        (manual / "ucfTrainTestlist" / f"{part}list01.txt").write_text(
            "\n".join(names) + "\nArchery/x.avi\n"
        )
    boxes = np.array([[0, 0, 9, 9], [1, 0.5, 10, 9.25], [2, 1, 11, 10]])
    annotated = [
        Detection(
            f"{label}/v_{label}_g01_c01",
            ucf24.UCF24_CLASSES.index(label),
            1.0,
            Tube(start, boxes[: stop - start]),
        )
        for label, start, stop in (
            ("Biking", 0, 3),
            ("Biking", 2, 4),
            ("Surfing", 1, 90 if long else 3),
        )
    ]
    if long:
        annotated[2] = annotated[2]._replace(tube=Tube(1, np.tile(boxes[:1], (90, 1))))
    save_truth(
        manual / "truth.jsonl",
        check_ground_truth("made", GroundTruth(ucf24.UCF24_CLASSES, {}, {}, annotated)),
    )
    return annotated


@pytest.mark.slow
def test_ucf101_24_brings_its_tubes(tmp_path):
    annotated = ucf101_24(tmp_path / "data" / "downloads" / "manual")
    root = export_tfds(config("ucf101_24/ucf101_24_1", tmp_path / "data"), tmp_path / "out")
    cfg = DataConfig(videos=str(root))
    dataset, bad = scan.scan_videos(cfg)
    assert dataset.classes == ucf24.UCF24_CLASSES and len(dataset.videos) == 48 and not bad
    assert {video.group for video in dataset.videos if video.part == "test"} == {"g01"}
    detections = scan.read_dataset_true_tubes(cfg, dataset)
    assert [
        (detection.video, detection.label, detection.tube.start) for detection in detections
    ] == [
        (detection.video, detection.label, detection.tube.start)
        for detection in sorted(
            annotated, key=lambda detection: (detection.video, detection.tube.start)
        )
    ]
    for detection in detections:
        (same,) = [
            other
            for other in annotated
            if other.video == detection.video and other.tube.start == detection.tube.start
        ]
        np.testing.assert_allclose(detection.tube.boxes, same.tube.boxes, atol=1e-3)


def test_ucf101_24_refuses_tubes_of_other_videos(tmp_path):
    manual = tmp_path / "downloads" / "manual"
    ucf101_24(manual, long=True)
    with pytest.raises(
        (FileError, FileError), match="v_Surfing_g01_c01 reaches frame 90; expected at most"
    ):
        export_tfds(config("ucf101_24/ucf101_24_1", tmp_path), tmp_path / "a")
    (manual / "truth.jsonl").unlink()
    with pytest.raises(
        FileError, match=r"no tubes; expected pyannot\.pkl, finalAnnots\.mat, truth\.jsonl"
    ):
        export_tfds(config("ucf101_24/ucf101_24_1", tmp_path), tmp_path / "b")


def test_the_classes_of_hmdb51_are_those_of_its_lists(real_data):
    lists = real_data / "splits" / "hmdb51_testTrainMulti_7030_splits"
    named = {path.name.removesuffix("_test_split1.txt") for path in lists.glob("*_test_split1.txt")}
    assert set(hmdb51_classes.HMDB51_CLASSES) == named and len(hmdb51_classes.HMDB51_CLASSES) == 51
