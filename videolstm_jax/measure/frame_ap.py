"""Frame-mAP: average precision over single boxes, on all frames or on those with truth only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from videolstm_jax.measure.overlap import box_iou, overlap_style
from videolstm_jax.measure.precision import (
    Ranked,
    average_precisions,
    check_detection_labels,
    check_detections,
    group_detections_by_class,
    mean_precision_over_classes,
    rank_among_detections,
)
from videolstm_jax.types import Detection

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray


class _Boxes(NamedTuple):
    """The R boxes of many tubes, one after the other.

    `video` [R] is the rank of the video's name, `frame` [R], `score` [R] and `box` [R, 4].
    """

    video: NDArray
    frame: NDArray
    score: NDArray
    box: NDArray

    @property
    def key(self) -> NDArray:
        """[R] one number for each frame of each video, in the order of videos and frames."""
        # The video in the upper 32 bits, the frame in the lower ones: sorting by this number sorts
        # by both, and one search finds both.
        return self.video.astype(np.int64) << 32 | self.frame.astype(np.int64)

    def take(self, index: NDArray) -> _Boxes:
        """The boxes of this index, or where this mask is true."""
        return _Boxes(*(column[index] for column in self))


def frame_aps(
    detections: Sequence[Detection],
    truth: Sequence[Detection],
    thresholds: Sequence[float],
    *,
    style: str = "voc",
    frames: str = "all",
    frame_scores: Mapping[str, NDArray] | None = None,
) -> dict[int | str, list[float]]:
    """Computes the average precision over boxes of every class with truth, at each threshold.

    The rule is that of `video_ap.video_aps`, with a frame of a video in the place of a video. Ties
    of score are broken by the video's name, then the frame.

    Args:
      detections: of all classes; each box of a tube is one detection.
      truth: the true tubes.
      thresholds: on the IoU of boxes.
      style: `voc` or `act`, see `overlap`.
      frames: `all`, where a box on a frame without truth is false, or `truth`: only the frames
        with truth of any class.
      frame_scores: by video [L, C]; without it each box has the score of its tube.

    Returns:
      By class, one number in [0, 1] a threshold.

    Raises:
      ValueError: an unknown style or choice of frames, a threshold outside [0, 1], detections that
        are not tubes, or frame scores that end before a tube.
    """
    if frames not in ("all", "truth"):
        raise ValueError(f"frames is {frames!r}; expected 'all' or 'truth'")
    convention = overlap_style(style)
    # Both lists together: each alone may be of one kind.
    check_detection_labels(detections, truth)
    true_tubes = check_detections(truth, "true tubes")
    rank_of = _ranks_of_videos((*detections, *true_tubes))
    frames_with_truth = np.unique(_boxes_of(true_tubes, rank_of).key)
    detections_by_class = group_detections_by_class(check_detections(detections, "detections"))
    aps = {}
    for label, tubes in sorted(group_detections_by_class(true_tubes).items()):
        boxes = _boxes_of(detections_by_class.get(label, []), rank_of, frame_scores)
        if frames == "truth":
            # Truth of any class: a box of this class on a frame that was annotated is an error.
            _, has_truth = _look_up(frames_with_truth, boxes.key)
            boxes = boxes.take(has_truth)
        ranked = _rank(boxes, _boxes_of(tubes, rank_of))
        aps[label] = average_precisions(ranked, thresholds, convention)
    return aps


def frame_map(
    detections: Sequence[Detection],
    truth: Sequence[Detection],
    iou: float,
    *,
    style: str = "voc",
    frames: str = "all",
    frame_scores: Mapping[str, NDArray] | None = None,
) -> float:
    """Computes frame-mAP: the mean of `frame_aps` over classes with truth, at one IoU threshold.

    Raises:
      ValueError: as `frame_aps`, or there is no truth at all.
    """
    aps = frame_aps(detections, truth, [iou], style=style, frames=frames, frame_scores=frame_scores)
    return mean_precision_over_classes({label: values[0] for label, values in aps.items()})


def _ranks_of_videos(detections: Iterable[Detection]) -> dict[str, int]:
    """Numbers the videos in the order of their names: sorting by rank breaks ties by name."""
    names = set()
    for detection in detections:
        names.add(detection.video)
    rank_of = {}
    for rank, name in enumerate(sorted(names)):
        rank_of[name] = rank
    return rank_of


def _boxes_of(
    tubes: Sequence[Detection],
    rank_of: Mapping[str, int],
    frame_scores: Mapping[str, NDArray] | None = None,
) -> _Boxes:
    """Puts the boxes of all tubes one after the other."""
    # Each list begins with an empty array, so that no tubes at all give arrays of length 0.
    video = [np.zeros(0, int)]
    frame = [np.zeros(0, int)]
    score = [np.zeros(0)]
    box = [np.zeros((0, 4))]
    for detection in tubes:
        length = len(detection.tube.boxes)
        video.append(np.full(length, rank_of[detection.video]))
        frame.append(detection.tube.start + np.arange(length))
        score.append(_box_scores(detection, frame_scores))
        box.append(detection.tube.boxes)
    return _Boxes(
        video=np.concatenate(video),
        frame=np.concatenate(frame),
        score=np.concatenate(score),
        box=np.concatenate(box),
    )


def _box_scores(detection: Detection, frame_scores: Mapping[str, NDArray] | None) -> NDArray:
    """Returns the score of each box of one tube: [n]."""
    start, stop = detection.tube.start, detection.tube.start + len(detection.tube.boxes)
    if frame_scores is None:
        return np.full(stop - start, float(detection.score))
    scores = frame_scores.get(detection.video, np.zeros((0, 0)))
    if stop > len(scores) or detection.label >= scores.shape[1]:
        raise ValueError(
            f"frame scores of {detection.video} are {scores.shape}; expected "
            f"[{stop}, {detection.label + 1}] or more"
        )
    return scores[start:stop, detection.label].astype(float)


def _look_up(keys: NDArray, searched_keys: NDArray) -> tuple[NDArray, NDArray]:
    """Returns the index of each searched key among sorted keys, and whether it is one of them."""
    # np.isin would do, but it hashes such large keys badly and takes 20 times as long.
    index = np.minimum(np.searchsorted(keys, searched_keys), len(keys) - 1)
    return index, keys[index] == searched_keys


def _rank(boxes: _Boxes, truth: _Boxes) -> Ranked:
    """Pairs the boxes of one class, by falling score, with the true boxes of their frames."""
    # The sort is stable, so boxes that agree in all keys stay in the order of `check_detections`.
    boxes = boxes.take(np.lexsort((boxes.frame, boxes.video, -boxes.score)))
    keys, group = np.unique(truth.key, return_inverse=True)
    # True boxes by frame: [frames, M, 4], NaN where a frame has fewer than M.
    slot = rank_among_detections(group)
    table = np.full((len(keys), slot.max() + 1, 4), np.nan)
    table[group, slot] = truth.box
    frame, has_truth = _look_up(keys, boxes.key)
    place = np.flatnonzero(has_truth)
    true = table[frame[place]]
    iou = np.where(np.isnan(true[..., 0]), -1.0, box_iou(boxes.box[place, None], true))
    return Ranked(len(boxes.frame), place, frame[place], iou, len(truth.frame))
