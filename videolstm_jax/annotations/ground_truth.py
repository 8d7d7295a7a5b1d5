"""The record of true tubes that every reader of annotations fills, and the checks of a tube."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from videolstm_jax import files
from videolstm_jax.errors import FileError
from videolstm_jax.types import Dataset, Detection

# Pixels that a box may reach over the frame. Files keep three digits, and some boxes were computed
# in 32 bits, so a box at the edge may end a little behind it.
SLACK = 0.01
# The largest number of frames of a video whose length is not known.
MOST_FRAMES = 1 << 31


class GroundTruth(NamedTuple):
    """True tubes, and what their file contains about the videos.

    `classes` holds the C names that labels count; it is empty where the file has no names.
    `frames` (L) and `sizes` (W, H) hold the videos, by "Class/stem", whose length or size the file
    says. `tubes` are in the order of video names, then of frames. `test` is the test list in the
    file's own order, where there is one. `notes` say what a reader changed.
    """

    classes: tuple[str, ...]
    frames: dict[str, int]
    sizes: dict[str, tuple[int, int]]
    tubes: list[Detection]
    test: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def videos(self) -> set[str]:
        """The names of all annotated videos; one without a tube was annotated as empty."""
        return {*self.frames, *(tube.video for tube in self.tubes)}

    def fault(self, detection: Detection, *, classes: int | None = None) -> str:
        """What is wrong with a tube of one of these videos; empty where nothing is.

        Args:
          detection: a true tube or a detection.
          classes: how many classes its label counts; None takes those of the ground truth.
        """
        if classes is None:
            classes = len(self.classes)
        return annotated_tube_fault(
            detection,
            classes=classes,
            frames=self.frames.get(detection.video, 0),
            size=self.sizes.get(detection.video, (0, 0)),
        )


def annotated_tube_fault(
    detection: Detection, *, classes: int = 0, frames: int = 0, size: tuple[int, int] = (0, 0)
) -> str:
    """What is wrong with a tube, empty where nothing is.

    Args:
      detection: a true tube or a detection.
      classes: the number of classes; 0 where it is not known.
      frames: of the video; 0 where it is not known.
      size: W, H of the video in pixels; 0 where it is not known.
    """
    boxes, start, label = detection.tube.boxes, detection.tube.start, detection.label
    # From the label to the boxes: the first fault is often the cause of those behind it.
    if label < 0 or (classes and label >= classes):
        last = classes - 1 if classes else ".."
        return f"has label {label}; expected 0 to {last}"
    if not np.isfinite(detection.score):
        return f"has a score of {detection.score}; expected a finite number"
    if boxes.ndim != 2 or boxes.shape[1] != 4 or not len(boxes):
        return f"has boxes {list(boxes.shape)}; expected [n, 4], n at least 1"
    stop = start + len(boxes)
    most = frames or MOST_FRAMES
    if start < 0 or stop > most:
        return f"goes from frame {start} to {stop - 1}; expected frames 0 to {most - 1}"
    return _box_fault(boxes, start, size)


def _box_fault(boxes: np.ndarray, start: int, size: tuple[int, int]) -> str:
    """What is wrong with the first bad box [4] of a tube's boxes [n, 4]."""
    width, height = size
    # A size that is not known bounds nothing.
    far_edge = np.array([width or np.inf, height or np.inf]) + SLACK
    infinite = ~np.isfinite(boxes).all(axis=1)
    inverted = (boxes[:, 2:] <= boxes[:, :2]).any(axis=1)
    outside = (boxes[:, :2] < -SLACK).any(axis=1) | (boxes[:, 2:] > far_edge).any(axis=1)
    faults = (
        (infinite, "is not finite"),
        (inverted, "is inverted or empty; expected x0 < x1 and y0 < y1"),
        (outside, f"leaves the frame of {width or '?'} x {height or '?'} pixels"),
    )
    for is_bad, reason in faults:
        if is_bad.any():
            index = int(is_bad.argmax())
            return f"has the box {boxes[index].tolist()} on frame {start + index}, which {reason}"
    return ""


def check_ground_truth(path: files.PathLike, ground_truth: GroundTruth) -> GroundTruth:
    """Checks every tube, and puts the tubes in the order of video names, then of frames.

    Raises:
      FileError: naming the file and video of the first tube with a fault.
    """
    for tube in ground_truth.tubes:
        fault = ground_truth.fault(tube)
        if fault:
            raise FileError(f"{path}: a tube of {tube.video} {fault}")
    # One order for every reader, so that two forms of the same annotations compare as equal.
    ordered = sorted(ground_truth.tubes, key=lambda tube: (tube.video, tube.tube.start, tube.label))
    return ground_truth._replace(tubes=ordered)


def add_videos_to_ground_truth(
    path: files.PathLike, ground_truth: GroundTruth, dataset: Dataset
) -> GroundTruth:
    """Adds the frames and sizes of a data set's videos, and its classes where the file has none.

    Raises:
      FileError: a video of another size than the annotated one, or a tube that does not fit its
        video.
    """
    frames, sizes = dict(ground_truth.frames), dict(ground_truth.sizes)
    for video in dataset.videos:
        # The data set has read the video itself, so its length and size go before those of the
        # file.
        size = (video.width, video.height)
        annotated_size = ground_truth.sizes.get(video.name, (0, 0))
        if annotated_size not in ((0, 0), size):
            raise FileError(
                f"{path}: boxes of {video.name} are of {annotated_size} pixels; the video has "
                f"{size}"
            )
        frames[video.name] = video.frames
        sizes[video.name] = size
    classes = ground_truth.classes or dataset.classes
    return check_ground_truth(
        path, ground_truth._replace(classes=classes, frames=frames, sizes=sizes)
    )


def true_tubes_of_listed_videos(
    path: files.PathLike, ground_truth: GroundTruth, dataset: Dataset, *, cut: bool = False
) -> list[Detection]:
    """The tubes of a data set's own videos, with the labels that the data set counts.

    Args:
      path: names the file in messages.
      ground_truth: tubes of these videos and of any others, which are left out.
      dataset: the listed videos.
      cut: whether boxes behind a video's last frame are dropped, since only its beginning is read.

    Raises:
      FileError: no listed video has tubes, a class that the data set lacks, a video of another size
        than the annotated one, or a tube that does not fit its video.
    """
    frames = dataset.frames
    # A folder often holds a part of the annotated videos, so tubes of further ones are no mistake.
    tubes = []
    for tube in ground_truth.tubes:
        if tube.video in frames:
            tubes.append(tube)
    # Before the tubes are checked, which would refuse boxes behind the last frame.
    if cut:
        tubes = _cut_tubes(tubes, frames)
    if not tubes:
        raise FileError(
            f"{path}: none of its {len(ground_truth.videos)} videos is one of the {len(frames)} "
            f"listed; names there are such as {min(ground_truth.videos, default='-')}"
        )
    fitting = add_videos_to_ground_truth(path, ground_truth._replace(tubes=tubes), dataset)
    relabelled = []
    for tube in fitting.tubes:
        class_name = fitting.classes[tube.label]
        if class_name not in dataset.classes:
            raise FileError(
                f"{path}: a tube of {tube.video} has class {class_name}; expected one of the "
                f"{len(dataset.classes)} classes of the videos"
            )
        # By name: both sets may number their classes in orders of their own.
        relabelled.append(tube._replace(label=dataset.classes.index(class_name)))
    return relabelled


def _cut_tubes(tubes: list[Detection], frames: dict[str, int]) -> list[Detection]:
    """The tubes without the boxes that lie behind the last frame of their video."""
    shortened = []
    for tube in tubes:
        length = frames[tube.video] - tube.tube.start
        # A tube that starts behind the last frame has none left.
        if length > 0:
            boxes = tube.tube.boxes[:length]
            shortened.append(tube._replace(tube=tube.tube._replace(boxes=boxes)))
    return shortened
