"""Maps of the states of a convolutional LSTM, for the pictures of the report."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray

STATE_CHANNELS = 3
"""Single channels that are shown beside the mean."""


class StateMaps(NamedTuple):
    """Maps of one video's states.

    `mean` [T, N, N] is the mean of absolute values over channels. `channel` [n] are the numbers of
    n single channels, and `maps` [n, T, N, N] their values with the sign.
    """

    mean: NDArray
    channel: NDArray
    maps: NDArray


def state_maps(states: NDArray, *, channels: int = STATE_CHANNELS) -> StateMaps:
    """Chooses the channels that vary most over the frames and places of a video.

    The variation is the standard deviation: a channel that is large everywhere shows nothing.

    Args:
      states: [T, N, N, K] hidden or cell states.
      channels: the largest number of single channels.

    Returns:
      Maps in float16, which is fine enough for pictures.

    Raises:
      ValueError: states that are not [T, N, N, K].
    """
    if states.ndim != 4 or not states.size:
        raise ValueError(f"states have shape {states.shape}; expected [T, N, N, K], none of them 0")
    values = np.asarray(states, np.float32)
    deviation = values.reshape(-1, values.shape[-1]).std(axis=0)
    # Stable, so that equal channels come in the order of their numbers on every machine.
    channel = np.argsort(-deviation, kind="stable")[:channels]
    # Without their signs, which would cancel between channels.
    mean = np.abs(values).mean(axis=-1)
    maps = np.moveaxis(values[..., channel], -1, 0)
    return StateMaps(mean.astype(np.float16), channel.astype(np.int32), maps.astype(np.float16))
