"""Reads detected tubes, ours or other people's, and refuses by name what cannot be measured against
a truth.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from etils import epath

from videolstm_jax import artifacts, files
from videolstm_jax.annotations import act
from videolstm_jax.annotations.records import Annotated, fault
from videolstm_jax.errors import FileError
from videolstm_jax.safe_readers import matlab, pickles
from videolstm_jax.types import Detection, Tube


class Found(NamedTuple):
    """Detections of measured videos; `single` if they are boxes of frames; `notes` says what was
    left out, and why.
    """

    detections: list[Detection]
    single: bool
    notes: tuple[str, ...]


def read_found(
    path: files.PathLike,
    truth: Annotated,
    *,
    listed: Sequence[str] = (),
    classes: Sequence[str] = (),
) -> Found:
    """Reads detections and checks each against what is known of its video.

    The file is a `tubes.jsonl`; a folder of ACT's or MOC's `Class/stem_tubes.pkl`, or one of them;
    their `frame_detections.pkl`, boxes of single frames; or a MATLAB file of the evaluation
    published with the corrected UCF101-24 annotations (`xmldata`).

    Args:
      path: the file or folder.
      truth: the true tubes, with the frames and sizes of videos where they are known, and the test
        list that a `frame_detections.pkl` counts.
      listed: the videos that are measured; none takes the truth's test list, or else all its
        videos. A listed video that the truth knows and has no tube of was annotated as empty:
        whatever is found there is false.
      classes: names of the detections' classes where they are not numbered as the truth's are.
        Those that the truth lacks are left out.

    Raises:
      FileError: no such file or another layout; or, naming the line, a video that neither the truth
        nor the list knows, an unknown class, a score that is not a number, a tube that leaves its
        video or has a box that is inverted or leaves the frame.
      FileError: a bad line of a tubes.jsonl.
    """
    listed = tuple(listed) or truth.test or tuple(sorted(truth.videos))
    known = {*truth.videos, *truth.test, *listed}
    measured = truth.videos & set(listed)
    count = (
        len(classes)
        or len(truth.classes)
        or 1 + max((one.label for one in truth.truth), default=-1)
    )
    kept, left = [], Counter[str]()
    single = False
    for where, one, alone in _rows(epath.Path(path), truth, count):
        single = alone
        if one.video not in known:
            raise FileError(
                f"{where}: a detection of {one.video}, which is no video of the truth or of the list"
            )
        wrong = fault(
            one,
            classes=count,
            frames=truth.frames.get(one.video, 0),
            size=truth.sizes.get(one.video, (0, 0)),
        )
        if wrong:
            raise FileError(f"{where}: a detection of {one.video} {wrong}")
        why, one = _placed(one, truth.classes, classes, measured)
        if why:
            left[why] += 1
        else:
            kept.append(one)
    return Found(
        kept,
        single,
        tuple(f"{number} detections left out: {why}" for why, number in sorted(left.items())),
    )


def _placed(
    one: Detection, names: Sequence[str], classes: Sequence[str], measured: Collection[str]
) -> tuple[str, Detection]:
    """Why a detection is left out, empty where it is not, and the detection with the label that the
    truth counts.
    """
    if one.video not in measured:
        return "of videos that are not measured or not annotated", one
    if not classes or not names:
        return "", one
    if classes[one.label] not in names:
        return "of classes that the truth does not have", one
    return "", one._replace(label=names.index(classes[one.label]))


def _rows(
    path: epath.Path, truth: Annotated, classes: int
) -> Iterator[tuple[str, Detection, bool]]:
    """Where each detection stands, the detection, and whether it is a box of a single frame."""
    if not path.exists():
        raise FileError(f"{path} is missing; expected detections")
    try:
        if path.is_dir():
            yield from ((*row, False) for row in act.read_tubes(path, truth.sizes))
        elif path.suffix == ".jsonl":
            yield from ((*row, False) for row in _ours(path, classes))
        elif path.suffix == ".mat":
            yield from ((*row, False) for row in _from_matlab(path))
        elif path.name.endswith(act.SUFFIX):
            yield from ((*row, False) for row in act.read_tubes(path, truth.sizes))
        elif path.suffix == ".pkl":
            value = _pickled(path)
            yield from (
                (*row, True) for row in act.read_boxes(path, value, truth.test, truth.sizes)
            )
        else:
            raise FileError(f"{path}: expected .jsonl, .pkl, .mat or a folder of *{act.SUFFIX}")
    except FileError as error:
        raise FileError(str(error)) from error


def _ours(path: epath.Path, classes: int) -> Iterator[tuple[str, Detection]]:
    for where, row, found in artifacts.each_line_of_detections(path):
        if "scores" in row and len(found) < classes:
            raise FileError(
                f"{where}: {len(found)} scores of {row['video']}; expected {classes}, one for each class"
            )
        yield from ((where, one) for one in found)


def _pickled(path: epath.Path) -> Any:
    try:
        return pickles.read_pickle(path.read_bytes())
    except FileError as error:
        raise FileError(f"{path}: {error}") from error


# ---- MATLAB --------------------------------------------------------------------------------------


def _from_matlab(path: epath.Path) -> Iterator[tuple[str, Detection]]:
    """Structs videoName, class, score, framenr(k).fnr, boxes(k).bxs: labels and frames from 1,
    boxes x y w h.
    """
    try:
        variables = matlab.read_matlab(str(path))
    except FileError as error:
        raise FileError(f"{path}: {error}") from error
    videos = next(
        (
            rows
            for rows in map(matlab.as_list, variables.values())
            if rows and all(isinstance(row, dict) and "videoName" in row for row in rows)
        ),
        None,
    )
    if videos is None:
        raise FileError(
            f"{path}: holds {sorted(variables)}; expected structs with videoName, class, score, framenr and "
            "boxes"
        )
    for number, video in enumerate(videos, 1):
        where = f"{path}: video {number}"
        try:
            name = matlab.as_text(video["videoName"])
            labels, scores = (np.asarray(video[key], float).ravel() for key in ("class", "score"))
            frames = [
                np.asarray(one["fnr"], float).ravel() for one in matlab.as_list(video["framenr"])
            ]
            boxes = [np.asarray(one["bxs"], float) for one in matlab.as_list(video["boxes"])]
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise FileError(
                f"{where}: not detections as the evaluation of UCF101-24 keeps them: "
                f"{type(error).__name__}: {error}"
            ) from error
        if not len(labels) == len(scores) == len(frames) == len(boxes):
            raise FileError(
                f"{where}, {name}: {len(labels)} classes, {len(scores)} scores, {len(frames)} spans and "
                f"{len(boxes)} tubes; expected as many"
            )
        for at, (label, score, span, box) in enumerate(
            zip(labels, scores, frames, boxes, strict=True), 1
        ):
            yield (
                f"{where}, tube {at}",
                _matlab_tube(f"{where}, tube {at}", name, label, score, span, box),
            )


def _matlab_tube(
    where: str, name: str, label: float, score: float, span: np.ndarray, box: np.ndarray
) -> Detection:
    whole = (
        len(span)
        and np.isfinite(span).all()
        and span[0] == int(span[0])
        and (np.diff(span) == 1).all()
    )
    if not whole or label % 1 or box.shape != (len(span), 4):
        raise FileError(
            f"{where}: class {label:g}, {len(span)} frames and boxes {list(box.shape)}; expected a whole "
            "class, frames that follow each other and [n, 4] boxes for them"
        )
    return Detection(
        name,
        int(label) - 1,
        float(score),
        Tube(int(span[0]) - 1, np.concatenate([box[:, :2], box[:, :2] + box[:, 2:]], axis=1)),
    )
