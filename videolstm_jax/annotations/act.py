"""Reads the pickles of ACT, MOC and related projects: annotations, linked tubes, frame boxes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from etils import epath

from videolstm_jax.annotations.ground_truth import GroundTruth, check_ground_truth
from videolstm_jax.errors import FileError
from videolstm_jax.files import reading
from videolstm_jax.safe_readers import pickles
from videolstm_jax.types import Detection, Tube

# The ending of the file with one video's linked tubes.
TUBES_SUFFIX = "_tubes.pkl"

Sizes = Mapping[str, tuple[int, int]]

# The longest side of a frame that is believed.
MOST_PIXELS = 1 << 20

# Python raises these where the content of a pickle is not of the expected layout.
_LAYOUT_ERRORS = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError)


def act_tube(rows: np.ndarray, size: tuple[int, int] = (0, 0)) -> Tube:
    """A tube from rows <frame> <x1> <y1> <x2> <y2>, in the way ACT counts frames and corners.

    Frames count from 1. The second corner is the last pixel inside the box, so our half-open box
    ends one pixel further; this gives the box the same area as ACT's evaluation. A corner on the
    very edge of the frame is no pixel, so the box ends there.

    Args:
      rows: [n, 5 or more]; columns behind the box are not read.
      size: W, H of the video in pixels, 0 where it is not known.

    Raises:
      FileError: another shape, or frames that do not follow each other.
    """
    problem = _rows_problem(rows)
    if problem:
        raise FileError(problem)
    rows = rows.astype(np.float64)
    # The last pixel inside becomes the first outside, unless that leaves the frame.
    boxes = rows[:, 1:5] + [0, 0, 1, 1]
    for axis, edge in enumerate(size):
        if edge:
            end = boxes[:, 2 + axis]
            on_edge = (end > edge) & (end <= edge + 1)
            boxes[:, 2 + axis] = np.where(on_edge, edge, end)
    return Tube(int(rows[0, 0]) - 1, boxes)


def _rows_problem(rows: Any) -> str:
    """What is wrong with the rows of a tube; empty where nothing is."""
    form = ""
    if not isinstance(rows, np.ndarray):
        form = f"a {type(rows).__name__}"
    elif rows.ndim != 2 or rows.shape[1] < 5 or not len(rows):
        form = f"{list(rows.shape)}"
    if form:
        return f"is {form}; expected rows of frame, x1, y1, x2, y2"
    # Text would become numbers in a cast, and objects could be anything.
    if rows.dtype.kind not in "uif":
        return f"is of {rows.dtype}; expected numbers"
    rows = rows.astype(np.float64)
    finite = np.isfinite(rows[:, :5]).all(axis=1)
    if not finite.all():
        return f"has a row that is not finite: {rows[~finite][0].tolist()}"
    frames = rows[:, 0]
    if frames[0] != int(frames[0]) or (np.diff(frames) != 1).any():
        return (
            f"goes from frame {frames[0]:g} to {frames[-1]:g} in {len(frames)} rows; expected "
            "whole frames that follow each other"
        )
    return ""


# ---- annotations ---------------------------------------------------------------------------------


def read_act_annotations(path: str, annotations: Any, *, split: int = 1) -> GroundTruth:
    """Converts the layout of `UCF101v2-GT.pkl` and `JHMDB-GT.pkl`.

    Args:
      path: names the file in messages.
      annotations: the dict that the pickle holds: labels, nframes, resolution (height, width),
        gttubes, test_videos.
      split: which of its test lists is taken, counted from 1.

    Raises:
      FileError: a key is missing or of another form, there is no such split, or a tube does not fit
        its video.
    """
    with reading(path, "not annotations as ACT keeps them", *_LAYOUT_ERRORS):
        classes = _read_names(annotations["labels"])
        frames = {}
        for name, length in annotations["nframes"].items():
            frames[str(name)] = int(length)
        sizes = _read_sizes(annotations["resolution"])
        test_lists = list(map(_read_names, annotations["test_videos"]))
        raw_tubes = _read_raw_tubes(annotations["gttubes"])
        if not 1 <= split <= len(test_lists):
            raise FileError(f"has {len(test_lists)} test lists; there is no split {split}")
        test = test_lists[split - 1]
        # A tube of a video without a length could not be checked against the video's end.
        for name in (*test, *(name for name, _, _ in raw_tubes)):
            if name not in frames:
                raise FileError(f"nframes lacks {name}, which has tubes or is listed")
    tubes = []
    for name, label, rows in raw_tubes:
        with reading(f"{path}: a tube of {name}"):
            tube = act_tube(rows, sizes.get(name, (0, 0)))
        tubes.append(Detection(name, label, 1.0, tube))
    return check_ground_truth(path, GroundTruth(classes, frames, sizes, tubes, test))


def _read_sizes(resolution: Any) -> dict[str, tuple[int, int]]:
    """W, H by video; ACT stores the height first."""
    sizes = {}
    for name, size in resolution.items():
        # NumPy integers in some pickles, Python's in others.
        height, width = int(size[0]), int(size[1])
        if not (0 <= height < MOST_PIXELS and 0 <= width < MOST_PIXELS):
            raise ValueError(f"{name} has {width} x {height} pixels")
        sizes[str(name)] = (width, height)
    return sizes


def _read_names(names: Any) -> tuple[str, ...]:
    # Python 2 wrote these pickles; its texts come back as bytes or as subclasses of str.
    return tuple(map(str, names))


def _read_raw_tubes(gttubes: Any) -> list[tuple[str, int, Any]]:
    """Video, label and rows of each tube of {video: {label: [rows, ..]}}."""
    raw_tubes = []
    for name, by_label in gttubes.items():
        for label, tubes in by_label.items():
            for rows in tubes:
                raw_tubes.append((str(name), int(label), rows))
    return raw_tubes


# ---- detections ----------------------------------------------------------------------------------


def read_act_tubes(path: epath.Path, sizes: Sizes) -> Iterator[tuple[str, Detection]]:
    """Reads linked tubes: one file Class/stem_tubes.pkl, {label: [(rows, score), ..]}, or a folder.

    Args:
      path: the file or the folder.
      sizes: W, H by video where it is known, see `act_tube`.

    Yields:
      The place of each tube, for messages, and the detection. The scores of single frames, column
      6, are not read.

    Raises:
      FileError: naming the file, for another layout; or there is no such file.
    """
    paths = [path]
    if path.is_dir():
        paths = sorted([*path.glob(f"*{TUBES_SUFFIX}"), *path.glob(f"*/*{TUBES_SUFFIX}")])
    if not paths:
        raise FileError(f"{path}: holds no *{TUBES_SUFFIX}")
    for file in paths:
        yield from _read_tube_file(file, sizes)


def _read_tube_file(file: epath.Path, sizes: Sizes) -> Iterator[tuple[str, Detection]]:
    """The tubes of one video."""
    # The file does not name its video. Its path below the folder of tubes does.
    video = f"{file.parent.name}/{file.name.removesuffix(TUBES_SUFFIX)}"
    for label, number, scored_rows in _read_scored_rows(file):
        where = f"{file}: label {label}, tube {number}"
        with reading(where, "not the rows and the score of a tube", *_LAYOUT_ERRORS):
            rows, score = scored_rows
            tube = act_tube(rows, sizes.get(video, (0, 0)))
            detection = Detection(video, label, float(score), tube)
        yield where, detection


def _read_scored_rows(file: epath.Path) -> list[tuple[int, int, Any]]:
    """Label, number and (rows, score) of each tube in the file."""
    scored_rows = []
    with reading(file, "not the tubes of a video by label", *_LAYOUT_ERRORS):
        for label, pairs in pickles.read_pickle(file.read_bytes()).items():
            for number, pair in enumerate(pairs):
                scored_rows.append((int(label), number, pair))
    return scored_rows


def read_act_boxes(
    path: epath.Path, rows: Any, videos: Sequence[str], sizes: Sizes
) -> Iterator[tuple[str, Detection]]:
    """Converts `frame_detections.pkl`: rows <video> <frame> <label> <score> <x1> <y1> <x2> <y2>.

    Args:
      path: names the file in messages.
      rows: the content of the pickle.
      videos: the test list that the first column counts, from 0.
      sizes: W, H by video where it is known, see `act_tube`.

    Yields:
      The place of each box, for messages, and the detection: a tube of one frame.

    Raises:
      FileError: another layout, or a video that the list does not have.
    """
    problem = _box_rows_problem(rows, videos)
    if problem:
        raise FileError(f"{path}: {problem}")
    for number, row in enumerate(rows.astype(np.float64)):
        where = f"{path}: row {number}"
        index, frame, label = row[:3].tolist()
        frame_and_box = row[[1, 4, 5, 6, 7]][None]  # [1, 5], the rows of `act_tube`
        problem = _indices_problem([index, frame, label], len(videos))
        if problem:
            raise FileError(f"{where}: {problem}")
        video = videos[int(index)]
        with reading(where):
            tube = act_tube(frame_and_box, sizes.get(video, (0, 0)))
        yield where, Detection(video, int(label), float(row[3]), tube)


def _box_rows_problem(rows: Any, videos: Sequence[str]) -> str:
    """Why the content of a pickle is no table of boxes of these videos; empty where it is one."""
    form = ""
    if not isinstance(rows, np.ndarray):
        form = type(rows).__name__
    elif rows.ndim != 2 or rows.shape[1] != 8 or rows.dtype.kind not in "uif":
        form = f"{rows.dtype} {list(rows.shape)}"
    if form:
        return f"{form}; expected the boxes of frames, numbers [n, 8]"
    if not len(videos):
        return "counts the test list; expected --list, or a truth that has one"
    return ""


def _indices_problem(indices: list[float], videos: int) -> str:
    """What is wrong with the video, frame and label of a row; empty where nothing is."""
    # NaN is not equal to itself, so it is refused here too.
    if not all(index == index // 1 for index in indices):
        return f"{indices} is not a whole video, frame and label"
    if not 0 <= indices[0] < videos:
        return f"video {indices[0]:g}; the test list has {videos}"
    return ""
