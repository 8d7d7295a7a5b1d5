"""The weights of a fusion, searched on the scores of a validation list."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import special

from videolstm_jax.measure.accuracy import top_k
from videolstm_jax.measure.fusion.rules import mean_fusion, product_fusion

if TYPE_CHECKING:
    from collections.abc import Callable

    from videolstm_jax.types import NDArray

FUSIONS: dict[str, Callable[..., NDArray]] = {"product": product_fusion, "mean": mean_fusion}
"""The methods of fusion by name."""

MOST_STREAMS = 8
# Steps of each weight, by the number of streams. The number of steps is a multiple of the streams,
# so that equal weights are among the candidates. From 8 streams on, all that is left of it is one
# step a stream, 6,435 candidates.
_STEPS = {1: 1, 2: 20, 3: 18, 4: 12, 5: 10}


class Candidate(NamedTuple):
    """Weights of M streams, the validation videos they get right, and the loss -log p of these."""

    weights: tuple[float, ...]
    right: int
    loss: float


class WeightSearch(NamedTuple):
    """Every candidate in the order it was tried, the best one, and that of equal weights."""

    candidates: tuple[Candidate, ...]
    best: Candidate
    equal: Candidate


def search_fusion_weights(scores: Sequence[NDArray], label: NDArray, method: str) -> WeightSearch:
    """Tries all weights on a grid, and takes those that get most validation videos right.

    Weights sum to the number of streams, because a common factor changes no answer. Of candidates
    with as many right, the one with the smallest mean loss -log p of the right class is taken, then
    the one nearest to equal weights.

    Args:
      scores: one [V, C] a stream, rows that sum to 1, of the validation list only.
      label: [V] the right classes.
      method: a name of FUSIONS.

    Raises:
      ValueError: there are no videos, too many streams, or scores that cannot be fused.
    """
    streams = len(scores)
    if not 1 <= streams <= MOST_STREAMS or not len(label):
        raise ValueError(
            f"{streams} streams and {len(label)} videos; expected 1 to {MOST_STREAMS} streams and "
            "at least one video"
        )
    # Also checks the streams, once.
    FUSIONS[method](scores)
    prepared = _prepared(scores, method)
    equal_weights = (1.0,) * streams
    candidates = []
    for weights in _grid(streams):
        candidates.append(_tried(prepared, label, method, weights))

    def order(candidate: Candidate) -> tuple[float, ...]:
        distance = float(np.square(np.subtract(candidate.weights, equal_weights)).sum())
        return (-candidate.right, candidate.loss, distance)

    best = min(candidates, key=order)
    # Recorded beside the best: a search that wins by a video or two has found chance.
    equal = next(candidate for candidate in candidates if candidate.weights == equal_weights)
    return WeightSearch(tuple(candidates), best, equal)


def _prepared(scores: Sequence[NDArray], method: str) -> NDArray:
    """The streams [M, V, C] as the method adds them: logarithms for a product."""
    stacked = np.stack([np.asarray(stream, float) for stream in scores])
    if method == "product":
        return np.log(np.maximum(stacked, np.finfo(np.float32).tiny))
    return stacked


def _tried(prepared: NDArray, label: NDArray, method: str, weights: tuple[float, ...]) -> Candidate:
    # [V, C]. The order of its classes is that of the fused probabilities, which need not be made.
    total = np.tensordot(np.array(weights), prepared, axes=1)
    if method == "product":
        logs = special.log_softmax(total, axis=1)
    else:
        logs = np.log(np.maximum(total / sum(weights), np.finfo(np.float32).tiny))
    loss = -float(logs[np.arange(len(label)), label].mean())
    # The last bits depend on the order in which a machine adds; they must not decide.
    return Candidate(weights, top_k(total, label), round(loss, 9))


def _grid(streams: int) -> Iterator[tuple[float, ...]]:
    """All weights of some streams in equal steps that sum to the number of streams."""
    steps = _STEPS.get(streams, streams)
    for bars in itertools.combinations(range(steps + streams - 1), streams - 1):
        # Stars and bars: the steps between two bars are those of one stream.
        edges = (-1, *bars, steps + streams - 1)
        counts = np.diff(edges) - 1
        yield tuple((counts * streams / steps).tolist())
