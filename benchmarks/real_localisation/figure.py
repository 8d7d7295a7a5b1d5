"""A picture of a few frames of stick actions with their foreground maps and boxes."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from PIL import Image, ImageDraw

from benchmarks.real_localisation import frame_maps, label_free
from benchmarks.real_localisation.label_free import MapsOf
from benchmarks.real_localisation.read_outs import tube_of
from benchmarks.real_localisation.tasks import Fold
from videolstm_jax.localize.foreground import foreground_maps
from videolstm_jax.localize.saliency import scale_saliency_to_255, upscale_saliency_maps
from videolstm_jax.types import Tube, Video

SIDE = 160
"""Pixels of a frame in the picture."""
TRUE_COLOUR, BOX_COLOUR = (40, 200, 60), (255, 60, 60)
GAP = 4
COLUMNS = 5
"""Clips that are drawn of a task."""


def save(sheets: Sequence[Image.Image], path: pathlib.Path) -> None:
    """Writes pictures side by side as one PNG file."""
    width = sum(sheet.width for sheet in sheets) + 2 * GAP * (len(sheets) - 1)
    joined = Image.new("RGB", (width, sheets[0].height), "white")
    left = 0
    for sheet in sheets:
        joined.paste(sheet, (left, 0))
        left += sheet.width + 2 * GAP
    # Few colours are enough, and keep the file small.
    joined.quantize(128).save(path, optimize=True)


def draw(
    fold: Fold, arrays: pathlib.Path, truth: Mapping[str, Sequence[Tube]], frames_of: MapsOf
) -> Image.Image:
    """Draws frames in the first row, and the foreground of either layer below them.

    Args:
      fold: whose test clips are drawn, the first of each of some classes.
      arrays: the folder of the maps.
      truth: true tubes by clip.
      frames_of: from a clip to its frames [L', S, S, 3].
    """
    axes = {}
    for layer in frame_maps.LAYERS:
        axes[layer] = label_free.foreground_of(fold.train, partial(_maps, arrays, layer))
    chosen = {video.label: video for video in reversed(fold.test)}
    clips = [chosen[label] for label in sorted(chosen)][:COLUMNS]
    rows = 1 + len(axes)
    sheet = Image.new("RGB", (len(clips) * (SIDE + GAP), rows * (SIDE + GAP)), "white")
    for column, video in enumerate(clips):
        middle = (video.frames - 1) // 2
        picture = Image.fromarray(frames_of(video)[middle]).resize((SIDE, SIDE))
        true_box = truth[video.name][0].boxes[middle]
        cells = [_with_boxes(picture, video, [(true_box, TRUE_COLOUR)])]
        for layer, axis in axes.items():
            maps = foreground_maps(_maps(arrays, layer, video), axis)
            box = tube_of(maps, video, "moments").boxes[middle]
            heat = _heat(picture, maps[middle : middle + 1])
            cells.append(_with_boxes(heat, video, [(true_box, TRUE_COLOUR), (box, BOX_COLOUR)]))
        for row, cell in enumerate(cells):
            sheet.paste(cell, (column * (SIDE + GAP), row * (SIDE + GAP)))
    return sheet


def _maps(arrays: pathlib.Path, layer: str, video: Video) -> np.ndarray:
    return np.load(frame_maps.array_path(arrays, layer, video))


def _heat(picture: Image.Image, maps: np.ndarray) -> Image.Image:
    """The picture, dark where the map is low."""
    values = upscale_saliency_maps(maps, (SIDE, SIDE), 0.0)
    shares = scale_saliency_to_255(values, values.max(axis=(1, 2), keepdims=True))[0] / 255
    pixels = np.asarray(picture) * (0.25 + 0.75 * shares[..., None])
    return Image.fromarray(pixels.astype(np.uint8))


def _with_boxes(
    picture: Image.Image, video: Video, boxes: Sequence[tuple[np.ndarray, tuple[int, int, int]]]
) -> Image.Image:
    """The picture with the outlines of boxes, each with its colour."""
    drawn = picture.copy()
    for box, colour in boxes:
        scaled = np.asarray(box) * SIDE / np.array([video.width, video.height] * 2)
        ImageDraw.Draw(drawn).rectangle(scaled.tolist(), outline=colour, width=2)
    return drawn
