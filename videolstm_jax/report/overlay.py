"""What a model attends to, drawn onto the frames it saw.

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

FOUND: Colour = (64, 224, 255)
"""The box that a model found: cyan, which no colour of the heat map comes near."""
TRUE: Colour = (255, 255, 255)
"""The true box: white, and dashed, so that it is told apart without colour too."""
HEAT: Colour = (252, 165, 60)
"""The colour that names the heat map: one of its own."""
BAND: Colour = (24, 26, 32)
TEXT: Colour = (228, 228, 224)


def display_size(width: int, height: int, side: int) -> tuple[int, int]:
    """The size at which a frame is shown so that its longer edge comes near `side` pixels.

    A small frame grows by a whole factor, so that its pixels stay square; a large one shrinks to
    fit.

    Returns:
      Width and height in pixels.

    Raises:
      ValueError: a size or side below one pixel.
    """
    if min(width, height, side) < 1:
        raise ValueError(
            f"a frame of {width} x {height} pixels cannot be shown at {side}; expected at least 1 each"
        )
    longest = max(width, height)
    if longest <= side:
        return width * (side // longest), height * (side // longest)
    return max(1, round(width * side / longest)), max(1, round(height * side / longest))


def resized(frames: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Frames [n, H, W, 3] at `size` (W', H'): repeated pixels for whole factors, else Pillow's box
    filter.
    """
    width, height = size
    across, down = width // frames.shape[2], height // frames.shape[1]
    if (frames.shape[2] * across, frames.shape[1] * down) == (width, height):
        return frames.repeat(down, axis=1).repeat(across, axis=2)
    return np.stack(
        [np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.BOX)) for frame in frames]
    )


def scaled(boxes: np.ndarray, size: tuple[int, int], shown: tuple[int, int]) -> np.ndarray:
    """Boxes [n, 4] of a frame of `size` (W, H) as pixels of the same frame shown at `shown` (W',
    H').
    """
    return np.asarray(boxes, float) * (np.array(shown * 2, float) / np.array(size * 2, float))


def heat(saliency: np.ndarray) -> np.ndarray:
    """The colours of a saliency map: matplotlib's perceptually uniform `inferno`, opaque in
    proportion to saliency.

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
    saliency = np.asarray(saliency)
    if saliency.size and not (
        saliency.min() >= 0 and saliency.max() <= 255.001
    ):  # neither holds where one is NaN
        raise ValueError(
            f"saliency runs from {saliency.min()} to {saliency.max()}; expected 0 to 255"
        )
    return np.minimum(np.rint(saliency), 255).astype(np.uint8)


@functools.cache
def _inferno() -> np.ndarray:
    # The lowest third of inferno is near black and would only dim the frame: the map starts above
    # it.
    return colormaps["inferno"](np.linspace(0.25, 1.0, 256), bytes=True)[:, :3]


def blend(frame: np.ndarray, saliency: np.ndarray, alpha: float = 0.8) -> np.ndarray:
    """A frame, faded to grey, under the colours of its saliency.

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
            f"a frame of {frame.shape[:2]} and a saliency map of {saliency.shape}; expected one size"
        )
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha is {alpha}; expected 0 to 1")
    opacity = (np.arange(256, dtype=np.float32) / 255 * np.float32(alpha))[:, None]
    over, through = (
        _inferno().astype(np.float32) * opacity,
        1 - opacity,
    )  # by level: a film blends every frame
    level = _levels(saliency)
    under = frame.astype(np.float32)
    grey = under @ np.array([0.299, 0.587, 0.114], np.float32)
    under *= np.float32(1 - alpha)  # grey below, so that a colourful scene is not read as heat
    under += (grey * np.float32(alpha))[..., None]
    under *= through[level]
    under += over[level]
    return np.rint(under, out=under).clip(0, 255).astype(np.uint8)


def draw_boxes(
    frame: np.ndarray,
    boxes: np.ndarray,
    colours: Sequence[Colour],
    labels: Sequence[str] = (),
    *,
    dashed: Sequence[bool] = (),
) -> np.ndarray:
    """The frame with boxes on it, each rimmed in black so that it shows on any ground.

    Args:
      frame: uint8 [H, W, 3]; left untouched.
      boxes: [n, 4]; what lies outside the frame is cut off.
      colours: n colours.
      labels: n short words above the boxes, or none at all.
      dashed: n flags, or none at all for solid lines.

    Returns:
      uint8 [H, W, 3].
    """
    image = Image.fromarray(frame)
    pen = ImageDraw.Draw(image)
    height, width = frame.shape[:2]
    line = max(1, round(max(width, height) / 70))
    rim = max(1, line // 3)
    for index, box in enumerate(np.asarray(boxes, float).reshape(-1, 4)):
        x0, y0, x1, y1 = np.clip(np.rint(box), 0, [width, height] * 2).astype(int).tolist()
        x1, y1 = max(x1, x0 + 1), max(y1, y0 + 1)
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
    x0, y0, x1, y1 = box
    if not dash:
        pen.rectangle(box, outline=colour, width=line)
        return
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
    font = ImageFont.load_default(text_size(max(size)))
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
    wide, high = right - left + 4, bottom - top + 4
    x = max(0, min(corner[0], size[0] - int(wide)))
    y = corner[1] - int(high) if corner[1] >= high else min(corner[1], size[1] - int(high))
    pen.rectangle((x, y, x + wide - 1, y + high - 1), fill=(0, 0, 0))
    pen.text((x + 2 - left, y + 2 - top), text, font=font, fill=colour)


def text_size(side: int) -> int:
    """Points of readable text on a picture whose longer edge has `side` pixels."""
    return max(10, min(48, round(side / 16)))


def titled(frame: np.ndarray, parts: Sequence[tuple[str, Colour]]) -> np.ndarray:
    """The frame under a dark band that carries short words, each in its colour; words that do not
    fit are left out.
    """
    size = text_size(max(frame.shape[:2]))
    band = Image.new("RGB", (frame.shape[1], size + 6), BAND)
    pen, font, x = ImageDraw.Draw(band), ImageFont.load_default(size), 4.0
    for text, colour in parts:
        if x + pen.textlength(text, font=font) > frame.shape[1]:
            break
        pen.text((x, 1), text, font=font, fill=colour)
        x += pen.textlength(text + "  ", font=font)
    return np.concatenate([np.asarray(band), frame])


def boxed(frame: np.ndarray, found: np.ndarray | None, truth: np.ndarray | None) -> np.ndarray:
    """The frame with true boxes, white and dashed, under the found ones, cyan."""
    true = np.zeros((0, 4)) if truth is None else np.asarray(truth, float).reshape(-1, 4)
    guess = np.zeros((0, 4)) if found is None else np.asarray(found, float).reshape(-1, 4)
    return draw_boxes(
        frame,
        np.concatenate([true, guess]),
        [TRUE] * len(true) + [FOUND] * len(guess),
        dashed=[True] * len(true) + [False] * len(guess),
    )


def filmstrip(
    frames: np.ndarray, *, columns: int = 8, gap: int = 3, ground: Colour = (255, 255, 255)
) -> np.ndarray:
    """Frames [n, H, W, 3] in rows of `columns`, `gap` pixels apart on `ground`; uint8 [H', W', 3].

    Raises:
      ValueError: no frame.
    """
    count, height, width, _ = frames.shape
    if not count:
        raise ValueError("a filmstrip of no frames; expected at least one")
    columns = min(columns, count)
    rows = -(-count // columns)
    sheet = np.full(
        (rows * (height + gap) - gap, columns * (width + gap) - gap, 3), ground, np.uint8
    )
    for index, frame in enumerate(frames):
        y, x = index // columns * (height + gap), index % columns * (width + gap)
        sheet[y : y + height, x : x + width] = frame
    return sheet


def evenly(length: int, count: int) -> np.ndarray:
    """The indices of `count` frames (or all, where there are fewer) spread evenly from the first to
    the last of L.
    """
    return np.unique(np.rint(np.linspace(0, length - 1, min(count, length))).astype(int))
