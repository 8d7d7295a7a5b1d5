"""How often the right class comes first, in exact counts, and how sure such a number is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import special

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray


class Interval(NamedTuple):
    """An estimate with the bounds that hold it."""

    value: float
    low: float
    high: float


def ranks(scores: NDArray, label: NDArray) -> NDArray:
    """How many classes stand before the right one: those with a higher score, and on ties those
    listed earlier.

    Args:
      scores: [V, C].
      label: [V] the right classes.

    Returns:
      [V] integers, 0 where the right class comes first.

    Raises:
      ValueError: shapes that do not agree, labels outside the classes, or scores that are NaN.
    """
    scores, label = np.asarray(scores), np.asarray(label)
    if scores.ndim != 2 or label.shape != scores.shape[:1]:
        raise ValueError(f"scores {scores.shape} and label {label.shape}; expected [V, C] and [V]")
    if len(label) and (label.min() < 0 or label.max() >= scores.shape[1]):
        raise ValueError(
            f"labels {label.min()} to {label.max()}; expected 0 to {scores.shape[1] - 1}"
        )
    if np.isnan(scores).any():
        raise ValueError(
            f"scores of {int(np.isnan(scores).any(axis=1).sum())} videos are NaN; expected numbers"
        )
    own = np.take_along_axis(scores, label[:, None], axis=1)
    earlier = np.arange(scores.shape[1]) < label[:, None]
    return ((scores > own) | ((scores == own) & earlier)).sum(axis=1)


def top_k(scores: NDArray, label: NDArray, k: int = 1) -> int:
    """How many videos have the right class among their k best.

    Args:
      scores: [V, C].
      label: [V].
      k: how many classes are looked at.

    Returns:
      An exact count; divide by V for the accuracy.
    """
    return int((ranks(scores, label) < k).sum())


def accuracy(scores: NDArray, label: NDArray, k: int = 1) -> float:
    """The share of videos with the right class among their k best.

    Raises:
      ValueError: there are no videos.
    """
    if not len(label):
        raise ValueError("there are no videos to count; expected at least one")
    return top_k(scores, label, k) / len(label)


def confusion(scores: NDArray, label: NDArray) -> NDArray:
    """[C, C] counts of videos: the row is the right class, the column the class that came first."""
    ranks(scores, label)  # checks the shapes and labels
    classes = np.shape(scores)[1]
    first = np.argmax(scores, axis=1)
    return np.bincount(np.asarray(label) * classes + first, minlength=classes * classes).reshape(
        classes, classes
    )


def per_class_accuracy(
    scores: NDArray, label: NDArray, *, missing: NDArray | None = None
) -> NDArray:
    """[C] the share of each class's videos that are right; NaN for a class without videos.

    Args:
      scores: [V, C].
      label: [V].
      missing: [n] the right classes of videos without scores, which count as wrong; none where not
        given.
    """
    counts = confusion(scores, label)
    videos = counts.sum(axis=1)
    if missing is not None:
        videos = videos + np.bincount(missing, minlength=len(videos))
    return np.divide(np.diag(counts), videos, out=np.full(len(counts), np.nan), where=videos > 0)


def mean_class_accuracy(
    scores: NDArray, label: NDArray, *, missing: NDArray | None = None
) -> float:
    """The mean of `per_class_accuracy` over the classes that have videos."""
    return float(np.nanmean(per_class_accuracy(scores, label, missing=missing)))


def right_of(scores: NDArray, label: NDArray, missing: Sequence[int] | NDArray = ()) -> str:
    """In words, how many videos of the test list are right; `missing` ones, without scores, count
    as wrong.
    """
    right, total = top_k(scores, label), len(label) + len(missing)
    lost = f" ({len(missing)} could not be read and count as wrong)" if len(missing) else ""
    return f"{right} of {total} test videos right{lost}, {100 * right / max(total, 1):.1f} %"


def wilson(hits: int, total: int, *, confidence: float = 0.95) -> Interval:
    """Wilson's score interval of a share.

    Args:
      hits: how many were right.
      total: of how many.
      confidence: the probability that the interval holds the true share.

    Returns:
      The share and its bounds.

    Raises:
      ValueError: counts that make no share.
    """
    if not 0 <= hits <= total or total < 1:
        raise ValueError(
            f"{hits} right of {total}; expected 0 <= right <= total and a total of at least 1"
        )
    z = float(special.ndtri(0.5 + confidence / 2))
    share = hits / total
    scale = 1 + z * z / total
    middle = (share + z * z / (2 * total)) / scale
    half = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total)) / scale
    return Interval(
        share,
        max(0.0, middle - half) if hits else 0.0,
        min(1.0, middle + half) if hits < total else 1.0,
    )


def mean_interval(
    values: NDArray, *, confidence: float = 0.95, resamples: int = 2000, seed: int = 0
) -> Interval:
    """The mean of one number a video, with the percentiles of its bootstrap.

    Args:
      values: [V].
      confidence: the share of resampled means between the bounds.
      resamples: how often V videos are drawn with replacement.
      seed: of the draws; the same seed gives the same bounds.

    Raises:
      ValueError: there are no values, or some are not finite.
    """
    values = np.asarray(values, float)
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
        raise ValueError(f"values {values.shape}; expected finite numbers, at least one")
    generator = np.random.default_rng(seed)
    means = np.array(
        [values[generator.integers(len(values), size=len(values))].mean() for _ in range(resamples)]
    )
    low, high = np.quantile(means, [0.5 - confidence / 2, 0.5 + confidence / 2])
    return Interval(float(values.mean()), float(low), float(high))


def paired_interval(
    ours: NDArray,
    theirs: NDArray,
    *,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """The mean difference of two measurements of the same videos: whole pairs are drawn, see
    `mean_interval`.

    Raises:
      ValueError: not as many of both, or as `mean_interval`.
    """
    ours, theirs = np.asarray(ours, float), np.asarray(theirs, float)
    if ours.shape != theirs.shape:
        raise ValueError(f"{ours.shape} and {theirs.shape} values; expected one of each a video")
    return mean_interval(ours - theirs, confidence=confidence, resamples=resamples, seed=seed)
