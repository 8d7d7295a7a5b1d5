"""Draws a contact sheet of the stick actions, for documents."""

from __future__ import annotations

import io
import os

import numpy as np
from PIL import Image, ImageDraw

from videolstm_jax import files
from videolstm_jax.synthetic import stick_clips

# Pixels left of the pictures, for the class names.
LABEL_WIDTH = 92


def stick_action_sheet(*, easy: int = 7, hard: int = 4, step: int = 4, seed: int = 7) -> np.ndarray:
    """Draws one row a class: frames of an easy clip, then of a hard one with the actor's box.

    Args:
      easy: how many frames of the easy clip.
      hard: how many frames of the hard one.
      step: frames between neighbours.
      seed: the set's.

    Returns:
      uint8 [H, W, 3].
    """
    rows = []
    for label, action in enumerate(stick_clips.STICK_CLASSES):
        row = [_draw_label(action)]
        for difficulty, count in (("easy", easy), ("hard", hard)):
            # Two clips an actor: with every second one, each row shows another actor.
            spec = stick_clips.ClipSpec(action, 2 * label, difficulty=difficulty, seed=seed)
            frames, boxes, _ = stick_clips.make_stick_clip(spec)
            for at in range(0, min(count * step, len(frames)), step):
                picture = frames[at]
                if difficulty == "hard":
                    picture = _draw_box(picture, boxes[at])
                row.append(picture)
        rows.append(np.concatenate(row, 1))
    return np.concatenate(rows)


def write_stick_action_sheet(path: str | os.PathLike) -> None:
    """Writes the sheet as a PNG of few colours."""
    buffer = io.BytesIO()
    Image.fromarray(stick_action_sheet()).quantize(256).save(buffer, "png", optimize=True)
    files.write_bytes(path, buffer.getvalue())


def _draw_label(text: str) -> np.ndarray:
    label = Image.new("RGB", (LABEL_WIDTH, 64), "white")
    ImageDraw.Draw(label).text((4, 26), text, fill="black")
    return np.asarray(label)


def _draw_box(frame: np.ndarray, box: np.ndarray) -> np.ndarray:
    picture = Image.fromarray(frame)
    x0, y0, x1, y1 = box.tolist()
    # Boxes are half open, Pillow's rectangles are closed.
    ImageDraw.Draw(picture).rectangle((x0, y0, x1 - 1, y1 - 1), outline="white")
    return np.asarray(picture)
