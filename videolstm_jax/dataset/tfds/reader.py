"""Reads labelled videos from any set of tensorflow-datasets, imported on first use only."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from videolstm_jax.dataset.folders.video_names import check_label, without_extension
from videolstm_jax.dataset.lists.labels_csv import PART_SPELLINGS
from videolstm_jax.errors import FileError
from videolstm_jax.types import Tube

# Features that may hold the name of a video; the first that exists is used.
NAME_FEATURES = ("name", "video_name", "filename", "video_id", "id")
DEFAULT_FPS = 25.0  # where the set has no feature `fps`


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


class TfdsExample(NamedTuple):
    """One video of a set.

    `frames` are encoded pictures or uint8 [L, H, W, 1 or 3]. `spare` is a name that no other video
    has, for where `name` is not unique.
    """

    name: str
    spare: str
    label: str
    part: str
    group: str
    fps: float
    frames: Any
    tubes: list[Tube]


def class_folder(name: str) -> str:
    """The name of a class as a folder can have it."""
    return name.replace("/", "_")


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


# ---- what a set holds ----------------------------------------------------------------------------


def find_fields(builder: Any) -> TfdsFields:
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
    return TfdsFields(
        video=video,
        # Raw frames are one tensor; encoded ones are a sequence of pictures.
        encoded=not isinstance(features[video], types.Tensor),
        label=label,
        name=_find_scalar(features, *NAME_FEATURES),
        group=_find_scalar(features, "group"),
        fps=_find_scalar(features, "fps"),
        tubes="tubes" if _is_tubes(types, features.get("tubes")) else "",
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


def _choose_feature(builder: Any, kind: str, usual_name: str, fitting: list[str]) -> str:
    """The only fitting feature, or the one with the usual name."""
    if usual_name in fitting:
        return usual_name
    if len(fitting) == 1:
        return fitting[0]
    features = []
    for name, feature in builder.info.features.items():
        features.append(f"{name} {feature}")
    raise FileError(
        f"{builder.info.full_name}: {len(fitting)} features are {kind} {fitting}; expected one, or "
        f"one called {usual_name}; it has {', '.join(features)}"
    )


def _find_scalar(features: dict[str, Any], *names: str) -> str:
    """The first of these features that exists and is one value; empty where none does."""
    for name in names:
        if name in features and features[name].shape == ():
            return name
    return ""


def find_parts(builder: Any) -> dict[str, str]:
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


# ---- examples ------------------------------------------------------------------------------------


def read_examples(builder: Any, fields: TfdsFields, parts: dict[str, str]) -> Iterator[TfdsExample]:
    """Yields every example in the order of the set's files.

    Raises:
      FileError: an example without a label.
    """
    tfds = import_tfds()
    # Only the used features are decoded. `encoded` is the field that names no feature.
    features = {}
    for name in fields._replace(encoded=False):
        if name:
            features[name] = builder.info.features[name]
    # Encoded frames are taken as they are stored: decoding and encoding again would blur them.
    decoders = {fields.video: tfds.decode.SkipDecoding()} if fields.encoded else None
    for split, part in parts.items():
        examples = builder.as_dataset(
            split=split,
            decoders=tfds.decode.PartialDecoding(features, decoders),
            # One file after another; interleaved files would mix the order of examples.
            read_config=tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False),
        )
        for number, example in enumerate(tfds.as_numpy(examples)):
            yield _read_example(builder, fields, example, split, number)._replace(part=part)


def _read_example(
    builder: Any, fields: TfdsFields, example: dict[str, Any], split: str, number: int
) -> TfdsExample:
    classes = builder.info.features[fields.label].names
    label = int(example[fields.label])
    if not 0 <= label < len(classes):
        raise FileError(
            f"{builder.info.full_name}: example {number} of {split} has label {label}; expected 0 "
            f"to {len(classes) - 1}, since every video needs one"
        )
    folder = class_folder(classes[label])
    check_label(folder, f"{builder.info.full_name}: class {label}")
    # In the order of the files, which `read_examples` keeps, so the name is the same each time.
    spare = f"{folder}/{split}_{number:06d}"
    name = _text(_value(example, fields.name, ""))
    stem = without_extension(name.replace("\\", "/").rsplit("/", 1)[-1])
    return TfdsExample(
        name=f"{folder}/{stem}" if stem else spare,
        spare=spare,
        label=folder,
        part="",
        group=_text(_value(example, fields.group, "")),
        fps=float(_value(example, fields.fps, DEFAULT_FPS)),
        frames=example[fields.video],
        tubes=_tubes(_value(example, fields.tubes, None)),
    )


def _value(example: dict[str, Any], field: str, default: Any) -> Any:
    """A feature of an example; the default where the set has no such feature."""
    if not field:
        return default
    return example[field]


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value)


def _tubes(rows: dict[str, np.ndarray] | None) -> list[Tube]:
    """The tubes of an example from its boxes, a row each; a gap in the frames begins another."""
    tubes: list[Tube] = []
    if rows is None:
        return tubes
    for number in np.unique(rows["tube"]):
        index = np.flatnonzero(rows["tube"] == number)
        index = index[np.argsort(rows["frame"][index], kind="stable")]
        gaps = np.flatnonzero(np.diff(rows["frame"][index]) != 1)
        for run in np.split(index, gaps + 1):
            tubes.append(Tube(int(rows["frame"][run[0]]), rows["box"][run].astype(float)))
    return tubes
