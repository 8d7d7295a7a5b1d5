"""Late fusion: class scores of several streams made into one (Sec. 5.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy import optimize, special

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray

_FLOOR = float(
    np.finfo(np.float32).tiny
)  # a class that one stream rules out keeps a finite logarithm


def product_fusion(scores: Sequence[NDArray], weights: Sequence[float] | None = None) -> NDArray:
    """The product of class probabilities, each to the power of its weight, made to sum to one (Sec.
    5.2).

    Args:
      scores: one [V, C] a stream, rows that sum to 1; the same videos and classes in the same
        order.
      weights: one exponent a stream; 1 each where not given.

    Returns:
      [V, C], rows that sum to 1.

    Raises:
      ValueError: shapes or counts that do not agree, or scores that are no probabilities.
    """
    streams, weight = _checked(scores, weights)
    return special.softmax(
        sum(w * np.log(np.maximum(p, _FLOOR)) for w, p in zip(weight, streams, strict=True)), axis=1
    )


def mean_fusion(scores: Sequence[NDArray], weights: Sequence[float] | None = None) -> NDArray:
    """The weighted mean of class probabilities.

    Args:
      scores: one [V, C] a stream, rows that sum to 1.
      weights: one a stream; equal where not given.

    Returns:
      [V, C], rows that sum to 1.

    Raises:
      ValueError: as `product_fusion`, or weights that sum to nothing.
    """
    streams, weight = _checked(scores, weights)
    if not sum(weight) > 0:
        raise ValueError(f"weights {weight} sum to {sum(weight)}; expected more than 0")
    return sum(w * p for w, p in zip(weight, streams, strict=True)) / sum(weight)


def temper(scores: NDArray, temperature: float) -> NDArray:
    """Class probabilities to the power of 1 / temperature, made to sum to one: above 1 is less sure
    of itself.

    Args:
      scores: [V, C], rows that sum to 1.
      temperature: more than 0.

    Raises:
      ValueError: the temperature is not above 0, or the scores are no probabilities.
    """
    if not 0 < temperature < np.inf:
        raise ValueError(f"the temperature is {temperature}; expected more than 0")
    return product_fusion([scores], [1 / temperature])


def fit_temperature(scores: NDArray, label: NDArray) -> float:
    """The temperature under which the right classes are most likely; fit it on validation scores,
    never on test's.

    Args:
      scores: [V, C], rows that sum to 1.
      label: [V] the right classes.

    Returns:
      A number between 0.01 and 100.

    Raises:
      ValueError: there are no videos, or the scores are no probabilities.
    """
    (probability,), _ = _checked([scores], None)
    if not len(probability) or np.shape(label) != (len(probability),):
        raise ValueError(
            f"scores {np.shape(scores)} and label {np.shape(label)}; expected [V, C] and [V], V > 0"
        )
    log = np.log(np.maximum(probability, _FLOOR))

    def loss(log_temperature: float) -> float:
        tempered = special.log_softmax(log / np.exp(log_temperature), axis=1)
        return -float(tempered[np.arange(len(label)), label].mean())

    found = optimize.minimize_scalar(
        loss, bounds=np.log([0.01, 100.0]), method="bounded", options={"xatol": 1e-4}
    )
    return float(np.exp(found.x))


def _checked(
    scores: Sequence[NDArray], weights: Sequence[float] | None
) -> tuple[list[NDArray], list[float]]:
    streams = [np.asarray(one, float) for one in scores]
    weight = [1.0] * len(streams) if weights is None else [float(w) for w in weights]
    if not streams or len(weight) != len(streams):
        raise ValueError(
            f"{len(streams)} streams and {len(weight)} weights; expected as many, at least one"
        )
    if not np.isfinite(weight).all():
        raise ValueError(f"weights {weight}; expected finite numbers")
    for index, one in enumerate(streams):
        if one.ndim != 2 or one.shape != streams[0].shape:
            raise ValueError(
                f"stream {index} has scores {one.shape}; expected [V, C] {streams[0].shape} as the first"
            )
        if not (
            np.isfinite(one).all()
            and (one >= 0).all()
            and np.allclose(one.sum(axis=1), 1, atol=1e-3)
        ):
            raise ValueError(
                f"stream {index} has scores from {one.min()} to {one.max()}; expected probabilities whose "
                "rows sum to 1"
            )
    return streams, weight
