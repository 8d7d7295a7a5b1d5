"""The state of an LSTM that keeps places, as a few maps that can be looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray

CHANNELS = 3
"""Single channels that are kept beside the mean."""


class StateMaps(NamedTuple):
    """One video's states: `mean` [T, N, N], `channel` [n] the numbers of n channels, and their maps
    [n, T, N, N].

    The mean is that of absolute values over channels; a single channel keeps its sign.
    """

    mean: NDArray
    channel: NDArray
    maps: NDArray


def state_maps(states: NDArray, *, channels: int = CHANNELS) -> StateMaps:
    """Picks what can be seen of K channels.

    The channels that differ most over the frames and places of the video are picked, by their
    standard deviation: a channel that is large everywhere shows nothing.

    Args:
      states: [T, N, N, K] hidden or cell states.
      channels: how many to keep at most.

    Returns:
      float16 maps, which the report needs no finer.

    Raises:
      ValueError: states that are not [T, N, N, K].
    """
    if states.ndim != 4 or not states.size:
        raise ValueError(f"states have shape {states.shape}; expected [T, N, N, K], none of them 0")
    values = np.asarray(states, np.float32)
    spread = values.reshape(-1, values.shape[-1]).std(axis=0)
    channel = np.argsort(-spread, kind="stable")[:channels]
    return StateMaps(
        np.abs(values).mean(axis=-1).astype(np.float16),
        channel.astype(np.int32),
        np.moveaxis(values[..., channel], -1, 0).astype(np.float16),
    )
