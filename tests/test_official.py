"""The published lists, with folders of empty files that are named as in the archives."""

import shutil
from collections import Counter

import pytest
from etils import epath
from listed_folders import HMDB51, UCF101, chosen, parts, touched

from videolstm_jax.annotations import ucf24
from videolstm_jax.annotations.truth import read_truth
from videolstm_jax.config import DataConfig
from videolstm_jax.dataset.folders import class_folders
from videolstm_jax.dataset.listing import list_videos
from videolstm_jax.dataset.lists import official_lists
from videolstm_jax.dataset.lists.list_files import ListWarning
from videolstm_jax.errors import ConfigError, FileError

MIRROR = "hmdb51_testTrainMulti_7030_splits"


@pytest.fixture(scope="module")
def data(real_data, tmp_path_factory):
    """Both sets unpacked in one folder, with the lists of both; every video is an empty file."""
    home = tmp_path_factory.mktemp("data")
    shutil.copytree(real_data / "splits" / UCF101, home / UCF101)
    shutil.copytree(real_data / "splits" / MIRROR, home / HMDB51)
    ucf = [
        line.split()[0]
        for name in ("trainlist01.txt", "testlist01.txt")
        for line in (home / UCF101 / name).read_text().split("\n")
        if line.strip()
    ]
    touched(home / "UCF-101", ucf)
    hmdb = [
        f"{path.name.removesuffix('_test_split1.txt')}/{line.strip().rpartition(' ')[0]}"
        for path in (home / HMDB51).glob("*_test_split1.txt")
        for line in path.read_text().split("\n")
        if line.strip()
    ]
    touched(home / "hmdb51_org", hmdb)
    return home


@pytest.mark.parametrize(
    ("split", "train", "test"),
    [
        (1, 9537, 3783),
        # The test of validation lists split 2 too.
        pytest.param(2, 9586, 3734, marks=pytest.mark.slow),
        pytest.param(3, 9624, 3696, marks=pytest.mark.slow),
    ],
)
def test_ucf101_with_its_lists_beside(data, split, train, test):
    choice = chosen(data / "UCF-101", split=split)
    assert parts(choice) == {"train": train, "test": test} and len(choice.classes) == 101
    assert choice.origin == f"split {split} of UCF101 in {data / UCF101}"
    assert {video.group for video in choice.videos if video.part == "test"} == {
        f"g{number:02}" for number in range(7 * split - 6, 7 * split + 1)
    }


@pytest.mark.parametrize(
    "split", [1, pytest.param(2, marks=pytest.mark.slow), pytest.param(3, marks=pytest.mark.slow)]
)
def test_hmdb51_with_its_lists_beside(data, split):
    choice = chosen(data / "hmdb51_org", split=split)
    assert parts(choice) == {"train": 3570, "test": 1530} and len(choice.classes) == 51
    assert set(Counter((video.label, video.part) for video in choice.videos).values()) == {70, 30}
    assert choice.origin == f"split {split} of HMDB51 in {data / HMDB51}, 1666 unused"


@pytest.mark.slow
def test_validation_takes_whole_groups_of_the_training_list(data):
    choice = chosen(data / "UCF-101", split=2, validation=0.1)
    groups = {
        part: {video.group for video in choice.videos if video.part == part}
        for part in ("train", "valid", "test")
    }
    assert [len(groups[part]) for part in ("train", "valid", "test")] == [16, 2, 7]
    assert parts(choice)["train"] + parts(choice)["valid"] == 9586 and parts(choice)["test"] == 3734
    assert len({video.label for video in choice.videos if video.part == "valid"}) == 101
    hmdb = chosen(data / "hmdb51_org", validation=0.1)
    sides = [
        {video.group for video in hmdb.videos if video.part == part}
        for part in ("train", "valid", "test")
    ]
    assert not (sides[0] & sides[1] or sides[1] & sides[2]) and len(sides[1]) > 51


@pytest.mark.slow
def test_ucf101_24_is_24_classes_of_ucf101(data, real_data):
    choice = chosen(data / "UCF-101", classes=("ucf101_24",))
    assert choice.classes == ucf24.UCF24_CLASSES and parts(choice) == {"train": 2293, "test": 914}
    assert choice.origin == f"split 1 of UCF101-24 (THUMOS13) in {data / UCF101}"
    annotated = {
        part: set(
            (real_data / "splits" / "ucf101_24_lists" / f"ucf101_24_anno_{part}_list.txt")
            .read_text()
            .split()
        )
        for part in ("train", "test")
    }
    listed = {
        part: {video.name for video in choice.videos if video.part == part}
        for part in ("train", "test")
    }
    assert listed["train"] == annotated["train"] and listed["test"] > annotated["test"]
    boxed = read_truth(real_data / "ucf24_annots" / "pyannot.pkl").videos
    assert len(boxed) == 3194 and listed["test"] - annotated["test"] == listed["test"] - boxed
    assert len(listed["train"] & boxed) == 2284
    for split, train, test in ((2, 2306, 901), (3, 2306, 901)):
        assert parts(chosen(data / "UCF-101", classes=("ucf101_24",), split=split)) == {
            "train": train,
            "test": test,
        }


def test_the_lists_of_the_corrected_boxes(data, real_data, tmp_path):
    for part in ("train", "test"):
        shutil.copy(
            real_data / "splits" / "ucf101_24_lists" / f"ucf101_24_anno_{part}_list.txt",
            tmp_path / f"{part}list01.txt",
        )
    with pytest.warns(
        ListWarning, match=r"4 videos are in no list of split 1 .* LongJump/v_LongJump_g07_c04"
    ):
        choice = list_videos(
            DataConfig(videos=str(data / "UCF-101"), lists=str(tmp_path), classes=("ucf101_24",))
        )
    assert (
        parts(choice) == {"train": 2293, "test": 910}
        and "tested on corrected boxes" in choice.origin
    )


@pytest.mark.parametrize("folder", ["HandstandPushups", "HandStandPushups"])
@pytest.mark.parametrize("stem", ["HandstandPushups", "HandStandPushups"])
def test_handstand_pushups_in_every_spelling(data, tmp_path, folder, stem):
    names = [f"{folder}/v_{stem}_g{group:02}_c01.avi" for group in (1, 8)]
    root = touched(
        tmp_path / "UCF-101",
        [*names, "Archery/v_Archery_g01_c01.avi", "Archery/v_Archery_g08_c01.avi"],
    )
    for part, group in (("train", "08"), ("test", "01")):
        rows = [
            line
            for line in (data / UCF101 / f"{part}list01.txt").read_text().split("\n")
            if f"_g{group}_c01" in line and line.startswith(("Archery/", "Hand"))
        ]
        (root / f"{part}list01.txt").write_text("\n".join(rows))
    shutil.copy(data / UCF101 / "classInd.txt", root)
    choice = chosen(root, classes=("HandstandPushups", "Archery"))
    assert choice.classes == ("Archery", "HandstandPushups") and parts(choice) == {
        "train": 2,
        "test": 2,
    }
    assert [video.label for video in choice.videos] == ["Archery"] * 2 + ["HandstandPushups"] * 2
    assert choice.videos[2].name == f"{folder}/v_{stem}_g01_c01"


def test_thumos13_packs_all_videos_in_one_folder(data, tmp_path):
    root = touched(
        tmp_path / "UCF101",
        [path.name for path in sorted((data / "UCF-101").glob("*/*_g0[18]_c01.avi"))],
    )
    shutil.copy(data / UCF101 / "classInd.txt", root)
    for part, group in (("train", "08"), ("test", "01")):
        rows = (data / UCF101 / f"{part}list01.txt").read_text().split("\n")
        (root / f"{part}list01.txt").write_text(
            "\n".join(row for row in rows if f"_g{group}_c01" in row)
        )
    with pytest.warns(
        ListWarning, match="101 videos to train and 101 to test on; UCF101 was published with 9537"
    ):
        choice = list_videos(DataConfig(videos=str(root)))
    assert parts(choice) == {"train": 101, "test": 101} and len(choice.classes) == 101


def test_lists_are_looked_for_in_order(data, tmp_path):
    home = epath.Path(data)
    labels = {"Archery", "YoYo"}
    assert official_lists.find_official_lists(home / "UCF-101", labels, 1).folder == home / UCF101
    assert (
        official_lists.find_official_lists(home / "hmdb51_org", {"wave", "chew"}, 1).folder
        == home / HMDB51
    )
    assert (
        official_lists.find_official_lists(home / "UCF-101", {"cooking", "reading", "Archery"}, 1)
        is None
    )
    assert (
        official_lists.find_official_lists(
            home / "UCF-101", labels, 1, folder=str(home / HMDB51)
        ).folder
        == home / HMDB51
    )
    inside = touched(tmp_path / "all", ["Archery/a.avi", "YoYo/b.avi"])
    shutil.copytree(data / UCF101, inside / UCF101)
    assert (
        official_lists.find_official_lists(epath.Path(inside), labels, 3).folder == inside / UCF101
    )
    inside_videos = class_folders.find_videos(inside).videos
    assert class_folders.name_folder_videos(inside_videos) == ["Archery/a", "YoYo/b"]
    with pytest.raises(
        FileError, match=r"data\.lists is .*UCF-101: expected a folder with trainlist0N\.txt"
    ):
        official_lists.find_official_lists(
            home / "UCF-101", labels, 1, folder=str(home / "UCF-101")
        )
    with pytest.raises(FileError, match=r"lacks trainlist04\.txt and testlist04\.txt"):
        official_lists.find_official_lists(home / "UCF-101", labels, 4)


def test_lists_cut_short_are_told_from_whole_ones(data, tmp_path):
    complete = data / UCF101 / "trainlist01.txt"
    beside = shutil.copytree(data / UCF101, tmp_path / UCF101)
    (beside / "trainlist01.txt").write_text(
        "".join(complete.read_text().splitlines(keepends=True)[:9500])
    )
    with pytest.warns(ListWarning) as warnings_given:
        list_videos(DataConfig(videos=str(data / "UCF-101"), lists=str(beside)))
    messages = [str(warning.message) for warning in warnings_given]
    assert (
        "split 1 has 9500 videos to train and 3783 to test on; "
        "UCF101 was published with 9537 and 3783" in messages[0]
    )
    assert messages[1].startswith("37 videos are in no list of split 1")
    assert official_lists.compare_published_lists(["a", "b"], 1, 2, 2) == ("", "")


def test_classes_that_cannot_be_chosen(data, tmp_path):
    with pytest.raises(
        FileError,
        match=r"data\.classes names Archary; expected some of the 101 classes .*ucf101_24",
    ):
        list_videos(DataConfig(videos=str(data / "UCF-101"), classes=("Archery", "Archary")))
    root = touched(tmp_path / "UCF-101", ["Basketball/a.avi", "Biking/b.avi"])
    shutil.copytree(data / UCF101, tmp_path / UCF101)
    with pytest.raises(
        FileError, match=r"classInd\.txt: names class ApplyEyeMakeup, .* no clips.*data\.classes"
    ):
        list_videos(DataConfig(videos=str(root)))
    with pytest.raises(
        FileError, match="listed videos are not there: Basketball/v_Basketball_g08_c01"
    ):
        list_videos(DataConfig(videos=str(root), classes=("Basketball", "Biking")))
    with pytest.raises(
        ConfigError, match=r"source is 'tfds:'; expected 'folder', 'stick_actions' or 'tfds:'"
    ):
        DataConfig(source="tfds:")
