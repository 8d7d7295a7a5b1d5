"""The state of an LSTM over time as pictures."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from matplotlib import colormaps

from videolstm_jax.report.pictures import overlay
from videolstm_jax.square import square_window


class States(NamedTuple):
    """State maps of one video of T frames.

    `kind` is "hidden" or "cell". `mean` [T, N, N] is the mean of the absolute values over channels.
    `channel` [n] are numbers of channels, `maps` [n, T, N, N] their values.
    """

    kind: str
    mean: np.ndarray
    channel: np.ndarray
    maps: np.ndarray


def state_picture_sheet(
    states: States, frames: np.ndarray, size: tuple[int, int], fit: str = "squash"
) -> np.ndarray:
    """Draws frames across, the mean over channels in the first row, then a row for each channel.

    Args:
      states: of one video.
      frames: [n] the frames shown; a frame without a state shows the last state.
      size: (W, H) pixels of one picture.
      fit: the setting `data.fit`. Of a map on padded frames only the part of the frame is drawn;
        what a crop left out is dark.

    Returns:
      uint8 [H', W', 3]. Every row has its own scale; that of a channel is symmetric about zero.
    """
    # Models that read flow have no state for the last frame.
    times = np.minimum(frames, len(states.mean) - 1)
    rows = [("mean", heat_coloured_maps(states.mean, times, signed=False))]
    for number, maps in zip(states.channel.tolist(), states.maps, strict=True):
        rows.append((f"channel {number}", heat_coloured_maps(maps, times, signed=True)))
    pictures = []
    for name, row in rows:
        for column, frame in enumerate(frames.tolist()):
            # The first picture of a row names the row.
            title = f"frame {frame}"
            if column == 0:
                title = name
            pictures.append(
                overlay.titled_frame_picture(
                    _enlarged(row[column], size, fit), [(title, overlay.TEXT)]
                )
            )
    return overlay.filmstrip(np.stack(pictures), columns=len(frames), ground=overlay.BAND)


def heat_coloured_maps(maps: np.ndarray, times: np.ndarray, *, signed: bool) -> np.ndarray:
    """Colours frames `times` [n] of maps [T, N, N] on the scale of all T; uint8 [n, N, N, 3]."""
    maps = np.asarray(maps, float)
    # All frames share one scale, so that changes over time are seen; maps of zeros have scale 1.
    largest = np.abs(maps).max(initial=0) or 1.0
    # The diverging map has white at .5, which is zero.
    if signed:
        return colormaps["RdBu_r"](0.5 + 0.5 * maps[times] / largest, bytes=True)[..., :3]
    return colormaps["inferno"](maps[times] / largest, bytes=True)[..., :3]


def _enlarged(image: np.ndarray, size: tuple[int, int], fit: str) -> np.ndarray:
    """A picture of a few map cells at W x H pixels, each cell a plain rectangle."""
    width, height = size
    part = square_window(fit, (height, width))
    # By index, not by a filter: a smooth picture would suggest more places than the map has.
    columns = np.floor((np.arange(width) - part.left) * image.shape[1] / part.width).astype(int)
    rows = np.floor((np.arange(height) - part.top) * image.shape[0] / part.height).astype(int)
    # Negative numbers would take cells of the other end; they are beside a crop, as large ones are.
    inside_rows = (rows >= 0) & (rows < image.shape[0])
    inside_columns = (columns >= 0) & (columns < image.shape[1])
    picture = np.empty((height, width, 3), np.uint8)
    picture[:] = overlay.BAND
    cells = image[rows[inside_rows]][:, columns[inside_columns]]
    picture[np.ix_(inside_rows, inside_columns)] = cells
    return picture
