"""The choice of test videos and tubes for pictures, by a rule that the page states."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from videolstm_jax.types import Detection, Tube

RULE = (
    "Chosen by rule, not by eye: up to a third are mistakes, more where there are not enough right "
    "answers, the most confident of each class. The others are right answers of medium confidence, "
    "class by class."
)


def choose_page_videos(
    label: np.ndarray, predicted: np.ndarray, confidence: np.ndarray, count: int
) -> list[int]:
    """Picks test videos by `RULE`.

    Args:
      label: [V] true classes.
      predicted: [V] predicted classes.
      confidence: [V] scores of the predicted classes.
      count: how many to pick at most.

    Returns:
      Indices of videos, by true class, right answers before mistakes.
    """
    label, predicted = np.asarray(label), np.asarray(predicted)
    wrong, right = _ranked(label, predicted, np.asarray(confidence, float))
    picked = []
    if count:
        # At least one mistake, also of one or two videos: they teach more than right answers.
        picked = _in_turns(wrong, max(1, count // 3))
    # Then every class that has no mistake among them shows one video, right if it has one.
    shown_labels = set(label[picked].tolist())
    rest = {}
    for index in right:
        if index not in shown_labels:
            rest[index] = (right[index] or wrong[index])[:1]
    picked += _in_turns(rest, count - len(picked))
    # Then right answers in turns; mistakes fill the places for which there are not enough.
    picked += _in_turns(_without(right, picked), count - len(picked))
    picked += _in_turns(_without(wrong, picked), count - len(picked))
    return sorted(picked, key=lambda v: (label[v], predicted[v] != label[v], v))


def _ranked(
    label: np.ndarray, predicted: np.ndarray, confidence: np.ndarray
) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
    """Ranks the videos of each class.

    Returns:
      For each class, mistakes with the most confident first, and right answers with that of median
      confidence first.
    """
    wrong, right = {}, {}
    for index in sorted(set(label.tolist())):
        mistakes = np.flatnonzero((label == index) & (predicted != index))
        wrong[index] = mistakes[np.argsort(-confidence[mistakes], kind="stable")].tolist()
        hits = np.flatnonzero((label == index) & (predicted == index))
        # The median of nothing is NaN, with a warning.
        median = 0.0
        if len(hits):
            median = np.median(confidence[hits])
        distance = np.abs(confidence[hits] - median)
        right[index] = hits[np.argsort(distance, kind="stable")].tolist()
    return wrong, right


def _without(queues: Mapping[int, Sequence[int]], picked: Sequence[int]) -> dict[int, list[int]]:
    remaining: dict[int, list[int]] = {}
    for index, queue in queues.items():
        remaining[index] = []
        # The order of a queue is its ranking, so nothing is sorted again.
        for video in queue:
            if video not in picked:
                remaining[index].append(video)
    return remaining


def _in_turns(queues: Mapping[int, Sequence[int]], count: int) -> list[int]:
    """The first of every queue, then the second of every queue, until there are `count`."""
    longest = max(map(len, queues.values()), default=0)
    order = []
    for turn in range(longest):
        for queue in queues.values():
            # A class with few videos is out of the game early.
            if turn < len(queue):
                order.append(queue[turn])
    return order[: max(count, 0)]


def shown_tubes_of_best_class(detections: Iterable[Detection]) -> dict[str, tuple[Tube, ...]]:
    """Returns the tubes of the class with the highest score for each video, the best tube first."""
    by_video: dict[str, list[Detection]] = {}
    for detection in detections:
        by_video.setdefault(detection.video, []).append(detection)
    tubes = {}
    for video, rows in by_video.items():
        rows.sort(key=lambda detection: -detection.score)
        best = rows[0].label
        of_best = []
        for row in rows:
            if row.label == best:
                of_best.append(row.tube)
        tubes[video] = tuple(of_best)
    return tubes
