"""Splits by whole groups, and the official lists as they are."""

import warnings
from collections import Counter

import numpy as np
import pytest
from etils import epath
from hypothesis import given, settings
from hypothesis import strategies as st

from videolstm_jax.dataset.lists import list_files
from videolstm_jax.dataset.lists.list_files import ListRow, ListWarning
from videolstm_jax.dataset.splits import groups as grouping
from videolstm_jax.dataset.splits import list_parts
from videolstm_jax.dataset.splits import parts as splits
from videolstm_jax.dataset.splits.name_groups import group_by_name
from videolstm_jax.errors import FileError


def listed(names, groups=None):
    groups = groups or group_by_name(names)
    return [
        splits.ListedVideo(name, f"{name}.avi", name.split("/")[0], group)
        for name, group in zip(names, groups, strict=True)
    ]


def rows(*names, number=None):
    return [ListRow(name, number, f"list:{at}") for at, name in enumerate(names, 1)]


def parts(videos):
    return {video.name: video.part for video in videos}


# ---- groups --------------------------------------------------------------------------------------


def test_groups_are_told_by_the_names():
    assert group_by_name(["Archery/v_Archery_g03_c01", "Punch/v_Punch_g25_c07"]) == [
        "g03",
        "g25",
    ]
    assert group_by_name(["wave/RATRACE_wave_f_nm_np1_fr_goo_37"]) == ["RATRACE_wave"]
    assert group_by_name(["bend/p0_bend", "wave1/p11_wave1"]) == ["p0", "p11"]
    assert group_by_name(["bend/anna_2_bend", "wave_one/bo_wave_one"]) == ["anna", "bo"]
    assert group_by_name(["bend/p0_bend", "jack/clip7"]) == ["p0_bend", "clip7"]
    assert group_by_name(["bend/_bend", "jack/jack"]) == ["_bend", "jack"]


# ---- official lists ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("split", "train", "test"), [(1, 9537, 3783), (2, 9586, 3734), (3, 9624, 3696)]
)
def test_official_ucf101_lists(real_data, split, train, test):
    folder = epath.Path(real_data / "splits" / "ucfTrainTestlist")
    classes = list_files.read_class_list(folder / "classInd.txt")
    assert (
        len(classes) == 101 and classes[0] == "ApplyEyeMakeup" and classes[36] == "HandstandPushups"
    )
    train_rows, test_rows = list_files.read_split_list(folder, split)
    assert (len(train_rows), len(test_rows)) == (train, test)
    assert {row.number for row in train_rows} == set(range(1, 102)) and {
        row.number for row in test_rows
    } == {None}
    on_disk = sorted(
        row.name.replace("v_HandStandPushups", "v_HandstandPushups")
        for row in train_rows + test_rows
    )
    videos = list_parts.assign_parts(listed(on_disk), classes, train_rows, test_rows)
    assert Counter(video.part for video in videos) == {"train": train, "test": test}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        splits.check_parts(videos, classes, from_lists=True)
    tested = {video.group for video in videos if video.part == "test"}
    assert tested == {f"g{number:02}" for number in range(7 * split - 6, 7 * split + 1)}


@pytest.mark.parametrize("split", [1, 2, 3])
def test_official_hmdb51_lists(real_data, split):
    folder = epath.Path(real_data / "splits" / "hmdb51_testTrainMulti_7030_splits")
    train, test = list_files.read_split_list(folder, split)
    assert (len(train), len(test)) == (3570, 1530)
    classes = sorted({row.name.split("/")[0] for row in train})
    assert len(classes) == 51 and classes == sorted({row.name.split("/")[0] for row in test})
    on_disk = sorted({row.name for row in train + test} | {"wave/Neither_wave_f_nm_np1_fr_goo_0"})
    videos = list_parts.assign_parts(listed(on_disk), classes, train, test)
    assert Counter(video.part for video in videos) == {"train": 3570, "test": 1530, "unused": 1}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        splits.check_parts(
            videos, classes, from_lists=True
        )  # its authors kept the clips of one source together
    assert len({video.group for video in videos}) < 2100


def test_videos_in_neither_list_are_unused():
    videos = list_parts.assign_parts(
        listed(["A/x", "A/y", "B/z"]), ("A", "B"), rows("a/X"), rows("B/z")
    )
    assert parts(videos) == {"A/x": "train", "A/y": "unused", "B/z": "test"}


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        (
            rows("A/x", "A/gone", "B/lost"),
            [],
            r"2 listed videos are not there: A/gone \(list:2\), B/lost \(list:3\)",
        ),
        (rows("C/x"), [], "class of C/x is unknown; expected one of A, B"),
        (rows("A/x", number=2), [], "A/x has class number 2; expected 1"),
        (rows("A/x"), rows("A/X"), "A/X is listed twice, first at list:1"),
    ],
)
def test_lists_that_do_not_fit_are_named(train, test, message):
    with pytest.raises(FileError, match=message):
        list_parts.assign_parts(listed(["A/x", "A/y", "B/z"]), ("A", "B"), train, test)


# ---- splits made here ----------------------------------------------------------------------------

PEOPLE = [f"{label}/p{person}_{label}" for label in ("bend", "jack", "wave") for person in range(8)]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9)), min_size=2, max_size=60),
    st.floats(0.05, 0.9),
    st.integers(0, 5),
)
def test_no_group_is_parted_and_every_class_is_learnt(clips, share, seed):
    videos = listed(
        [f"{label}/{at}" for at, (label, _) in enumerate(clips)],
        [f"p{person}" for _, person in clips],
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            split = grouping.hold_out_share_of_groups(
                videos, share, seed=seed, part="test", other_part="train"
            )
    except FileError:
        split = None
    of = {person: {label for label, p in clips if p == person} for _, person in clips}
    groups_of = Counter(label for labels in of.values() for label in labels)
    if split is None:
        assert all(any(groups_of[label] == 1 for label in labels) for labels in of.values())
        return
    assert [video._replace(part="") for video in split] == videos
    sides = {}
    for video in split:
        sides.setdefault(video.group, set()).add(video.part)
    assert all(len(side) == 1 for side in sides.values())
    assert {video.label for video in split if video.part == "train"} == {
        video.label for video in videos
    }


def test_every_class_with_two_groups_is_on_both_sides():
    names = [
        f"{label}/{label}{clip}"
        for label, clips in (("a", 2), ("b", 3), ("c", 40))
        for clip in range(clips)
    ]
    split = grouping.hold_out_share_of_groups(
        listed(names), 0.25, seed=0, part="test", other_part="train"
    )
    tested = Counter(video.label for video in split if video.part == "test")
    assert tested == {"a": 1, "b": 1, "c": 10}


def test_the_share_is_met_by_people_who_do_everything():
    for seed in range(3):
        split = grouping.hold_out_share_of_groups(
            listed(PEOPLE), 0.25, seed=seed, part="test", other_part="train"
        )
        tested = Counter(video.label for video in split if video.part == "test")
        assert tested == {"bend": 2, "jack": 2, "wave": 2}
        assert len({video.group for video in split if video.part == "test"}) == 2


def test_the_seed_decides_and_nothing_else():
    def held(seed, names):
        split = grouping.hold_out_share_of_groups(
            listed(names), 0.25, seed=seed, part="test", other_part="train"
        )
        return frozenset(video.group for video in split if video.part == "test")

    shuffled = [PEOPLE[at] for at in np.random.default_rng(0).permutation(len(PEOPLE))]
    assert held(3, PEOPLE) == held(3, PEOPLE) == held(3, shuffled)
    assert len({held(seed, PEOPLE) for seed in range(12)}) > 4


def test_official_size_takes_moments(real_data):
    folder = epath.Path(real_data / "splits" / "ucfTrainTestlist")
    names = [row.name for row in list_files.read_video_list(folder / "trainlist01.txt")]
    split = grouping.hold_out_share_of_groups(
        listed(names), 0.1, seed=0, part="valid", other_part="train"
    )
    assert len({video.group for video in split if video.part == "valid"}) == 2
    singles = listed(names, [str(at) for at in range(len(names))])
    split = grouping.hold_out_share_of_groups(
        singles, 0.25, seed=0, part="test", other_part="train"
    )
    for label, count in Counter(video.label for video in split).items():
        held = sum(video.label == label and video.part == "test" for video in split)
        assert abs(held - 0.25 * count) <= 0.5


def test_what_cannot_be_held_out_is_said():
    with pytest.raises(FileError, match="no group can be held out for test: 2 groups in 2 classes"):
        grouping.hold_out_share_of_groups(
            listed(["a/x", "b/y"]), 0.5, seed=0, part="test", other_part="train"
        )
    with pytest.warns(ListWarning, match="no clip of b is held out for test"):
        grouping.hold_out_share_of_groups(
            listed(["a/x", "a/z", "b/y"]), 0.5, seed=0, part="test", other_part="train"
        )


def test_one_group_is_held_out():
    split = grouping.hold_out_group(listed(PEOPLE), "p3")
    assert {video.name for video in split if video.part == "test"} == {
        "bend/p3_bend",
        "jack/p3_jack",
        "wave/p3_wave",
    }
    assert Counter(video.part for video in split) == {"train": 21, "test": 3}
    with pytest.raises(
        FileError, match=r"data\.hold_out is 'p9'; expected one of the groups p0, p1"
    ):
        grouping.hold_out_group(listed(PEOPLE), "p9")


def test_parts_are_checked():
    def made(**of):
        return [
            splits.ListedVideo(f"{label}/{at}", "", label, group, part)
            for at, (label, group, part) in enumerate(of.values())
        ]

    with pytest.raises(FileError, match="no clip in the train list of b"):
        splits.check_parts(
            made(x=("a", "1", "train"), y=("b", "2", "test")), ("a", "b"), from_lists=True
        )
    with pytest.raises(FileError, match="no clip in the test list of any class"):
        splits.check_parts(
            made(x=("a", "1", "train"), y=("b", "2", "train")), ("a", "b"), from_lists=True
        )
    torn = made(x=("a", "1", "train"), y=("b", "2", "train"), z=("a", "2", "test"))
    with pytest.raises(FileError, match="1 groups are on both sides of the split: 2"):
        splits.check_parts(torn, ("a", "b"), from_lists=False)
    with pytest.warns(ListWarning) as warnings_given:
        splits.check_parts(torn, ("a", "b"), from_lists=True)
    assert [str(warning.message) for warning in warnings_given] == [
        "no clip in the test list of b",
        "1 groups are on both sides of the split: 2",
    ]
