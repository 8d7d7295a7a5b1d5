"""The maps that boxes are made of: attention, weighted features (Eq. 9), motion, or foreground."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from videolstm_jax.localize.baselines import flow_baseline_attention, maps_as_attention

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray

ZERO_FLOW = 128
"""The grey level of a flow image where nothing moves."""


def localizer_input(
    kind: str,
    attention: NDArray,
    features: NDArray | None = None,
    flow: NDArray | None = None,
    foreground: NDArray | None = None,
) -> NDArray:
    """Returns the maps [T, N, N] that boxes are made of; each sums to 1.

    Args:
      kind: the setting `localize.input`. `attention`: A itself. `weighted_features`: A times
        `features`, the size of the weighted features that the LSTM reads, Eq. (9). `motion`: the
        geometric mean of the weighted features and `flow`. `foreground`: the foreground alone,
        without the attention.
      attention: A, [T, N, N].
      features: [T, N, N] from `localizer_input_of_features`; not needed for `attention`.
      flow: [T', N, N] from `localizer_flow_without_camera`, of T or T - 1 frames; needed for
        `motion` only.
      foreground: [T, N, N] from `foreground_maps`; needed for `foreground` only.

    Raises:
      ValueError: what this kind needs is missing.
    """
    # The map itself: it sums to 1 already, and dividing by a rounded sum would change its bits.
    if kind == "attention":
        return attention
    if kind == "foreground":
        if foreground is None:
            raise ValueError(
                "localize.input 'foreground' needs the foreground of the features, which evaluate "
                "writes"
            )
        return maps_as_attention(foreground.astype(np.float64))
    if features is None:
        raise ValueError(
            f"localize.input {kind!r} needs the size of the features, which evaluate writes"
        )
    weighted = maps_as_attention(attention * features.astype(np.float64))
    if kind == "weighted_features":
        return weighted
    if flow is None:
        raise ValueError(f"localize.input {kind!r} needs the flow images")
    # The last frame has no flow image of its own: the flow before it is repeated.
    motion = np.concatenate([flow, flow[-1:]])[: len(weighted)]
    # The geometric mean is high only where both are: still objects and moving background drop out.
    return maps_as_attention(np.sqrt(weighted * motion))


def localizer_input_of_features(x: NDArray) -> NDArray:
    """Returns the mean absolute feature of every place: [T, N, N, D] to [T, N, N] float32."""
    return np.abs(x.astype(np.float32)).mean(axis=-1)


def localizer_input_of_flow(images: NDArray, cells: int, fit: str = "squash") -> NDArray:
    """Returns the magnitude of the flow as attention.

    Args:
      images: [T, H, W, 2] uint8 flow images.
      cells: N.
      fit: the setting `data.fit`.

    Returns:
      [T, N, N], each map sums to 1.
    """
    return flow_baseline_attention(images.astype(np.float32) - ZERO_FLOW, cells, fit)


def localizer_flow_without_camera(images: NDArray, cells: int, fit: str = "squash") -> NDArray:
    """Returns the magnitude of the flow without the camera's motion, as attention.

    The camera's motion is the median displacement of each frame: most pixels are background.

    Args:
      images: [T, H, W, 2] uint8 flow images.
      cells: N.
      fit: the setting `data.fit`.

    Returns:
      [T, N, N], each map sums to 1.
    """
    flow = images.astype(np.float32) - ZERO_FLOW
    camera = np.median(flow, axis=(1, 2), keepdims=True)
    return flow_baseline_attention(flow - camera, cells, fit)
