"""Reads the pickles of ACT, MOC and their kin: annotations, linked tubes and boxes of single
frames.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from etils import epath

from videolstm_jax.annotations.records import Annotated, checked
from videolstm_jax.errors import FileError
from videolstm_jax.safe_readers import pickles
from videolstm_jax.types import Detection, Tube

SUFFIX = "_tubes.pkl"
"""How the file of one video's linked tubes ends."""


def tube_of(rows: np.ndarray, size: tuple[int, int] = (0, 0)) -> Tube:
    """A tube of rows <frame> <x1> <y1> <x2> <y2>, whose frames count from 1 and whose corners lie
    inside the box.

    The second corner is the last pixel inside, so the half-open box ends one further: the area
    their evaluation gives it. A corner on the frame's very edge, which is no pixel, ends there.

    Args:
      rows: [n, 5 or more]; what follows the box is left.
      size: W, H of the video in pixels, 0 where it is not known.

    Raises:
      FileError: another shape, or frames that do not follow each other.
    """
    if not isinstance(rows, np.ndarray) or rows.ndim != 2 or rows.shape[1] < 5 or not len(rows):
        raise FileError(f"is {list(np.shape(rows))}; expected rows of frame, x1, y1, x2, y2")
    if rows.dtype.kind not in "uif":
        raise FileError(f"is of {rows.dtype}; expected numbers")
    rows = rows.astype(np.float64)
    if not np.isfinite(rows[:, :5]).all():
        raise FileError(
            f"has a row that is not finite: {rows[~np.isfinite(rows[:, :5]).all(axis=1)][0].tolist()}"
        )
    frames = rows[:, 0]
    if frames[0] != int(frames[0]) or (np.diff(frames) != 1).any():
        raise FileError(
            f"goes from frame {frames[0]:g} to {frames[-1]:g} in {len(frames)} rows; expected whole frames "
            "that follow each other"
        )
    boxes = rows[:, 1:5] + [0, 0, 1, 1]
    for axis, edge in enumerate(size):
        far = boxes[:, 2 + axis]
        boxes[:, 2 + axis] = np.where((far > edge) & (far <= edge + 1), edge, far) if edge else far
    return Tube(int(frames[0]) - 1, boxes)


def read_annotations(path: str, value: Any, *, split: int = 1) -> Annotated:
    """Takes the layout of `UCF101v2-GT.pkl` and `JHMDB-GT.pkl` into the record.

    Args:
      path: names the file in messages.
      value: the dict that the pickle holds: labels, nframes, resolution (height, width), gttubes,
        test_videos.
      split: which of its test lists is kept, counted from 1.

    Raises:
      FileError: a key is missing or of another form, there is no such split, or a tube does not fit
        its video.
    """
    try:
        classes = tuple(str(name) for name in value["labels"])
        frames = {str(name): int(length) for name, length in value["nframes"].items()}
        sizes = {
            str(name): (int(size[1]), int(size[0])) for name, size in value["resolution"].items()
        }
        lists = [tuple(str(name) for name in names) for names in value["test_videos"]]
        tubes = [
            (str(name), int(label), row)
            for name, labels in value["gttubes"].items()
            for label, rows in labels.items()
            for row in rows
        ]
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        raise FileError(
            f"{path}: not annotations as ACT keeps them: {type(error).__name__}: {error}"
        ) from error
    if not 1 <= split <= len(lists):
        raise FileError(f"{path}: has {len(lists)} test lists; there is no split {split}")
    unknown = sorted({name for name, _, _ in tubes} - frames.keys()) + sorted(
        set(lists[split - 1]) - frames.keys()
    )
    if unknown:
        raise FileError(f"{path}: nframes lacks {unknown[0]}, which has tubes or is listed")
    truth = []
    for name, label, rows in tubes:
        try:
            truth.append(Detection(name, label, 1.0, tube_of(rows, sizes.get(name, (0, 0)))))
        except FileError as error:
            raise FileError(f"{path}: a tube of {name} {error}") from error
    return checked(path, Annotated(classes, frames, sizes, truth, lists[split - 1]))


def read_tubes(
    path: epath.Path, sizes: dict[str, tuple[int, int]]
) -> Iterator[tuple[str, Detection]]:
    """Reads linked tubes: one file Class/stem_tubes.pkl, {label: [(rows, score), ..]}, or a folder
    of them.

    Args:
      path: the file or the folder.
      sizes: W, H by video where it is known, see `tube_of`.

    Yields:
      Where each stands, for messages, and the detection. The scores of single frames, column 6, are
      left.

    Raises:
      FileError: naming the file.
      FileError: naming the file, for another layout; or there is no such file.
    """
    files = (
        sorted([*path.glob(f"*{SUFFIX}"), *path.glob(f"*/*{SUFFIX}")]) if path.is_dir() else [path]
    )
    if not files:
        raise FileError(f"{path}: holds no *{SUFFIX}")
    for file in files:
        video = f"{file.parent.name}/{file.name.removesuffix(SUFFIX)}"
        try:
            value = pickles.read_pickle(file.read_bytes())
            listed = [
                (int(label), at, pair)
                for label, pairs in value.items()
                for at, pair in enumerate(pairs)
            ]
        except FileError as error:
            raise FileError(f"{file}: {error}") from error
        except (TypeError, ValueError, AttributeError, OverflowError) as error:
            raise FileError(
                f"{file}: not the tubes of a video by label: {type(error).__name__}: {error}"
            ) from error
        for label, at, pair in listed:
            where = f"{file}: label {label}, tube {at}"
            try:
                rows, score = pair
                yield (
                    where,
                    Detection(video, label, float(score), tube_of(rows, sizes.get(video, (0, 0)))),
                )
            except (TypeError, ValueError, OverflowError) as error:
                raise FileError(f"{where}: {error}") from error


def read_boxes(
    path: epath.Path, rows: Any, videos: Sequence[str], sizes: dict[str, tuple[int, int]]
) -> Iterator[tuple[str, Detection]]:
    """Takes `frame_detections.pkl`, an array of rows <video> <frame> <label> <score> <x1> <y1> <x2>
    <y2>.

    Args:
      path: names the file in messages.
      rows: what the pickle holds.
      videos: the test list that the first column counts, from 0.
      sizes: W, H by video where it is known, see `tube_of`.

    Yields:
      Where each stands, and the detection: a tube of one frame.

    Raises:
      FileError: another layout, or a video that the list does not have.
    """
    if (
        not isinstance(rows, np.ndarray)
        or rows.ndim != 2
        or rows.shape[1] != 8
        or rows.dtype.kind not in "uif"
    ):
        found = (
            f"{rows.dtype} {list(rows.shape)}"
            if isinstance(rows, np.ndarray)
            else type(rows).__name__
        )
        raise FileError(f"{path}: {found}; expected the boxes of frames, numbers [n, 8]")
    if not len(videos):
        raise FileError(f"{path}: counts the test list; expected --list, or a truth that has one")
    whole = rows[:, :3].astype(np.float64)
    for at, (row, ints) in enumerate(zip(rows.astype(np.float64), whole.tolist(), strict=True)):
        where = f"{path}: row {at}"
        if not all(value == value // 1 for value in ints):
            raise FileError(f"{where}: {ints} is not a whole video, frame and label")
        if not 0 <= ints[0] < len(videos):
            raise FileError(f"{where}: video {ints[0]:g}; the test list has {len(videos)}")
        video = videos[int(ints[0])]
        try:
            tube = tube_of(row[[1, 4, 5, 6, 7]][None], sizes.get(video, (0, 0)))
        except FileError as error:
            raise FileError(f"{where}: {error}") from error
        yield where, Detection(video, int(ints[2]), float(row[3]), tube)
