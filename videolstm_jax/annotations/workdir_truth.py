"""The true tubes of a work folder, and the mean training box that a baseline is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from videolstm_jax.errors import FileError
from videolstm_jax.files import read_existing
from videolstm_jax.json_records import parse_record
from videolstm_jax.localize import baselines
from videolstm_jax.sealed_json import SEAL, encode_json, parse_json
from videolstm_jax.types import Dataset, Detection, names_of
from videolstm_jax.workdir.dataset_json import is_in_workdir
from videolstm_jax.workdir.layout import Workdir
from videolstm_jax.workdir.tubes_jsonl import Box, load_detections

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray


def read_true_tubes(work: Workdir, dataset: Dataset) -> dict[str, list[Detection]]:
    """The true tubes of listed videos, by video; none where no boxes are known.

    Raises:
      FileError: a label that the data set lacks, or a tube longer than its video.
    """
    if not is_in_workdir(work, work.truth):
        return {}
    frames = dataset.frames
    tubes: dict[str, list[Detection]] = {}
    for tube in load_detections(work.truth):
        problem = _tube_problem(tube, len(dataset.classes), frames.get(tube.video))
        if problem:
            raise FileError(f"{work.truth}: a tube of {tube.video} {problem}")
        # The file also has the boxes of videos that were skipped as bad ones.
        if tube.video in frames:
            tubes.setdefault(tube.video, []).append(tube)
    return tubes


def _tube_problem(tube: Detection, classes: int, frames: int | None) -> str:
    """What is wrong with a true tube; empty where nothing is."""
    if not 0 <= tube.label < classes:
        return f"has label {tube.label}; expected 0 to {classes - 1}"
    # A video that was bad, or is in no list, has no known length.
    last = tube.tube.start + len(tube.tube.boxes) - 1
    if frames is not None and last >= frames:
        return f"ends with frame {last}; expected at most {frames - 1}"
    return ""


def mean_boxes_of_true_tubes(
    work: Workdir, dataset: Dataset, truth: Mapping[str, Sequence[Detection]]
) -> dict[str, NDArray]:
    """The mean training box [4] of each test video, as shares of the frame.

    All test videos of a work folder have the same one. A pool of work folders keeps one for each
    video in train_boxes.json, since each folder has a training list of its own.

    Args:
      work: the work folder.
      dataset: its videos.
      truth: true tubes by video.

    Returns:
      x0, y0, x1, y1 by video; empty where no training video has boxes.
    """
    tests = names_of(dataset.listed("test"))
    if is_in_workdir(work, work.train_boxes):
        # A pool lists test videos only, so no training boxes are left to take a mean of.
        pooled = _read_train_boxes(work)
        boxes = {}
        for name in tests:
            # A part of a sweep whose training list has no boxes gives none to the pool.
            if name in pooled:
                boxes[name] = np.array(pooled[name], float)
        return boxes
    # Of training videos only: a mean of test boxes would be no baseline.
    tubes, sizes = [], []
    for video in dataset.listed("train"):
        for tube in truth.get(video.name, []):
            tubes.append(tube.tube)
            sizes.append((video.height, video.width))
    if not tubes:
        return {}
    return dict.fromkeys(tests, baselines.mean_box(tubes, sizes))


def _read_train_boxes(work: Workdir) -> dict[str, Box]:
    """The content of train_boxes.json: a box by video."""
    encoded = read_existing(work.train_boxes)
    content = parse_json(encoded, work.train_boxes)
    # The names of all other fields are those of videos.
    if isinstance(content, dict) and content.pop(SEAL, None):
        encoded = encode_json(content)
    return parse_record(encoded, dict[str, Box], work.train_boxes)
