"""Nearest neighbours on motion energy, and on size and length: baselines without a network."""

from __future__ import annotations

import numpy as np

from videolstm_jax.measure.intervals import wilson_interval

SIZE_BASELINE = "nearest-size"
"""The name under which the baseline on size and length is stored."""


def nearest_motion_energy(flow: np.ndarray, side: int = 16) -> np.ndarray:
    """Computes where a video moves: the mean magnitude of its flow (Bobick and Davis 2001).

    Args:
      flow: [L, H, W, 2] displacements in any unit.
      side: cells on each side of the result.

    Returns:
      Energy [side, side], averaged over the pixels of each cell and scaled to sum to 1; zeros where
      nothing moves.
    """
    # The mean over time: how long something moves counts as much as how fast.
    magnitude = np.sqrt(np.square(np.asarray(flow, np.float64)).sum(-1)).mean(0)
    # The result is contiguous, so that its sum is taken in one order whatever the axis.
    by_rows = _cell_sums(magnitude, side)
    energy = np.ascontiguousarray(_cell_sums(by_rows.T, side).T)
    total = energy.sum()
    if not total > 0:
        return energy
    return energy / total


def nearest_size_and_length(
    width: np.ndarray, height: np.ndarray, frames: np.ndarray
) -> np.ndarray:
    """What a video tells before anybody looks at it: log width, log height, log number of frames.

    Where videos are cut out around an action, their shape may tell the class. A distance of these
    logarithms is one of ratios, so all three have one scale.

    Args:
      width: [V] pixels, above 0.
      height: [V] pixels.
      frames: [V].

    Returns:
      [V, 3].
    """
    return np.log(np.stack([width, height, frames], axis=1).astype(np.float64))


def nearest_size_warning(right: int, total: int, chance: float) -> str:
    """One sentence where size and length alone tell the class; empty where that may be chance.

    Args:
      right: videos that the nearest neighbour on size and length is right on.
      total: all videos.
      chance: the share that an answer without a look at any video gives.
    """
    if not total:
        return ""
    interval = wilson_interval(right, total)
    if interval.low <= chance:
        return ""
    return (
        f"the width, height and number of frames of the videos tell the class of {right} of "
        f"{total} test videos (95 % interval {100 * interval.low:.1f} to "
        f"{100 * interval.high:.1f} %, chance {100 * chance:.1f} %): accuracies of models may come "
        "from it, least with data.fit=crop"
    )


def _cell_sums(image: np.ndarray, side: int) -> np.ndarray:
    """Integrates an image [H, W] over `side` equal parts of its rows: [side, W].

    The image counts as constant within a pixel, so that any height fits any number of parts.
    """
    height = image.shape[0]
    edges = np.linspace(0, height, side + 1)
    # The integral from the top to the beginning of each pixel, and to the end of the last.
    integral = np.concatenate([np.zeros_like(image[:1]), image.cumsum(0)])
    pixel = np.minimum(edges.astype(int), height - 1)
    part = (edges - pixel)[:, None]
    return np.diff(integral[pixel] * (1 - part) + integral[pixel + 1] * part, axis=0)


def nearest_scores(
    train: np.ndarray, label: np.ndarray, test: np.ndarray, classes: int
) -> np.ndarray:
    """Scores each class by the distance to its nearest training example.

    The class that scores best is that of the nearest neighbour.

    Args:
      train: [n, F].
      label: [n], each class at least once.
      test: [V, F].
      classes: C.

    Returns:
      Scores [V, C], rows that sum to 1.

    Raises:
      ValueError: a class without training examples.
    """
    missing = sorted(set(range(classes)) - set(np.asarray(label).tolist()))
    if missing:
        raise ValueError(
            f"class {missing[0]} has no training example; expected one of each of {classes} classes"
        )
    # |a - b|^2 = |a|^2 + |b|^2 - 2 a b; rounding may leave it slightly below zero.
    squared = np.square(test).sum(1)[:, None] + np.square(train).sum(1) - 2 * test @ train.T
    distance = np.sqrt(np.maximum(squared, 0))
    nearest = np.zeros((len(test), classes))
    for c in range(classes):
        nearest[:, c] = distance[:, label == c].min(1)
    # Distances are taken in units of the median, so that scores do not depend on their scale.
    unit = np.maximum(np.median(nearest, 1, keepdims=True), np.finfo(float).tiny)
    # The nearest class gets exp(0), so the sum below is never 0.
    power = np.exp((nearest.min(1, keepdims=True) - nearest) / unit)
    return power / power.sum(1, keepdims=True)
