"""Which test videos the page shows, by a rule that can be said in one sentence."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from videolstm_jax.types import Detection, Tube

RULE = (
    "Chosen by rule, not by eye: up to a third are mistakes, more where there are not enough right answers, the "
    "most confident of each class; the others are right answers of middling confidence, class by class."
)


def videos(
    label: np.ndarray, predicted: np.ndarray, confidence: np.ndarray, count: int
) -> list[int]:
    """Picks test videos as `RULE` says.

    Args:
      label: [V] true classes.
      predicted: [V] what the model said.
      confidence: [V] its score of that.
      count: how many to pick at most.

    Returns:
      Indices of videos, by true class, right answers before mistakes.
    """
    label, predicted, confidence = (
        np.asarray(label),
        np.asarray(predicted),
        np.asarray(confidence, float),
    )
    classes = sorted(set(label.tolist()))
    wrong, right = {}, {}
    for c in classes:
        mistakes = np.flatnonzero((label == c) & (predicted != c))
        wrong[c] = mistakes[np.argsort(-confidence[mistakes], kind="stable")].tolist()
        hits = np.flatnonzero((label == c) & (predicted == c))
        away = np.abs(confidence[hits] - np.median(confidence[hits])) if len(hits) else np.zeros(0)
        right[c] = hits[np.argsort(away, kind="stable")].tolist()
    picked = _turns(wrong, max(1, count // 3)) if count else []
    seen = {int(label[v]) for v in picked}
    unseen = {c: right[c] or wrong[c] for c in classes if c not in seen}
    picked += [
        v
        for v in _turns({c: rest[:1] for c, rest in unseen.items()}, count - len(picked))
        if v not in picked
    ]
    picked += _turns(
        {c: [v for v in right[c] if v not in picked] for c in classes}, count - len(picked)
    )
    picked += _turns(
        {c: [v for v in wrong[c] if v not in picked] for c in classes}, count - len(picked)
    )
    return sorted(picked, key=lambda v: (label[v], predicted[v] != label[v], v))


def tubes_of_best_class(found: Iterable[Detection]) -> dict[str, tuple[Tube, ...]]:
    """All tubes of the class that scores best in each video, the best tube first."""
    rows: dict[str, list[Detection]] = {}
    for one in found:
        rows.setdefault(one.video, []).append(one)
    tubes = {}
    for video, every in rows.items():
        ranked = sorted(every, key=lambda one: -one.score)
        tubes[video] = tuple(one.tube for one in ranked if one.label == ranked[0].label)
    return tubes


def _turns(queues: dict[int, list[int]], count: int) -> list[int]:
    """The first of every queue, then the second of every queue, until there are `count`."""
    longest = max(map(len, queues.values()), default=0)
    order = [
        queue[turn] for turn in range(longest) for queue in queues.values() if turn < len(queue)
    ]
    return order[: max(count, 0)]
