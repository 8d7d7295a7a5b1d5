"""The card of one test video on the page: from what a model saw to the pictures and words of an
`Example`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from videolstm_jax.report import board, embed, overlay
from videolstm_jax.report.page import Example
from videolstm_jax.report.plots import Axis, Plot, Series, lines
from videolstm_jax.report.seen import Drawn, Seen, action
from videolstm_jax.report.states import States, sheet

AREA = "that box's share"
"""The name in `looks` of what uniform attention would have in the true box; it is dashed."""
LONG = 1000
"""Pixels of a plot as wide as the film strip."""
SIDE = 256
"""Pixels of a panel's longer edge."""
FILM_SIDE = 384
"""The same of the film beside the page, which must hold the board too."""
MOVING_FRAMES = 48
"""An animation shows at most so many frames; of a longer video every second, third .."""


def frames_shown(length: int) -> set[int]:
    """The frames, of L, that `example` wants to have."""
    return {*range(0, length, _stride(length)), *overlay.evenly(length, board.CELLS).tolist()}


def _stride(length: int) -> int:
    return -(-length // MOVING_FRAMES)


def timeline(seen: Seen, predicted: int, most: int = 4) -> Plot:
    """Scores over time of the true class, the predicted one and the strongest others; shaded where
    the truth lies.
    """
    label = seen.video.label
    strongest = np.argsort(-seen.scores.mean(0), kind="stable").tolist()
    chosen = list(dict.fromkeys([label, predicted, *strongest]))[:most]
    paint = {label: 2, predicted: 2 if predicted == label else 1}
    others = iter((0, 3, 4, 5))
    frames = np.arange(len(seen.scores))
    series = []
    for c in chosen:
        role = " (true)" if c == label else " (predicted)" if c == predicted else ""
        index = paint[c] if c in paint else next(others)
        series.append(
            Series(seen.classes[c] + role, frames, seen.scores[:, c], index, dashed=not role)
        )
    last = len(frames) - 1
    bands = [(first, min(end, last)) for first, end in action(seen) if first < min(end, last)]
    words = "Class scores over time" + (", shaded where the action is" if bands else "")
    plot = lines(
        words,
        series[::-1],
        Axis("frame", 0.0, float(max(last, 1))),
        Axis("score", 0.0, 1.0),
        height=240,
        bands=bands,
    )
    return plot._replace(
        legend=plot.legend[::-1]
    )  # drawn last, so that it lies on top, but named first


def looks(over_time: Mapping[str, np.ndarray]) -> Plot | None:
    """Entropy, peak and drift of the attention over time, and its share in the true box beside the
    box's own.
    """
    if not over_time:
        return None
    series = [
        Series(name, np.arange(len(values)), values, index, dashed=name == AREA)
        for index, (name, values) in enumerate(over_time.items())
    ]
    last = float(max(1, max(len(values) for values in over_time.values()) - 1))
    return lines(
        "Attention over time",
        series,
        Axis("frame", 0.0, last),
        Axis("share", 0.0, 1.0),
        height=170,
        width=LONG,
    )


def example(
    seen: Seen,
    scores: np.ndarray,
    frames: Mapping[int, np.ndarray],
    film: str,
    *,
    facts: tuple[tuple[str, str], ...] = (),
    over_time: Mapping[str, np.ndarray] | None = None,
    states: States | None = None,
) -> Example:
    """The card of one video.

    Args:
      seen: the video.
      scores: [C] of the whole video.
      frames: those of `frames_shown` [H, W, 3], by number.
      film: where the film lies, relative to the page.
      facts: (name, value) pairs beside the classes.
      over_time: a number a frame of the attention, by name.
      states: the LSTM's state, where it was kept.
    """
    length, label, predicted = seen.video.frames, seen.video.label, int(scores.argmax())
    drawn, small, stride = Drawn(seen, SIDE), Drawn(seen, SIDE // 2), _stride(length)
    pictures = [drawn.panels(frames[t], t) for t in range(0, length, stride)]
    moving = embed.animation(pictures, stride / seen.video.fps) if length > 1 else None
    at = overlay.evenly(length, board.CELLS)
    cells = np.stack(
        [small.cell(frames[t], t) for t in at.tolist()]
    )  # the scores over time stand above, as a plot
    said = (
        f"{seen.classes[label]}, predicted {seen.classes[predicted]}; {length} frames of {seen.video.name}"
        + ("" if seen.heat is None else ", with a heat map of the attention")
        + (" and the found box" if seen.found else "")
        + (" and the true box" if seen.truth else "")
    )
    strip = embed.still(overlay.filmstrip(cells, columns=len(at), ground=overlay.BAND))
    return Example(
        seen.video.name,
        seen.classes[label],
        seen.classes[predicted],
        float(scores[predicted]),
        predicted == label,
        facts,
        moving,
        embed.still(pictures[len(pictures) // 2], "WEBP"),
        strip,
        said,
        timeline(seen, predicted),
        film,
        looks(over_time or {}),
        *_states(seen, states, at),
    )


def _states(seen: Seen, states: States | None, at: np.ndarray) -> tuple[bytes | None, str]:
    """The state under the film strip, on the same frames and as wide, and what it is."""
    if states is None:
        return None, ""
    picture = sheet(
        states, at, overlay.display_size(seen.video.width, seen.video.height, SIDE // 2)
    )
    return embed.still(
        picture
    ), f"{states.kind.capitalize()} state of the LSTM on the frames of the strip"
