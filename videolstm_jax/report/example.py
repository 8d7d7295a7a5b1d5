"""One test video as a model saw it: from arrays to the pictures and words of an `Example`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from videolstm_jax.report import embed, overlay
from videolstm_jax.report.page import Example
from videolstm_jax.report.plots import Axis, Plot, Series, lines
from videolstm_jax.report.states import States, sheet
from videolstm_jax.types import Tube

AREA = "that box's share"
"""The name in `Seen.looks` of what uniform attention would have in the true box; it is dashed."""
LONG = 1000
"""Pixels of a plot as wide as the film strip."""
SIDE = 256
"""Pixels of a panel's longer edge."""
MOVING_FRAMES = 48
"""An animation shows at most so many frames; of a longer video every second, third .."""
STRIP_FRAMES = 8


class Seen(NamedTuple):
    """A video and what a model said of it.

    `size` is (W, H) of the video; `frames` [L, H', W', 3] are already as large as they are shown, so is `saliency`
    [L, H', W'] in [0, 255] (None without attention); `frame_scores` [L, C] and `scores` [C]; `found` and `truth` are
    tubes in pixels of the video. `facts` are (name, value) pairs beside the classes. `looks` has a number a frame of
    the attention, by name, and `states` the LSTM's state, where it was kept.
    """

    video: str
    label: int
    classes: tuple[str, ...]
    fps: float
    size: tuple[int, int]
    frames: np.ndarray
    saliency: np.ndarray | None
    frame_scores: np.ndarray | None
    scores: np.ndarray
    found: Tube | None
    truth: tuple[Tube, ...]
    facts: tuple[tuple[str, str], ...] = ()
    looks: Mapping[str, np.ndarray] = MappingProxyType({})
    states: States | None = None


def boxes_at(tubes: Sequence[Tube], frame: int) -> np.ndarray:
    """The boxes [n, 4] of the tubes that exist at a frame."""
    kept = [tube.boxes[frame - tube.start] for tube in tubes if 0 <= frame - tube.start < len(tube.boxes)]
    return np.array(kept, float).reshape(-1, 4)


def panels(seen: Seen) -> np.ndarray:
    """Every frame as `overlay.annotate` shows it, a line below telling the time; [L, H', W', 3], both sides even."""
    height, width = seen.frames.shape[1:3]
    rows = []
    for t, frame in enumerate(seen.frames):
        found, truth = _shown_boxes(seen, t, (width, height))
        saliency = None if seen.saliency is None else seen.saliency[t]
        row = overlay.annotate(frame, saliency, found, truth, word=f"frame {t}")
        clock = np.full((4, row.shape[1], 3), overlay.BAND, np.uint8)
        clock[1:, :max(1, round(row.shape[1] * (t + 1) / len(seen.frames)))] = overlay.FOUND
        rows.append(np.concatenate([row, clock]))
    film = np.stack(rows)
    return np.pad(film, ((0, 0), (0, film.shape[1] % 2), (0, film.shape[2] % 2), (0, 0)), mode="edge")


def _shown_boxes(seen: Seen, t: int, shown: tuple[int, int]) -> tuple[np.ndarray | None, np.ndarray | None]:
    found = None if seen.found is None else overlay.scaled(boxes_at([seen.found], t), seen.size, shown)
    truth = overlay.scaled(boxes_at(seen.truth, t), seen.size, shown) if seen.truth else None
    return found, truth


def strip(seen: Seen) -> np.ndarray:
    """Some frames from first to last, at half the size, attention and boxes over each other; uint8 [H', W', 3]."""
    width, height = max(1, seen.frames.shape[2] // 2), max(1, seen.frames.shape[1] // 2)
    shown = []
    for t in overlay.evenly(len(seen.frames), STRIP_FRAMES):
        frame = overlay.resized(seen.frames[t:t + 1], (width, height))[0]
        if seen.saliency is not None:
            frame = overlay.blend(frame, seen.saliency[t, ::2, ::2][:height, :width])
        shown.append(overlay.titled(overlay.boxed(frame, *_shown_boxes(seen, int(t), (width, height))),
                                    [(f"frame {t}", overlay.TEXT)]))
    return overlay.filmstrip(np.stack(shown), columns=STRIP_FRAMES, ground=overlay.BAND)


def timeline(seen: Seen, most: int = 4) -> Plot | None:
    """Scores over time of the true class, the predicted one and the strongest others; shaded where the truth lies."""
    if seen.frame_scores is None:
        return None
    predicted = int(seen.scores.argmax())
    strongest = np.argsort(-seen.frame_scores.mean(0), kind="stable").tolist()
    chosen = list(dict.fromkeys([seen.label, predicted, *strongest]))[:most]
    paint = {seen.label: 2, predicted: 2 if predicted == seen.label else 1}
    others = iter((0, 3, 4, 5))
    frames = np.arange(len(seen.frame_scores))
    series = []
    for c in chosen:
        role = " (true)" if c == seen.label else " (predicted)" if c == predicted else ""
        index = paint[c] if c in paint else next(others)
        series.append(Series(seen.classes[c] + role, frames, seen.frame_scores[:, c], index, dashed=not role))
    last = len(frames) - 1
    bands = [(tube.start, min(tube.start + len(tube.boxes) - 1, last)) for tube in seen.truth
             if tube.start > 0 or tube.start + len(tube.boxes) < last]
    bands = [band for band in bands if band[0] < band[1]]
    words = "Class scores over time" + (", shaded where the action is" if bands else "")
    plot = lines(words, series[::-1], Axis("frame", 0.0, float(max(last, 1))), Axis("score", 0.0, 1.0), height=190,
                 bands=bands)
    return plot._replace(legend=plot.legend[::-1])  # drawn last, so that it lies on top, but named first


def looks(seen: Seen) -> Plot | None:
    """Entropy, peak and drift of the attention over time, and its share in the true box beside the box's own."""
    if not seen.looks:
        return None
    series = [Series(name, np.arange(len(values)), values, index, dashed=name == AREA)
              for index, (name, values) in enumerate(seen.looks.items())]
    last = float(max(1, max(len(values) for values in seen.looks.values()) - 1))
    return lines("Attention over time", series, Axis("frame", 0.0, last), Axis("share", 0.0, 1.0), height=170,
                 width=LONG)


def example(seen: Seen, film: np.ndarray, address: str = "") -> Example:
    """The card of one video.

    Args:
      seen: the video.
      film: what `panels` made of it.
      address: where the film lies as a file, relative to the page, or empty.
    """
    predicted = int(seen.scores.argmax())
    stride = -(-len(film) // MOVING_FRAMES)
    moving = embed.animation(film[::stride], stride / seen.fps) if len(film) > 1 else None
    said = (f"{seen.classes[seen.label]}, predicted {seen.classes[predicted]}; {len(film)} frames of {seen.video}"
            + ("" if seen.saliency is None else ", with a heat map of the attention")
            + (" and the found box" if seen.found is not None else "") + (" and the true box" if seen.truth else ""))
    return Example(seen.video, seen.classes[seen.label], seen.classes[predicted], float(seen.scores[predicted]),
                   predicted == seen.label, seen.facts, moving, embed.still(film[len(film) // 2], "WEBP"),
                   embed.still(strip(seen)), said, timeline(seen), address, looks(seen), *_states(seen))


def _states(seen: Seen) -> tuple[bytes | None, str]:
    """The state under the film strip, on the same frames and as wide, and what it is."""
    if seen.states is None:
        return None, ""
    size = max(1, seen.frames.shape[2] // 2), max(1, seen.frames.shape[1] // 2)
    picture = sheet(seen.states, overlay.evenly(len(seen.frames), STRIP_FRAMES), size)
    return embed.still(picture), f"{seen.states.kind.capitalize()} state of the LSTM on the frames of the strip"
