"""What boxes are made of: attention alone, what it lets through, or that together with what moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from videolstm_jax.localize.baselines import as_attention, flow_attention

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray

STILL = 128
"""The grey level of a flow image where nothing moves."""


def feature_size(x: NDArray) -> NDArray:
    """The mean absolute feature of every place: [T, N, N, D] to [T, N, N] float32."""
    return np.abs(x.astype(np.float32)).mean(axis=-1)


def flow_magnitude(images: NDArray, cells: int) -> NDArray:
    """Where anything moves, as attention [T, N, N]; the arguments are those of
    `flow_against_camera`.
    """
    return flow_attention(images.astype(np.float32) - STILL, cells)


def flow_against_camera(images: NDArray, cells: int) -> NDArray:
    """Where things move otherwise than most of the frame does, as attention: [T, N, N], each map
    sums to 1.

    Args:
      images: [T, H, W, 2] uint8 flow images.
      cells: N.
    """
    flow = images.astype(np.float32) - STILL
    return flow_attention(flow - np.median(flow, axis=(1, 2), keepdims=True), cells)


def evidence(
    kind: str, attention: NDArray, features: NDArray | None = None, flow: NDArray | None = None
) -> NDArray:
    """The maps [T, N, N] that boxes are made of, each of which sums to 1.

    Args:
      kind: `attention` A; `passed`, A times `features`: how much of the map Eq. (9) lets through at
        each place; `moving`, the geometric mean of `passed` and `flow`.
      attention: [T, N, N].
      features: [T, N, N] from `feature_size`; not needed for `attention`.
      flow: [T', N, N] from `flow_against_camera`, of T or T - 1 frames; needed for `moving` only.

    Raises:
      ValueError: a kind that does not exist, or what it needs is not there.
    """
    if kind == "attention":
        return attention
    if kind not in ("passed", "moving"):
        raise ValueError(f"evidence is {kind!r}; expected 'attention', 'passed' or 'moving'")
    if features is None or (kind == "moving" and flow is None):
        lacks = (
            "the size of the features, which evaluate keeps"
            if features is None
            else "the flow images"
        )
        raise ValueError(f"evidence {kind!r} needs {lacks}")
    passed = as_attention(attention * features.astype(np.float64))
    if flow is None or kind == "passed":
        return passed
    moving = np.concatenate([flow, flow[-1:]])[: len(passed)]  # the last frame has no flow
    return as_attention(np.sqrt(passed * moving))
