"""Reads boxes.json, the true boxes of a folder of videos: one box or null for each frame."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from videolstm_jax import files
from videolstm_jax.errors import FileError
from videolstm_jax.json_records import read_record
from videolstm_jax.types import Dataset, Detection, Tube, Video
from videolstm_jax.workdir.tubes_jsonl import Box

BoxesTable = dict[str, list[Box | None] | None]
"""{"Class/stem": [[x0, y0, x1, y1] or null, ..]}, one entry a frame.

A video without any annotation may have null in place of the list, if it is not a listed one.
"""


def read_boxes_table(path: files.PathLike) -> BoxesTable:
    """Reads the rows of boxes.json by video, which may lie outside their frames.

    Raises:
      FileError: the file is not JSON, or is no table of boxes, four finite numbers each.
    """
    return read_record(path, BoxesTable)


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
    # By name, so that the order of the rows in a file that people edit does not matter.
    for name in sorted(table.keys() - set(unlisted)):
        video, rows = videos.get(name), table[name]
        problem = f"boxes of {name}, which is no listed video"
        if video is not None:
            problem = _list_problem(rows, video, cut)
        if problem:
            raise FileError(f"{path}: {problem}")
        # Sliced where `cut` is set; otherwise the check has found no more boxes than frames.
        for tube in _tubes(path, video, rows[: video.frames]):
            detections.append(Detection(name, video.label, 1.0, tube))
    return detections


def _list_problem(rows: Sequence[Box | None] | None, video: Video, cut: bool) -> str:
    """What is wrong with the list of a video's boxes; empty where nothing is."""
    # Null is for videos that nobody annotated; a listed one would count as empty.
    if rows is None:
        return f"{video.name} is null; expected a list"
    # More boxes than frames are those of another video, or of another rate.
    if len(rows) > video.frames and not cut:
        return (
            f"{len(rows)} boxes of {video.name}; expected a list of at most its "
            f"{video.frames} frames"
        )
    return ""


def _tubes(path: files.PathLike, video: Video, rows: Sequence[Box | None]) -> list[Tube]:
    """The tubes of one video: each run of frames whose row is not null."""
    tubes: list[Tube] = []
    boxes: list[Box] = []
    # The null behind the last row ends a tube that reaches the last frame.
    for frame, box in enumerate([*rows, None]):
        if box is not None:
            problem = _box_problem(box, video)
            if problem:
                raise FileError(f"{path}: {video.name} frame {frame}: box {list(box)} {problem}")
            boxes.append(box)
        elif boxes:
            tubes.append(Tube(frame - len(boxes), np.array(boxes, np.float64)))
            boxes = []
    return tubes


def _box_problem(box: Box, video: Video) -> str:
    """What is wrong with a box x0 y0 x1 y1 of a video; empty where nothing is."""
    x0, y0, x1, y1 = box
    if x0 >= x1 or y0 >= y1:
        return "is inverted or empty; expected x0 < x1 and y0 < y1"
    if x0 < 0 or y0 < 0 or x1 > video.width or y1 > video.height:
        return f"leaves the frame of {video.width} x {video.height} pixels"
    return ""
