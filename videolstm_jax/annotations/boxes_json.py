"""Reads boxes.json, the true boxes of a folder of videos: one box or null for each frame."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from videolstm_jax import files
from videolstm_jax.errors import FileError
from videolstm_jax.types import Dataset, Detection, Tube, Video


def read_boxes_table(path: files.PathLike) -> dict[str, list]:
    """Reads the rows of boxes.json by video, unchecked.

    Raises:
      FileError: the file is not JSON, or is no table.
    """
    table = files.read_json(path)
    if not isinstance(table, dict):
        expected = '{"Class/stem": [[x0, y0, x1, y1] or null, ..]}'
        raise FileError(f"{path}: a {type(table).__name__}; expected {expected}")
    return table


def read_boxes_json(
    path: files.PathLike, dataset: Dataset, *, unlisted: Collection[str] = (), cut: bool = False
) -> list[Detection]:
    """Reads boxes.json, {"Class/stem": [[x0, y0, x1, y1] or null, ..]}, one entry a frame from 0.

    Boxes are in pixels of the video as displayed, half open. Frames with null, or behind the end of
    the list, have no box; each run of frames with boxes is one tube. Videos that are not in the
    file have no ground truth.

    Args:
      path: the file.
      dataset: the listed videos.
      unlisted: names of videos that exist but are not in the dataset; their boxes are left out.
      cut: whether boxes behind a video's last frame are dropped, since only its beginning is read.

    Returns:
      True tubes in the order of video names, then of frames, with score 1.

    Raises:
      FileError: the file is not JSON, a video is not listed, there are more boxes than frames, or a
        box is not four finite numbers, is inverted or leaves the frame.
    """
    table = read_boxes_table(path)
    videos = {video.name: video for video in dataset.videos}
    detections = []
    for name in sorted(table.keys() - set(unlisted)):
        if name not in videos:
            raise FileError(f"{path}: boxes of {name}, which is no listed video")
        video, rows = videos[name], table[name]
        is_list = isinstance(rows, list)
        if not is_list or (len(rows) > video.frames and not cut):
            content = len(rows) if is_list else type(rows).__name__
            raise FileError(
                f"{path}: {content} boxes of {name}; expected a list of at most its {video.frames} "
                "frames"
            )
        for tube in _tubes(path, video, rows[: video.frames]):
            detections.append(Detection(name, video.label, 1.0, tube))
    return detections


def _tubes(path: files.PathLike, video: Video, rows: list) -> list[Tube]:
    """The tubes of one video: each run of frames whose row is not null."""
    tubes: list[Tube] = []
    boxes: list[np.ndarray] = []
    # The null behind the last row ends a tube that reaches the last frame.
    for frame, row in enumerate([*rows, None]):
        if row is not None:
            boxes.append(_box(path, video, frame, row))
        elif boxes:
            tubes.append(Tube(frame - len(boxes), np.stack(boxes)))
            boxes = []
    return tubes


def _box(path: files.PathLike, video: Video, frame: int, box: list) -> np.ndarray:
    """One checked box [4], x0 y0 x1 y1 in pixels."""
    where = f"{path}: {video.name} frame {frame}: box {box}"
    is_numbers = isinstance(box, list) and all(isinstance(side, int | float) for side in box)
    if not is_numbers or len(box) != 4 or not np.isfinite(box).all():
        raise FileError(f"{where}; expected four finite numbers, x0 y0 x1 y1")
    x0, y0, x1, y1 = box
    if x0 >= x1 or y0 >= y1:
        raise FileError(f"{where} is inverted or empty; expected x0 < x1 and y0 < y1")
    if x0 < 0 or y0 < 0 or x1 > video.width or y1 > video.height:
        raise FileError(f"{where} leaves the frame of {video.width} x {video.height} pixels")
    return np.asarray(box, np.float64)
