"""Imports features that others stored: a dataset from their lists, a store from their files."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from videolstm_jax.dataset.splits.name_groups import group_by_name
from videolstm_jax.errors import FileError
from videolstm_jax.features.foreign import ForeignFeatures
from videolstm_jax.features.foreign_lists import (
    has_foreign_names,
    read_foreign_names,
    read_foreign_numbers,
)
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.features.writer import FeatureWriter
from videolstm_jax.files import PathLike
from videolstm_jax.types import PARTS, Dataset, Video


class _ListedVideo(NamedTuple):
    """A line of their lists: the name they give a video, its label and its part."""

    name: str
    label: int
    part: str


def dataset_of_foreign_features(
    folder: PathLike, features: Mapping[str, ForeignFeatures]
) -> Dataset:
    """Makes a dataset of the videos that lists beside the features name.

    It serves a work folder without videos. `<part>_filenames.txt` (or `_filename`) lists the videos
    and `<part>_labels.txt` one label a line. A class is named after the folder of its videos, or
    after UCF101's stems, else after its number. There are no images, so width, height and rate are
    0; L is one more than the records.

    Args:
      folder: of the lists.
      features: by their names.

    Raises:
      FileError: no lists, lists of different lengths, several labels in a line, labels and classes
        that contradict each other, or a video without features.
    """
    listed = _read_lists(folder)
    class_names = _class_names(folder, listed)
    # Their labels may have gaps, where a list holds a part of the classes; ours count from 0.
    labels = sorted(class_names)
    names = []
    for video in listed:
        stem = video.name.rsplit("/", 1)[-1]
        names.append(f"{class_names[video.label]}/{stem}")
    videos = {}
    for video, name, group in zip(listed, names, group_by_name(names), strict=True):
        if name in videos:
            raise FileError(f"{folder}: {name} is listed twice")
        videos[name] = Video(
            name=name,
            path="",
            label=labels.index(video.label),
            part=video.part,
            group=group,
            frames=_features_of(video.name, features, folder).frames + 1,
            width=0,
            height=0,
            fps=0.0,
        )
    classes = tuple(map(class_names.__getitem__, labels))
    # By name, so that the order of their lists does not change the data set.
    return Dataset(classes, tuple(map(videos.__getitem__, sorted(videos))))


def import_features(
    features: Mapping[str, ForeignFeatures],
    dataset: Dataset,
    target: PathLike,
    about: dict[str, Any],
    *,
    dtype: str = "float16",
) -> FeatureStore:
    """Writes the features of every listed video as a store; a killed run goes on where it was.

    A video of L frames takes L - 1 records. Where theirs has L, one a frame, the last is dropped,
    since it has no flow.

    Args:
      features: theirs, by "Class/stem" or by stem.
      dataset: the videos. Those of the part `unused` need no features.
      target: the folder of the store.
      about: what is known of the features.
      dtype: of the store.

    Raises:
      FileError: a video without features or with another number of records, or features of
        different shapes.
    """
    videos, train = [], []
    by_name = {}
    shapes = set()
    for video in dataset.videos:
        if video.part == "unused":
            continue
        videos.append(video)
        by_name[video.name] = _features_of(video.name, features, target)
        shapes.add(by_name[video.name].shape)
        if video.part == "train":
            train.append(video.name)
    problem = _records_problem(videos, by_name)
    if len(shapes) != 1:
        problem = f"features of the shapes {sorted(shapes)}; expected one"
    if problem:
        raise FileError(f"{target}: {problem}")
    writer = FeatureWriter(target, shapes.pop(), about, dtype=dtype)
    # Nothing of a video is read before it is written: all of them would not fit in memory.
    missing = set(writer.missing(by_name))
    for video in videos:
        if video.name in missing:
            writer.write(video.name, by_name[video.name].read()[: video.frames - 1])
    return writer.finish(by_name, train=train)


def _records_problem(videos: Sequence[Video], features: Mapping[str, ForeignFeatures]) -> str:
    """Which video has neither L - 1 nor L records; empty where all have."""
    for video in videos:
        count = features[video.name].frames
        # Another number means other frames, for instance at another rate: every record would be
        # taken for a wrong moment of the video.
        if count not in (video.frames - 1, video.frames):
            return (
                f"{video.name} has {count} records; expected {video.frames - 1} or {video.frames} "
                f"for {video.frames} frames; to resample {count} rows over the same time: "
                f"rows[np.linspace(0, {count - 1}, {video.frames}).round().astype(int)]"
            )
    return ""


def _features_of(
    name: str, features: Mapping[str, ForeignFeatures], place: PathLike
) -> ForeignFeatures:
    """Finds the features of a video by its name, or by its stem; `place` opens the message."""
    # Sharma's lists have the folder of the class, the authors' files have the stem alone.
    stem = name.rsplit("/", 1)[-1]
    for key in (name, stem):
        if key in features:
            return features[key]
    raise FileError(
        f"{place}: there are no features of {name}; expected them of every listed video"
    )


def _read_lists(folder: PathLike) -> list[_ListedVideo]:
    """Reads the lists of all parts that the folder has."""
    listed = []
    for part in PARTS:
        if not has_foreign_names(folder, part):
            continue
        names, labels = (
            read_foreign_names(folder, part),
            read_foreign_numbers(folder, part, "labels"),
        )
        for name, label in zip(names, labels, strict=True):
            listed.append(_ListedVideo(name, label, part))
    if not listed:
        raise FileError(
            f"{folder}: has no train_filenames.txt or test_filenames.txt; expected the lists"
        )
    return listed


def _class_names(folder: PathLike, listed: Sequence[_ListedVideo]) -> dict[int, str]:
    """Returns the class of each label; each label must have one class and each class one label."""
    class_names: dict[int, str] = {}
    label_of: dict[str, int] = {}
    for video in listed:
        class_name = _class_name(video)
        known_name = class_names.setdefault(video.label, class_name)
        known_label = label_of.setdefault(class_name, video.label)
        # Labels that were made for another list of videos would name every class wrongly.
        if known_name != class_name or known_label != video.label:
            raise FileError(f"{folder}: labels do not agree with the classes in the file names")
    return class_names


def _class_name(video: _ListedVideo) -> str:
    if "/" in video.name:
        return video.name.rsplit("/", 2)[-2]
    ucf101 = re.fullmatch(r"v_(.+)_g\d+_c\d+", video.name)
    if ucf101:
        return ucf101[1]
    return f"class{video.label:03d}"
