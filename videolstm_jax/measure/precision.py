"""Greedy matching of detections to truth in the order of scores, which every average precision
rests on.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from videolstm_jax.measure.overlap import Style
from videolstm_jax.types import Detection

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray

AVERAGED = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
"""The thresholds .5, .55 .. .95 that ".5:.95" averages over."""


class Ranked(NamedTuple):
    """The detections of one class in falling order of score, ready to be matched at any threshold.

    `total` detections; `place` [R] of those that meet truth in their video (or frame), `group` [R]
    which video (or frame) that is, `iou` [R, M] with its true objects, -1 where it has fewer than
    M; `positives` true objects in all.
    """

    total: int
    place: NDArray
    group: NDArray
    iou: NDArray
    positives: int


def ordered(detections: Iterable[Detection]) -> list[Detection]:
    """Detections by falling score; ties by video name, then start, then length and boxes, never by
    order of arrival.
    """

    def rough(found: Detection) -> tuple:
        return (-found.score, found.video, found.label, found.tube.start, len(found.tube.boxes))

    ranked = sorted(detections, key=rough)
    if len({rough(found) for found in ranked}) == len(ranked):
        return ranked
    runs = (list(run) for _, run in itertools.groupby(ranked, key=rough))
    return [
        found
        for run in runs
        for found in (
            run if len(run) == 1 else sorted(run, key=lambda one: np.ravel(one.tube.boxes).tolist())
        )
    ]


def checked(detections: Iterable[Detection], what: str) -> list[Detection]:
    """The detections with boxes as float arrays, in their one order.

    Raises:
      ValueError: naming the video, for boxes that are not finite [n, 4], an empty tube, or a score
        that is not finite.
    """
    kept = []
    for found in detections:
        boxes = np.asarray(found.tube.boxes, float)
        if boxes.ndim != 2 or boxes.shape[1] != 4 or not len(boxes) or not np.isfinite(boxes).all():
            raise ValueError(
                f"{what} of {found.video} have boxes {boxes.shape}; expected finite [n, 4], n at least 1"
            )
        if not np.isfinite(found.score):
            raise ValueError(
                f"{what} of {found.video} have a score of {found.score}; expected a finite number"
            )
        kept.append(found._replace(tube=found.tube._replace(boxes=boxes)))
    return ordered(kept)


def claims(ranked: Ranked, threshold: float, style: Style) -> NDArray:
    """Which true object each detection takes: in order of score, the best that is left, if it
    passes the threshold.

    Args:
      ranked: the detections of one class.
      threshold: IoU in [0, 1].
      style: says whether an IoU equal to the threshold passes.

    Returns:
      [R] index of the true object within its group, or -1.
    """
    taken = np.full(len(ranked.place), -1)
    if not len(taken):
        return taken
    free = np.ones((ranked.group.max() + 1, ranked.iou.shape[1]), bool)
    turn = turns(ranked.group)
    for now in range(
        turn.max() + 1
    ):  # the n-th detection of every group at once: groups do not compete
        rows = np.flatnonzero(turn == now)
        groups = ranked.group[rows]
        left = np.where(free[groups] & (ranked.iou[rows] >= 0), ranked.iou[rows], -np.inf)
        best = left.argmax(axis=1)
        hit = style.reaches(left[np.arange(len(rows)), best], threshold)
        taken[rows[hit]] = best[hit]
        free[groups[hit], best[hit]] = False
    return taken


def turns(group: NDArray) -> NDArray:
    """[R] how many earlier rows belong to the same group [R]."""
    order = np.argsort(group, kind="stable")
    first = np.flatnonzero(np.diff(group[order], prepend=-1))
    turn = np.empty(len(group), int)
    turn[order] = np.arange(len(group)) - np.repeat(first, np.diff(first, append=len(group)))
    return turn


def average_precision(ranked: Ranked, threshold: float, style: Style) -> float:
    """The average precision of one class at one IoU threshold.

    Raises:
      ValueError: the threshold lies outside [0, 1].
    """
    if not 0 <= threshold <= 1:
        raise ValueError(f"the IoU threshold is {threshold}; expected 0 to 1")
    hits = np.zeros(ranked.total, bool)
    hits[ranked.place] = claims(ranked, threshold, style) >= 0
    return style.area(hits, ranked.positives)


def by_label(detections: Iterable[Detection]) -> dict[int, list[Detection]]:
    """The detections of each class, in the order given."""
    groups: dict[int, list[Detection]] = {}
    for found in detections:
        groups.setdefault(int(found.label), []).append(found)
    return groups


def mean_over_classes(precisions: dict[int, float]) -> float:
    """The mean over the classes that have truth.

    Raises:
      ValueError: no class has any.
    """
    if not precisions:
        raise ValueError("there is no truth to measure against; expected at least one true tube")
    return float(np.mean(list(precisions.values())))
