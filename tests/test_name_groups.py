"""Groups that names show: recordings, people, cameras and dates, and names that show nothing."""

from collections import Counter, defaultdict

import pytest

from videolstm_jax.config import DataConfig
from videolstm_jax.dataset.listing import list_videos
from videolstm_jax.dataset.lists.list_files import ListWarning
from videolstm_jax.dataset.splits.groups import warn_of_look_alike_groups
from videolstm_jax.dataset.splits.name_groups import (
    group_by_name,
    group_by_pattern,
    recognise_groups,
)
from videolstm_jax.dataset.splits.name_rules import NamedClip
from videolstm_jax.dataset.splits.parts import ListedVideo
from videolstm_jax.errors import ConfigError


@pytest.mark.parametrize(
    ("stem", "group"),
    [
        ("-0ABCdefGHI_000010_000020", "-0ABCdefGHI"),
        ("abc_EFGHi_1_5_15", "abc_EFGHi_1"),
        ("abc_EFGHi_1_12.5_22.5", "abc_EFGHi_1"),
        ("VIRAT_S_010204_05_000856_000890", "VIRAT_S_010204_05"),
        ("lecture_t10.0-t20.5", "lecture"),
        ("park_01_003", "park_01"),
        ("park_0002_0001", "park_0002"),
        ("park-3", "park"),
        ("park part 3", "park"),
        ("park_clip_03", "park"),
        ("park (3)", "park"),
        ("0_DzLlklZa0_3", "0_DzLlklZa0"),
        ("cam2_0001", "cam2"),
        ("VID_20190801_101112", "2019-08-01"),
        ("20190801101112", "2019-08-01"),
        ("cam3 2019-08-01 10-11-12", "2019-08-01"),
        ("IMG_1234_02", "IMG_1234"),
        ("GOPR0123", "GOPR0123"),
        ("GP010123", "GOPR0123"),
        ("GX020007", "GX0007"),
        ("person01_walking_d1_uncomp", "person01"),
        ("walk Subject-7 b", "subject-7"),
        ("S001C002P003R002A013_rgb", "P003"),
        ("walk_anna_2", "anna"),
        ("walk_01_003", "walk_01"),
        ("walking_cam1_7", "cam1"),
        ("film-00.00.12.345-00.00.20.123-seg2", "film"),
        ("Film 00-01-10 00-01-20", "Film"),
        ("cam1_12-30-00", "cam1"),
        ("2024-05-01_12-30-00", "2024-05-01"),
        ("Screen Recording 2024-05-01 at 12.30.00", "2024-05-01"),
        ("p01_r02", "p01"),
        ("walk_s01_t02", "s01"),
        ("video1_scene3", "video1"),
        ("anna_cam2", "anna"),
        ("Friends.S01E02.clip3", "Friends.S01E02"),
        ("walk2_001", "walk2"),
    ],
)
def test_a_name_shows_its_recording(stem, group):
    assert group_by_name([f"walk/{stem}", "walk/other", "run/more"]) == [group, "other", "more"]


@pytest.mark.parametrize(
    "stems",
    [
        ("Film_0_90", "Film_90_180", "Film_180_270"),
        ("Film_0_90", "Film_45_135"),
        ("park_1a", "park_1b"),
        ("001_park", "02 park"),
        ("park", "park_flip", "park_aug_2", "park - Copy", "park - Copy (2)", "park (1)"),
        ("park_1_rgb", "park_2_rgb"),
    ],
)
def test_names_that_agree_show_their_recording(stems):
    # The third class shows that these are groups and not a word for a class.
    names = [f"walk/{stem}" for stem in stems] + ["walk/anna_rgb", "run/bo_rgb", "sit/cy_rgb"]
    groups = group_by_name(names)
    assert len(set(groups[: len(stems)])) == 1 and len(set(groups)) == 4


@pytest.mark.parametrize(
    "stems",
    [
        ("park_1_2", "park_1_3", "park_2_1"),  # recordings 1 and 2
        ("park_1", "sea_1"),
        ("0f3a8c1e-1b2c-4d5e-8f90-123456780abc", "1f3a8c1e-1b2c-4d5e-8f90-123456781abc"),
        ("S01E01", "S01E02"),
        ("GOPR0123", "GOPR0124"),
    ],
)
def test_other_recordings_are_other_groups(stems):
    groups = group_by_name([f"walk/{stem}" for stem in stems] + ["run/bo", "run/cy"])
    assert groups[0] != groups[-3]


# How people name clips: the recording, and each clip of it.
HABITS = {
    "Kinetics": ("{r}-0AB_def_G{r}", "_{c:06}_{d:06}"),
    "YouTube": ("{r}_0ABcde-G{r}", "_{c}"),
    "days": ("2024-05-0{r}", "_12-3{c}-00"),
    "phone": ("VID_2024050{r}", "_1230{c:02}"),
    "copies": ("park{r}", " ({c})"),
    "cameras": ("cam{r}_{label}", "_{c:03}"),
    "series": ("S01E0{r}", "_{c:03}"),
    "UCF101": ("v_{label}_g0{r}", "_c0{c}"),
    "HMDB51": ("Film{r}_{label}_f", "_nm_np1_ba_bad_{c}"),
    "numbers": ("{r:03}", "_{c:03}"),
    "cuts": ("film{r}", "-00.0{c}.10.000-00.0{c}.20.000"),
    "frames": ("film{r}", "_{c}00_{d}00"),
    "people": ("{label}_s0{r}", "_t0{c}"),
    "scenes": ("film {r}", " scene {c}"),
    "letters": ("park_{r}", "{letter}"),
    "Weizmann": ("p{r}", "_{c}_{label}"),
}


@pytest.mark.parametrize("habit", HABITS)
def test_no_recording_is_on_both_sides_whatever_the_habit(tmp_path, habit):
    recordings = {}
    for label in ("wave", "run"):
        (tmp_path / label).mkdir()
        for r in range(1, 5):
            for c in range(3):
                fields = {"label": label, "r": r, "c": c, "d": c + 1, "letter": "abc"[c]}
                base, clip = (text.format(**fields) for text in HABITS[habit])
                (tmp_path / label / f"{base}{clip}.mp4").touch()
                recordings[f"{label}/{base}{clip}"] = label, base
    parts_of = defaultdict(set)
    for video in list_videos(DataConfig(videos=str(tmp_path))).videos:
        parts_of[recordings[video.name]].add(video.part)
    assert len(parts_of) == 8 and all(len(parts) == 1 for parts in parts_of.values())


def test_independent_clips_stay_groups_of_their_own_and_a_warning_says_so(tmp_path):
    for label, word in (("wave", "wave"), ("run", "clip"), ("sit", "IMG"), ("jump", "alpha")):
        (tmp_path / label).mkdir()
        for k in range(20):
            (tmp_path / label / f"{word}_{k:03}.mp4").touch()
    with pytest.warns(ListWarning, match=r"names of 80 videos such as .*data\.group_pattern"):
        listing = list_videos(DataConfig(videos=str(tmp_path)))
    assert Counter(video.part for video in listing.videos) == {"train": 60, "test": 20}
    assert {video.group for video in listing.videos} == {
        f"{word}_{k:03}" for word in ("wave", "clip", "IMG", "alpha") for k in range(20)
    }


@pytest.mark.parametrize("pattern", ["", "(.*)"])
def test_groups_that_the_user_gives_are_not_warned_of(tmp_path, recwarn, pattern):
    rows = ["path,label,group"]
    for label in ("walk", "run"):
        for k in range(6):
            (tmp_path / f"{label}_{k}.mp4").touch()
            rows.append(f"{label}_{k}.mp4,{label},{label}_{k}")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    list_videos(DataConfig(videos=str(tmp_path), group_pattern=pattern))
    assert not recwarn.list


def test_a_group_that_holds_most_of_a_class_is_warned_of(tmp_path):
    for name in (*(f"walk/sun_{k}" for k in range(9)), "walk/rain_0", "run/anna", "run/bo"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.mp4").touch()
    with pytest.warns(ListWarning, match="9 of 10 videos of walk are in the group sun: all of"):
        listing = list_videos(DataConfig(videos=str(tmp_path)))
    parts_of_group = defaultdict(list)
    for video in listing.videos:
        if video.name.startswith("walk/"):
            parts_of_group[video.group].append(video.part)
    # All nine of the large group are in one part, though a list should have a share of each class.
    assert parts_of_group == {"sun": ["train"] * 9, "rain": ["test"]}


@pytest.mark.parametrize(
    "stem", ["walk1", "walk_01", "Walk-1", "v_walk_7", "IMG_1234", "clip_3", "DSC0001", "video 12"]
)
def test_a_number_behind_the_class_or_a_camera_counts_recordings(stem):
    assert group_by_name([f"walk/{stem}", "walk/other", "run/more"])[0] == stem
    assert group_by_name([f"Walking/{stem}", "Walking/other"])[0] == stem


def test_a_text_that_a_whole_class_shares_is_no_recording():
    names = [f"walk/park_{clip}" for clip in range(4)] + [f"run/fi_{clip}" for clip in range(4)]
    assert group_by_name(names) == [name.split("/")[1] for name in names]
    # The class run shows that "park" and "beach" are recordings.
    names = ["walk/park_1", "walk/park_2", "run/park_3", "run/beach_1", "run/beach_2"]
    assert group_by_name(names) == ["park", "park", "park", "beach", "beach"]


def test_one_date_for_a_whole_class_is_no_group_but_its_recordings_are():
    names = ["walk/20190801_park_1", "walk/20190801_park_2", "walk/20190801_sea_1"]
    assert group_by_name(names) == ["20190801_park", "20190801_park", "20190801_sea"]


def test_folders_of_every_class_are_groups():
    clips = [
        NamedClip(label, f"{clip}", f"p{clip % 2}") for label in ("A", "B") for clip in range(4)
    ]
    assert recognise_groups(clips) == ["p0", "p1", "p0", "p1"] * 2
    # A clip beside the folders shows that these are no recordings.
    assert recognise_groups([*clips, NamedClip("A", "9")]) == [""] * 9


def test_a_pattern_is_searched_in_the_stem_or_in_the_path():
    clips = [NamedClip("walk", "a1x", "p1"), NamedClip("run", "b2x", "p2")]
    paths = ["walk/p1/a1x.mp4", "run/p2/b2x.mp4"]
    assert group_by_pattern(r"^(.)\d", clips, paths) == ["a", "b"]
    assert group_by_pattern(r"(.)(?P<group>\d)x$", clips, paths) == ["1", "2"]
    assert group_by_pattern(r"/(p\d)/", clips, paths) == ["p1", "p2"]
    with pytest.raises(
        ConfigError, match=r"finds no group in 1 of 2 videos, such as run/p2/b2x\.mp4; expected"
    ):
        group_by_pattern("(a)", clips, paths)


@pytest.mark.parametrize(
    ("pattern", "message"), [("(", "expected a regular expression"), ("a+", "expected parentheses")]
)
def test_patterns_that_find_nothing_are_refused(pattern, message):
    with pytest.raises(ConfigError, match=message):
        DataConfig(group_pattern=pattern)


def test_names_that_look_alike_are_warned_of(recwarn):
    def listed(*names, group=None):
        return [
            ListedVideo(name, "", name.split("/")[0], group or name.split("/")[1]) for name in names
        ]

    warn_of_look_alike_groups(listed("walk/anna", "walk/bo", "run/c1", "sit/c2"))
    warn_of_look_alike_groups(listed("walk/walk1", "walk/walk2", group="g"))
    assert not recwarn.list
    with pytest.warns(ListWarning, match="names of 2 videos such as walk/w1, walk/w23: each is"):
        warn_of_look_alike_groups(listed("walk/w1", "walk/w23", "walk/x"))
