"""Classifiers without training steps, on one vector a video: the baselines of real data."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from videolstm_jax.measure.accuracy import top_k

# A relative strength: the kernel matrix is divided by its mean diagonal before it is added.
STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0, 10.0)


def nearest_centroid(
    train: np.ndarray, label: np.ndarray, test: np.ndarray, *, scaled: bool = True
) -> np.ndarray:
    """Cosine similarity to the mean of each class's vectors.

    Args:
      train: [V, D] vectors of the training list.
      label: [V] their classes, 0 to C - 1, each at least once.
      test: [W, D].
      scaled: whether vectors have the length 1 before their mean is taken, so that all count alike.

    Returns:
      [W, C] similarities.
    """
    test = _unit(test)
    if scaled:
        train = _unit(train)
    centroids = []
    for number in range(int(label.max()) + 1):
        centroids.append(train[label == number].mean(0))
    return test @ _unit(np.stack(centroids)).T


def _unit(rows: np.ndarray) -> np.ndarray:
    rows = np.asarray(rows, np.float64)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(length > 0, length, 1.0)


def ridge(
    train: np.ndarray, label: np.ndarray, test: np.ndarray, *, groups: Sequence[str]
) -> tuple[np.ndarray, float]:
    """Ridge regression on one-hot classes, of standardised vectors.

    The strength is the one of `STRENGTHS` with most training videos right where each group is held
    out in turn. Test videos have no part in it.

    Args:
      train: [V, D] vectors of the training list.
      label: [V] their classes, 0 to C - 1.
      test: [W, D].
      groups: [V] recordings or persons of the training list.

    Returns:
      [W, C] scores, and the strength.
    """
    train, test = np.asarray(train, np.float64), np.asarray(test, np.float64)
    strength = _best_strength(train, label, np.asarray(groups))
    scores_of = _ridge_path(train, label, test, int(label.max()) + 1)
    return scores_of(strength), strength


def _best_strength(train: np.ndarray, label: np.ndarray, groups: np.ndarray) -> float:
    classes = int(label.max()) + 1
    right = dict.fromkeys(STRENGTHS, 0)
    for group in sorted(set(groups.tolist())):
        held_out = groups == group
        scores_of = _ridge_path(train[~held_out], label[~held_out], train[held_out], classes)
        for strength in STRENGTHS:
            right[strength] += top_k(scores_of(strength), label[held_out])
    # Of equals the strongest: it is the simplest model.
    return max(STRENGTHS, key=lambda strength: (right[strength], strength))


def _ridge_path(
    train: np.ndarray, label: np.ndarray, test: np.ndarray, classes: int
) -> Callable[[float], np.ndarray]:
    """A function from a strength to scores [W, C], in the dual form: D may be far above V."""
    mean, deviation = train.mean(0), train.std(0)
    # A value that never changes says nothing, and must not divide by zero.
    deviation = np.where(deviation > 0, deviation, 1.0)
    train, test = (train - mean) / deviation, (test - mean) / deviation
    targets = np.eye(classes)[label]
    offset = targets.mean(0)
    # One decomposition serves every strength.
    values, vectors = np.linalg.eigh(train @ train.T)
    targets, test_kernel = vectors.T @ (targets - offset), test @ train.T @ vectors

    def scores_of(strength: float) -> np.ndarray:
        # The mean of the eigenvalues is the mean diagonal of the kernel.
        return test_kernel @ (targets / (values + strength * values.mean())[:, None]) + offset

    return scores_of
