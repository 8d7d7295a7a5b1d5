"""Maps that need no recurrent model: foreground, class evidence of a ridge regression, and motion.

Everything is fitted on the training list of a fold. Class labels serve class evidence alone, and no
true box is read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from videolstm_jax.localize.foreground import ForegroundAxis, find_foreground, foreground_maps
from videolstm_jax.types import Video

FRAMES = 1000
"""Training frames that everything is fitted on, evenly spaced."""
RIDGE = 0.01
"""Of the mean variance of a channel."""
WINDOW = 8
"""Deviation, in frames, of the Gaussian that flow is averaged with."""

MapsOf = Callable[[Video], np.ndarray]
"""The features [L', N, N, D] of a clip, or its flow [L', N, N] as attention."""


class Linear(NamedTuple):
    """A linear function of features: `weights` [D, K] of their difference to `mean` [D]."""

    mean: np.ndarray
    weights: np.ndarray

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Features [.., D] to values [.., K]."""
        return (x - self.mean) @ self.weights


class Fitted(NamedTuple):
    """What is known of the training list of one fold.

    Attributes:
      foreground: of all training frames.
      by_class: of the training frames of each class.
      motion: predicts the root of the flow of a place from its features.
      classes: predicts the class from the mean features of a frame.
    """

    foreground: ForegroundAxis
    by_class: Sequence[ForegroundAxis]
    motion: Linear
    classes: Linear


def fit(train: Sequence[Video], features: MapsOf, flow: MapsOf, classes: int) -> Fitted:
    """Fits everything on a training list."""
    step = _step(train)
    x = _sample(train, features)
    moving = np.concatenate([flow(video)[::step] for video in train])
    labels = []
    for video in train:
        labels += [video.label] * len(range(0, video.frames - 1, step))
    label = np.array(labels)
    by_class = [find_foreground(x[label == number]) for number in range(classes)]
    depth = x.shape[-1]
    # Flow falls off steeply; its root keeps slow parts of a body from counting as nothing.
    motion = _ridge(x.reshape(-1, depth), np.sqrt(moving).reshape(-1, 1))
    of_class = _ridge(x.mean((1, 2)), np.eye(classes)[label])
    return Fitted(find_foreground(x), by_class, motion, of_class)


def foreground_of(train: Sequence[Video], features: MapsOf) -> ForegroundAxis:
    """The foreground of a training list."""
    return find_foreground(_sample(train, features))


def _step(train: Sequence[Video]) -> int:
    return max(1, sum(video.frames for video in train) // FRAMES)


def _sample(train: Sequence[Video], features: MapsOf) -> np.ndarray:
    """Features [n, N, N, D] of evenly spaced frames of all clips."""
    step = _step(train)
    return np.concatenate([features(video)[::step].astype(np.float32) for video in train])


def _ridge(x: np.ndarray, y: np.ndarray) -> Linear:
    mean = x.mean(0)
    centred = x - mean
    covariance = centred.T @ centred / len(x)
    covariance += RIDGE * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    return Linear(mean, np.linalg.solve(covariance, centred.T @ (y - y.mean(0)) / len(x)))


def maps_of(fitted: Fitted, x: np.ndarray, flow: np.ndarray) -> Mapping[str, np.ndarray]:
    """Makes all maps of one clip.

    Args:
      fitted: of the training list.
      x: [T, N, N, D] features.
      flow: [T, N, N], the flow without the camera's motion as attention.

    Returns:
      [T, N, N] by the name of the row, not negative.
    """
    x = x.astype(np.float32)
    foreground = foreground_maps(x, fitted.foreground)
    # The class of the clip as ridge regression predicts it: the true one would be the answer.
    label = fitted.classes(x.mean((1, 2))).mean(0).argmax()
    evidence = np.maximum(fitted.classes(x)[..., label], 0)
    moves = np.maximum(fitted.motion(x)[..., 0], 0)
    smooth_flow = ndimage.gaussian_filter1d(flow, WINDOW, axis=0)
    return {
        "foreground": foreground,
        "foreground of the predicted class": foreground_maps(x, fitted.by_class[label]),
        "foreground, flow of nearby frames": np.sqrt(foreground * smooth_flow),
        "foreground, class evidence": np.sqrt(foreground * evidence),
        "class evidence of ridge regression": evidence,
        "flow predicted from features": moves,
        "flow": flow,
    }
