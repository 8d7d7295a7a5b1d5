"""Reads detected tubes of any known form, and checks them against the ground truth's videos."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from etils import epath

from videolstm_jax import files
from videolstm_jax.annotations import act, matlab_detections
from videolstm_jax.annotations.ground_truth import GroundTruth
from videolstm_jax.errors import FileError
from videolstm_jax.json_records import read_records
from videolstm_jax.safe_readers import pickles
from videolstm_jax.types import Detection
from videolstm_jax.workdir.tubes_jsonl import TubeRow


class MeasuredDetections(NamedTuple):
    """Detections of the measured videos.

    `single` is true if they are boxes of single frames. `notes` say how many detections were left
    out, and why.
    """

    detections: list[Detection]
    single: bool
    notes: tuple[str, ...]


def read_detections(
    path: files.PathLike,
    ground_truth: GroundTruth,
    *,
    listed: Sequence[str] = (),
    classes: Sequence[str] = (),
) -> MeasuredDetections:
    """Reads detections and checks each against what is known of its video.

    The file is a `tubes.jsonl`; a folder of ACT's or MOC's `Class/stem_tubes.pkl`, or one of them;
    their `frame_detections.pkl`, boxes of single frames; or a MATLAB file of the evaluation
    published with the corrected UCF101-24 annotations (`xmldata`).

    Args:
      path: the file or folder.
      ground_truth: the true tubes, the frames and sizes of videos where they are known, and the
        test list that a `frame_detections.pkl` counts.
      listed: the videos that are measured. Where none are given, these are the ground truth's test
        list, or else all its videos. A listed video without a true tube was annotated as empty:
        all its detections are false.
      classes: names of the detections' classes, where they are not numbered as the ground truth's
        are. Detections of classes that the ground truth lacks are left out.

    Raises:
      FileError: no such file or another layout; or, naming the line, a video that neither the
        ground truth nor the list has, an unknown class, a score that is not a number, a tube that
        leaves its video, or a box that is inverted or leaves the frame.
    """
    path = epath.Path(path)
    if not path.exists():
        raise FileError(f"{path} is missing; expected detections")
    # Not all annotated videos: the truth often holds the training list too.
    listed = tuple(listed) or ground_truth.test or tuple(sorted(ground_truth.videos))
    detections, notes = _read_measured(path, ground_truth, listed, classes)
    return MeasuredDetections(detections, _holds_frame_boxes(path), notes)


def _read_measured(
    path: epath.Path, ground_truth: GroundTruth, listed: Sequence[str], classes: Sequence[str]
) -> tuple[list[Detection], tuple[str, ...]]:
    """The detections of the measured videos, and notes on those that are left out."""
    video_names = {*ground_truth.videos, *ground_truth.test, *listed}
    measured = ground_truth.videos & set(listed)
    class_count = _count_classes(ground_truth, classes)
    # Every detection is checked, also one that is left out: a damaged file must not look good.
    detections: list[Detection] = []
    left_out: Counter[str] = Counter()
    for where, detection in _read_any(path, ground_truth, class_count):
        # A misspelt video first: nothing is known that its tube could be compared with.
        problem = ""
        fault = ground_truth.fault(detection, classes=class_count)
        if detection.video not in video_names:
            problem = ", which is no video of the truth or of the list"
        elif fault:
            problem = f" {fault}"
        if problem:
            raise FileError(f"{where}: a detection of {detection.video}{problem}")
        label = _true_label(detection.label, ground_truth.classes, classes)
        if detection.video not in measured:
            left_out["of videos that are not measured or not annotated"] += 1
        elif label is None:
            left_out["of classes that the truth does not have"] += 1
        else:
            detections.append(detection._replace(label=label))
    notes = []
    for reason, count in sorted(left_out.items()):
        notes.append(f"{count} detections left out: {reason}")
    return detections, tuple(notes)


def _count_classes(ground_truth: GroundTruth, classes: Sequence[str]) -> int:
    """How many classes the labels of detections may count."""
    if classes or ground_truth.classes:
        return len(classes or ground_truth.classes)
    # Without any names the largest true label is the only thing that is known.
    return 1 + max((tube.label for tube in ground_truth.tubes), default=-1)


def _true_label(label: int, true_names: Sequence[str], names: Sequence[str]) -> int | None:
    """The label that the ground truth counts; None where it has no such class."""
    if not names or not true_names:
        return label
    # A program may be trained on more classes than are annotated, in an order of its own.
    name = names[label]
    if name not in true_names:
        return None
    return true_names.index(name)


def _holds_frame_boxes(path: epath.Path) -> bool:
    """Whether the file holds boxes of single frames: a pickle that is not one video's tubes."""
    return path.suffix == ".pkl" and not path.name.endswith(act.TUBES_SUFFIX)


def _read_any(
    path: epath.Path, ground_truth: GroundTruth, class_count: int
) -> Iterator[tuple[str, Detection]]:
    """The place of each detection, for messages, and the detection."""
    # By name, since a pickle must not be loaded to find out what it holds. The ending of tubes goes
    # first: it ends in .pkl as well.
    if path.is_dir() or path.name.endswith(act.TUBES_SUFFIX):
        return act.read_act_tubes(path, ground_truth.sizes)
    if path.suffix == ".jsonl":
        return _read_jsonl(path, class_count)
    if path.suffix == ".mat":
        return matlab_detections.read_matlab_detections(path)
    if _holds_frame_boxes(path):
        with files.reading(path):
            boxes = pickles.read_pickle(path.read_bytes())
        return act.read_act_boxes(path, boxes, ground_truth.test, ground_truth.sizes)
    raise FileError(f"{path}: expected .jsonl, .pkl, .mat or a folder of *{act.TUBES_SUFFIX}")


def _read_jsonl(path: epath.Path, class_count: int) -> Iterator[tuple[str, Detection]]:
    """The tubes of a tubes.jsonl; a line with scores of all classes is one tube of each class."""
    for where, row in read_records(path, TubeRow):
        # With fewer scores, the classes behind them would look as if nothing had been detected.
        if row.scores and len(row.scores) < class_count:
            raise FileError(
                f"{where}: {len(row.scores)} scores of {row.video}; expected {class_count}, one "
                "for each class"
            )
        for detection in row.detections():
            yield where, detection
