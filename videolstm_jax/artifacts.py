"""The records that stages hand to one another, and how they are written and read.

A work folder is `Workdir`, files of tubes are `tubes_jsonl`, files of scores are `scores_npz`; all
can be taken from here too.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from etils import epath

from videolstm_jax.errors import FileError
from videolstm_jax.files import (
    LONGEST_NAME,
    PathLike,
    bytes_sha256,
    read_existing,
    read_json,
    write_json,
)
from videolstm_jax.json_records import json_record, parse_record, read_record, read_records
from videolstm_jax.scores_npz import load_scores, save_scores
from videolstm_jax.sealed_json import decode_json
from videolstm_jax.tubes_jsonl import load_detections, save_detections
from videolstm_jax.types import PARTS, Dataset, Video
from videolstm_jax.workdir import Workdir, of_run

if TYPE_CHECKING:
    from videolstm_jax.config import RunConfig

__all__ = [
    "LAYOUT",
    "Workdir",
    "check_layout",
    "load_config",
    "load_dataset",
    "load_detections",
    "load_missing",
    "load_scores",
    "of_run",
    "save_config",
    "save_dataset",
    "save_detections",
    "save_scores",
]

METRICS = "metrics.jsonl"
"""What a training logs, in its folder."""

METRICS_SHA256 = "metrics_sha256"
"""The field of config.json with the digest of that file."""

LAYOUT = 2
"""Version of the names and records in a work folder; it grows when older ones would be misread."""


# ---- the data set --------------------------------------------------------------------------------


def save_dataset(
    path: PathLike,
    dataset: Dataset,
    *,
    settings: Mapping[str, Any] | None = None,
    pooled: bool = False,
    beside: Sequence[str] = (),
) -> None:
    """Writes the listed videos.

    Args:
      path: of the file.
      dataset: the videos.
      settings: those that decided which videos these are, and in which parts.
      pooled: whether a video may be there several times, once for each part of a pool.
      beside: names of the files that belong to the list, see `is_beside`.

    Raises:
      FileError: a name or a file twice, a label outside the classes, or a part of another name.
    """
    problem = _dataset_problem(dataset, pooled=pooled)
    if problem:
        raise FileError(f"{path}: {problem}")
    record: dict[str, Any] = {
        "layout": LAYOUT,
        "classes": list(dataset.classes),
        "videos": [video._asdict() for video in dataset.videos],
    }
    # Written only where they say something, so that the file of an ordinary set stays short.
    if pooled:
        record["pooled"] = True
    if settings:
        record["settings"] = dict(settings)
    if beside:
        record["beside"] = list(beside)
    write_json(path, record, sealed=True)


def load_dataset(path: PathLike) -> Dataset:
    """Reads the listed videos that `prepare` wrote.

    Raises:
      FileError: the file is missing, was written by another version, or does not hold a list of
        videos with different names and files, labels within the classes and known parts.
    """
    data = read_existing(path, made_by="prepare")
    # The version first: in a file of an earlier one other fields may be missing too.
    _with_layout(path, decode_json(data, path))
    record = parse_record(data, _DatasetRecord, path)
    return Dataset(record.classes, record.videos)


@json_record()
@dataclasses.dataclass(frozen=True)
class _DatasetRecord:
    """What the stages read of dataset.json."""

    classes: tuple[str, ...]
    videos: tuple[Video, ...]
    pooled: bool = False
    beside: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raises ValueError for a list that contradicts itself."""
        problem = _dataset_problem(Dataset(self.classes, self.videos), pooled=self.pooled)
        if problem:
            raise ValueError(problem)


def check_layout(work: Workdir) -> None:
    """Refuses a work folder of an earlier version, before a stage writes a file of this one to it.

    A folder of both would look like one of this version, and training would go on from checkpoints
    whose layout nobody checked.

    Raises:
      FileError: dataset.json, or the config.json of a ConvNet or run, has another layout.
    """
    paths = [work.dataset]
    # Any of them may be the first that a stage reads.
    for pattern in ("convnets/*/config.json", "runs/*/config.json"):
        paths += sorted(work.path.glob(pattern))
    for path in paths:
        if path.exists():
            _with_layout(path, read_json(path))


def _with_layout(path: PathLike, record: Any) -> dict[str, Any]:
    """The record, which must say that it was written in the layout of this version."""
    if not isinstance(record, dict) or record.get("layout") != LAYOUT:
        raise FileError(
            f"{path}: this work folder was written by an earlier version; remove it or give "
            "another --workdir"
        )
    return record


def _dataset_problem(dataset: Dataset, *, pooled: bool) -> str:
    """How a list of videos contradicts itself; empty where it does not."""
    names, name_of_path = set(), {}
    for video in dataset.videos:
        # Features, flow and scores are found by name, so two videos of one name would share them.
        problem = _video_problem(video, len(dataset.classes))
        if video.name in names:
            problem = "is listed twice; expected different names"
        # Features that others made have no video files. One file under two names would count
        # twice, or be trained on and tested.
        first = name_of_path.setdefault(video.path, video.name)
        if video.path and first != video.name and not pooled:
            problem = problem or f"and {first} are both of {video.path}; expected different files"
        if problem:
            return f"{video.name} {problem}"
        names.add(video.name)
    return ""


def _video_problem(video: Video, classes: int) -> str:
    """What is wrong with a listed video; empty where nothing is."""
    if not 0 <= video.label < classes:
        return f"has the label {video.label}; expected 0 to {classes - 1}"
    if video.part not in PARTS:
        return f"belongs to the part {video.part!r}; expected one of {', '.join(PARTS)}"
    if leads_out(video.name):
        return "is the name of a video; expected a path below the folders of results"
    return ""


def leads_out(name: str) -> bool:
    """Whether a file of this name below a folder could lie outside it, or nowhere at all.

    Flow, features and scores are written under the names of the videos.
    """
    parts = name.replace("\\", "/").split("/")
    longest = max(len(part.encode("utf-8", "surrogatepass")) for part in parts)
    return "\0" in name or longest > LONGEST_NAME or not {"", ".", ".."}.isdisjoint(parts)


def is_beside(work: Workdir, path: epath.Path) -> bool:
    """Whether a file is there that only some lists of videos have, such as bad.jsonl.

    Raises:
      FileError: dataset.json says that the file was written with it, and it is missing or empty.
    """
    # Such a file is never written empty.
    if path.exists() and path.stat().length:
        return True
    if work.dataset.exists() and path.name in read_record(work.dataset, _DatasetRecord).beside:
        raise FileError(
            f"{path} is missing or empty; {work.dataset} was written with it; run the stage that "
            "wrote both again"
        )
    return False


def load_missing(work: Workdir, classes: Sequence[str]) -> np.ndarray:
    """The labels [n] int32 of the test videos that `prepare` skipped, which no model has scored.

    Raises:
      FileError: bad.jsonl names a class that is not among `classes`.
    """
    labels = []
    # `prepare` writes the file only where it skipped a video.
    if is_beside(work, work.bad):
        for where, row in read_records(work.bad, _SkippedVideo):
            if row.part != "test":
                continue
            if row.label not in classes:
                raise FileError(
                    f"{where}: {row.name} is of class {row.label}; expected one of "
                    f"{', '.join(classes)}"
                )
            labels.append(classes.index(row.label))
    return np.array(labels, np.int32)


@json_record()
@dataclasses.dataclass(frozen=True)
class _SkippedVideo:
    """A line of bad.jsonl; a video that no list has is in no part."""

    name: str
    label: str
    part: str = ""


# ---- the configuration of a model ----------------------------------------------------------------


def save_config(folder: PathLike, cfg: RunConfig, **resolved: Any) -> None:
    """Writes config.json, the record of how a model was trained.

    Args:
      folder: of the run or of the ConvNet.
      cfg: the resolved configuration, written as `config`; the settings that the user gave are
        written as `overrides`, by the names of their flags.
      **resolved: values that were only known at run time, such as sizes and class names.
    """
    config = dataclasses.asdict(cfg)
    # By the names of their flags, which people search for; keywords of Python cannot hold a dot.
    overrides = {path.replace("__", "."): value for path, value in config.pop("overrides").items()}
    record = {"layout": LAYOUT, "config": config, "overrides": overrides, **resolved}
    metrics = epath.Path(folder) / METRICS
    # It grows line by line while the model is trained, so it has no seal of its own.
    if metrics.exists():
        record[METRICS_SHA256] = bytes_sha256(metrics.read_bytes())
    write_json(epath.Path(folder) / "config.json", record, sealed=True)


def load_config(folder: PathLike, made_by: str = "") -> dict[str, Any]:
    """Reads config.json of a run or of a ConvNet, see `save_config`.

    Raises:
      FileError: the file is missing (`made_by` names the stage that writes it), is not JSON, was
        written by another version, or does not have the settings that stages take from it.
    """
    path = epath.Path(folder) / "config.json"
    data = read_existing(path, made_by=made_by)
    record = _with_layout(path, decode_json(data, path))
    parse_record(data, _ConfigRecord, path)
    return record


@json_record()
@dataclasses.dataclass(frozen=True)
class _DataSettings:
    """What stages take of the section `data` in config.json; earlier versions lack some fields."""

    stream: str = ""
    source: str = ""
    fps: float = 0.0
    fit: str = "squash"
    feature_dtype: str = "float16"


@json_record()
@dataclasses.dataclass(frozen=True)
class _Settings:
    """What stages take of the settings in config.json."""

    data: _DataSettings = dataclasses.field(default_factory=_DataSettings)


@json_record()
@dataclasses.dataclass(frozen=True)
class _ConfigRecord:
    """What every stage relies on in config.json; the rest is checked where it is used."""

    config: _Settings = dataclasses.field(default_factory=_Settings)
    overrides: dict[str, Any] = dataclasses.field(default_factory=dict)
    classes: tuple[str, ...] = ()
    attends: bool = False
    warnings: tuple[str, ...] = ()
