"""Groups that names show: recordings, people, cameras and dates, and names that show nothing."""

import pytest

from videolstm_jax.config import DataConfig
from videolstm_jax.dataset.lists.list_files import ListWarning
from videolstm_jax.dataset.splits.groups import warn_of_look_alikes
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
    ],
)
def test_a_name_shows_its_recording(stem, group):
    assert group_by_name([f"walk/{stem}", "walk/other", "run/more"]) == [group, "other", "more"]


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

    warn_of_look_alikes(listed("walk/anna", "walk/bo", "run/c1", "sit/c2"))
    warn_of_look_alikes(listed("walk/walk1", "walk/walk2", group="g"))
    assert not recwarn.list
    with pytest.warns(ListWarning, match="names of 2 videos such as walk/w1, walk/w23: each is"):
        warn_of_look_alikes(listed("walk/w1", "walk/w23", "walk/x"))
