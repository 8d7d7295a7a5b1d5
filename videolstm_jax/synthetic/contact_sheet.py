"""A contact sheet of the stick actions, for documents."""

from __future__ import annotations

import io
import os

import numpy as np
from PIL import Image, ImageDraw

from videolstm_jax import files
from videolstm_jax.synthetic import stick_actions

LABEL = 92
"""Pixels left of the pictures, for the class names."""


def contact_sheet(*, easy: int = 7, hard: int = 4, step: int = 4, seed: int = 7) -> np.ndarray:
    """One row a class: every `step`-th frame of an easy clip, then of a hard one, in which the
    actor is framed.

    Args:
      easy: how many frames of the easy clip.
      hard: how many frames of the hard one.
      step: frames between neighbours.
      seed: the set's.

    Returns:
      uint8 [H, W, 3].
    """
    rows = []
    for number, action in enumerate(stick_actions.CLASSES):
        label = Image.new("RGB", (LABEL, 64), "white")
        ImageDraw.Draw(label).text((4, 26), action, fill="black")
        row = [np.asarray(label)]
        for difficulty, count in (("easy", easy), ("hard", hard)):
            spec = stick_actions.ClipSpec(action, 2 * number, difficulty=difficulty, seed=seed)
            frames, boxes, _ = stick_actions.clip(spec)
            row += [
                _framed(frame, box if difficulty == "hard" else None)
                for frame, box in zip(frames[: count * step : step], boxes[::step], strict=False)
            ]
        rows.append(np.concatenate(row, 1))
    return np.concatenate(rows)


def write(path: str | os.PathLike) -> None:
    """Writes the sheet as a PNG of few colours."""
    buffer = io.BytesIO()
    Image.fromarray(contact_sheet()).quantize(256).save(buffer, "png", optimize=True)
    files.write_bytes(path, buffer.getvalue())


def _framed(frame: np.ndarray, box: np.ndarray | None) -> np.ndarray:
    """The frame, with its box drawn where there is one."""
    picture = Image.fromarray(frame)
    if box is not None:
        x0, y0, x1, y1 = box.tolist()
        ImageDraw.Draw(picture).rectangle((x0, y0, x1 - 1, y1 - 1), outline="white")
    return np.asarray(picture)
