"""Where attention looks: how peaked it is, whether it moves, and how much of it lies on the actor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from videolstm_jax.types import Tube

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray

UNIFORM = 0.99
"""Attention whose mean entropy is above this share of the largest possible looks nowhere."""
STILL = 0.01
"""Attention whose maps differ from their mean by less than this share of their mass ignores the video."""


class Looking(NamedTuple):
    """One video's attention: mean `entropy` in [0, 1] of the largest, mean `peak`, `motion` around its `mean` map."""

    entropy: float
    peak: float
    motion: float
    mean: NDArray


def looking(attention: NDArray) -> Looking:
    """Describes the attention of one video.

    Args:
      attention: [T, N, N], each map sums to 1.

    Returns:
      The entropy of a map divided by log N^2 and its largest value, averaged over frames; the share of its mass that
      would have to move to make it the video's mean map, averaged over frames; and that mean map [N, N].
    """
    attention = np.asarray(attention, float)
    flat = attention.reshape(len(attention), -1)
    logs = np.log(np.where(flat > 0, flat, 1))
    largest = np.log(flat.shape[1]) if flat.shape[1] > 1 else 1.0
    mean = flat.mean(axis=0)
    return Looking(float(-(flat * logs).sum(axis=1).mean() / largest), float(flat.max(axis=1).mean()),
                   float(_moved(flat, mean)), mean.reshape(attention.shape[1:]))


def _moved(maps: NDArray, mean: NDArray) -> NDArray:
    return 0.5 * np.abs(maps - mean).sum(axis=1).mean()


def together(videos: Sequence[Looking]) -> dict[str, float]:
    """The means over videos, and `between`: how far the mean maps of videos lie from the mean of all."""
    means = np.array([one.mean.ravel() for one in videos])
    return {"entropy": float(np.mean([one.entropy for one in videos])),
            "peak": float(np.mean([one.peak for one in videos])),
            "motion": float(np.mean([one.motion for one in videos])),
            "between": float(_moved(means, means.mean(axis=0)))}


def warning(summary: dict[str, float]) -> str | None:
    """What is wrong with attention that cannot localise anything, or None."""
    if summary["entropy"] > UNIFORM:
        return f"attention is nearly uniform: its entropy is {summary['entropy']:.3f} of the largest possible"
    if summary["motion"] + summary["between"] < STILL:
        return "attention hardly depends on the video: all maps are nearly the same"
    return None


def mass_inside(attention: NDArray, covered: NDArray) -> tuple[float, float]:
    """The share of attention inside the true box, and the share that uniform attention would have there.

    Args:
      attention: [T, N, N] on frames with truth, each map sums to 1; a cell's weight is spread evenly over it.
      covered: [T, N, N] the share of each cell that the true box covers.

    Returns:
      Both means over frames: the attention's mass in the box, and the box's share of the frame.
    """
    return float((attention * covered).sum(axis=(1, 2)).mean()), float(covered.mean())


def whole_frames(tube: Tube, size: tuple[int, int]) -> float:
    """The share of a tube's boxes that cover 99 % or more of the frame of H, W pixels, and so say nothing."""
    return float((np.prod(tube.boxes[:, 2:] - tube.boxes[:, :2], axis=1) >= 0.99 * size[0] * size[1]).mean())
