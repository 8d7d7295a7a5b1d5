"""Which files of a folder are taken, in which class and part, and what is said of all others."""

import os

import pytest

from videolstm_jax.config import DataConfig
from videolstm_jax.dataset.listing import list_videos
from videolstm_jax.errors import FileError

CLIPS = [f"{label}/{label}_{k}.mp4" for label in ("walk", "run") for k in "abcd"]


@pytest.fixture
def folder(tmp_path):
    """Makes files of a few bytes: videos of known names are not opened when they are listed."""

    def make(*names):
        for name in names:
            (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "set" / name).write_bytes(b"\0\1\2 no text")
        return tmp_path / "set"

    return make


def listed(root):
    return list_videos(DataConfig(videos=str(root)))


def labels(root, names=CLIPS):
    rows = [f"{name},{name.split('/')[0]}" for name in names]
    (root / "labels.csv").write_text("\n".join(["path,label", *rows]))


def parts(listing):
    return {video.name: video.part for video in listing.videos}


# ---- files that are left out ---------------------------------------------------------------------


def test_files_that_a_table_does_not_name_are_counted_by_kind(folder):
    root = folder(
        *CLIPS,
        "walk/more.MP4",
        "deep/er/x.mov",
        "walk/noname",
        "walk/notes.txt",
        "walk/.hidden.mp4",
        ".trash/y.mp4",
        "__MACOSX/walk/._walk_a.mp4",
        "readme.md",
        "boxes.json",
    )
    labels(root)
    listing = listed(root)
    assert len(listing.videos) == 8
    assert listing.notes[0] == (
        "left out: 1 .mov, 1 .mp4, 1 without a suffix (labels.csv does not name them); 1 .txt "
        "(their names are not those of videos)"
    )


def test_a_table_that_names_all_files_needs_no_word(folder):
    root = folder(*CLIPS)
    labels(root)
    assert not any("left out" in note for note in listed(root).notes)


def test_a_folder_may_be_called_as_a_video_is(folder):
    assert "walk/x" in parts(listed(folder(*CLIPS, "walk/odd.mp4/x.mp4")))


def test_broken_links_and_pipes_are_counted(folder):
    root = folder(*CLIPS)
    (root / "walk" / "gone.mp4").symlink_to("/nowhere/at/all.mp4")
    os.mkfifo(root / "walk" / "pipe.mp4")
    listing = listed(root)
    assert len(listing.videos) == 8
    assert "left out: 1 broken link, 1 device or pipe (they are no files)" in listing.notes


# ---- links ---------------------------------------------------------------------------------------


def test_links_to_other_folders_are_followed_and_links_upwards_are_not(folder, tmp_path):
    root = folder(*CLIPS)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "far.mp4").write_bytes(b"\0")
    (root / "walk" / "far").symlink_to(tmp_path / "elsewhere")
    for name in ("walk", "run"):
        (root / name / "up").symlink_to(root)
        (root / name / "self").symlink_to(root / name)
    assert set(parts(listed(root))) == {*(name[:-4] for name in CLIPS), "walk/far"}


def test_a_file_is_taken_once_however_many_links_of_its_class_lead_to_it(folder):
    root = folder(*CLIPS)
    (root / "walk" / "a_best.mp4").symlink_to(root / "walk" / "walk_d.mp4")
    listing = listed(root)
    assert set(parts(listing)) == {name[:-4] for name in CLIPS}
    assert "left out: 1 links to videos that are taken already" in listing.notes


def test_one_file_in_two_classes_or_parts_is_refused(folder):
    root = folder(*CLIPS)
    (root / "walk" / "too.mp4").symlink_to(root / "run" / "run_a.mp4")
    with pytest.raises(FileError, match=r"too\.mp4 and .*run_a\.mp4 are one file; expected it in"):
        listed(root)


def test_two_rows_of_one_file_are_refused(folder):
    root = folder("videos/walk/walk_a.mp4", *CLIPS[1:])
    labels(root, [*CLIPS, "videos/walk/walk_a.mp4"])
    with pytest.raises(
        FileError, match=r"csv:10: path videos/walk/walk_a\.mp4 is the same file as"
    ):
        listed(root)


def test_a_path_that_no_file_system_takes_is_named_by_its_line(folder):
    root = folder(*CLIPS)
    labels(root, [*CLIPS, f"walk/{'x' * 400}.mp4"])
    with pytest.raises(FileError, match=r"labels\.csv:10: .* is not there"):
        listed(root)


# ---- parts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "names", [("train", "test"), ("Train_Set", "test-videos"), ("train", "dev")]
)
def test_parts_may_lie_around_classes_or_within_them(folder, names):
    train, _ = names
    clips = [(part, label, k) for part in names for label in ("walk", "run") for k in "ab"]
    around = folder(*(f"around/{part}/{label}/{k}.mp4" for part, label, k in clips)) / "around"
    within = folder(*(f"within/{label}/{part}/{k}.mp4" for part, label, k in clips)) / "within"
    for root in (around, within):
        assert parts(listed(root)) == {
            f"{label}/{part}_{k}": "train" if part == train else "test" for part, label, k in clips
        }


def test_one_part_alone_is_refused(folder):
    root = folder(*CLIPS)
    rows = [f"{name},{name.split('/')[0]},train" for name in CLIPS]
    (root / "labels.csv").write_text("\n".join(["path,label,part", *rows]))
    with pytest.raises(FileError, match=r"labels\.csv: the part of every video is train; expected"):
        listed(root)


def test_class_folders_one_level_deeper_are_pointed_at(folder):
    root = folder(*(f"data/{name}" for name in CLIPS))
    with pytest.raises(FileError, match=r"If those are the classes, give --data\.videos=.*/data"):
        listed(root)


def test_two_spellings_of_a_class_are_refused(folder):
    root = folder(*CLIPS, "Walk/more.mp4")
    with pytest.raises(FileError, match="classes Walk and walk differ in case only"):
        listed(root)
