"""Statistics of attention: how peaked it is, how it moves, and how much of it lies on the actor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from videolstm_jax.types import Tube

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray

UNIFORM_ENTROPY = 0.99
"""Attention is called uniform if its mean entropy exceeds this fraction of the largest possible."""
CONSTANT_MOTION = 0.01
"""Attention is called constant if its maps differ from their mean by less than this fraction."""
FULL_FRAME_AREA = 0.99
"""A box that covers this fraction of the frame or more is a full-frame box."""


class FrameStats(NamedTuple):
    """Statistics of one video's attention on every frame, [T] each.

    `entropy` in [0, 1]; `peak`, the largest value; `drift`, the fraction of the mass that lies
    elsewhere than on the frame before, NaN on the first frame.
    """

    entropy: NDArray
    peak: NDArray
    drift: NDArray


class AttentionStats(NamedTuple):
    """Statistics of one video's attention.

    `entropy`, `peak` and `drift` are means of `frames`; `mean` [N, N] is the mean map; `motion` is
    the fraction of the mass that would have to move to make each map the mean map.
    """

    entropy: float
    peak: float
    drift: float
    motion: float
    mean: NDArray
    frames: FrameStats


# ---- one video -----------------------------------------------------------------------------------


def frame_stats(attention: NDArray) -> FrameStats:
    """Computes the statistics of every map of one video.

    Args:
      attention: [T, N, N], each map sums to 1.

    Returns:
      The entropy of each map divided by log N^2, its largest value, and its drift: half the sum of
      absolute differences to the map before.
    """
    flat = np.asarray(attention, float).reshape(len(attention), -1)
    # p log p goes to 0 with p, so an empty cell may have the logarithm of 1.
    logs = np.log(np.where(flat > 0, flat, 1))
    # A map of one cell has no entropy to be divided by.
    largest = 1.0
    if flat.shape[1] > 1:
        largest = np.log(flat.shape[1])
    entropy = -(flat * logs).sum(axis=1) / largest
    # Mass that moves is counted where it leaves and again where it arrives.
    drift = 0.5 * np.abs(np.diff(flat, axis=0)).sum(axis=1)
    return FrameStats(entropy, flat.max(axis=1), np.concatenate([[np.nan], drift]))


def attention_stats(attention: NDArray) -> AttentionStats:
    """Computes the statistics of the attention of one video.

    Args:
      attention: [T, N, N], each map sums to 1.

    Returns:
      Means over frames; the drift of a video of one frame is 0.
    """
    attention = np.asarray(attention, float)
    flat = attention.reshape(len(attention), -1)
    mean = flat.mean(axis=0)
    frames = frame_stats(attention)
    drift = 0.0
    if len(flat) > 1:
        drift = float(frames.drift[1:].mean())
    return AttentionStats(
        entropy=float(frames.entropy.mean()),
        peak=float(frames.peak.mean()),
        drift=drift,
        motion=_mean_distance(flat, mean),
        mean=mean.reshape(attention.shape[1:]),
        frames=frames,
    )


def _mean_distance(maps: NDArray, mean: NDArray) -> float:
    """Returns the mean fraction of mass that must move to turn maps [n, N N] into their mean."""
    # Half of it: mass that moves is counted where it leaves and again where it arrives.
    return float(0.5 * np.abs(maps - mean).sum(axis=1).mean())


def attention_mass_inside(attention: NDArray, covered: NDArray) -> tuple[NDArray, NDArray]:
    """Measures how much of the attention lies inside the true boxes.

    Args:
      attention: [T, N, N], each map sums to 1; the weight of a cell is spread evenly over it.
      covered: [T, N, N] the fraction of each cell that the true boxes cover; zero on frames
        without truth.

    Returns:
      The attention's mass inside the box [T], and the box's fraction of the frame [T], which is
      the mass that uniform attention would have there; NaN on frames without truth.
    """
    has_truth = covered.any(axis=(1, 2))
    # A cell that is half covered gives half of its weight.
    mass = (attention * covered).sum(axis=(1, 2))
    area = covered.mean(axis=(1, 2))
    return np.where(has_truth, mass, np.nan), np.where(has_truth, area, np.nan)


def attention_share_of_full_frames(tube: Tube, size: tuple[int, int]) -> float:
    """Returns the fraction of a tube's boxes that cover 99 % or more of the frame (H, W pixels)."""
    height, width = size
    areas = np.prod(tube.boxes[:, 2:] - tube.boxes[:, :2], axis=1)
    return float((areas >= FULL_FRAME_AREA * height * width).mean())


# ---- all videos ----------------------------------------------------------------------------------


def attention_summary(
    stats: Sequence[AttentionStats], inside: Sequence[tuple[NDArray, NDArray]]
) -> dict[str, Any]:
    """Summarises the attention of all videos, as map.json holds it.

    Args:
      stats: of every video.
      inside: `attention_mass_inside` of every video with truth; its mean over frames is the
        video's share.

    Returns:
      `mean_attention_stats`; `warning`; `mass_inside_truth` and `area_of_truth`, None without
      truth; and `over_time`: the means of the same numbers frame by frame.
    """
    means = mean_attention_stats(stats)
    over_time = {}
    for name in FrameStats._fields:
        over_time[name] = mean_attention_by_frame([getattr(video.frames, name) for video in stats])
    shares: dict[str, float | None] = {"mass_inside_truth": None, "area_of_truth": None}
    if inside:
        for name, rows in zip(shares, zip(*inside, strict=True), strict=True):
            over_time[name] = mean_attention_by_frame(rows)
            shares[name] = _mean_over_videos(rows)
    return {**means, **shares, "warning": attention_warning(means), "over_time": over_time}


def _mean_over_videos(rows: Sequence[NDArray]) -> float | None:
    """Averages each row [T] over its frames, then over videos; None where no frame has a number."""
    means = []
    for row in rows:
        # numpy warns of a mean over nothing, so videos without a number are passed over.
        if not np.isnan(row).all():
            means.append(float(np.nanmean(row)))
    if not means:
        return None
    return float(np.mean(means))


def mean_attention_stats(stats: Sequence[AttentionStats]) -> dict[str, float]:
    """Averages the statistics over videos.

    Returns:
      The means of `entropy`, `peak`, `drift` and `motion`, and `between`: the fraction of the mass
      that would have to move to make each video's mean map the mean map of all.
    """
    means = {}
    for name in ("entropy", "peak", "drift", "motion"):
        means[name] = float(np.mean([getattr(video, name) for video in stats]))
    maps = np.array([video.mean.ravel() for video in stats])
    # The mean maps of videos against the mean of all: attention that only has a favourite place
    # differs by nothing.
    means["between"] = _mean_distance(maps, maps.mean(axis=0))
    return means


def mean_attention_by_frame(rows: Sequence[NDArray]) -> list[float | None]:
    """Averages over videos on every frame, up to the frame that half of the videos reach.

    Args:
      rows: one number a frame [T] of each video, NaN where a frame has none.

    Returns:
      One number a frame, None where no video has one.
    """
    # Beyond the median length a mean would be that of a few long videos.
    lengths = sorted(map(len, rows), reverse=True)
    frames = 0
    if lengths:
        frames = lengths[(len(lengths) - 1) // 2]
    table = np.full((len(rows), frames), np.nan)
    for line, row in zip(table, rows, strict=True):
        line[: len(row)] = row[:frames]
    means: list[float | None] = []
    for column in table.T:
        numbers = column[~np.isnan(column)]
        mean = None
        if len(numbers):
            mean = float(numbers.mean())
        means.append(mean)
    return means


def attention_warning(means: dict[str, float]) -> str | None:
    """Returns a warning if the attention cannot localise anything; else None."""
    if means["entropy"] > UNIFORM_ENTROPY:
        return (
            f"attention is nearly uniform: its entropy is {means['entropy']:.3f} of the largest "
            "possible"
        )
    if means["motion"] + means["between"] < CONSTANT_MOTION:
        return "attention hardly depends on the video: all maps are nearly the same"
    return None
