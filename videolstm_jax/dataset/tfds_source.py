"""Sets of tensorflow-datasets as folders of videos: each example becomes a file once, and walks as
all files do.

videos/<Class>/<stem>.avi    the frames as the set stores them, JPEG or PNG, or raw ones without
loss labels.csv classInd.txt      parts, groups where the set has them, and the order of the classes
truth.jsonl                  tubes, where the set has them tfds.json                    which set it
is, and, written last, how many videos it has: the folder is whole
"""

from __future__ import annotations

import csv
import importlib
import io
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from etils import epath

from videolstm_jax import files
from videolstm_jax.annotations.ground_truth import GroundTruth, check_ground_truth
from videolstm_jax.annotations.truth_jsonl import save_truth
from videolstm_jax.config import DataConfig
from videolstm_jax.dataset import lists
from videolstm_jax.errors import FileError, VideoError
from videolstm_jax.types import Detection, Tube
from videolstm_jax.video import encode, pictures

PREFIX = "tfds:"
OURS = {"hmdb51", "ucf101_24"}
"""Sets whose builders are in `tfds_builders`."""
NAMES = ("name", "video_name", "filename", "video_id", "id")
"""Features that say what a video is called, the first that is there."""
FPS = 25.0
"""Frames a second, where the set has no feature `fps`."""


class Fields(NamedTuple):
    """Which features of a set are which; empty where it has none. `encoded`: frames are stored as
    JPEG or PNG.
    """

    video: str
    encoded: bool
    label: str
    name: str
    group: str
    fps: str
    tubes: str


class Example(NamedTuple):
    """One video of a set: `frames` are encoded pictures or uint8 [L, H, W, 1 or 3]; `spare` is its
    name if `name` is another's too.
    """

    name: str
    spare: str
    label: str
    part: str
    group: str
    fps: float
    frames: Any
    tubes: list[Tube]


def export(cfg: DataConfig, folder: files.PathLike) -> epath.Path:
    """Writes the set that `cfg.source` names as a folder of videos, or finds that it is there
    already.

    Videos of an interrupted call are kept. The set is downloaded or built first, where it is not
    there.

    Args:
      cfg: `source` is "tfds:" and the name of a set, with its configuration behind a slash, or the
        folder of a prepared one; `videos` the data_dir of tensorflow-datasets, empty for its own.
      folder: where to.

    Returns:
      The folder.

    Raises:
      FileError: no tensorflow-datasets, no such set, one without labelled videos or without a
        training part, or the folder holds another set.
    """
    folder = epath.Path(folder)
    marker = folder / "tfds.json"
    settings = {"source": cfg.source, "data_dir": cfg.videos}
    if marker.exists():
        found = files.read_json(marker)
        if {name: found.get(name) for name in settings} != settings:
            raise FileError(
                f"{folder} holds {found.get('source')} of {found.get('data_dir') or 'the usual place'}; "
                f"expected {cfg.source} of {cfg.videos or 'the usual place'}: take another workdir"
            )
        if "videos" in found:
            return folder
    files.write_json(marker, settings)
    builder = _builder(cfg.source.removeprefix(PREFIX), cfg.videos)
    fields, parts = _fields(builder), _parts(builder)
    print(
        f"{cfg.source}: writing {sum(builder.info.splits[name].num_examples for name in parts)} examples of "
        f"{builder.info.full_name} as videos",
        flush=True,
    )
    rows: dict[str, Example] = {}
    for example in _examples(builder, fields, parts):
        if example.name in rows:  # a set may count its videos anew in each split
            example = example._replace(name=example.spare)
        rows[example.name] = example._replace(frames=None)
        _write_video(folder / "videos" / f"{example.name}.avi", example)
    if cfg.validation and not fields.group and "valid" not in parts.values():
        warnings.warn(
            f"{cfg.source} does not say which videos are of one recording: data.validation holds out single "
            "videos, whose like may be trained on",
            lists.ListWarning,
            stacklevel=2,
        )
    _write_lists(folder, list(rows.values()), builder.info.features[fields.label])
    files.write_json(marker, {**settings, "set": builder.info.full_name, "videos": len(rows)})
    return folder


# ---- what a set holds ----------------------------------------------------------------------------


def _builder(name: str, data_dir: str) -> Any:
    tfds = _tensorflow_datasets()
    try:
        if (epath.Path(name) / "dataset_info.json").exists():
            return tfds.builder_from_directory(name)
        if name.split("/")[0].split(":")[0] in OURS:
            importlib.import_module("videolstm_jax.dataset.tfds_builders")
        builder = tfds.builder(name, data_dir=data_dir or None)
        builder.download_and_prepare()
        return builder
    except (FileError, VideoError):
        raise
    except (
        Exception
    ) as error:  # whatever a builder, a server or a protobuf may raise is one error here
        raise FileError(
            f"tfds:{name}: tensorflow-datasets cannot give it"
            f"{f' from {data_dir}' if data_dir else ''}: {type(error).__name__}: {error}"
        ) from error


def _tensorflow_datasets() -> Any:
    try:
        return importlib.import_module("tensorflow_datasets")
    except ImportError as error:
        raise FileError(
            f"data.source=tfds:.. needs tensorflow-datasets: pip install 'videolstm-jax[tfds]' ({error})"
        ) from error


def _fields(builder: Any) -> Fields:
    """Raises `FileError` where there is no video, no label, or more than one that could be it."""
    features = _tensorflow_datasets().features
    held = dict(builder.info.features.items())

    def is_frames(one: Any) -> bool:
        if isinstance(one, features.Sequence):
            return isinstance(one.feature, features.Image) and one.feature.np_dtype == np.uint8
        return (
            isinstance(one, features.Tensor)
            and len(one.shape or ()) == 4
            and one.np_dtype == np.uint8
            and one.shape[3] in (1, 3)
        )

    def only(what: str, wanted: str, fitting: list[str]) -> str:
        if len(fitting) == 1 or wanted in fitting:
            return wanted if wanted in fitting else fitting[0]
        raise FileError(
            f"{builder.info.full_name}: {len(fitting)} features are {what} {fitting}; expected one, or one "
            f"called {wanted}; it has {', '.join(f'{name} {one}' for name, one in held.items())}"
        )

    def scalar(*names: str) -> str:
        return next((name for name in names if name in held and held[name].shape == ()), "")

    video = only(
        "a video, uint8 [T, H, W, 3]",
        "video",
        [name for name, one in held.items() if is_frames(one)],
    )
    label = only(
        "a label",
        "label",
        [name for name, one in held.items() if isinstance(one, features.ClassLabel)],
    )
    tubes = held.get("tubes")
    if not (
        isinstance(tubes, features.Sequence)
        and set(getattr(tubes, "feature", {})) >= {"tube", "frame", "box"}
    ):
        tubes = None
    return Fields(
        video,
        not isinstance(held[video], features.Tensor),
        label,
        scalar(*NAMES),
        scalar("group"),
        scalar("fps"),
        "tubes" if tubes is not None else "",
    )


def _parts(builder: Any) -> dict[str, str]:
    """The part of each split of the set; a set that has no test split is tested on its validation
    split.
    """
    parts = {name: lists.PARTS[name] for name in sorted(builder.info.splits) if name in lists.PARTS}
    if "train" not in parts.values():
        raise FileError(
            f"{builder.info.full_name}: splits {', '.join(builder.info.splits) or 'none'}; expected train, "
            "and test or validation"
        )
    if "test" not in parts.values():
        parts = {name: "test" if part == "valid" else part for name, part in parts.items()}
    left = sorted(set(builder.info.splits) - set(parts))
    if left:
        print(f"{builder.info.full_name}: splits {', '.join(left)} are left out", flush=True)
    return parts if len(set(parts.values())) > 1 else dict.fromkeys(parts, "")


def _examples(builder: Any, fields: Fields, parts: dict[str, str]) -> Iterator[Example]:
    """Every example in the order of the set's files; only the features that are used are decoded."""
    tfds = _tensorflow_datasets()
    wanted = {
        name: builder.info.features[name] for name in fields if isinstance(name, str) and name
    }
    skip = {fields.video: tfds.decode.SkipDecoding()} if fields.encoded else None
    classes = [name.replace("/", "_") for name in builder.info.features[fields.label].names]
    for split, part in parts.items():
        found = builder.as_dataset(
            split=split,
            decoders=tfds.decode.PartialDecoding(wanted, skip),
            read_config=tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False),
        )
        for number, example in enumerate(tfds.as_numpy(found)):
            label = int(example[fields.label])
            if not 0 <= label < len(classes):
                raise FileError(
                    f"{builder.info.full_name}: example {number} of {split} has label {label}; expected 0 "
                    f"to {len(classes) - 1}, since every video needs one"
                )
            name = _text(example[fields.name]) if fields.name else ""
            stem = lists.without_extension(name.replace("\\", "/").rsplit("/", 1)[-1])
            spare = f"{classes[label]}/{split}_{number:06d}"
            yield Example(
                f"{classes[label]}/{stem}" if stem else spare,
                spare,
                classes[label],
                part,
                _text(example[fields.group]) if fields.group else "",
                float(example[fields.fps]) if fields.fps else FPS,
                example[fields.video],
                _tubes(example[fields.tubes]) if fields.tubes else [],
            )


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _tubes(rows: dict[str, np.ndarray]) -> list[Tube]:
    """The tubes of an example from its boxes, a row each; a gap in the frames begins another tube."""
    found = []
    for one in np.unique(rows["tube"]):
        here = np.flatnonzero(rows["tube"] == one)
        here = here[np.argsort(rows["frame"][here], kind="stable")]
        for run in np.split(here, 1 + np.flatnonzero(np.diff(rows["frame"][here]) != 1)):
            found.append(Tube(int(rows["frame"][run[0]]), rows["box"][run].astype(float)))
    return found


# ---- what is written -----------------------------------------------------------------------------


def _write_video(path: epath.Path, example: Example) -> None:
    if path.exists():
        return
    if isinstance(example.frames, np.ndarray) and example.frames.dtype == np.uint8:
        encode.write(
            path,
            np.broadcast_to(example.frames, (*example.frames.shape[:3], 3)),
            example.fps,
            codec="ffv1",
        )
    else:
        pictures.write_pictures(path, list(example.frames), example.fps)


def _write_lists(folder: epath.Path, rows: list[Example], label: Any) -> None:
    present = {row.label for row in rows}
    classes = [name for name in (name.replace("/", "_") for name in label.names) if name in present]
    columns = (
        ["path", "label"]
        + ["part"] * bool(rows[0].part)
        + ["group"] * all(row.group for row in rows)
    )
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow(
            [f"videos/{row.name}.avi", *(getattr(row, column) for column in columns[1:])]
        )
    files.write_bytes(folder / "labels.csv", table.getvalue().encode())
    text = "".join(f"{number} {name}\n" for number, name in enumerate(classes, 1))
    files.write_bytes(folder / "classInd.txt", text.encode())
    tubes = [
        Detection(row.name, classes.index(row.label), 1.0, tube)
        for row in rows
        for tube in row.tubes
    ]
    if tubes:
        save_truth(
            folder / "truth.jsonl",
            check_ground_truth(folder, GroundTruth(tuple(classes), {}, {}, tubes)),
        )
