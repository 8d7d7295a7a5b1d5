"""The tubes that a video's own tube is compared with: baselines that need no model, and upper_bound that
know the truth.
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
FRACTIONS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Sides of the centred boxes that are tried, in shares of the frame's."""


def baseline_tubes(
    truth: Sequence[Tube],
    size: tuple[int, int],
    frames: int,
    cells: int,
    from_attention: Callable[[NDArray], Tube],
    *,
    flow: NDArray | None = None,
    train_box: NDArray | None = None,
) -> dict[str, Tube]:
    """All baselines and upper bounds of one video.

    Args:
      truth: its true tubes; the upper bounds are made of the longest.
      size: H, W in pixels.
      frames: L.
      cells: N, the side of the attention map.
      from_attention: the pipeline under test, [L', N, N] -> tube of L frames.
      flow: [L', N, N] flow magnitude as attention; without it that baseline is left out.
      train_box: the mean training box in shares of the frame [4]; without it that baseline is left
        out.

    Returns:
      Tubes by name: "centred 0.3" .. "centred 0.9", full_frame, uniform_attention, `UPPER_BOUNDS`, and
      where they can be made mean_train_box and flow_magnitude. All but perfect_tube, the longest
      true tube itself, have L frames.
    """
    height, width = size
    made = {
        f"centred {fraction}": baselines.centred_tube(size, frames, fraction)
        for fraction in FRACTIONS
    }
    made["full_frame"] = baselines.centred_tube(size, frames)
    made["uniform_attention"] = from_attention(baselines.uniform_attention(1, cells))
    if train_box is not None:
        made["mean_train_box"] = baselines.still_tube(
            train_box * (width, height, width, height), frames
        )
    if flow is not None:
        made["flow_magnitude"] = from_attention(flow)
    longest = max(truth, key=lambda tube: len(tube.boxes))
    lead = np.zeros(
        (longest.start, cells, cells)
    )  # maps of zeros have no box, so the first true one is held
    ideal = baselines.ideal_attention(longest.boxes, size, cells)
    made["ideal_attention"] = from_attention(np.concatenate([lead, ideal]))
    made["perfect_box"] = baselines.still_tube(baselines.best_still_box(longest.boxes), frames)
    made["perfect_tube"] = longest
    return made
