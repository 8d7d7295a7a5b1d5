"""Fisher vectors (Perronnin et al. 2010) of any number of rows, summed block by block."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import logsumexp

if TYPE_CHECKING:
    from videolstm_jax.shallow.vocabulary import Vocabulary
    from videolstm_jax.types import NDArray


class FisherSums(NamedTuple):
    """Sums over rows, weighted by how much each belongs to each Gaussian.

    Attributes:
      count: of the rows.
      zeroth: [K] of the weights.
      first: [K, d] of the rows.
      second: [K, d] of their squares.
    """

    count: int
    zeroth: NDArray
    first: NDArray
    second: NDArray

    def plus(self, sums: FisherSums) -> FisherSums:
        """The sums over the rows of both."""
        return FisherSums(
            self.count + sums.count,
            self.zeroth + sums.zeroth,
            self.first + sums.first,
            self.second + sums.second,
        )


def no_fisher_sums(vocabulary: Vocabulary) -> FisherSums:
    """The sums over no rows."""
    return FisherSums(
        0,
        np.zeros(vocabulary.weights.shape),
        np.zeros(vocabulary.means.shape),
        np.zeros(vocabulary.means.shape),
    )


def fisher_sums(vocabulary: Vocabulary, rows: NDArray) -> FisherSums:
    """Sums over some rows [n, D]."""
    # In float64: the second sums are differences of large numbers later on.
    x = (np.asarray(rows, np.float64) - vocabulary.centre) @ vocabulary.axes
    weight = _memberships(vocabulary, x)
    return FisherSums(len(x), weight.sum(0), weight.T @ x, weight.T @ (x * x))


def fisher_vector(vocabulary: Vocabulary, sums: FisherSums) -> NDArray:
    """The gradient with respect to means and variances, under the square root, of length 1.

    The power normalisation is sign(z) sqrt(|z|), and the norm is L2.

    Returns:
      [2 K d] float32, the means first; zeros for no rows.
    """
    mean, variance = vocabulary.means, vocabulary.variances
    zeroth, weights = sums.zeroth[:, None], vocabulary.weights[:, None]
    # Sums of (x - mean) / sigma, and of ((x - mean) / sigma)^2 - 1.
    shift = (sums.first - mean * zeroth) / np.sqrt(variance)
    spread = (sums.second - 2 * mean * sums.first + mean**2 * zeroth) / variance - zeroth
    count = max(sums.count, 1)
    # Divided by the square root of the Fisher information, which is about w for a mean and 2w for a
    # variance (Perronnin et al. 2010).
    gradient = [
        shift / (count * np.sqrt(weights)),
        spread / (count * np.sqrt(2 * weights)),
    ]
    vector = np.concatenate(gradient).ravel()
    # The power first, the norm after it, as in that paper: the other order gives other vectors.
    vector = np.sign(vector) * np.sqrt(np.abs(vector))
    length = np.linalg.norm(vector)
    # No rows give zeros rather than a division by zero.
    return (vector / max(length, np.finfo(float).tiny)).astype(np.float32)


def _memberships(vocabulary: Vocabulary, x: NDArray) -> NDArray:
    """How much each row of [n, d] belongs to each Gaussian, [n, K] with rows of sum 1."""
    precision = 1 / vocabulary.variances
    # The square of the distance, without an array [n, K, d].
    distance = (
        (x * x) @ precision.T
        - 2 * x @ (vocabulary.means * precision).T
        + (vocabulary.means**2 * precision).sum(1)
    )
    # Without (2 pi)^(d / 2), which is the same for all Gaussians.
    log_weight = np.log(vocabulary.weights) - np.log(vocabulary.variances).sum(1) / 2
    log_density = log_weight - distance / 2
    return np.exp(log_density - logsumexp(log_density, axis=1, keepdims=True))
