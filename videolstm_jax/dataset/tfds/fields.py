"""Finds which features of a set hold the video, the label and more, and the parts of its splits."""

from __future__ import annotations

import importlib
from typing import Any, NamedTuple

import numpy as np

from videolstm_jax.dataset.lists.labels_csv import PART_SPELLINGS
from videolstm_jax.errors import FileError

# Features that may hold the name of a video; the first that exists is used.
NAME_FEATURES = ("name", "video_name", "filename", "video_id", "id")


class TfdsFields(NamedTuple):
    """The features of a set by their use; empty where it has none.

    `encoded` is true where frames are stored as JPEG or PNG.
    """

    video: str
    encoded: bool
    label: str
    name: str
    group: str
    fps: str
    tubes: str


def import_tfds() -> Any:
    """Imports tensorflow-datasets.

    Raises:
      FileError: it is not installed.
    """
    try:
        return importlib.import_module("tensorflow_datasets")
    except ImportError as error:
        raise FileError(
            "data.source=tfds:.. needs tensorflow-datasets: pip install 'videolstm-jax[tfds]' "
            f"({error})"
        ) from error


def find_tfds_fields(builder: Any) -> TfdsFields:
    """Finds the features of the set that hold the video, its label and, perhaps, more.

    Raises:
      FileError: there is no video or no label, or more than one that could be it.
    """
    types = import_tfds().features
    features = dict(builder.info.features.items())
    videos = []
    labels = []
    for name, feature in features.items():
        if _is_video(types, feature):
            videos.append(name)
        elif isinstance(feature, types.ClassLabel):
            labels.append(name)
    video = _choose_feature(builder, "a video, uint8 [T, H, W, 3]", "video", videos)
    label = _choose_feature(builder, "a label", "label", labels)
    tubes = ""
    if _is_tubes(types, features.get("tubes")):
        tubes = "tubes"
    return TfdsFields(
        video=video,
        # Raw frames are one tensor; encoded ones are a sequence of pictures.
        encoded=not isinstance(features[video], types.Tensor),
        label=label,
        name=_find_scalar(features, *NAME_FEATURES),
        group=_find_scalar(features, "group"),
        fps=_find_scalar(features, "fps"),
        tubes=tubes,
    )


def _is_video(types: Any, feature: Any) -> bool:
    """Whether a feature holds frames: a sequence of images, or uint8 [T, H, W, 1 or 3]."""
    if isinstance(feature, types.Sequence):
        return isinstance(feature.feature, types.Image) and feature.feature.np_dtype == np.uint8
    if not isinstance(feature, types.Tensor) or feature.np_dtype != np.uint8:
        return False
    return len(feature.shape or ()) == 4 and feature.shape[3] in (1, 3)


def _is_tubes(types: Any, feature: Any) -> bool:
    """Whether a feature holds boxes as those of our `ucf101_24` do."""
    columns = set(getattr(feature, "feature", {}))
    return isinstance(feature, types.Sequence) and columns >= {"tube", "frame", "box"}


def _choose_feature(builder: Any, description: str, usual_name: str, fitting: list[str]) -> str:
    """The only fitting feature, or the one with the usual name."""
    if usual_name in fitting:
        return usual_name
    # Whatever its name is. Of several, a guess could train on the wrong labels.
    if len(fitting) == 1:
        return fitting[0]
    features = []
    for name, feature in builder.info.features.items():
        features.append(f"{name} {feature}")
    raise FileError(
        f"{builder.info.full_name}: {len(fitting)} features are {description} {fitting}; expected "
        f"one, or one called {usual_name}; it has {', '.join(features)}"
    )


def _find_scalar(features: dict[str, Any], *names: str) -> str:
    """The first of these features that exists and is one value; empty where none does."""
    for name in names:
        if name in features and features[name].shape == ():
            return name
    return ""


def find_tfds_parts(builder: Any) -> dict[str, str]:
    """The part of each used split of the set.

    A set without a test split is tested on its validation split. The parts are empty where there is
    one split only, so that the split is made here.

    Raises:
      FileError: there is no training split.
    """
    name, splits = builder.info.full_name, builder.info.splits
    parts = {}
    left_out = []
    for split in sorted(splits):
        if split in PART_SPELLINGS:
            parts[split] = PART_SPELLINGS[split]
        else:
            left_out.append(split)
    if "train" not in parts.values():
        raise FileError(
            f"{name}: splits {', '.join(splits) or 'none'}; expected train, and test or validation"
        )
    # Such as sets that are published without the labels of their test split.
    if "test" not in parts.values():
        for split, part in parts.items():
            if part == "valid":
                parts[split] = "test"
    if left_out:
        print(f"{name}: splits {', '.join(left_out)} are left out", flush=True)
    if set(parts.values()) == {"train"}:
        return dict.fromkeys(parts, "")
    return parts
