"""Folders of videos, real and made for the purpose, to lists of videos."""

import json
import os
import shutil
from collections import Counter

import numpy as np
import pytest
from etils import epath

from videolstm_jax import artifacts
from videolstm_jax.config import DataConfig
from videolstm_jax.dataset.folders.folder_listing import list_folder
from videolstm_jax.dataset.lists.list_files import ListWarning
from videolstm_jax.dataset.scan import read_dataset_tubes, scan_videos
from videolstm_jax.errors import ConfigError, FileError, VideoError
from videolstm_jax.video import decode, encode


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    encode.write(path, np.random.default_rng(0).integers(0, 255, (6, 32, 48, 3), np.uint8), 10.0)
    return path


@pytest.fixture
def folder(tmp_path, clip):
    def make(*names, place=""):
        for name in names:
            (tmp_path / place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(clip, tmp_path / place / name)
        return tmp_path

    return make


def scan(root, **settings):
    return scan_videos(DataConfig(videos=str(root), **settings))


def parts(dataset):
    return {video.name: video.part for video in dataset.videos}


def test_weizmann_as_it_lies(real_data, tmp_path):
    dataset, bad = scan(real_data / "weizmann")
    assert dataset.classes == ("bend", "jack", "wave1", "wave2") and bad == []
    assert Counter(video.part for video in dataset.videos) == {"train": 16, "test": 8}
    assert {video.group for video in dataset.videos if video.part == "test"} == {"p4", "p5"}
    assert [video.name for video in dataset.videos] == sorted(
        video.name for video in dataset.videos
    )
    for video in dataset.videos[::7]:
        frames = decode.read(video.path)
        assert frames.shape == (video.frames, video.height, video.width, 3)
        assert video.label == dataset.classes.index(video.name.split("/")[0])
    truth = read_dataset_tubes(DataConfig(videos=str(real_data / "weizmann")), dataset)
    assert {detection.video for detection in truth} == {video.name for video in dataset.videos}
    artifacts.save_dataset(tmp_path / "dataset.json", dataset)
    assert artifacts.load_dataset(tmp_path / "dataset.json") == dataset


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
    assert len(tested) == 1 and Counter(parts(dataset).values()) == {"train": 6, "test": 2}
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
    assert len(decode.read(halved.videos[0].path, fps=5.0)) == 3


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
    assert parts(dataset) == {
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
    assert parts(dataset) == {"A/x": "train", "B/x": "train", "A/y": "test", "B/y": "test"}
    with pytest.raises(
        FileError, match=r"lacks trainlist01\.txt and testlist01\.txt; it has testlist02"
    ):
        scan(root)
    (root / "boxes.json").write_text(json.dumps({"A/z": [[0, 0, 9, 9]], "A/x": [[0, 0, 9, 9]]}))
    assert [
        detection.video
        for detection in read_dataset_tubes(DataConfig(videos=str(root), split=2), dataset)
    ] == ["A/x"]
    with pytest.raises(FileError, match=r"expected data\.fps 0, found 5"):
        read_dataset_tubes(DataConfig(videos=str(root), split=2, fps=5.0), dataset)
    assert read_dataset_tubes(DataConfig(videos=str(root / "A")), dataset) == []


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


def test_bad_videos_fail_or_are_skipped(folder, clip):
    root = folder(*(f"{label}/p{person}_{label}.mp4" for label in "AB" for person in range(4)))
    (root / "A" / "p9_A.mp4").write_bytes(b"no video at all")
    encode.write(root / "B" / "p9_B.mp4", np.zeros((1, 32, 48, 3), np.uint8), 10.0)
    with pytest.raises(VideoError, match=r"A/p9_A\.mp4"):
        scan(root)
    dataset, bad = scan(root, on_bad_video="skip")
    assert len(dataset.videos) == 8 and [row["name"] for row in bad] == ["A/p9_A", "B/p9_B"]
    assert "p9_A.mp4" in bad[0]["reason"] and bad[0]["path"].endswith("p9_A.mp4")
    assert "1 frame; expected at least 2" in bad[1]["reason"]
    (root / "boxes.json").write_text(json.dumps({"A/p9_A": [[0, 0, 9, 9]]}))
    assert read_dataset_tubes(DataConfig(videos=str(root)), dataset) == []


def test_skipping_all_of_a_class_is_refused(folder):
    root = folder("A/x.mp4", "A/y.mp4")
    (root / "B").mkdir()
    for stem in "xy":
        (root / "B" / f"{stem}.mp4").write_bytes(b"nothing")
    with pytest.raises(FileError, match="no clip in the train list of B"):
        scan(root, on_bad_video="skip")


# ---- files of other names, deeper folders, folders of parts --------------------------------------


@pytest.mark.parametrize(
    "name",
    ["a.MTS", "b.flv", "c.gif", "d.3gp", "e.ts", "f.m2ts", "g.vob", "h.asf", "i.divx", "j.ogv"],
)
def test_names_of_videos_are_known(folder, name):
    root = folder(f"A/{name}", "A/x.mp4", "B/x.mp4", "B/y.mp4")
    assert {video.name for video in list_folder(epath.Path(root)).videos} == {
        f"A/{name.split('.')[0]}",
        "A/x",
        "B/x",
        "B/y",
    }


def test_unknown_names_are_looked_into_and_left_out_files_are_counted(folder, capsys):
    root = folder(
        "A/x.mp4", "A/y.clip", "A/noname", "A/deep/.hid.mp4", "B/x.mp4", "B/z.mp4", "w.mp4"
    )
    (root / "A" / "notes.txt").write_text("text")
    (root / "A" / "deep" / "b.jpg").write_bytes(b"\xff\xd8")
    (root / "A" / "code.ts").write_text("export const a = 1;\n")
    (root / "B" / "list.xyz").write_text("#EXTM3U\n/etc/passwd\n")
    (root / "B" / "damaged.xyz").write_bytes(bytes(range(256)) * 9)
    (root / "B" / "README").write_text("text")
    os.mkfifo(root / "B" / "pipe.fifo")
    dataset, _ = scan(root)
    assert {video.name for video in dataset.videos} == {
        "A/x",
        "A/y.clip",
        "A/noname",
        "B/x",
        "B/z",
    }
    assert (
        "left out: 1 .jpg, 1 .ts, 1 .txt (their names are not those of videos); 2 .xyz, 1 .fifo, 1 "
        "without a suffix (FFmpeg finds no video of two frames in them); videos beside the class "
        "folders: 1, such as w.mp4\n"
    ) in capsys.readouterr().out


def test_hidden_and_system_folders_are_passed_over(folder, capsys):
    root = folder("A/x.mp4", "A/y.mp4", "B/x.mp4", "B/z.mp4", "__MACOSX/A/x.mp4", ".trash/C/a.mp4")
    folder("A/__MACOSX/q.mp4", "A/._x.mp4", "B/@eaDir/q.mp4", "$RECYCLE.BIN/D/x.mp4")
    assert set(parts(scan(root)[0])) == {"A/x", "A/y", "B/x", "B/z"}
    assert "left out" not in capsys.readouterr().out


def test_deeper_folders_are_taken_and_tell_equal_names_apart(folder):
    root = folder("A/1.mp4", "A/cam/1.mp4", "A/cam/deep/1.mp4", "A/cam/2.mp4", "B/5.mp4", "B/6.mp4")
    (root / "A" / "cam" / "loop").symlink_to(root / "A")
    videos = list_folder(epath.Path(root)).videos
    assert {video.name: video.group for video in videos} == {
        "A/1": "1",
        "A/cam_1": "cam_1",
        "A/cam_deep_1": "cam_deep_1",
        "A/2": "2",
        "B/5": "5",
        "B/6": "6",
    }


def test_folders_within_every_class_are_recordings(folder):
    names = [f"{label}/p{person}/{clip}.mp4" for label in "AB" for person in "12" for clip in "34"]
    root = folder(*names)
    dataset, _ = scan(root)
    assert {video.name: video.group for video in dataset.videos}["B/p2_4"] == "p2"
    assert len({video.group for video in dataset.videos if video.part == "test"}) == 1
    # The folders of a table may be anything.
    rows = [f"{name},{name[0]}" for name in names]
    (root / "labels.csv").write_text("\n".join(["path,label", *rows]))
    videos = list_folder(epath.Path(root)).videos
    assert {video.name: video.group for video in videos}["B/B_p2_4"] == "B_p2_4"


def test_class_folders_in_folders_of_parts(folder, capsys):
    names = [
        f"{part}/{label}/{clip}.mp4"
        for part in ("train", "Test")
        for label in "AB"
        for clip in "12"
    ]
    root = folder(*names, "val/A/x.mp4")
    (root / "annotations").mkdir()
    dataset, _ = scan(root)
    assert parts(dataset) == {
        **{f"{label}/train_{clip}": "train" for label in "AB" for clip in "12"},
        **{f"{label}/Test_{clip}": "test" for label in "AB" for clip in "12"},
        "A/x": "valid",
    }
    assert "validation list is the test list" not in capsys.readouterr().out
    folder("C/a.mp4")
    with pytest.raises(FileError, match="C has videos and lies beside Test, train, val; expected"):
        scan(root)


def test_a_validation_list_is_the_test_list_where_there_is_none(folder, capsys):
    root = folder("train/A/1.mp4", "train/B/2.mp4", "val/A/3.mp4", "val/B/4.mp4")
    expected = {"A/1": "train", "B/2": "train", "A/3": "test", "B/4": "test"}
    assert parts(scan(root)[0]) == expected
    assert "there is no test list: the validation list is the test list" in capsys.readouterr().out
    rows = [
        "train/A/1.mp4,A,train",
        "train/B/2.mp4,B,train",
        "val/A/3.mp4,A,val",
        "val/B/4.mp4,B,val",
    ]
    (root / "labels.csv").write_text("\n".join(["path,label,part", *rows]))
    assert parts(scan(root)[0]) == expected


def test_classes_may_be_called_train_and_test(folder):
    root = folder("train/a.mp4", "train/b.mp4", "test/c.mp4", "test/d.mp4")
    with pytest.raises(FileError, match=r"test holds videos without class folders; test, train"):
        scan(root)
    root = folder("bus/e.mp4", "bus/f.mp4")
    assert scan(root)[0].classes == ("bus", "test", "train")


def test_clips_of_one_recording_stay_on_one_side(folder):
    names = [
        f"{label}/rec{take}_{clip:02}.mp4"
        for label in "AB"
        for take in range(4)
        for clip in range(3)
    ]
    dataset, _ = scan(folder(*names))
    of_group = {}
    for video in dataset.videos:
        of_group.setdefault(video.group, set()).add(video.part)
    assert set(of_group) == {f"rec{take}" for take in range(4)}
    assert all(len(of_part) == 1 for of_part in of_group.values())


def test_a_group_pattern_wins_over_names_and_tables(folder):
    root = folder(
        *(f"{label}/{clip}{person}.mp4" for label in "AB" for clip in "12" for person in "xyz")
    )
    with pytest.warns(ListWarning, match="no recordings are recognised in the names of 12 videos"):
        scan(root)
    dataset, _ = scan(root, group_pattern="([xyz])$")
    assert {video.group for video in dataset.videos} == {"x", "y", "z"}
    rows = [f"{video.name}.mp4,{video.name[0]},one" for video in dataset.videos]
    (root / "labels.csv").write_text("\n".join(["path,label,group", *rows]))
    assert scan(root, group_pattern="([xyz])$")[0] == dataset
    with pytest.raises(ConfigError, match="finds no group in 4 of 12 videos, such as A/1z"):
        scan(root, group_pattern="([xy])$")


@pytest.mark.parametrize("label", ["index.json", "x" * 230, "\x1b[31mred"])
def test_class_folders_that_results_cannot_have_are_named(folder, label):
    with pytest.raises(FileError, match="expected a name that a folder can have"):
        scan(folder(f"{label}/1.mp4", "A/2.mp4"))


def test_long_names_of_files_are_named(folder):
    with pytest.raises(FileError, match="the name has 240 bytes; expected at most 200"):
        scan(folder(f"A/{240 * 'y'}.mp4", "B/1.mp4"))
