"""The true tubes of a walk's videos, and what a box that never moves can learn from those of the
training list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from videolstm_jax import artifacts, files
from videolstm_jax.artifacts import Workdir
from videolstm_jax.errors import FileError
from videolstm_jax.localize import baselines
from videolstm_jax.types import Dataset, Detection

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray


def read_true_tubes(work: Workdir, dataset: Dataset) -> dict[str, list[Detection]]:
    """The true tubes of listed videos, by video; none where no boxes are known.

    Raises:
      FileError: a label that the data set lacks, or a tube longer than its video.
    """
    frames = {video.name: video.frames for video in dataset.videos}
    truth: dict[str, list[Detection]] = {}
    for one in artifacts.load_detections(work.truth) if work.truth.exists() else []:
        if not 0 <= one.label < len(dataset.classes):
            raise FileError(
                f"{work.truth}: a tube of {one.video} has label {one.label}; expected 0 to "
                f"{len(dataset.classes) - 1}"
            )
        stop = one.tube.start + len(one.tube.boxes)
        if stop > frames.get(one.video, stop):
            raise FileError(
                f"{work.truth}: a tube of {one.video} ends with frame {stop - 1}; expected at most "
                f"{frames[one.video] - 1}"
            )
        if one.video in frames:
            truth.setdefault(one.video, []).append(one)
    return truth


def train_boxes(
    work: Workdir, dataset: Dataset, truth: Mapping[str, Sequence[Detection]]
) -> dict[str, NDArray]:
    """The mean training box [4] of each test video, in shares of the frame; none where no training
    video has boxes.

    It is the same for all, but in a pool, whose videos come from walks with training lists of their
    own.
    """
    tests = [video.name for video in dataset.videos if video.part == "test"]
    if work.train_boxes.exists():
        kept = files.read_json(work.train_boxes)
        return {name: np.array(kept[name], float) for name in tests if name in kept}
    pairs = [
        (one.tube, (video.height, video.width))
        for video in dataset.videos
        if video.part == "train"
        for one in truth.get(video.name, [])
    ]
    return dict.fromkeys(tests, baselines.mean_box(*zip(*pairs, strict=True))) if pairs else {}
