"""One picture of what a model makes of a frame: where it looks, its box, its classes so far, their
scores over time.

Films and film strips are made of these. Everything grows with the width of the picture, so that it
can be read whether the video has 64 x 64 pixels or 1920 x 1080.
"""

from __future__ import annotations

import collections
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from videolstm_jax.report import overlay
from videolstm_jax.report.overlay import BAND, TEXT, Colour

PALETTE: tuple[Colour, ...] = ((240, 228, 66), (102, 178, 255), (255, 140, 66), (222, 150, 200))
"""Told apart by colour-blind readers, light enough for a dark ground, none of them that of the
found box.
"""
FAINT: Colour = (90, 94, 104)
WINDOW = 240
"""Frames of a stream that its timeline shows; less while it is young."""
YOUNG = 60
NARROWEST = 360
"""Pixels; narrower pictures are set in the middle of so many, for the board to be read."""
CELLS = 8
"""Frames of a film strip."""


class Lines(NamedTuple):
    """Scores of up to four classes: `names` k, `so_far` [k], and `values` [n, k] in [0, 1] from the
    frame `start` on.

    Row t of `values` is frame start + t * `stride`. The timeline is as wide as `length` frames;
    `bands` are stretches (first, last) of frames that are shaded.
    """

    names: tuple[str, ...]
    so_far: np.ndarray
    values: np.ndarray
    start: int
    length: int
    bands: tuple[tuple[int, int], ...] = ()
    stride: int = 1


class View(NamedTuple):
    """One frame [H, W, 3] uint8 at the size it is shown, `saliency` [H, W] or None, and boxes [n,
    4] in its pixels.
    """

    frame: np.ndarray
    saliency: np.ndarray | None
    found: np.ndarray | None
    truth: np.ndarray | None


class Thinned:
    """Keeps things of a row without end, evenly spaced: never more than `most`, and at least half
    of that.
    """

    def __init__(self, most: int):
        """Begins empty; `most` is even."""
        self.kept: list = []
        self.stride = 1
        self._most = most
        self._seen = 0

    def add(self, make: Callable[[], object]) -> None:
        """Takes the next thing, which is made only where it is kept."""
        if self._seen % self.stride == 0:
            if len(self.kept) == self._most:
                self.kept = self.kept[::2]
                self.stride *= 2
            self.kept.append(make())
        self._seen += 1


class Recent:
    """The last frames of a stream: which classes are shown in which colour, and their scores."""

    def __init__(self, classes: Sequence[str]):
        """Begins with no frame seen."""
        self._classes = tuple(classes)
        self._scores: collections.deque[np.ndarray] = collections.deque(maxlen=WINDOW)
        self._slots: list[int] = []
        self._seen = 0

    def add(self, scores: np.ndarray, mean: np.ndarray) -> Lines:
        """The lines after one more frame, of which `scores` [C] and, so far, `mean` [C] are known."""
        self._scores.append(np.asarray(scores))
        self._seen += 1
        self._slots = kept_places(
            self._slots, np.argsort(-mean, kind="stable")[: len(PALETTE)].tolist()
        )
        values, length = np.stack(self._scores)[:, self._slots], YOUNG
        while length < len(values):
            length *= 2
        return Lines(
            tuple(self._classes[c] for c in self._slots),
            np.asarray(mean)[self._slots],
            values,
            self._seen - len(values),
            length,
        )


def kept_places(before: Sequence[int], chosen: Sequence[int]) -> list[int]:
    """The chosen, each where it was before; new ones take the places that are free, in order."""
    fresh = iter([one for one in chosen if one not in before])
    places = [one if one in chosen else next(fresh, None) for one in before]
    return [one for one in [*places, *fresh] if one is not None]


def view(
    frame: np.ndarray,
    side: int,
    heat: Callable[[tuple[int, int]], np.ndarray] | None,
    *,
    found: np.ndarray | None = None,
    truth: np.ndarray | None = None,
) -> View:
    """A frame brought to the size it is shown at, with all that lies on it.

    Args:
      frame: [H, W, 3] uint8.
      side: about how many pixels its longer edge is to have.
      heat: makes the saliency of a size (H', W'), or None.
      found: boxes [n, 4] in pixels of the frame, or None.
      truth: boxes [m, 4], or None.
    """
    size = frame.shape[1], frame.shape[0]
    shown = overlay.display_size(*size, side)
    boxes = [None if one is None else overlay.scaled(one, size, shown) for one in (found, truth)]
    return View(
        overlay.resized(frame[None], shown)[0], None if heat is None else heat(shown[::-1]), *boxes
    )


# ---- one frame -----------------------------------------------------------------------------------


def card(view: View, lines: Lines, word: str) -> np.ndarray:
    """`panels`, and the board below; uint8 [H', W', 3], both sides even."""
    return _even(_over_board(panels(view, lines, word), lines))


def panels(view: View, lines: Lines, word: str) -> np.ndarray:
    """The frame with its boxes and the best class so far, and beside it the same under its
    attention.

    Args:
      view: what is shown.
      lines: the scores, as far as they are known at this frame.
      word: what the frame is called, "frame 12" perhaps.

    Returns:
      uint8 [H', W', 3].
    """
    shown = [
        _under_words(
            overlay.boxed(view.frame, view.found, view.truth), [(word, TEXT), _best(lines)]
        )
    ]
    if view.saliency is not None:
        seen = overlay.boxed(overlay.blend(view.frame, view.saliency), view.found, None)
        keys = [("found", overlay.FOUND)] * (view.found is not None) + [("true", overlay.TRUE)] * (
            view.truth is not None
        )
        gap = np.full((shown[0].shape[0], 4, 3), BAND, np.uint8)
        shown += [gap, _under_words(seen, [("attention", overlay.HEAT), *keys])]
    return np.concatenate(shown, axis=1)


def cell(view: View, lines: Lines, word: str) -> np.ndarray:
    """One picture of a film strip, attention and boxes over the frame, below the best class so far:
    uint8 [H, W, 3].
    """
    frame = view.frame if view.saliency is None else overlay.blend(view.frame, view.saliency)
    return _under_words(overlay.boxed(frame, view.found, view.truth), [(word, TEXT), _best(lines)])


def _best(lines: Lines) -> tuple[str, Colour]:
    """The best class so far, behind its score, since long names are cut."""
    best = int(np.argmax(lines.so_far))
    return f"{lines.so_far[best]:.2f} {lines.names[best]}", PALETTE[best]


def strip(cells: Sequence[np.ndarray], lines: Lines) -> np.ndarray:
    """Cells in two rows, and the board of the whole below; uint8 [H', W', 3]."""
    return _over_board(overlay.filmstrip(np.stack(cells), columns=CELLS // 2, ground=BAND), lines)


def _under_words(picture: np.ndarray, parts: Sequence[tuple[str, Colour]]) -> np.ndarray:
    """`overlay.titled`, but the last words are cut where they do not fit."""
    font = ImageFont.load_default(overlay.text_size(max(picture.shape[:2])))
    room = picture.shape[1] - 4 - sum(font.getlength(words + "  ") for words, _ in parts[:-1])
    return overlay.titled(picture, [*parts[:-1], (fitted(parts[-1][0], font, room), parts[-1][1])])


def fitted(words: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont, room: float) -> str:
    """Words cut to so many pixels, the cut shown; all but the last letter may go."""
    if font.getlength(words) <= room:
        return words
    while len(words) > 1 and font.getlength(words + "…") > room:
        words = words[:-1]
    return words + "…"


def _over_board(picture: np.ndarray, lines: Lines) -> np.ndarray:
    missing = max(0, NARROWEST - picture.shape[1])
    if missing:
        ends = (missing // 2, missing - missing // 2)
        picture = np.stack(
            [np.pad(picture[..., at], ((0, 0), ends), constant_values=BAND[at]) for at in range(3)],
            -1,
        )
    return np.concatenate([picture, board(lines, picture.shape[1])])


def _even(picture: np.ndarray) -> np.ndarray:
    height, width = picture.shape[:2]
    return np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")


# ---- the board -----------------------------------------------------------------------------------


def board(lines: Lines, width: int) -> np.ndarray:
    """Classes with bars of their score so far, and beside them every frame's scores as a line;
    uint8 [H', width, 3].
    """
    size = max(10, min(40, round(width / 48)))
    rows = max(len(lines.names), 2)
    height, pad = round((rows * 1.55 + 1.3) * size), size // 2
    image = Image.new("RGB", (width, height), BAND)
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(size)
    split = round(width * 0.42)
    number = font.getlength("0.00") + size * 0.6
    names = min(split * 0.5, max(font.getlength(name) for name in lines.names) + size * 0.6)
    for row, (name, value) in enumerate(zip(lines.names, lines.so_far, strict=True)):
        y, paint = pad + row * 1.55 * size, PALETTE[row]
        pen.text((pad, y), fitted(name, font, names - size * 0.4), font=font, fill=paint)
        left, wide = pad + names, split - names - number - pad
        pen.rectangle((left, y + 0.2 * size, left + wide, y + 1.05 * size), fill=(44, 47, 56))
        pen.rectangle(
            (left, y + 0.2 * size, left + wide * float(value), y + 1.05 * size), fill=paint
        )
        pen.text((split - number + size * 0.3, y), f"{value:.2f}", font=font, fill=TEXT)
    _timeline(
        pen, font, lines, (split + pad + size * 1.3, pad, width - pad, height - 1.5 * size), size
    )
    return np.asarray(image)


def _timeline(
    pen: ImageDraw.ImageDraw,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    lines: Lines,
    area: tuple[float, float, float, float],
    size: int,
) -> None:
    x0, y0, x1, y1 = area
    last = max(lines.length - 1, 1)

    def across(frame: float) -> float:
        return x0 + min(max(frame - lines.start, 0), last) / last * (x1 - x0)

    for first, end in lines.bands:
        pen.rectangle((across(first), y0, across(end), y1), fill=(48, 52, 62))
    for level in (0.0, 0.5, 1.0):
        y = y1 - level * (y1 - y0)
        pen.line((x0, y, x1, y), fill=FAINT, width=max(1, size // 14))
    for level, anchor in ((0, "rs"), (1, "rt")):
        pen.text(
            (x0 - size * 0.3, y1 if level == 0 else y0),
            str(level),
            font=font,
            fill=TEXT,
            anchor=anchor,
        )
    pen.text((x0, y1 + size * 0.2), f"frame {lines.start}", font=font, fill=TEXT)
    pen.text(
        (x1, y1 + size * 0.2),
        str(lines.start + lines.length - 1),
        font=font,
        fill=TEXT,
        anchor="ra",
    )
    thick = max(1, round(size / 8))
    for column in reversed(range(len(lines.names))):  # the first lies on top
        points = [
            (across(lines.start + t * lines.stride), y1 - float(value) * (y1 - y0))
            for t, value in enumerate(lines.values[:, column])
        ]
        if len(points) == 1:
            points.append((points[0][0] + 1, points[0][1]))
        if points:
            pen.line(points, fill=PALETTE[column], width=thick)
    shown = len(lines.values) * lines.stride
    if 0 < shown < lines.length:
        now = across(lines.start + shown - 1)
        pen.line((now, y0, now, y1), fill=FAINT, width=max(1, thick // 2))
