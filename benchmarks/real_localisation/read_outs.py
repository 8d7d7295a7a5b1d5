"""The ways in which boxes are made of a map; none reads a true box."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from videolstm_jax.config import LocalizeConfig
from videolstm_jax.localize.saliency import upscale_saliency_maps
from videolstm_jax.localize.smooth import keep_boxes_in_frame, smooth_tube
from videolstm_jax.localize.tubes import repeat_last_box, video_tube
from videolstm_jax.types import Tube, Video

MOMENTS = LocalizeConfig(box="moments", sigma=0.0)
READ_OUTS = ("moments", "region", "Otsu")
BINS = 64
"""Of the histogram that Otsu's threshold is found in."""


def tube_of(maps: np.ndarray, video: Video, read_out: str) -> Tube:
    """Makes the tube of a clip.

    Args:
      maps: [T, N, N], not negative.
      video: the clip.
      read_out: one of `READ_OUTS`; `region` is the paper's rule without the Gaussian.
    """
    # A map of zeros has no box in any rule, and a clip without one box has no tube.
    if not maps.any():
        maps = np.ones_like(maps)
    if read_out == "Otsu":
        return otsu_tube(maps, video)
    settings = LocalizeConfig(box=read_out, sigma=0.0)
    return video_tube(maps, (video.height, video.width), video.frames, settings=settings)


def otsu_tube(maps: np.ndarray, video: Video) -> Tube:
    """The box around the largest region above Otsu's threshold of each frame, smoothed."""
    size = video.height, video.width
    boxes = [[0, 0, video.width, video.height]]
    for frame in upscale_saliency_maps(maps, size, 0.0):
        regions, count = ndimage.label(frame >= otsu(frame), np.ones((3, 3)))
        if not count:
            boxes.append(boxes[-1])
            continue
        largest = np.bincount(regions.ravel())[1:].argmax()
        rows, columns = ndimage.find_objects(regions)[largest]
        boxes.append([columns.start, rows.start, columns.stop, rows.stop])
    tube = smooth_tube(Tube(0, np.array(boxes[1:], float)), MOMENTS.span)
    return keep_boxes_in_frame(repeat_last_box(tube, video.frames), size)


def otsu(values: np.ndarray) -> float:
    """The threshold that splits values into two groups with most variance between them."""
    counts, edges = np.histogram(values, BINS)
    centres = (edges[1:] + edges[:-1]) / 2
    below = np.cumsum(counts)[:-1]
    above = counts.sum() - below
    sums = np.cumsum(counts * centres)
    # The first and the last bin hold the extremes, so neither group is ever empty.
    difference = sums[:-1] / below - (sums[-1] - sums[:-1]) / np.maximum(above, 1)
    return float(edges[1:-1][np.argmax(below * above * difference**2)])
