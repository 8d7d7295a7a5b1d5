"""The constants of TV-L1 and of its variant for edges, `tvl1_edges`."""

from __future__ import annotations

from typing import NamedTuple


class TVL1Settings(NamedTuple):
    """The constants of the method.

    tau, weight, theta, scales and warps are those of OpenCV's DualTVL1. The last five are steps of
    `tvl1_edges`; without arguments they are left out.
    """

    tau: float = 0.25
    """Step of the dual ascent."""
    weight: float = 0.15
    """lambda, of the data term, for grey levels in [0, 255], at the finest scale."""
    theta: float = 0.3
    """How closely the copies of the flow in the data term and in the regulariser agree."""
    scales: int = 5
    step: float = 0.5
    """The sides of each scale of the pyramid, as a share of the sides of the finer one."""
    smallest: int = 8
    """No scale but the first has a side below this many pixels."""
    warps: int = 5
    """How often the second frame is warped and its brightness linearised at each scale."""
    iterations: int = 25
    """Iterations of the dual scheme after each warp."""
    slack: float = 0.03
    """Gradients of the flow below this (pixels a pixel) are penalised quadratically.

    Pure total variation, 0, makes steps of a slow turn or zoom (Werlberger et al. 2009).
    """
    weight_factor: float = 1.0
    """lambda of each scale, as a share of that of the finer one."""
    blur: float = 0.0
    """What each pixel of a frame takes from either neighbour, along rows and then along columns."""
    five_points: bool = False
    """Whether the gradient of a frame is of five points and not of three (Wedel et al. 2009)."""
    first_share: float = 0.0
    """How much of the gradient is the first frame's, not the second's (Wedel et al. 2009)."""
    edge_rate: float = 0.0
    """How fast the penalty of the flow's gradient falls with the first frame's gradient.

    At 0 the penalty is the same everywhere.
    """


# These constants have the smallest errors among the variants that were ahead of two other programs
# on every pair with true flow: docs/experiments/flow_truth.md.
TVL1_EDGES = TVL1Settings(
    weight=0.2, weight_factor=0.8, blur=0.1, five_points=True, first_share=0.5, edge_rate=5.0
)
"""TV-L1 whose penalty is smaller at edges of the first frame."""
