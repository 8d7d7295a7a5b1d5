"""Writes a set of tensorflow-datasets as a folder of videos, which the pipeline reads as any other.

- videos/<Class>/<stem>.avi: the frames as the set stores them, JPEG or PNG; raw ones without loss.
- labels.csv and classInd.txt: parts, groups where the set has them, and the order of the classes.
- truth.jsonl: tubes, where the set has them.
- tfds.json: which set it is; the number of videos, written last, marks the folder as complete.
"""

from __future__ import annotations

import csv
import importlib
import io
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
from etils import epath

from videolstm_jax import files
from videolstm_jax.annotations.ground_truth import GroundTruth, check_ground_truth
from videolstm_jax.annotations.truth_jsonl import save_truth
from videolstm_jax.config import DataConfig
from videolstm_jax.dataset.lists.list_files import ListWarning
from videolstm_jax.dataset.tfds import reader
from videolstm_jax.dataset.tfds.fields import find_tfds_fields, find_tfds_parts, import_tfds
from videolstm_jax.dataset.tfds.reader import TfdsExample
from videolstm_jax.errors import FileError, VideoError
from videolstm_jax.types import Detection
from videolstm_jax.video import encode, pictures

PREFIX = "tfds:"
# Sets whose builders are in `tfds.builders`.
OUR_SETS = {"hmdb51", "ucf101_24"}


def export_tfds(cfg: DataConfig, folder: files.PathLike) -> epath.Path:
    """Writes the set that `cfg.source` names as a folder of videos, unless that exists already.

    The videos of an interrupted call are used again. A set that does not exist is downloaded or
    built first.

    Args:
      cfg: `source` is "tfds:" and the name of a set, with its configuration behind a slash, or the
        folder of a prepared one; `videos` is the data_dir of tensorflow-datasets, empty for its
        own.
      folder: where the videos go.

    Returns:
      The folder.

    Raises:
      FileError: no tensorflow-datasets, no such set, one without labelled videos or without a
        training part, or the folder holds another set.
    """
    folder = epath.Path(folder)
    marker = folder / "tfds.json"
    settings = {"source": cfg.source, "data_dir": cfg.videos}
    if _is_complete(marker, settings):
        return folder
    # Without a number of videos: an interrupted export is continued, but by the same set only.
    files.write_json(marker, settings)
    builder = _open_builder(cfg.source.removeprefix(PREFIX), cfg.videos)
    # Before anything is decoded: a set without videos or labels is refused in seconds.
    fields = find_tfds_fields(builder)
    parts = find_tfds_parts(builder)
    count = 0
    for split in parts:
        count += builder.info.splits[split].num_examples
    print(
        f"{cfg.source}: writing {count} examples of {builder.info.full_name} as videos", flush=True
    )
    rows = _write_videos(folder / "videos", reader.read_tfds_examples(builder, fields, parts))
    if cfg.validation and not fields.group and "valid" not in parts.values():
        _warn_of_single_videos(cfg)
    _write_lists(folder, rows, builder.info.features[fields.label].names)
    files.write_json(marker, {**settings, "set": builder.info.full_name, "videos": len(rows)})
    return folder


def _warn_of_single_videos(cfg: DataConfig) -> None:
    warnings.warn(
        f"{cfg.source} does not say which videos are of one recording: data.validation holds "
        "out single videos, whose like may be trained on",
        ListWarning,
        stacklevel=3,
    )


def _is_complete(marker: epath.Path, settings: dict[str, str]) -> bool:
    """Whether the folder holds all of this set; refuses a folder of another set."""
    if not marker.exists():
        return False
    content = files.read_json_object(marker)
    source, data_dir = content.get("source"), content.get("data_dir")
    if (source, data_dir) != (settings["source"], settings["data_dir"]):
        usual = "the usual place"
        raise FileError(
            f"{marker.parent} holds {source} of {data_dir or usual}; expected "
            f"{settings['source']} of {settings['data_dir'] or usual}: take another workdir"
        )
    # The number of videos is written last.
    return "videos" in content


def _open_builder(name: str, data_dir: str) -> Any:
    """The builder of a prepared set; the set is downloaded or built first where it is not there.

    Args:
      name: of the set, with its configuration behind a slash, or the folder of a prepared one.
      data_dir: of tensorflow-datasets, empty for its own.

    Raises:
      FileError: no tensorflow-datasets, or it cannot give the set.
    """
    tfds = import_tfds()
    try:
        if (epath.Path(name) / "dataset_info.json").exists():
            return tfds.builder_from_directory(name)
        # Ours are known to tensorflow-datasets once their module is imported. The name may have a
        # version, as in ucf101_24:1.0.0.
        if name.split("/")[0].split(":")[0] in OUR_SETS:
            importlib.import_module("videolstm_jax.dataset.tfds.builders")
        builder = tfds.builder(name, data_dir=data_dir or None)
        builder.download_and_prepare()
        return builder
    except (FileError, VideoError):
        raise
    # A builder, a download server and protobuf raise errors of many kinds; the user needs one.
    except Exception as error:
        place = ""
        if data_dir:
            place = f" from {data_dir}"
        raise FileError(
            f"tfds:{name}: tensorflow-datasets cannot give it{place}: {type(error).__name__}: "
            f"{error}"
        ) from error


def _write_videos(folder: epath.Path, examples: Iterable[TfdsExample]) -> list[TfdsExample]:
    """Writes each example as a video, and returns the examples without their frames."""
    rows: dict[str, TfdsExample] = {}
    for example in examples:
        # A set may count its videos anew in each split.
        if example.name in rows:
            example = example._replace(name=example.unique_name)
        # Only the text is kept; the frames of all videos would not fit in memory.
        rows[example.name] = example._replace(frames=None)
        _write_video(folder / f"{example.name}.avi", example)
    return list(rows.values())


def _write_video(path: epath.Path, example: TfdsExample) -> None:
    if path.exists():  # from an interrupted export; files are written whole or not at all
        return
    frames = example.frames
    if isinstance(frames, np.ndarray) and frames.dtype == np.uint8:
        rgb = np.broadcast_to(frames, (*frames.shape[:3], 3))  # grey frames have one channel
        # Without loss: features of the export must be those of the set itself.
        encode.write_video(path, rgb, example.fps, codec="ffv1")
    else:
        pictures.write_video_pictures(path, list(frames), example.fps)


def _write_lists(folder: epath.Path, rows: list[TfdsExample], class_names: list[str]) -> None:
    """Writes labels.csv, classInd.txt and, where there are tubes, truth.jsonl."""
    # Classes without a video would be refused; HMDB51 may be built from some of its folders.
    present = {row.label for row in rows}
    classes = []
    lines = ""
    for name in class_names:
        label = reader.tfds_class_folder(name)
        if label in present:
            classes.append(label)
            lines += f"{len(classes)} {label}\n"
    files.write_bytes(folder / "classInd.txt", lines.encode())
    _write_labels_csv(folder / "labels.csv", rows)
    tubes = []
    for row in rows:
        for tube in row.tubes:
            tubes.append(Detection(row.name, classes.index(row.label), 1.0, tube))
    if tubes:
        ground_truth = GroundTruth(tuple(classes), {}, {}, tubes)
        save_truth(folder / "truth.jsonl", check_ground_truth(folder, ground_truth))


def _write_labels_csv(path: epath.Path, rows: list[TfdsExample]) -> None:
    columns = ["path", "label"]
    # The parts of a set with one split are decided later, so they are empty in every row.
    if rows[0].part:
        columns.append("part")
    # labels.csv refuses a column that is filled in some rows only.
    if all(row.group for row in rows):
        columns.append("group")
    table = io.StringIO()
    writer = csv.DictWriter(table, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({"path": f"videos/{row.name}.avi", **row._asdict()})
    files.write_bytes(path, table.getvalue().encode())
