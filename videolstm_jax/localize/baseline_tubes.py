"""The tubes that a video's own tube is compared with: baselines and upper bounds.

A baseline needs no model. An upper bound is made from the true boxes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from videolstm_jax.localize import baselines
from videolstm_jax.types import Tube

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray

UPPER_BOUNDS = ("perfect_box", "ideal_attention", "perfect_tube")
# Small steps, because map.json keeps the fraction that fits the test truth best: no still box in
# the middle can then do much better than this baseline.
FRACTIONS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Sides of the centred boxes, as fractions of the frame's sides."""

DESCRIPTIONS = {
    "full_frame": "the full frame",
    "centred": "a centred box, with the fraction of the frame's sides that fits the truth best",
    "mean_train_box": "the mean true box of the training list",
    "uniform_attention": "uniform attention through the same localizer",
    "flow_magnitude": "the mean optical flow of each cell as attention, through the same localizer",
    "ideal_attention": "the fraction of each cell that the longest true tube covers, as attention: "
    "the most that a map of this size allows",
    "perfect_box": "the still box that overlaps best with the longest true tube: the most that a "
    "box that does not move allows",
    "perfect_tube": "the longest true tube itself: the most that one tube a video allows with this "
    "model's scores",
}
"""What each baseline and upper bound is, as map.json and the report say it."""


def baseline_tubes(
    truth: Sequence[Tube],
    size: tuple[int, int],
    frames: int,
    cells: int,
    from_attention: Callable[[NDArray], Tube],
    *,
    flow: NDArray | None = None,
    train_box: NDArray | None = None,
    fit: str = "squash",
) -> dict[str, Tube]:
    """Makes all baselines and upper bounds of one video.

    Args:
      truth: its true tubes; the upper bounds are made from the longest.
      size: H, W in pixels.
      frames: L.
      cells: N, the side of the attention map.
      from_attention: the localizer under test, [L', N, N] to a tube of L frames.
      flow: [L', N, N] flow magnitude as attention; without it that baseline is left out.
      train_box: the mean training box [4] as fractions of the frame; without it that baseline is
        left out.
      fit: the setting `data.fit`, for the ideal attention.

    Returns:
      Tubes by name: "centred 0.3" .. "centred 0.9", full_frame, uniform_attention, `UPPER_BOUNDS`,
      and where they can be made mean_train_box and flow_magnitude. All but perfect_tube, the
      longest true tube itself, have L frames.
    """
    height, width = size
    tubes = {}
    for fraction in FRACTIONS:
        tubes[f"centred {fraction}"] = baselines.centred_tube(size, frames, fraction)
    tubes["full_frame"] = baselines.centred_tube(size, frames)
    # One map: the localizer repeats its last box to the end of the video.
    tubes["uniform_attention"] = from_attention(baselines.uniform_attention(1, cells))
    if train_box is not None:
        # Shares of the frame, so that training videos of other sizes count alike.
        pixels = train_box * (width, height, width, height)
        tubes["mean_train_box"] = baselines.still_tube(pixels, frames)
    if flow is not None:
        tubes["flow_magnitude"] = from_attention(flow)
    # A single tube a video is compared, and the longest is the one that a detector gains most by.
    longest = max(truth, key=lambda tube: len(tube.boxes))
    still_box = baselines.best_still_box(longest.boxes)
    tubes["ideal_attention"] = from_attention(_ideal_maps(longest, size, cells, fit))
    tubes["perfect_box"] = baselines.still_tube(still_box, frames)
    tubes["perfect_tube"] = longest
    return tubes


def _ideal_maps(true: Tube, size: tuple[int, int], cells: int, fit: str) -> NDArray:
    """Ideal attention from the first frame of the video to the end of a true tube, [n, N, N]."""
    # Maps of zeros have no box, so the frames before the true tube hold its first box.
    lead = np.zeros((true.start, cells, cells))
    return np.concatenate([lead, baselines.ideal_attention(true.boxes, size, cells, fit)])
