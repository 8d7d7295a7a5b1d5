"""Folders of videos, real and made for the purpose, to lists of videos."""

import json
from collections import Counter
from functools import partial

import numpy as np
import pytest
from class_folders import part_of_each, scan, write_copies

from videolstm_jax.config import DataConfig
from videolstm_jax.dataset.lists.list_files import ListWarning
from videolstm_jax.dataset.scan import read_dataset_true_tubes, scan_videos
from videolstm_jax.errors import FileError, VideoError
from videolstm_jax.video import decode, encode
from videolstm_jax.workdir.dataset_json import load_dataset, save_dataset


@pytest.fixture
def folder(tmp_path):
    """Writes copies of one clip into the folder of the test, and returns that folder."""
    return partial(write_copies, tmp_path)


def test_weizmann_as_it_lies(real_data, tmp_path):
    dataset, bad = scan(real_data / "weizmann")
    assert dataset.classes == ("bend", "jack", "wave1", "wave2") and bad == []
    assert Counter(video.part for video in dataset.videos) == {"train": 16, "test": 8}
    assert {video.group for video in dataset.videos if video.part == "test"} == {"p4", "p5"}
    assert [video.name for video in dataset.videos] == sorted(
        video.name for video in dataset.videos
    )
    for video in dataset.videos[::7]:
        frames = decode.read_video(video.path)
        assert frames.shape == (video.frames, video.height, video.width, 3)
        assert video.label == dataset.classes.index(video.name.split("/")[0])
    truth = read_dataset_true_tubes(DataConfig(videos=str(real_data / "weizmann")), dataset)
    assert {detection.video for detection in truth} == {video.name for video in dataset.videos}
    save_dataset(tmp_path / "dataset.json", dataset)
    assert load_dataset(tmp_path / "dataset.json") == dataset


def test_weizmann_with_a_held_out_performer_and_validation(real_data):
    dataset, _ = scan(real_data / "weizmann", hold_out="p2", validation=0.2)
    by_part = {
        part: {video.group for video in dataset.videos if video.part == part}
        for part in ("train", "valid", "test")
    }
    assert by_part["test"] == {"p2"} and len(by_part["valid"]) == 1 and len(by_part["train"]) == 4
    assert not by_part["valid"] & by_part["train"]
    official, _ = scan(real_data / "weizmann", validation=0.25)
    assert Counter(video.part for video in official.videos) == {"train": 12, "valid": 4, "test": 8}


def test_a_manifest_gives_parts_and_groups(real_data):
    dataset, bad = scan(real_data / "fight_surv")
    assert bad == [] and dataset.classes == ("fight", "noFight") and len(dataset.videos) == 40
    assert Counter(video.part for video in dataset.videos) == {"train": 28, "test": 12}
    assert len({(video.width, video.height) for video in dataset.videos}) > 1
    assert {video.group for video in dataset.videos if video.name == "noFight/nofi144"} == {
        "L-xyzcwCDCA"
    }


def test_class_folders_without_lists(folder):
    root = folder(
        *(f"{label}/p{person}_{label}.mp4" for label in ("run", "walk") for person in range(4))
    )
    (root / "run" / "notes.txt").touch()
    (root / "run" / ".hidden.mp4").touch()
    dataset, _ = scan(root)
    assert dataset.classes == ("run", "walk") and len(dataset.videos) == 8
    tested = {video.group for video in dataset.videos if video.part == "test"}
    assert len(tested) == 1 and Counter(part_of_each(dataset).values()) == {"train": 6, "test": 2}
    assert scan(root)[0] == dataset
    video = dataset.videos[0]
    assert (video.frames, video.width, video.height, video.fps) == (6, 48, 32, 10.0)
    assert {scan_videos(DataConfig(videos=str(root)), seed=seed)[0] for seed in range(6)} > {
        dataset
    }


def test_frames_are_limited_and_resampled(folder):
    root = folder("run/a.mp4", "run/b.mp4", "walk/a.mp4", "walk/b.mp4")
    assert {video.frames for video in scan(root, max_frames=4)[0].videos} == {4}
    halved, _ = scan(root, fps=5.0)
    assert {(video.frames, video.fps) for video in halved.videos} == {(3, 5.0)}
    assert len(decode.read_video(halved.videos[0].path, fps=5.0)) == 3


def test_a_table_may_point_anywhere(folder):
    root = folder(
        "all/1.mp4", "all/2.mp4", "more/3.MP4", "more/4.mp4", "more/unlisted.mp4", place="videos"
    )
    (root / "labels.csv").write_text(
        "label,path,split,note\nrun,all/1.mp4,train,\nwalk,all/2.mp4,train,\n"
        "run,more/3.MP4,test,x\nwalk,videos/more/4.mp4,val,\n"
    )
    with pytest.warns(ListWarning, match="no clip in the test list of walk"):
        dataset, _ = scan(root)
    assert part_of_each(dataset) == {
        "run/1": "train",
        "walk/2": "train",
        "run/3": "test",
        "walk/4": "valid",
    }


def test_lists_decide_and_unlisted_clips_stay_out(folder):
    root = folder(*(f"{label}/{clip}.mp4" for label in "AB" for clip in "xyz"))
    (root / "trainlist02.txt").write_text("A/x.avi 1\nB/x.avi 2\n")
    (root / "testlist02.txt").write_text("A/y.avi\nB/y.avi\n")
    dataset, _ = scan(root, split=2)
    assert part_of_each(dataset) == {"A/x": "train", "B/x": "train", "A/y": "test", "B/y": "test"}
    with pytest.raises(
        FileError, match=r"lacks trainlist01\.txt and testlist01\.txt; it has testlist02"
    ):
        scan(root)
    (root / "boxes.json").write_text(json.dumps({"A/z": [[0, 0, 9, 9]], "A/x": [[0, 0, 9, 9]]}))
    assert [
        detection.video
        for detection in read_dataset_true_tubes(DataConfig(videos=str(root), split=2), dataset)
    ] == ["A/x"]
    with pytest.raises(FileError, match=r"expected data\.fps 0, found 5"):
        read_dataset_true_tubes(DataConfig(videos=str(root), split=2, fps=5.0), dataset)
    assert read_dataset_true_tubes(DataConfig(videos=str(root / "A")), dataset) == []


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["run.mp4"], "no class folders with videos, but videos beside them"),
        (
            ["A/x.mp4", "A/x.avi", "B/y.mp4"],
            r"A/x is also .*x\.avi; expected one file of each name",
        ),
        (["A/x.mp4", "B/y.txt"], "class B has no clips"),
        (["A/x.mp4", "A/y.mp4"], "only one class, A"),
        (["A/x.mp4", "B/y.mp4"], "no group can be held out for test"),
    ],
)
def test_folders_that_cannot_be_used_are_named(folder, files, message):
    with pytest.raises(FileError, match=message):
        scan(folder(*files))


def test_lists_that_do_not_fit_the_folder_are_named(folder, tmp_path):
    root = folder("A/x.mp4", "A/y.mp4", "B/x.mp4", "B/y.mp4")
    (root / "classInd.txt").write_text("1 A\n")
    with pytest.raises(FileError, match="does not name class B"):
        scan(root)
    (root / "classInd.txt").write_text("1 A\n2 B\n3 C\n")
    with pytest.raises(FileError, match="names class C, which has no clips"):
        scan(root)
    (root / "classInd.txt").unlink()
    (root / "labels.csv").write_text("path,label\nA/x.mp4,A\nA/gone.mp4,B\n")
    with pytest.raises(FileError, match=r"labels\.csv:3: A/gone\.mp4 is not there"):
        scan(root)
    with pytest.raises(FileError, match="no such folder"):
        scan(tmp_path / "nowhere")
    with pytest.raises(FileError, match=r"data\.videos is empty"):
        scan_videos(DataConfig())


def test_bad_videos_fail_or_are_skipped(folder):
    root = folder(*(f"{label}/p{person}_{label}.mp4" for label in "AB" for person in range(4)))
    (root / "A" / "p9_A.mp4").write_bytes(b"no video at all")
    encode.write_video(root / "B" / "p9_B.mp4", np.zeros((1, 32, 48, 3), np.uint8), 10.0)
    with pytest.raises(VideoError, match=r"A/p9_A\.mp4"):
        scan(root)
    dataset, bad = scan(root, on_bad_video="skip")
    assert len(dataset.videos) == 8 and [row["name"] for row in bad] == ["A/p9_A", "B/p9_B"]
    assert "p9_A.mp4" in bad[0]["reason"] and bad[0]["path"].endswith("p9_A.mp4")
    assert "1 frame; expected at least 2" in bad[1]["reason"]
    (root / "boxes.json").write_text(json.dumps({"A/p9_A": [[0, 0, 9, 9]]}))
    assert read_dataset_true_tubes(DataConfig(videos=str(root)), dataset) == []


def test_skipping_all_of_a_class_is_refused(folder):
    root = folder("A/x.mp4", "A/y.mp4")
    (root / "B").mkdir()
    for stem in "xy":
        (root / "B" / f"{stem}.mp4").write_bytes(b"nothing")
    with pytest.raises(FileError, match="no clip in the train list of B"):
        scan(root, on_bad_video="skip")
