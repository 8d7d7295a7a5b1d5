"""Nearest neighbour on motion energy: the floor that a network must pass before its accuracy means
anything.
"""

from __future__ import annotations

import numpy as np


def motion_energy(flow: np.ndarray, side: int = 16) -> np.ndarray:
    """Where a video moves, and how much: the mean magnitude of its flow, after Bobick and Davis
    (2001).

    Args:
      flow: [L, H, W, 2] displacements in any unit.
      side: cells on each side of the result.

    Returns:
      Energy [side, side], averaged over the pixels of each cell and scaled to sum to 1; zeros where
      nothing moves.
    """
    magnitude = np.sqrt(np.square(np.asarray(flow, np.float64)).sum(-1)).mean(0)
    for axis in (0, 1):
        edges = np.linspace(0, magnitude.shape[axis], side + 1)
        total = np.concatenate(
            [np.zeros_like(magnitude.take([0], axis)), magnitude.cumsum(axis)], axis
        )
        low = np.minimum(edges.astype(int), magnitude.shape[axis] - 1)
        shape = [1, 1]
        shape[axis] = side + 1
        part = (edges - low).reshape(
            shape
        )  # integral of a piecewise constant image, so that any size fits any side
        magnitude = np.diff(
            total.take(low, axis) * (1 - part) + total.take(low + 1, axis) * part, axis=axis
        )
    return magnitude / magnitude.sum() if magnitude.sum() > 0 else magnitude


def nearest_scores(
    train: np.ndarray, label: np.ndarray, test: np.ndarray, classes: int
) -> np.ndarray:
    """Scores of each class by the distance to its nearest training example; the first is the
    nearest neighbour's.

    Args:
      train: [n, F].
      label: [n], each class at least once.
      test: [V, F].
      classes: C.

    Returns:
      Scores [V, C], rows summing to 1.

    Raises:
      ValueError: a class without training examples.
    """
    missing = sorted(set(range(classes)) - set(np.asarray(label).tolist()))
    if missing:
        raise ValueError(
            f"class {missing[0]} has no training example; expected one of each of {classes} classes"
        )
    square = np.square(test).sum(1)[:, None] + np.square(train).sum(1) - 2 * test @ train.T
    distance = np.sqrt(np.maximum(square, 0))
    nearest = np.stack([distance[:, label == c].min(1) for c in range(classes)], 1)
    typical = np.maximum(np.median(nearest, 1, keepdims=True), np.finfo(float).tiny)
    power = np.exp((nearest.min(1, keepdims=True) - nearest) / typical)
    return power / power.sum(1, keepdims=True)
