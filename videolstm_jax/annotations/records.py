"""True boxes of videos as tubes: the record every reader of annotations fills, its checks, and
boxes.json.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection
from typing import NamedTuple

import numpy as np

from videolstm_jax import files
from videolstm_jax.errors import FileError
from videolstm_jax.types import Dataset, Detection, Tube, Video

SLACK = 0.01
"""Pixels that a box may reach over the frame: files keep three digits, and some kept 32 bits."""
MOST_FRAMES = 1 << 31
"""Frames of a video whose length is not known."""


class Annotated(NamedTuple):
    """True tubes, and what their file says beside.

    `classes` are the C names that labels count, empty where the file has none; `frames` L and
    `sizes` (W, H) of videos by "Class/stem", where the file says; `truth` the tubes in the order of
    video names, then of frames; `test` the test list in the file's own order, where it has one;
    `notes` what was changed to fit the record.
    """

    classes: tuple[str, ...]
    frames: dict[str, int]
    sizes: dict[str, tuple[int, int]]
    truth: list[Detection]
    test: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def videos(self) -> set[str]:
        """The names of all videos that the file knows; what is known and has no tube was annotated
        as empty.
        """
        return {*self.frames, *(one.video for one in self.truth)}


def fault(
    one: Detection, *, classes: int = 0, frames: int = 0, size: tuple[int, int] = (0, 0)
) -> str:
    """What is wrong with a tube, empty where nothing is.

    Args:
      one: a true tube or a detection.
      classes: how many there are; 0 where it is not known.
      frames: of the video; 0 where it is not known.
      size: W, H of the video in pixels; 0 where it is not known.
    """
    boxes = one.tube.boxes
    if one.label < 0 or (classes and one.label >= classes):
        return f"has label {one.label}; expected 0 to {classes - 1 if classes else '..'}"
    if not np.isfinite(one.score):
        return f"has a score of {one.score}; expected a finite number"
    if boxes.ndim != 2 or boxes.shape[1] != 4 or not len(boxes):
        return f"has boxes {list(boxes.shape)}; expected [n, 4], n at least 1"
    stop = one.tube.start + len(boxes)
    if one.tube.start < 0 or stop > (frames or MOST_FRAMES):
        return f"goes from frame {one.tube.start} to {stop - 1}; expected frames 0 to {(frames or MOST_FRAMES) - 1}"
    edge = np.array([size[0] or np.inf, size[1] or np.inf]) + SLACK
    for bad, why in (
        (~np.isfinite(boxes).all(axis=1), "is not finite"),
        (
            (boxes[:, 2:] <= boxes[:, :2]).any(axis=1),
            "is inverted or empty; expected x0 < x1 and y0 < y1",
        ),
        (
            (boxes[:, :2] < -SLACK).any(axis=1) | (boxes[:, 2:] > edge).any(axis=1),
            f"leaves the frame of {size[0] or '?'} x {size[1] or '?'} pixels",
        ),
    ):
        if bad.any():
            at = int(bad.argmax())
            return f"has the box {boxes[at].tolist()} on frame {one.tube.start + at}, which {why}"
    return ""


def checked(path: files.PathLike, annotated: Annotated) -> Annotated:
    """The annotations with their tubes in order.

    Raises:
      FileError: naming the file and video, for the first tube that `fault` finds something wrong
        with.
    """
    for one in annotated.truth:
        wrong = fault(
            one,
            classes=len(annotated.classes),
            frames=annotated.frames.get(one.video, 0),
            size=annotated.sizes.get(one.video, (0, 0)),
        )
        if wrong:
            raise FileError(f"{path}: a tube of {one.video} {wrong}")
    return annotated._replace(
        truth=sorted(annotated.truth, key=lambda one: (one.video, one.tube.start, one.label))
    )


def fitted(path: files.PathLike, annotated: Annotated, dataset: Dataset) -> Annotated:
    """The annotations with the frames and sizes of a data set's videos, and its classes where the
    file has none.

    Raises:
      FileError: a video of another size than the annotated one, or a tube that does not fit its
        video.
    """
    for video in dataset.videos:
        size = annotated.sizes.get(video.name, (0, 0))
        if size not in ((0, 0), (video.width, video.height)):
            raise FileError(
                f"{path}: boxes of {video.name} are of {size} pixels; the video has "
                f"{(video.width, video.height)}"
            )
    return checked(
        path,
        annotated._replace(
            classes=annotated.classes or dataset.classes,
            frames={**annotated.frames, **{video.name: video.frames for video in dataset.videos}},
            sizes={
                **annotated.sizes,
                **{video.name: (video.width, video.height) for video in dataset.videos},
            },
        ),
    )


def read_table(path: files.PathLike) -> dict[str, list]:
    """What boxes.json says of each video, unchecked.

    Raises:
      FileError: the file is no table.
      FileError: the file is not JSON.
    """
    table = files.read_json(path)
    if not isinstance(table, dict):
        raise FileError(
            f'{path}: a {type(table).__name__}; expected {{"Class/stem": [[x0, y0, x1, y1] or null, ..]}}'
        )
    return table


def read_boxes(
    path: files.PathLike, dataset: Dataset, *, unlisted: Collection[str] = (), cut: bool = False
) -> list[Detection]:
    """Reads boxes.json, {"Class/stem": [[x0, y0, x1, y1] or null, ..]} with one entry a frame from
    the first on.

    Boxes are in pixels of the video as displayed, half open. Frames with null, or behind the end of
    the list, have none; each run of frames with boxes is one tube. Videos that are not in the file
    have no truth.

    Args:
      path: the file.
      dataset: the listed videos.
      unlisted: names whose boxes are passed over: videos that are there, but not in the dataset.
      cut: whether boxes behind a video's last frame are dropped, since only its beginning is read.

    Returns:
      True tubes in the order of video names, then of frames, with score 1.

    Raises:
      FileError: a video that is not listed, more boxes than frames, or a box that is not four
        finite numbers, is inverted or leaves the frame.
      FileError: the file is not JSON.
    """
    table, videos = read_table(path), {video.name: video for video in dataset.videos}
    truth = []
    for name in sorted(table.keys() - set(unlisted)):
        if name not in videos:
            raise FileError(f"{path}: boxes of {name}, which is no listed video")
        video, rows = videos[name], table[name]
        if not isinstance(rows, list) or (len(rows) > video.frames and not cut):
            found = len(rows) if isinstance(rows, list) else type(rows).__name__
            raise FileError(
                f"{path}: {found} boxes of {name}; expected a list of at most its {video.frames} frames"
            )
        truth += [
            Detection(name, video.label, 1.0, tube)
            for tube in _tubes(path, video, rows[: video.frames])
        ]
    return truth


def _tubes(path: files.PathLike, video: Video, rows: list) -> list[Tube]:
    tubes = []
    for there, run in itertools.groupby(range(len(rows)), lambda frame: rows[frame] is not None):
        frames = list(run)
        if there:
            tubes.append(
                Tube(
                    frames[0], np.stack([_box(path, video, frame, rows[frame]) for frame in frames])
                )
            )
    return tubes


def _box(path: files.PathLike, video: Video, frame: int, box: list) -> np.ndarray:
    where = f"{path}: {video.name} frame {frame}: box {box}"
    numbers = isinstance(box, list) and all(isinstance(side, int | float) for side in box)
    if not numbers or len(box) != 4 or not np.isfinite(box).all():
        raise FileError(f"{where}; expected four finite numbers, x0 y0 x1 y1")
    x0, y0, x1, y1 = box
    if x0 >= x1 or y0 >= y1:
        raise FileError(f"{where} is inverted or empty; expected x0 < x1 and y0 < y1")
    if x0 < 0 or y0 < 0 or x1 > video.width or y1 > video.height:
        raise FileError(f"{where} leaves the frame of {video.width} x {video.height} pixels")
    return np.asarray(box, np.float64)
