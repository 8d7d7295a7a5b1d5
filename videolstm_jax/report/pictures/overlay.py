"""Boxes and titles drawn onto frames, and frames laid out in rows.

Frames are uint8 [H, W, 3]; boxes are x0 y0 x1 y1 in pixels of the frame, half open.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
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


def picture_display_size(width: int, height: int, side: int) -> tuple[int, int]:
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


def resized_frame_picture(frames: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resizes frames [n, H, W, 3] to `size` (W', H').

    Pixels are repeated where both factors are whole numbers; otherwise Pillow's box filter is used.
    """
    width, height = size
    # Whole factors repeat pixels, so that the squares of small frames stay sharp.
    across, down = width // frames.shape[2], height // frames.shape[1]
    if (frames.shape[2] * across, frames.shape[1] * down) == (width, height):
        return frames.repeat(down, axis=1).repeat(across, axis=2)
    pictures = []
    for frame in frames:
        pictures.append(np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.BOX)))
    return np.stack(pictures)


def scaled_to_shown(
    boxes: np.ndarray, size: tuple[int, int], display_size: tuple[int, int]
) -> np.ndarray:
    """Scales boxes [n, 4] of a frame of `size` (W, H) to that frame at `display_size` (W', H')."""
    factors = np.array(display_size * 2, float) / np.array(size * 2, float)
    return np.asarray(boxes, float) * factors


def draw_boxes_on_picture(
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
        dash = 0
        if dashed and dashed[index]:
            dash = 3 * line
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
    """Writes a text above the box, or inside where there is no space above it."""
    font = ImageFont.load_default(picture_text_size(max(size)))
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
    wide, high = right - left + 4, bottom - top + 4
    # The text stays within the frame on all sides.
    x = max(0, min(corner[0], size[0] - int(wide)))
    y = min(corner[1], size[1] - int(high))
    if corner[1] >= high:
        y = corner[1] - int(high)
    pen.rectangle((x, y, x + wide - 1, y + high - 1), fill=(0, 0, 0))
    pen.text((x + 2 - left, y + 2 - top), text, font=font, fill=colour)


def picture_text_size(side: int) -> int:
    """Returns the size of readable text on a picture whose longer edge has `side` pixels."""
    # A sixteenth; Pillow's font cannot be read below size 10.
    return max(10, min(48, round(side / 16)))


def titled_frame_picture(frame: np.ndarray, parts: Sequence[tuple[str, Colour]]) -> np.ndarray:
    """Puts a dark band with short texts, each in its colour, above a frame.

    Texts from the first that does not fit are left out.
    """
    size = picture_text_size(max(frame.shape[:2]))
    band = Image.new("RGB", (frame.shape[1], size + 6), BAND)
    pen = ImageDraw.Draw(band)
    font = ImageFont.load_default(size)
    x = 4.0
    for text, colour in parts:
        # A text cut in the middle would be misread, so it is left out whole.
        if x + pen.textlength(text, font=font) > frame.shape[1]:
            break
        pen.text((x, 1), text, font=font, fill=colour)
        x += pen.textlength(text + "  ", font=font)
    return np.concatenate([np.asarray(band), frame])


def boxed_frame_picture(
    frame: np.ndarray, detections: np.ndarray | None, truth: np.ndarray | None
) -> np.ndarray:
    """Draws true boxes, white and dashed, and over them the detected boxes, cyan."""
    # Detections on top: where both agree, the solid line shows through the gaps of the dashes.
    below, above = _boxes(truth), _boxes(detections)
    return draw_boxes_on_picture(
        frame,
        np.concatenate([below, above]),
        [TRUE] * len(below) + [DETECTED] * len(above),
        dashed=[True] * len(below) + [False] * len(above),
    )


def _boxes(boxes: np.ndarray | None) -> np.ndarray:
    if boxes is None:
        return np.zeros((0, 4))
    return np.asarray(boxes, float).reshape(-1, 4)


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


def evenly_spaced_page_frames(length: int, count: int) -> np.ndarray:
    """Returns numbers of `count` frames, or of all if fewer, spread from the first to the last."""
    # Rounding may give one number twice where frames are few.
    return np.unique(np.rint(np.linspace(0, length - 1, min(count, length))).astype(int))
