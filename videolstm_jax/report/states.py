"""The state of an LSTM as pictures, beside the frames it was in."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from matplotlib import colormaps

from videolstm_jax.report import overlay


class States(NamedTuple):
    """`kind` (hidden or cell), `mean` [T, N, N] over channels, `channel` [n] numbers and their
    `maps` [n, T, N, N].
    """

    kind: str
    mean: np.ndarray
    channel: np.ndarray
    maps: np.ndarray


def sheet(states: States, frames: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Some frames across; down the mean over channels, then each channel.

    Args:
      states: of one video.
      frames: [n] the frames shown; beyond the last state, the last one stands.
      size: (W, H) pixels of one picture.

    Returns:
      uint8 [H', W', 3]; every row has its own scale, a channel's is symmetric about zero.
    """
    at = np.minimum(frames, len(states.mean) - 1)
    rows = [("mean", coloured(states.mean, at, signed=False))]
    rows += [
        (f"channel {number}", coloured(maps, at, signed=True))
        for number, maps in zip(states.channel.tolist(), states.maps, strict=True)
    ]
    cells = [
        overlay.titled(
            _enlarged(one, size), [(name if column == 0 else f"frame {frame}", overlay.TEXT)]
        )
        for name, row in rows
        for column, (one, frame) in enumerate(zip(row, frames.tolist(), strict=True))
    ]
    return overlay.filmstrip(np.stack(cells), columns=len(frames), ground=overlay.BAND)


def coloured(maps: np.ndarray, at: np.ndarray, *, signed: bool) -> np.ndarray:
    """Frames `at` of maps [T, N, N] as uint8 [n, N, N, 3], on the scale of all T."""
    maps = np.asarray(maps, float)
    largest = np.abs(maps).max(initial=0) or 1.0
    if signed:
        return colormaps["RdBu_r"](0.5 + 0.5 * maps[at] / largest, bytes=True)[..., :3]
    return colormaps["inferno"](maps[at] / largest, bytes=True)[..., :3]


def _enlarged(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A picture of a few cells at W x H pixels, each cell a plain rectangle."""
    across, down = (
        (np.arange(pixels) * cells) // pixels
        for pixels, cells in zip(size, (image.shape[1], image.shape[0]), strict=True)
    )
    return image[down][:, across]
