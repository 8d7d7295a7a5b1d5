"""Frame-mAP: average precision over single boxes, on all frames or on those with truth only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from videolstm_jax.measure.overlap import box_iou, style_of
from videolstm_jax.measure.precision import (
    Ranked,
    average_precision,
    by_label,
    checked,
    mean_over_classes,
    turns,
)
from videolstm_jax.types import Detection

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray


class _Boxes(NamedTuple):
    """The boxes of one class's tubes, laid end to end: `video` [R] rank of the name, `frame`,
    `score`, `box` [R, 4].
    """

    video: NDArray
    frame: NDArray
    score: NDArray
    box: NDArray


def frame_aps(
    found: Sequence[Detection],
    truth: Sequence[Detection],
    thresholds: Sequence[float],
    *,
    style: str = "voc",
    frames: str = "all",
    frame_scores: Mapping[str, NDArray] | None = None,
) -> dict[int, list[float]]:
    """The average precision over boxes of every class that has truth, at each IoU threshold.

    The rule is that of `video_ap.video_aps`, with one frame of one video in the place of a video.
    Ties of score are broken by the video's name, then the frame.

    Args:
      found: the detections of all classes; each box of a tube is one detection.
      truth: the true tubes.
      thresholds: on the IoU of boxes.
      style: `voc` or `act`, see `overlap`.
      frames: `all`, where a box on a frame without truth is false, or `truth`: only frames with
        truth of any class.
      frame_scores: by video [L, C], the scores of single frames; without it each box has its tube's
        score.

    Returns:
      By class, one number in [0, 1] a threshold.

    Raises:
      ValueError: an unknown style or choice of frames, a threshold outside [0, 1], detections that
        are not tubes, or frame scores that do not reach a tube's last frame.
    """
    if frames not in ("all", "truth"):
        raise ValueError(f"frames is {frames!r}; expected 'all' or 'truth'")
    convention = style_of(style)
    tubes = checked(truth, "true tubes")
    names = {
        name: rank for rank, name in enumerate(sorted({one.video for one in (*found, *tubes)}))
    }
    seen = np.unique(_key(_laid_out(tubes, names, None)))
    detections = by_label(checked(found, "detections"))
    aps = {}
    for label, own in sorted(by_label(tubes).items()):
        boxes = _laid_out(detections.get(label, []), names, frame_scores)
        if frames == "truth":
            _, kept = _among(seen, _key(boxes))  # np.isin hashes such keys badly: 20 times slower
            boxes = _Boxes(*(part[kept] for part in boxes))
        ranked = _class_ranked(boxes, _laid_out(own, names, None))
        aps[label] = [average_precision(ranked, threshold, convention) for threshold in thresholds]
    return aps


def frame_map(
    found: Sequence[Detection],
    truth: Sequence[Detection],
    iou: float,
    *,
    style: str = "voc",
    frames: str = "all",
    frame_scores: Mapping[str, NDArray] | None = None,
) -> float:
    """Frame-mAP at one IoU threshold: the mean of `frame_aps` over the classes that have truth.

    Raises:
      ValueError: as `frame_aps`, or there is no truth at all.
    """
    aps = frame_aps(found, truth, [iou], style=style, frames=frames, frame_scores=frame_scores)
    return mean_over_classes({label: values[0] for label, values in aps.items()})


def _laid_out(
    tubes: Sequence[Detection], names: Mapping[str, int], frame_scores: Mapping[str, NDArray] | None
) -> _Boxes:
    length = [len(one.tube.boxes) for one in tubes]
    video = np.repeat([names[one.video] for one in tubes], length).astype(int)
    frame = np.concatenate(
        [one.tube.start + np.arange(len(one.tube.boxes)) for one in tubes] or [np.zeros(0, int)]
    )
    score = np.concatenate([_scores(one, frame_scores) for one in tubes] or [np.zeros(0)])
    return _Boxes(
        video, frame, score, np.concatenate([one.tube.boxes for one in tubes] or [np.zeros((0, 4))])
    )


def _scores(one: Detection, frame_scores: Mapping[str, NDArray] | None) -> NDArray:
    start, stop = one.tube.start, one.tube.start + len(one.tube.boxes)
    if frame_scores is None:
        return np.full(stop - start, float(one.score))
    scores = frame_scores.get(one.video, np.zeros((0, 0)))
    if stop > len(scores) or one.label >= scores.shape[1]:
        raise ValueError(
            f"frame scores of {one.video} are {scores.shape}; expected [{stop}, {one.label + 1}] or more"
        )
    return scores[start:stop, one.label].astype(float)


def _key(boxes: _Boxes) -> NDArray:
    """One number for each frame of each video."""
    return boxes.video.astype(np.int64) << 32 | boxes.frame.astype(np.int64)


def _among(keys: NDArray, wanted: NDArray) -> tuple[NDArray, NDArray]:
    """Where each wanted key stands among sorted keys, and whether it is one of them."""
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return at, keys[at] == wanted


def _class_ranked(found: _Boxes, truth: _Boxes) -> Ranked:
    order = np.lexsort(
        (found.frame, found.video, -found.score)
    )  # stable: what is left keeps the order of `checked`
    found = _Boxes(*(part[order] for part in found))
    keys, group = np.unique(_key(truth), return_inverse=True)
    slot = turns(group)
    boxes = np.full((len(keys), slot.max() + 1, 4), np.nan)
    boxes[group, slot] = truth.box
    at, there = _among(keys, _key(found))
    place = np.flatnonzero(there)
    true = boxes[at[place]]
    iou = np.where(np.isnan(true[..., 0]), -1.0, box_iou(found.box[place, None], true))
    return Ranked(len(order), place, at[place], iou, len(truth.frame))
