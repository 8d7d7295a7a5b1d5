"""Where the output of every stage lies, and the records that stages hand to one another."""

from __future__ import annotations

import dataclasses
import itertools
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from etils import epath

from videolstm_jax.errors import FileError
from videolstm_jax.files import (
    PathLike,
    read_arrays,
    read_json,
    read_jsonl,
    write_arrays,
    write_json,
    write_jsonl,
)
from videolstm_jax.types import Dataset, Detection, Part, Scores, Tube, Video

if TYPE_CHECKING:
    from videolstm_jax.config import RunConfig

LAYOUT = 2
"""Version of the names and records in a work folder; raised when an older folder would be misread."""
PARTS = get_args(Part)


@dataclasses.dataclass(frozen=True)
class Workdir:
    """The folder of one walk; every path of the project is made here.

    dataset.json            the listed videos              prepare truth.jsonl             boxes,
    where there are any     prepare flow/                   index.json, Class/stem.zip     prepare
    convnets/<stream>/      config.json metrics.jsonl ckpt/  fit_convnet features/<stream>/<layer>/
    index.json, Class/stem.f16   extract runs/<name>/            config.json metrics.jsonl ckpt/
    (train), scores.npz videos/ states/ (evaluate),
                            tubes.jsonl map.json (localize)
    fused/<name>.npz        fuse
    report/index.html       report
    """

    root: str

    @property
    def path(self) -> epath.Path:
        """The folder itself."""
        return epath.Path(self.root)

    @property
    def dataset(self) -> epath.Path:
        """The listed videos."""
        return self.path / "dataset.json"

    @property
    def truth(self) -> epath.Path:
        """True tubes of the videos that have boxes; absent where none has."""
        return self.path / "truth.jsonl"

    @property
    def train_boxes(self) -> epath.Path:
        """Of a pool, the mean training box that each test video's own walk knew, in shares of the
        frame.
        """
        return self.path / "train_boxes.json"

    @property
    def bad(self) -> epath.Path:
        """Videos that were skipped, with the reason."""
        return self.path / "bad.jsonl"

    @property
    def flow(self) -> epath.Path:
        """Flow images."""
        return self.path / "flow"

    def convnet(self, stream: str) -> epath.Path:
        """The ConvNet of `rgb` or `flow`."""
        return self.path / "convnets" / stream

    def features(self, stream: str, layer: str) -> epath.Path:
        """The feature store of one tap, pool5, fc7 or logits."""
        return self.path / "features" / stream / layer

    def run(self, name: str) -> epath.Path:
        """A trained recurrent model and what it said of the test list."""
        return self.path / "runs" / name

    def scores(self, name: str) -> epath.Path:
        """Video scores of a run, of a stream's ConvNet ("convnet-rgb") or of a fusion, by name; or
        a path to a file.
        """
        if name.endswith(".npz"):
            return epath.Path(name)
        if name.startswith("convnet-"):
            return self.convnet(name.removeprefix("convnet-")) / "scores.npz"
        fused = self.path / "fused" / f"{name}.npz"
        return fused if fused.exists() else self.run(name) / "scores.npz"

    def fused(self, name: str) -> epath.Path:
        """Fused video scores."""
        return self.path / "fused" / f"{name}.npz"

    def passes(self, name: str, video: str) -> epath.Path:
        """Frame scores and attention of one whole video, as a run saw it."""
        return self.run(name) / "videos" / f"{video}.npz"

    def states(self, name: str, video: str) -> epath.Path:
        """Maps of the LSTM's state over one whole video, of the few videos that the report shows."""
        return self.run(name) / "states" / f"{video}.npz"

    @property
    def report(self) -> epath.Path:
        """The page of pictures."""
        return self.path / "report"


def of_run(folder: PathLike) -> tuple[Workdir, str]:
    """The work folder and the name of the run that lies in `<work>/runs/<name>`.

    Raises:
      FileError: a work folder itself, or no folder.
    """
    path = epath.Path(folder if "://" in str(folder) else os.path.abspath(folder))
    if (path / "runs").exists():
        runs = ", ".join(sorted(run.name for run in (path / "runs").iterdir()))
        raise FileError(f"{folder} is a work folder; expected one of its runs: {runs}")
    if not path.exists():
        raise FileError(
            f"{folder} is missing; expected the folder of a run, such as work/demo/runs/videolstm-rgb"
        )
    return Workdir(str(path.parent.parent)), path.name


# ---- the records ---------------------------------------------------------------------------------


def save_dataset(path: PathLike, dataset: Dataset) -> None:
    """Writes the listed videos.

    Raises:
      FileError: a name twice, a label outside the classes, or a part of another name.
    """
    _check_dataset(path, dataset)
    write_json(
        path,
        {
            "layout": LAYOUT,
            "classes": list(dataset.classes),
            "videos": [video._asdict() for video in dataset.videos],
        },
    )


def load_dataset(path: PathLike) -> Dataset:
    """Reads the listed videos that `prepare` wrote.

    Raises:
      FileError: the file is missing, was written by another version, or does not hold a list of
        videos with different names, labels within the classes and known parts.
    """
    record = _with_layout(path, read_json(path, made_by="prepare"))
    try:
        dataset = Dataset(tuple(record["classes"]), tuple(Video(**row) for row in record["videos"]))
        _check_dataset(path, dataset)
    except (KeyError, TypeError) as error:
        raise FileError(f"{path}: not a list of videos: {error}") from error
    return dataset


def _with_layout(path: PathLike, record: Any) -> dict[str, Any]:
    """The record, which must say that it was written in the layout of this version."""
    if not isinstance(record, dict) or record.get("layout") != LAYOUT:
        raise FileError(
            f"{path}: this work folder was written by an earlier version; remove it or give another "
            "--workdir"
        )
    return record


def _check_dataset(path: PathLike, dataset: Dataset) -> None:
    """Raises FileError where a list of videos contradicts itself."""
    names = set()
    for video in dataset.videos:
        if video.name in names:
            raise FileError(f"{path}: lists {video.name} twice; expected different names")
        names.add(video.name)
        if not 0 <= video.label < len(dataset.classes):
            raise FileError(
                f"{path}: {video.name} has the label {video.label}; expected 0 to "
                f"{len(dataset.classes) - 1}"
            )
        if video.part not in PARTS:
            raise FileError(
                f"{path}: {video.name} belongs to the part {video.part!r}; expected one of "
                f"{', '.join(PARTS)}"
            )


def load_missing(work: Workdir, classes: Sequence[str]) -> np.ndarray:
    """The labels [n] int32 of the test videos that `prepare` had to skip: no model can have scored
    them.

    Raises:
      FileError: bad.jsonl names a class that is not among `classes`.
    """
    rows = (
        [row for row in read_jsonl(work.bad) if row.get("part") == "test"]
        if work.bad.exists()
        else []
    )
    for row in rows:
        if row["label"] not in classes:
            raise FileError(
                f"{work.bad}: {row['name']} is of class {row['label']}; expected one of "
                f"{', '.join(classes)}"
            )
    return np.array([classes.index(row["label"]) for row in rows], np.int32)


def save_scores(path: PathLike, scores: Scores) -> None:
    """Writes video scores as pickle-free .npz."""
    write_arrays(
        path,
        videos=np.array(scores.videos, str),
        scores=np.asarray(scores.scores, np.float32),
        label=np.asarray(scores.label, np.int32),
        classes=np.array(scores.classes, str),
    )


def load_scores(path: PathLike) -> Scores:
    """Reads video scores.

    Raises:
      FileError: shapes that do not agree, NaN, or labels outside the classes.
    """
    names = ("videos", "scores", "label", "classes")
    videos, scores, label, classes = read_arrays(path, *names, made_by="evaluate or fuse")
    if scores.shape != (len(videos), len(classes)) or label.shape != (len(videos),):
        raise FileError(
            f"{path}: scores {scores.shape} and label {label.shape}; expected "
            f"[{len(videos)}, {len(classes)}] and [{len(videos)}] for its videos and classes"
        )
    if not np.isfinite(scores).all():
        raise FileError(
            f"{path}: scores of {videos[~np.isfinite(scores).all(1)][0]} are not finite"
        )
    if len(label) and (label.min() < 0 or label.max() >= len(classes)):
        raise FileError(
            f"{path}: labels {label.min()} to {label.max()}; expected 0 to {len(classes) - 1}"
        )
    return Scores(tuple(videos.tolist()), scores, label, tuple(classes.tolist()))


def save_detections(path: PathLike, detections: Iterable[Detection]) -> None:
    """Writes tubes, one a line: video, label, score, start, boxes.

    Neighbours that share one tube of one video, one for each class in order, become one line with
    the list `scores` beside the class that scores best.
    """
    runs = itertools.groupby(detections, key=lambda found: (found.video, id(found.tube)))
    write_jsonl(path, (_row(list(run)) for _, run in runs))


def _row(run: list[Detection]) -> dict:
    best = max(run, key=lambda found: found.score)
    row = {
        "video": best.video,
        "label": int(best.label),
        "score": float(best.score),
        "start": int(best.tube.start),
        "boxes": np.asarray(best.tube.boxes, float).round(3).tolist(),
    }
    if len(run) > 1:
        if [found.label for found in run] != list(range(len(run))):
            raise FileError(
                f"classes {[found.label for found in run]} share a tube of {best.video}; expected "
                f"0 to {len(run) - 1} in order"
            )
        row["scores"] = [float(found.score) for found in run]
    return row


def load_detections(path: PathLike) -> list[Detection]:
    """Reads tubes; a line with `scores` becomes one detection a class, which share their tube.

    Raises:
      FileError: naming the line, for a missing field or one of another kind, a score that is not
        finite, or boxes inverted or not [n, 4].
    """
    return [one for _, _, found in each_line_of_detections(path) for one in found]


def each_line_of_detections(path: PathLike) -> Iterator[tuple[str, dict, list[Detection]]]:
    """Reads tubes line by line: "file:line", the line itself, and its detections; see
    `load_detections`.
    """
    for number, row in enumerate(read_jsonl(path, made_by="localize"), 1):
        where = f"{path}:{number}"
        missing = (
            {"video", "label", "score", "start", "boxes"} - row.keys()
            if isinstance(row, dict)
            else {"fields"}
        )
        if missing:
            raise FileError(f"{where}: lacks {sorted(missing)}")
        scores = row.get("scores", [row["score"]])
        numbers = [
            row["label"],
            row["start"],
            *(scores if isinstance(scores, list) and scores else [None]),
        ]
        if (
            not isinstance(row["video"], str)
            or any(type(one) not in (int, float) for one in numbers)
            or any(one % 1 or abs(one) > 1 << 31 for one in numbers[:2])
        ):
            raise FileError(
                f"{where}: video {row['video']!r}, label, start and scores {numbers}; expected text, "
                "whole and plain numbers"
            )
        boxes = _numbers(row["boxes"], f"{where}: boxes of {row['video']}")
        if boxes.ndim != 2 or boxes.shape[1] != 4 or not np.isfinite(boxes).all():
            raise FileError(
                f"{where}: boxes of {row['video']} have shape {boxes.shape}; expected finite [n, 4]"
            )
        if (boxes[:, 2:] <= boxes[:, :2]).any():
            raise FileError(
                f"{where}: a box of {row['video']} is inverted or empty; expected x0 < x1 and y0 < y1"
            )
        if not all(abs(score) <= sys.float_info.max for score in scores):  # a NaN, too, is not
            raise FileError(f"{where}: a score of {row['video']} is not finite")
        tube = Tube(int(row["start"]), boxes)
        labelled = enumerate(scores) if "scores" in row else [(int(row["label"]), row["score"])]
        yield (
            where,
            row,
            [Detection(row["video"], label, float(score), tube) for label, score in labelled],
        )


def _numbers(value: Any, what: str) -> np.ndarray:
    """An array of float64. NumPy takes text and null for numbers too."""
    try:
        array = np.asarray(value)
    except ValueError as error:  # rows of several lengths
        raise FileError(f"{what} are not numbers: {error}") from error
    if array.dtype.kind not in "iuf":
        raise FileError(f"{what} are not numbers: they hold {array.dtype}")
    return array.astype(np.float64)


def save_config(folder: PathLike, cfg: RunConfig, **resolved: Any) -> None:
    """Writes config.json, the record of how a model was trained.

    Args:
      folder: of the run or of the ConvNet.
      cfg: the resolved configuration, written as `config`; the settings that the user gave are
        written as `overrides`, by the names of their flags.
      **resolved: values that were only known at run time, such as sizes and class names.
    """
    config = dataclasses.asdict(cfg)
    overrides = {path.replace("__", "."): value for path, value in config.pop("overrides").items()}
    record = {"layout": LAYOUT, "config": config, "overrides": overrides, **resolved}
    write_json(epath.Path(folder) / "config.json", record)


def load_config(folder: PathLike, made_by: str = "") -> dict[str, Any]:
    """Reads config.json of a run or of a ConvNet, see `save_config`.

    Raises:
      FileError: the file is missing (`made_by` names the stage that writes it), is not JSON, or was
        written by another version.
    """
    path = epath.Path(folder) / "config.json"
    return _with_layout(path, read_json(path, made_by=made_by))
