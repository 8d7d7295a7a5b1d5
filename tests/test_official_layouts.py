"""Lists in the layouts of UCF101 and HMDB51, of a few made-up videos."""

import unicodedata

import pytest
from etils import epath
from listed_folders import HMDB51, UCF101, chosen, parts, touched

from videolstm_jax.config import DataConfig
from videolstm_jax.dataset.folders import class_folders
from videolstm_jax.dataset.listing import list_videos
from videolstm_jax.dataset.lists import list_files
from videolstm_jax.dataset.lists.list_files import ListWarning
from videolstm_jax.dataset.splits import list_parts
from videolstm_jax.dataset.splits import parts as splits
from videolstm_jax.errors import FileError


def test_what_archives_make_of_odd_characters(tmp_path):
    named = {
        "Turnk_r": "Turnkür",
        "Zwei!!_(Part4)": "Zwei____Part4_",
        "a_#2_[HD]": "a_#2_[HD]",
        "M_nner": "Männer",
        "Sean_&_Co;": "Sean_+_Co_",
    }
    stems = {listed: f"{disk}_wave_f_cm_np1_fr_med_0" for listed, disk in named.items()}
    root = touched(
        tmp_path / "hmdb",
        [
            f"wave/{unicodedata.normalize(form, stem)}.avi"
            for stem, form in zip(stems.values(), ("NFC", "NFC", "NFC", "NFD", "NFC"), strict=True)
        ]
        + ["turn/x_turn_f_cm_np1_fr_med_0.avi", "turn/y_turn_f_cm_np1_fr_med_0.avi"],
    )
    beside = tmp_path / HMDB51
    beside.mkdir()
    (beside / "wave_test_split1.txt").write_text(
        "".join(
            f"{listed}_wave_f_cm_np1_fr_med_0.avi {1 + at % 2} \n"
            for at, listed in enumerate(stems)
        )
    )
    (beside / "turn_test_split1.txt").write_text(
        "x_turn_f_cm_np1_fr_med_0.avi 1 \ny_turn_f_cm_np1_fr_med_0.avi 2 \n"
    )
    choice = chosen(root)
    assert parts(choice) == {"train": 4, "test": 3} and choice.origin == f"split 1 of {beside}"
    (root / "wave" / "Zwei!!_(Part4)_wave_f_cm_np1_fr_med_0.avi").touch()
    with pytest.warns(
        ListWarning, match="1 videos are in no list of split 1 .* wave/Zwei____Part4_"
    ):
        assert parts(list_videos(DataConfig(videos=str(root)))) == {"train": 4, "test": 3}
    (root / "wave" / "Zwei!!_(Part4)_wave_f_cm_np1_fr_med_0.avi").rename(
        root / "wave" / "Zwei++_(Part4)_wave_f_cm_np1_fr_med_0.avi"
    )
    with pytest.raises(
        FileError, match=r"Zwei!!_\(Part4\).* may be any of .*Zwei\+\+.*Zwei____Part4_"
    ):
        list_videos(DataConfig(videos=str(root)))


def test_a_name_that_is_not_utf8(tmp_path):
    (tmp_path / "wave").mkdir()
    try:
        (tmp_path / "wave" / "M\udce4nner.avi").touch()
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    with pytest.raises(FileError, match="the name is not UTF-8"):
        class_folders.find_videos(tmp_path)


def test_labels_csv_stands_before_lists_beside_and_after_lists_that_are_named(tmp_path):
    root = touched(tmp_path / "v", ["A/x.avi", "A/y.avi", "B/x.avi", "B/y.avi"])
    (root / "labels.csv").write_text(
        "path,label,part\nA/x.avi,A,train\nA/y.avi,A,test\nB/x.avi,B,train\nB/y.avi,B,test\n"
    )
    beside = touched(tmp_path / UCF101, [])
    (beside / "trainlist01.txt").write_text("A/y.avi\nB/y.avi")
    (beside / "testlist01.txt").write_text("A/x.avi\nB/x.avi")
    train_names = {video.name for video in chosen(root).videos if video.part == "train"}
    assert train_names == {"A/x", "B/x"}
    train_names = {
        video.name for video in chosen(root, lists=str(beside)).videos if video.part == "train"
    }
    assert train_names == {"A/y", "B/y"}


def test_label_files_count_from_one(tmp_path):
    (tmp_path / "classInd.txt").write_text("0 Basketball\n1 BasketballDunk")
    with pytest.raises(FileError, match='expected class 1 as "1 Name", since classes count from 1'):
        list_files.read_class_list(epath.Path(tmp_path / "classInd.txt"))
    videos = [splits.ListedVideo("Basketball/x", "", "Basketball", "g")]
    with pytest.raises(
        FileError, match="has class number 0; expected 1, since classes count from 1"
    ):
        list_parts.assign_parts(
            videos, ("Basketball",), [list_files.ListRow("Basketball/x", 0, "list:1")], []
        )


def test_hmdb51_lists_that_name_a_video_twice(tmp_path):
    (tmp_path / "wave_test_split1.txt").write_text("a.avi 1 \nb.avi 2 \na.avi 0 \n")
    with pytest.raises(FileError, match=r"split1\.txt:3: wave/a is listed twice, first at .*:1"):
        list_files.read_split_list(epath.Path(tmp_path), 1)
