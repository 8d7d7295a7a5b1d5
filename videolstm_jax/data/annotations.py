"""Reads true boxes of videos into tubes."""

from __future__ import annotations

import itertools
from collections.abc import Collection

import numpy as np

from videolstm_jax import artifacts
from videolstm_jax.types import Dataset, Detection, Tube, Video


class BadBoxes(ValueError):
    """Boxes that cannot be used: the message names the file and video, what was found and what was expected."""


def read_boxes(path: artifacts.PathLike, dataset: Dataset, *, unlisted: Collection[str] = (),
               cut: bool = False) -> list[Detection]:
    """Reads boxes.json, {"Class/stem": [[x0, y0, x1, y1] or null, ..]} with one entry a frame from the first on.

    Boxes are in pixels of the video as displayed, half open. Frames with null, or behind the end of the list, have
    none; each run of frames with boxes is one tube. Videos that are not in the file have no truth.

    Args:
      path: the file.
      dataset: the listed videos.
      unlisted: names whose boxes are passed over: videos that are there, but not in the dataset.
      cut: whether boxes behind a video's last frame are dropped, since only its beginning is read.

    Returns:
      True tubes in the order of video names, then of frames, with score 1.

    Raises:
      BadBoxes: a video that is not listed, more boxes than frames, or a box that is not four finite numbers, is
        inverted or leaves the frame.
      artifacts.ArtifactError: the file is not JSON.
    """
    table = artifacts.read_json(path)
    videos = {video.name: video for video in dataset.videos}
    if not isinstance(table, dict):
        raise BadBoxes(f"{path}: a {type(table).__name__}; expected {{\"Class/stem\": [[x0, y0, x1, y1] or null, ..]}}")
    truth = []
    for name in sorted(table.keys() - set(unlisted)):
        if name not in videos:
            raise BadBoxes(f"{path}: boxes of {name}, which is no listed video")
        video, rows = videos[name], table[name]
        if not isinstance(rows, list) or (len(rows) > video.frames and not cut):
            found = len(rows) if isinstance(rows, list) else type(rows).__name__
            raise BadBoxes(f"{path}: {found} boxes of {name}; expected a list of at most its {video.frames} frames")
        truth += [Detection(name, video.label, 1.0, tube) for tube in _tubes(path, video, rows[:video.frames])]
    return truth


def _tubes(path: artifacts.PathLike, video: Video, rows: list) -> list[Tube]:
    tubes = []
    for there, run in itertools.groupby(range(len(rows)), lambda frame: rows[frame] is not None):
        frames = list(run)
        if there:
            tubes.append(Tube(frames[0], np.stack([_box(path, video, frame, rows[frame]) for frame in frames])))
    return tubes


def _box(path: artifacts.PathLike, video: Video, frame: int, box: list) -> np.ndarray:
    where = f"{path}: {video.name} frame {frame}: box {box}"
    numbers = isinstance(box, list) and all(isinstance(side, int | float) for side in box)
    if not numbers or len(box) != 4 or not np.isfinite(box).all():
        raise BadBoxes(f"{where}; expected four finite numbers, x0 y0 x1 y1")
    x0, y0, x1, y1 = box
    if x0 >= x1 or y0 >= y1:
        raise BadBoxes(f"{where} is inverted or empty; expected x0 < x1 and y0 < y1")
    if x0 < 0 or y0 < 0 or x1 > video.width or y1 > video.height:
        raise BadBoxes(f"{where} leaves the frame of {video.width} x {video.height} pixels")
    return np.asarray(box, np.float64)
