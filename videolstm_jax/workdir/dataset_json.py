"""dataset.json, the listed videos, and bad.jsonl, those that `prepare` skipped: write and read."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from etils import epath

from videolstm_jax.errors import FileError
from videolstm_jax.files import PathLike, read_existing, write_json
from videolstm_jax.folders import leads_out
from videolstm_jax.json_records import json_record, parse_record, read_record, read_records
from videolstm_jax.sealed_json import decode_json
from videolstm_jax.types import PARTS, Dataset, Video
from videolstm_jax.workdir.layout import LAYOUT, Workdir, require_layout


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
      beside: names of the files that belong to the list, see `is_in_workdir`.

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
    require_layout(path, decode_json(data, path))
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
    # Features and scores are written to paths made of the name.
    if leads_out(video.name):
        return "is the name of a video; expected a path below the folders of results"
    return ""


def is_in_workdir(work: Workdir, path: epath.Path) -> bool:
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


def load_labels_of_bad_videos(work: Workdir, classes: Sequence[str]) -> np.ndarray:
    """The labels [n] int32 of the test videos that `prepare` skipped, which no model has scored.

    Raises:
      FileError: bad.jsonl names a class that is not among `classes`.
    """
    labels = []
    # `prepare` writes the file only where it skipped a video.
    if is_in_workdir(work, work.bad):
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
