"""Attention, boxes and titles drawn onto frames.

Frames are uint8 [H, W, 3]; saliency is [H, W] in [0, 255]; boxes are x0 y0 x1 y1 in pixels of the
frame, half open.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]

DETECTED: Colour = (64, 224, 255)
"""Detected boxes are cyan, far from every colour of the heat map."""
TRUE: Colour = (255, 255, 255)
"""True boxes are white and dashed, so that readers can tell them apart without colour."""
HEAT: Colour = (252, 165, 60)
"""The colour of the word "attention" in titles, one of the heat map's own."""
BAND: Colour = (24, 26, 32)
"""The dark ground behind titles and between pictures."""
TEXT: Colour = (228, 228, 224)
GREY_WEIGHTS = (0.299, 0.587, 0.114)
"""Rec. 601 luma."""


def display_size(width: int, height: int, side: int) -> tuple[int, int]:
    """Returns the size at which the longer edge of a frame comes near `side` pixels.

    A small frame grows by a whole factor, so that its pixels stay square; a large frame shrinks to
    fit.

    Returns:
      Width and height in pixels.

    Raises:
      ValueError: a size or side below one pixel.
    """
    if min(width, height, side) < 1:
        raise ValueError(
            f"a frame of {width} x {height} pixels cannot be shown at {side}; expected at least 1 "
            "each"
        )
    longest = max(width, height)
    # The largest whole factor: a frame of 64 pixels shown at 150 has 128.
    if longest <= side:
        return width * (side // longest), height * (side // longest)
    return max(1, round(width * side / longest)), max(1, round(height * side / longest))


def resized(frames: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resizes frames [n, H, W, 3] to `size` (W', H').

    Pixels are repeated where both factors are whole numbers; otherwise Pillow's box filter is used.
    """
    width, height = size
    across, down = width // frames.shape[2], height // frames.shape[1]
    if (frames.shape[2] * across, frames.shape[1] * down) == (width, height):
        return frames.repeat(down, axis=1).repeat(across, axis=2)
    return np.stack(
        [np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.BOX)) for frame in frames]
    )


def scaled(boxes: np.ndarray, size: tuple[int, int], shown: tuple[int, int]) -> np.ndarray:
    """Scales boxes [n, 4] from a frame of `size` (W, H) to the same frame at `shown` (W', H')."""
    return np.asarray(boxes, float) * (np.array(shown * 2, float) / np.array(size * 2, float))


def heat(saliency: np.ndarray) -> np.ndarray:
    """Colours a saliency map with matplotlib's `inferno`, opaque in proportion to saliency.

    Args:
      saliency: [H, W] in [0, 255].

    Returns:
      RGBA uint8 [H, W, 4]; where saliency is 0 the alpha is 0 too.

    Raises:
      ValueError: values outside [0, 255] or not finite.
    """
    level = _levels(saliency)
    return np.concatenate([_inferno()[level], level[..., None]], axis=-1)


def _levels(saliency: np.ndarray) -> np.ndarray:
    """Saliency rounded to uint8, checked."""
    saliency = np.asarray(saliency)
    # Written so that NaN is refused too: both comparisons are false for it. Resizing may leave a
    # value slightly above 255.
    if saliency.size and not (saliency.min() >= 0 and saliency.max() <= 255.001):
        raise ValueError(
            f"saliency runs from {saliency.min()} to {saliency.max()}; expected 0 to 255"
        )
    return np.minimum(np.rint(saliency), 255).astype(np.uint8)


@functools.cache
def _inferno() -> np.ndarray:
    """The colours of the 256 levels, [256, 3] uint8.

    The lowest quarter of inferno is near black and would only dim the frame, so the map starts
    above it.
    """
    return colormaps["inferno"](np.linspace(0.25, 1.0, 256), bytes=True)[:, :3]


def blend(frame: np.ndarray, saliency: np.ndarray, alpha: float = 0.8) -> np.ndarray:
    """Blends a frame, faded to grey, with the colours of its saliency.

    Args:
      frame: uint8 [H, W, 3].
      saliency: [H, W] in [0, 255].
      alpha: opacity where saliency is 255, in [0, 1]; 0 leaves the frame as it is.

    Returns:
      uint8 [H, W, 3].

    Raises:
      ValueError: maps of different sizes, or `alpha` outside [0, 1].
    """
    if frame.shape[:2] != saliency.shape:
        raise ValueError(
            f"a frame of {frame.shape[:2]} and a saliency map of {saliency.shape}; expected one "
            "size"
        )
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha is {alpha}; expected 0 to 1")
    # Colours and opacities are tables of 256 levels, and the sums are made in place: a film blends
    # every frame.
    opacity = (np.arange(256, dtype=np.float32) / 255 * np.float32(alpha))[:, None]
    heat_part, frame_part = _inferno().astype(np.float32) * opacity, 1 - opacity
    level = _levels(saliency)
    picture = frame.astype(np.float32)
    # The frame fades to grey, so that colours of the scene are not taken for heat.
    grey = picture @ np.array(GREY_WEIGHTS, np.float32)
    picture *= np.float32(1 - alpha)
    picture += (grey * np.float32(alpha))[..., None]
    picture *= frame_part[level]
    picture += heat_part[level]
    return np.rint(picture, out=picture).clip(0, 255).astype(np.uint8)


def draw_boxes(
    frame: np.ndarray,
    boxes: np.ndarray,
    colours: Sequence[Colour],
    labels: Sequence[str] = (),
    *,
    dashed: Sequence[bool] = (),
) -> np.ndarray:
    """Draws boxes onto a copy of a frame, each with a black rim so that it shows on any ground.

    Args:
      frame: uint8 [H, W, 3]; left untouched.
      boxes: [n, 4]; what lies outside the frame is cut off.
      colours: n colours.
      labels: n short texts above the boxes, or none at all.
      dashed: n flags, or none at all for solid lines.

    Returns:
      uint8 [H, W, 3].
    """
    image = Image.fromarray(frame)
    pen = ImageDraw.Draw(image)
    height, width = frame.shape[:2]
    # Lines grow with the picture: 4 pixels at 256.
    line = max(1, round(max(width, height) / 70))
    rim = max(1, line // 3)
    for index, box in enumerate(np.asarray(boxes, float).reshape(-1, 4)):
        x0, y0, x1, y1 = np.clip(np.rint(box), 0, [width, height] * 2).astype(int).tolist()
        # A box that rounds to nothing, or lies outside, still has one pixel.
        x1, y1 = max(x1, x0 + 1), max(y1, y0 + 1)
        # Boxes are half open and Pillow's rectangles are closed: hence the - 1.
        pen.rectangle(
            (x0 - rim, y0 - rim, x1 - 1 + rim, y1 - 1 + rim),
            outline=(0, 0, 0),
            width=line + 2 * rim,
        )
        dash = 3 * line if dashed and dashed[index] else 0
        _outline(pen, (x0, y0, x1 - 1, y1 - 1), colours[index], line, dash)
        if labels:
            _label(pen, labels[index], (x0, y0), colours[index], (width, height))
    return np.asarray(image)


def _outline(
    pen: ImageDraw.ImageDraw, box: tuple[int, int, int, int], colour: Colour, line: int, dash: int
) -> None:
    """Draws the four sides; `dash` is the length of a dash in pixels, 0 for solid lines."""
    x0, y0, x1, y1 = box
    if not dash:
        pen.rectangle(box, outline=colour, width=line)
        return
    # Pillow draws no dashed lines: each dash is a filled rectangle, each gap as long as a dash.
    for x in range(x0, x1 + 1, 2 * dash):
        end = min(x + dash - 1, x1)
        pen.rectangle((x, y0, end, y0 + line - 1), fill=colour)
        pen.rectangle((x, y1 - line + 1, end, y1), fill=colour)
    for y in range(y0, y1 + 1, 2 * dash):
        end = min(y + dash - 1, y1)
        pen.rectangle((x0, y, x0 + line - 1, end), fill=colour)
        pen.rectangle((x1 - line + 1, y, x1, end), fill=colour)


def _label(
    pen: ImageDraw.ImageDraw,
    text: str,
    corner: tuple[int, int],
    colour: Colour,
    size: tuple[int, int],
) -> None:
    """Writes a text above the box, or inside where there is no room above it."""
    font = ImageFont.load_default(text_size(max(size)))
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
    wide, high = right - left + 4, bottom - top + 4
    # kept within the frame on all sides
    x = max(0, min(corner[0], size[0] - int(wide)))
    y = corner[1] - int(high) if corner[1] >= high else min(corner[1], size[1] - int(high))
    pen.rectangle((x, y, x + wide - 1, y + high - 1), fill=(0, 0, 0))
    pen.text((x + 2 - left, y + 2 - top), text, font=font, fill=colour)


def text_size(side: int) -> int:
    """Returns the size of readable text on a picture whose longer edge has `side` pixels."""
    return max(10, min(48, round(side / 16)))


def titled(frame: np.ndarray, parts: Sequence[tuple[str, Colour]]) -> np.ndarray:
    """Puts a dark band with short texts, each in its colour, above a frame.

    Texts from the first that does not fit are left out.
    """
    size = text_size(max(frame.shape[:2]))
    band = Image.new("RGB", (frame.shape[1], size + 6), BAND)
    pen, font, x = ImageDraw.Draw(band), ImageFont.load_default(size), 4.0
    for text, colour in parts:
        # A text cut in the middle would be misread, so it is left out whole.
        if x + pen.textlength(text, font=font) > frame.shape[1]:
            break
        pen.text((x, 1), text, font=font, fill=colour)
        x += pen.textlength(text + "  ", font=font)
    return np.concatenate([np.asarray(band), frame])


def boxed(frame: np.ndarray, detections: np.ndarray | None, truth: np.ndarray | None) -> np.ndarray:
    """Draws true boxes, white and dashed, and over them the detected boxes, cyan."""
    below, above = _boxes(truth), _boxes(detections)
    return draw_boxes(
        frame,
        np.concatenate([below, above]),
        [TRUE] * len(below) + [DETECTED] * len(above),
        dashed=[True] * len(below) + [False] * len(above),
    )


def _boxes(boxes: np.ndarray | None) -> np.ndarray:
    return np.zeros((0, 4)) if boxes is None else np.asarray(boxes, float).reshape(-1, 4)


def filmstrip(
    frames: np.ndarray, *, columns: int = 8, gap: int = 3, ground: Colour = (255, 255, 255)
) -> np.ndarray:
    """Lays frames [n, H, W, 3] out in rows of `columns`, `gap` pixels apart on `ground`.

    Returns:
      uint8 [H', W', 3].

    Raises:
      ValueError: no frame.
    """
    count, height, width, _ = frames.shape
    if not count:
        raise ValueError("a filmstrip of no frames; expected at least one")
    columns = min(columns, count)
    rows = -(-count // columns)  # rounded up; the last row may have free places
    sheet = np.full(
        (rows * (height + gap) - gap, columns * (width + gap) - gap, 3), ground, np.uint8
    )
    for index, frame in enumerate(frames):
        y, x = index // columns * (height + gap), index % columns * (width + gap)
        sheet[y : y + height, x : x + width] = frame
    return sheet


def evenly(length: int, count: int) -> np.ndarray:
    """Returns numbers of `count` frames, or of all if fewer, spread from the first to the last."""
    # Rounding may give one number twice where frames are few.
    return np.unique(np.rint(np.linspace(0, length - 1, min(count, length))).astype(int))
