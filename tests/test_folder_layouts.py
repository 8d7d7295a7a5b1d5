"""Names of files and folders that data sets have: suffixes, deeper folders, parts, recordings."""

import os
from functools import partial

import pytest
from class_folders import part_of_each, scan, write_copies
from etils import epath

from videolstm_jax.dataset.folders.folder_listing import list_videos_of_folder
from videolstm_jax.dataset.lists.list_files import ListWarning
from videolstm_jax.errors import ConfigError, FileError


@pytest.fixture
def folder(tmp_path):
    """Writes copies of one clip into the folder of the test, and returns that folder."""
    return partial(write_copies, tmp_path)


@pytest.mark.parametrize(
    "name",
    ["a.MTS", "b.flv", "c.gif", "d.3gp", "e.ts", "f.m2ts", "g.vob", "h.asf", "i.divx", "j.ogv"],
)
def test_names_of_videos_are_known(folder, name):
    root = folder(f"A/{name}", "A/x.mp4", "B/x.mp4", "B/y.mp4")
    assert {video.name for video in list_videos_of_folder(epath.Path(root)).videos} == {
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
    assert set(part_of_each(scan(root)[0])) == {"A/x", "A/y", "B/x", "B/z"}
    assert "left out" not in capsys.readouterr().out


def test_deeper_folders_are_taken_and_tell_equal_names_apart(folder):
    root = folder("A/1.mp4", "A/cam/1.mp4", "A/cam/deep/1.mp4", "A/cam/2.mp4", "B/5.mp4", "B/6.mp4")
    (root / "A" / "cam" / "loop").symlink_to(root / "A")
    videos = list_videos_of_folder(epath.Path(root)).videos
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
    videos = list_videos_of_folder(epath.Path(root)).videos
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
    assert part_of_each(dataset) == {
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
    assert part_of_each(scan(root)[0]) == expected
    assert "there is no test list: the validation list is the test list" in capsys.readouterr().out
    rows = [
        "train/A/1.mp4,A,train",
        "train/B/2.mp4,B,train",
        "val/A/3.mp4,A,val",
        "val/B/4.mp4,B,val",
    ]
    (root / "labels.csv").write_text("\n".join(["path,label,part", *rows]))
    assert part_of_each(scan(root)[0]) == expected


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
