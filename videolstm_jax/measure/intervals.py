"""Intervals of shares and of means: how far a figure may be off with so few videos."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import special

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray


class Interval(NamedTuple):
    """An estimate with the lower and upper bound of its confidence interval."""

    value: float
    low: float
    high: float


def wilson_interval(hits: int, total: int, *, confidence: float = 0.95) -> Interval:
    """Computes Wilson's score interval of a share.

    Args:
      hits: the number that were right.
      total: the number of all.
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
    # Wilson (1927): all true shares that a test with the quantile z does not reject. Unlike the
    # normal interval it stays within [0, 1], and has a length where all or none are right.
    z = float(special.ndtri(0.5 + confidence / 2))
    share = hits / total
    scale = 1 + z * z / total
    middle = (share + z * z / (2 * total)) / scale
    half = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total)) / scale
    # The bounds of "none" and "all" are 0 and 1 exactly, where the formula would round.
    low, high = 0.0, 1.0
    if hits > 0:
        low = max(0.0, middle - half)
    if hits < total:
        high = min(1.0, middle + half)
    return Interval(share, low, high)


def mean_interval(
    values: NDArray, *, confidence: float = 0.95, resamples: int = 2000, seed: int = 0
) -> Interval:
    """Computes the mean of one number a video and the percentiles of its bootstrap.

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
    means = np.zeros(resamples)
    # One resample at a time: all at once would take resamples x V numbers of memory.
    for index in range(resamples):
        drawn = generator.integers(len(values), size=len(values))
        means[index] = values[drawn].mean()
    # The plain percentile bootstrap, without a correction of bias: it is easy to explain.
    low, high = np.quantile(means, [0.5 - confidence / 2, 0.5 + confidence / 2])
    return Interval(float(values.mean()), float(low), float(high))


def paired_interval(
    values: NDArray,
    baseline: NDArray,
    *,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Computes the mean difference of two measurements of the same videos, and its bootstrap.

    Pairs are drawn together, so that what is common to a video cancels; see `mean_interval`.

    Args:
      values: [V].
      baseline: [V], which is subtracted.
      confidence: as in `mean_interval`.
      resamples: as in `mean_interval`.
      seed: as in `mean_interval`.

    Raises:
      ValueError: the shapes differ, or as `mean_interval`.
    """
    values, baseline = np.asarray(values, float), np.asarray(baseline, float)
    if values.shape != baseline.shape:
        raise ValueError(
            f"{values.shape} and {baseline.shape} values; expected one of each a video"
        )
    difference = values - baseline
    return mean_interval(difference, confidence=confidence, resamples=resamples, seed=seed)
