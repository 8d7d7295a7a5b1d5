"""One-against-rest linear SVMs, and how their margins become probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import log_softmax, softmax

from videolstm_jax.shallow.scikit_learn import scikit_learn

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray

_FOLDS = 5
# Far on both sides of 1, the margin of the nearest training videos; neighbours differ by a tenth.
_TEMPERATURES = np.geomspace(0.02, 5.0, 60)
_SMALLEST_VARIANCE = 1e-10
"""Of a direction of the training features, as a share of the largest; less is rounding."""
_ITERATIONS = 20_000


class Labelled(NamedTuple):
    """Training videos: features [n, F], labels [n], and a group [n] that no fold parts."""

    features: NDArray
    label: NDArray
    group: Sequence[str]


class SvmScores(NamedTuple):
    """Probabilities [V, C] of videos, and the temperature of their softmax."""

    probabilities: NDArray
    temperature: float


def svm_scores(
    train: Labelled, features: NDArray, classes: int, *, cost: float, seed: int
) -> SvmScores:
    """Trains an SVM for each class against the rest, and scores videos.

    Margins become probabilities by a softmax. Its temperature has the best likelihood on training
    videos that are held out, whole groups at a time. It orders no two classes anew; but a product
    of scores counts a video as much as its scores differ.

    Args:
      train: the training videos.
      features: [V, F] of the videos to score.
      classes: C.
      cost: C of the SVM.
      seed: of the solver, and of the folds.

    Raises:
      ConfigError: scikit-learn is not installed.
    """
    inside, outside = _coordinates(np.asarray(train.features), np.asarray(features))
    # Folds and the last training share the coordinates: those need no labels, so nothing leaks.
    train = train._replace(features=inside)
    temperature = _temperature(train, classes, cost, seed)
    margins = _margins(train.features, train.label, outside, classes, cost, seed)
    return SvmScores(softmax(margins / temperature, axis=1), temperature)


def _coordinates(train: NDArray, features: NDArray) -> tuple[NDArray, NDArray]:
    """Both in the space that the training features span, in which the SVM is the same.

    A Fisher vector has a hundred thousand numbers, and a set may have a hundred videos. The normal
    of the SVM's plane is a sum of training features, so that what is outside their span counts for
    nothing.
    """
    if train.shape[1] <= train.shape[0]:
        return train.astype(np.float64), features.astype(np.float64)
    # X X^T = U S^2 U^T: the coordinates of training videos are U S, and those of others are their
    # products with the training videos, X' X^T U / S.
    products = (train @ train.T).astype(np.float64)
    variance, directions = np.linalg.eigh(products)
    is_direction = variance > _SMALLEST_VARIANCE * max(variance.max(), np.finfo(float).tiny)
    directions = directions[:, is_direction]
    size = np.sqrt(variance[is_direction])
    return directions * size, (features @ train.T).astype(np.float64) @ directions / size


def _margins(
    train: NDArray, label: NDArray, features: NDArray, classes: int, cost: float, seed: int
) -> NDArray:
    """The margin of each video for each class, [V, C]."""
    svm = scikit_learn("svm")
    margins = np.empty((len(features), classes))
    for number in range(classes):
        is_class = label == number
        if is_class.all() or not is_class.any():
            # There is nothing to tell apart: the margin of every training video.
            margins[:, number] = 2.0 * is_class.any() - 1
            continue
        # A generator for each class, which the others do not change.
        model = svm.LinearSVC(C=cost, dual="auto", random_state=seed, max_iter=_ITERATIONS)
        margins[:, number] = model.fit(train, is_class).decision_function(features)
    return margins


def _temperature(train: Labelled, classes: int, cost: float, seed: int) -> float:
    """The temperature with the best likelihood on held-out folds; 1 for a single group."""
    groups = sorted(set(train.group))
    if len(groups) < 2:
        return 1.0
    # Groups and not videos are held out: clips of one recording would answer for each other.
    order = np.random.default_rng(seed).permutation(len(groups))
    fold_of_group = {}
    for place, index in enumerate(order):
        fold_of_group[groups[index]] = place % _FOLDS
    fold = np.array([fold_of_group[group] for group in train.group])
    margins = np.zeros((len(fold), classes))
    # Of the folds that there are: fewer groups than folds make fewer.
    for number in np.unique(fold):
        is_out = fold == number
        inside, label = train.features[~is_out], train.label[~is_out]
        margins[is_out] = _margins(inside, label, train.features[is_out], classes, cost, seed)
    likelihoods = []
    for temperature in _TEMPERATURES:
        # On a grid: the likelihood has one number to fit, and need not have one maximum.
        log_probabilities = log_softmax(margins / temperature, axis=1)
        likelihoods.append(log_probabilities[np.arange(len(fold)), train.label].mean())
    return float(_TEMPERATURES[np.argmax(likelihoods)])
