"""The vocabulary of Fisher vectors: a PCA, and a mixture of Gaussians in its space."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from videolstm_jax.shallow.scikit_learn import scikit_learn

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray

_SAMPLES_EACH = 50
"""The fewest samples for each Gaussian; the variance of fewer is that of chance."""
_ITERATIONS = 100


class Vocabulary(NamedTuple):
    """A PCA from D to d numbers, and K Gaussians with diagonal covariances.

    Attributes:
      centre: [D] the mean that PCA takes off.
      axes: [D, d] its axes, of the largest variance first.
      weights: [K] of the Gaussians, sum 1.
      means: [K, d].
      variances: [K, d].
    """

    centre: NDArray
    axes: NDArray
    weights: NDArray
    means: NDArray
    variances: NDArray


def fit_vocabulary(samples: NDArray, components: int, seed: int) -> Vocabulary:
    """Fits PCA to half of the numbers, and a mixture of Gaussians (Wang and Schmid 2013).

    Args:
      samples: [n, D], n >= 1.
      components: K; fewer where there are not 50 samples for each.
      seed: of the first means.

    Raises:
      ConfigError: scikit-learn is not installed.
    """
    mixture = scikit_learn("mixture")
    samples = np.asarray(samples, np.float64)
    centre = samples.mean(0)
    # `bias`: a single sample has a covariance of 0 and not of 0 / 0. `reshape` brings back the axes
    # of one number.
    covariance = np.cov(samples, rowvar=False, bias=True).reshape(samples.shape[1], -1)
    # `eigh` sorts by size, the smallest first.
    _, axes = np.linalg.eigh(covariance)
    axes = _with_fixed_signs(axes[:, ::-1][:, : max(1, samples.shape[1] // 2)])
    # Small sets of a test or a trial get a smaller vocabulary rather than a refusal.
    components = max(1, min(components, len(samples) // _SAMPLES_EACH))
    model = mixture.GaussianMixture(
        components, covariance_type="diag", max_iter=_ITERATIONS, random_state=seed
    )
    with warnings.catch_warnings():
        # A mixture that has not converged serves as well; and k-means warns of equal samples.
        warnings.simplefilter("ignore")
        model.fit((samples - centre) @ axes)
    return Vocabulary(centre, axes, model.weights_, model.means_, model.covariances_)


def _with_fixed_signs(axes: NDArray) -> NDArray:
    """The axes, the largest number of each positive: libraries differ in the sign."""
    largest = np.abs(axes).argmax(0)
    signs = np.sign(axes[largest, np.arange(axes.shape[1])])
    return axes * np.where(signs == 0, 1, signs)
