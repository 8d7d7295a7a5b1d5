"""Late fusion: the class scores of several streams combined into one (Sec. 5.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy import optimize, special

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray

# A class to which one stream gives probability 0 keeps a finite logarithm.
_SMALLEST = float(np.finfo(np.float32).tiny)


def product_fusion(scores: Sequence[NDArray], weights: Sequence[float] | None = None) -> NDArray:
    """Multiplies class probabilities, each to the power of its weight (Sec. 5.2).

    Args:
      scores: one [V, C] a stream, rows that sum to 1; the same videos and classes in the same
        order.
      weights: one exponent a stream; 1 each by default.

    Returns:
      [V, C], rows that sum to 1.

    Raises:
      ValueError: shapes or counts that do not agree, or scores that are no probabilities.
    """
    streams, exponents = _check(scores, weights)
    # In logarithms, where a product of many small probabilities does not underflow. The softmax
    # below is then the exponential and the division by the sum in one.
    log_product = 0
    for stream, exponent in zip(streams, exponents, strict=True):
        log_product = log_product + exponent * _log(stream)
    return special.softmax(log_product, axis=1)


def mean_fusion(scores: Sequence[NDArray], weights: Sequence[float] | None = None) -> NDArray:
    """Computes the weighted mean of class probabilities.

    Args:
      scores: one [V, C] a stream, rows that sum to 1.
      weights: one a stream; equal by default.

    Returns:
      [V, C], rows that sum to 1.

    Raises:
      ValueError: as `product_fusion`, or weights that sum to zero or less.
    """
    streams, factors = _check(scores, weights)
    if not sum(factors) > 0:
        raise ValueError(f"weights {factors} sum to {sum(factors)}; expected more than 0")
    total = 0
    for stream, factor in zip(streams, factors, strict=True):
        total = total + factor * stream
    return total / sum(factors)


def temper_probabilities(scores: NDArray, temperature: float) -> NDArray:
    """Raises class probabilities to the power of 1 / temperature; above 1 they become less certain.

    Args:
      scores: [V, C], rows that sum to 1.
      temperature: more than 0.

    Returns:
      [V, C], rows that sum to 1.

    Raises:
      ValueError: the temperature is not above 0, or the scores are no probabilities.
    """
    if not 0 < temperature < np.inf:
        raise ValueError(f"the temperature is {temperature}; expected more than 0")
    return product_fusion([scores], [1 / temperature])


def fit_probability_temperature(scores: NDArray, label: NDArray) -> float:
    """Finds the temperature that makes the right classes most likely.

    Fit it on validation scores, never on test scores.

    Args:
      scores: [V, C], rows that sum to 1.
      label: [V] the right classes.

    Returns:
      A number between 0.01 and 100.

    Raises:
      ValueError: there are no videos, or the scores are no probabilities.
    """
    (probability,), _ = _check([scores], None)
    videos = len(probability)
    if not videos or np.shape(label) != (videos,):
        raise ValueError(
            f"scores {np.shape(scores)} and label {np.shape(label)}; expected [V, C] and [V], V > 0"
        )
    logs = _log(probability)

    def loss(log_temperature: float) -> float:
        tempered = special.log_softmax(logs / np.exp(log_temperature), axis=1)
        return -float(tempered[np.arange(videos), label].mean())

    # The search is over the logarithm, in which the loss has a similar curvature everywhere.
    optimum = optimize.minimize_scalar(
        loss, bounds=np.log([0.01, 100.0]), method="bounded", options={"xatol": 1e-4}
    )
    return float(np.exp(optimum.x))


def _log(probability: NDArray) -> NDArray:
    return np.log(np.maximum(probability, _SMALLEST))


def _check(
    scores: Sequence[NDArray], weights: Sequence[float] | None
) -> tuple[list[NDArray], list[float]]:
    """Returns streams [V, C] and a weight for each, or refuses what `product_fusion` refuses."""
    streams = []
    for stream in scores:
        streams.append(np.asarray(stream, float))
    if weights is None:
        weights = [1.0] * len(streams)
    # Python's own floats, as messages show them.
    factors = list(map(float, weights))
    problem = _problem(streams, factors)
    if problem:
        raise ValueError(problem)
    return streams, factors


def _problem(streams: list[NDArray], factors: list[float]) -> str:
    """Why streams cannot be fused with these weights; empty where they can."""
    if not streams or len(factors) != len(streams):
        return f"{len(streams)} streams and {len(factors)} weights; expected as many, at least one"
    if not np.isfinite(factors).all():
        return f"weights {factors}; expected finite numbers"
    shape = streams[0].shape
    for index, stream in enumerate(streams):
        # Arrays of other shapes could be broadcast, which would give scores of nothing.
        if stream.ndim != 2 or stream.shape != shape:
            return f"stream {index} has scores {stream.shape}; expected [V, C] {shape} as the first"
        if not _are_probabilities(stream):
            return (
                f"stream {index} has scores from {stream.min()} to {stream.max()}; expected "
                "probabilities whose rows sum to 1"
            )
    return ""


def _are_probabilities(scores: NDArray) -> bool:
    """Whether scores [V, C] are finite, not negative, and sum to 1 in each row."""
    if not np.isfinite(scores).all() or (scores < 0).any():
        return False
    # Published scores are rounded: their rows sum to 1 only nearly.
    return np.allclose(scores.sum(axis=1), 1, atol=1e-3)
