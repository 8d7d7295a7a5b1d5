"""Where attention looks: how peaked it is, whether it moves, and how much of it lies on the actor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from videolstm_jax.types import Tube

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray

UNIFORM = 0.99
"""Attention whose mean entropy is above this share of the largest possible looks nowhere."""
STILL = 0.01
"""Attention whose maps differ from their mean by less than this share of their mass ignores the
video.
"""


class Trace(NamedTuple):
    """One video's attention frame by frame, [T] each: `entropy` in [0, 1], `peak`, `drift` (NaN on
    the first frame).
    """

    entropy: NDArray
    peak: NDArray
    drift: NDArray


class Looking(NamedTuple):
    """One video's attention: means of its `trace`, and its `motion` around the `mean` map [N, N]."""

    entropy: float
    peak: float
    drift: float
    motion: float
    mean: NDArray
    trace: Trace


def trace(attention: NDArray) -> Trace:
    """Describes every map of one video.

    Args:
      attention: [T, N, N], each map sums to 1.

    Returns:
      The entropy of each map divided by log N^2, its largest value, and the share of its mass that
      lies elsewhere than on the frame before (half the sum of absolute differences).
    """
    flat = np.asarray(attention, float).reshape(len(attention), -1)
    logs = np.log(np.where(flat > 0, flat, 1))
    largest = np.log(flat.shape[1]) if flat.shape[1] > 1 else 1.0
    moved = 0.5 * np.abs(np.diff(flat, axis=0)).sum(axis=1)
    return Trace(
        -(flat * logs).sum(axis=1) / largest, flat.max(axis=1), np.concatenate([[np.nan], moved])
    )


def looking(attention: NDArray) -> Looking:
    """Describes the attention of one video.

    Args:
      attention: [T, N, N], each map sums to 1.

    Returns:
      The means over frames of its `trace` (a video of one frame does not drift), the share of its
      mass that would have to move to make each map the video's mean map, averaged over frames, and
      that mean map.
    """
    attention = np.asarray(attention, float)
    flat = attention.reshape(len(attention), -1)
    mean = flat.mean(axis=0)
    each = trace(attention)
    drift = float(each.drift[1:].mean()) if len(flat) > 1 else 0.0
    return Looking(
        float(each.entropy.mean()),
        float(each.peak.mean()),
        drift,
        float(_moved(flat, mean)),
        mean.reshape(attention.shape[1:]),
        each,
    )


def _moved(maps: NDArray, mean: NDArray) -> NDArray:
    return 0.5 * np.abs(maps - mean).sum(axis=1).mean()


def together(videos: Sequence[Looking]) -> dict[str, float]:
    """The means over videos, and `between`: how far the mean maps of videos lie from the mean of
    all.
    """
    means = np.array([one.mean.ravel() for one in videos])
    named = {
        name: float(np.mean([getattr(one, name) for one in videos]))
        for name in ("entropy", "peak", "drift", "motion")
    }
    return {**named, "between": float(_moved(means, means.mean(axis=0)))}


def over_time(rows: Sequence[NDArray]) -> list[float | None]:
    """The mean over videos at every frame, as long as at least half of the videos still run.

    Args:
      rows: one number a frame [T] of each video, NaN where a frame has none.

    Returns:
      One number a frame, None where no video that runs has one.
    """
    lengths = sorted(map(len, rows), reverse=True)
    longest = lengths[(len(lengths) - 1) // 2] if lengths else 0
    table = np.full((len(rows), longest), np.nan)
    for line, row in zip(table, rows, strict=True):
        line[: len(row)] = row[:longest]
    return [
        float(column[~np.isnan(column)].mean()) if (~np.isnan(column)).any() else None
        for column in table.T
    ]


def attention_summary(
    looks: Sequence[Looking], inside: Sequence[tuple[NDArray, NDArray]]
) -> dict[str, Any]:
    """What map.json says of the attention of all videos.

    Args:
      looks: of every video.
      inside: `frames_inside` of every video with truth; the mean over its frames is a video's
        share.

    Returns:
      `together`, `warning`, `mass_inside_truth` and `area_of_truth` (None without truth), and
      `over_time`: frame by frame, the means of the same.
    """
    whole = together(looks)
    curves = {
        name: over_time([getattr(one.trace, name) for one in looks]) for name in Trace._fields
    }
    shares = dict(
        zip(("mass_inside_truth", "area_of_truth"), zip(*inside, strict=True), strict=False)
    )
    curves |= {name: over_time(rows) for name, rows in shares.items()}
    known = {
        name: [float(np.nanmean(row)) for row in rows if not np.isnan(row).all()]
        for name, rows in shares.items()
    }
    means = {
        name: float(np.mean(known[name])) if known.get(name) else None
        for name in ("mass_inside_truth", "area_of_truth")
    }
    return {**whole, **means, "warning": warning(whole), "over_time": curves}


def warning(summary: dict[str, float]) -> str | None:
    """What is wrong with attention that cannot localise anything, or None."""
    if summary["entropy"] > UNIFORM:
        return f"attention is nearly uniform: its entropy is {summary['entropy']:.3f} of the largest possible"
    if summary["motion"] + summary["between"] < STILL:
        return "attention hardly depends on the video: all maps are nearly the same"
    return None


def frames_inside(attention: NDArray, covered: NDArray) -> tuple[NDArray, NDArray]:
    """The share of each map inside the true box, and the share that uniform attention would have
    there.

    Args:
      attention: [T, N, N], each map sums to 1; a cell's weight is spread evenly over it.
      covered: [T, N, N] the share of each cell that the true box covers; zero on frames without
        truth.

    Returns:
      The attention's mass in the box [T] and the box's share of the frame [T], NaN on frames
      without truth.
    """
    there = covered.any(axis=(1, 2))
    mass, area = (attention * covered).sum(axis=(1, 2)), covered.mean(axis=(1, 2))
    return np.where(there, mass, np.nan), np.where(there, area, np.nan)


def whole_frames(tube: Tube, size: tuple[int, int]) -> float:
    """The share of a tube's boxes that cover 99 % or more of the frame of H, W pixels, and so say
    nothing.
    """
    return float(
        (np.prod(tube.boxes[:, 2:] - tube.boxes[:, :2], axis=1) >= 0.99 * size[0] * size[1]).mean()
    )
