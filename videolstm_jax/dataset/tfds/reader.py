"""Reads labelled videos from any set of tensorflow-datasets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from videolstm_jax.dataset.folders.video_names import check_class_label, without_video_extension
from videolstm_jax.dataset.tfds.fields import TfdsFields, import_tfds
from videolstm_jax.errors import FileError
from videolstm_jax.types import Tube

DEFAULT_FPS = 25.0  # where the set has no feature `fps`


class TfdsExample(NamedTuple):
    """One video of a set.

    `frames` are encoded pictures or uint8 [L, H, W, 1 or 3]. `unique_name` is one that no other
    video has, for where `name` is not unique.
    """

    name: str
    unique_name: str
    label: str
    part: str
    group: str
    fps: float
    frames: Any
    tubes: list[Tube]


def tfds_class_folder(name: str) -> str:
    """The name of a class as a folder can have it."""
    return name.replace("/", "_")


def read_tfds_examples(
    builder: Any, fields: TfdsFields, parts: dict[str, str]
) -> Iterator[TfdsExample]:
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
    decoders = None
    if fields.encoded:
        decoders = {fields.video: tfds.decode.SkipDecoding()}
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
    folder = tfds_class_folder(classes[label])
    check_class_label(folder, f"{builder.info.full_name}: class {label}")
    # In the order of the files, which `read_tfds_examples` keeps, so names are always the same.
    unique_name = f"{folder}/{split}_{number:06d}"
    path = _text(_value(example, fields.name, ""))
    # Some sets have whole paths as names; the class is known by the label.
    stem = without_video_extension(path.replace("\\", "/").rsplit("/", 1)[-1])
    name = unique_name
    if stem:
        name = f"{folder}/{stem}"
    return TfdsExample(
        name=name,
        unique_name=unique_name,
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
        # A name that is not UTF-8 is still the name of a video; it only looks wrong.
        return value.decode("utf-8", "replace")
    return str(value)


def _tubes(rows: dict[str, np.ndarray] | None) -> list[Tube]:
    """The tubes of an example from its boxes, a row each; a gap in the frames begins another."""
    tubes: list[Tube] = []
    if rows is None:
        return tubes
    for number in np.unique(rows["tube"]):
        index = np.flatnonzero(rows["tube"] == number)
        # A set may have its boxes in any order; those of one frame stay in theirs.
        index = index[np.argsort(rows["frame"][index], kind="stable")]
        gaps = np.flatnonzero(np.diff(rows["frame"][index]) != 1)
        for run in np.split(index, gaps + 1):
            tubes.append(Tube(int(rows["frame"][run[0]]), rows["box"][run].astype(float)))
    return tubes
