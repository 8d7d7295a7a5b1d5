"""The card of one test video on the page: its pictures, its plots and its facts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from videolstm_jax.report.local import BOX_AREA
from videolstm_jax.report.page import Example
from videolstm_jax.report.pictures import encoded, frame_picture, overlay
from videolstm_jax.report.pictures.predicted import PredictedVideo, Renderer, true_spans_on_picture
from videolstm_jax.report.pictures.states import States, state_picture_sheet
from videolstm_jax.report.plots import Axis, Plot, Series, line_plot

STRIP_WIDTH = 1000
"""Width in pixels of a plot that is as wide as the film strip."""
SIDE = 256
"""Longer edge in pixels of a panel on the page."""
FILM_SIDE = 384
"""Longer edge in pixels of a panel of the film, which also has a score board."""
MOVING_FRAMES = 24
"""An animation has at most this many frames; a longer video is shown in steps of several frames."""
TRUE_COLOUR, WRONG_COLOUR, OTHER_COLOURS = 2, 1, (0, 3, 4, 5)
"""Colours of the score plot, places in `plots.COLOURS`: green, red, and those of other classes."""


class CardData(NamedTuple):
    """What the stage read for one card, besides the video itself.

    `scores` [C] are those of the whole video. `frames` are the pictures [H, W, 3] of
    `shown_page_frames`, by number. `film` is the address of the film relative to the page. `facts`
    are (name, value) pairs. `attention_curves` are values [L'] by name; `states` may be absent.
    """

    scores: np.ndarray
    frames: Mapping[int, np.ndarray]
    film: str
    facts: tuple[tuple[str, str], ...] = ()
    attention_curves: Mapping[str, np.ndarray] | None = None
    states: States | None = None


def shown_page_frames(length: int) -> set[int]:
    """Returns the numbers of the frames, of L, that a card shows."""
    moving = range(0, length, _stride(length))
    strip = overlay.evenly_spaced_page_frames(length, frame_picture.STRIP_FRAMES).tolist()
    return {*moving, *strip}


def example_card(prediction: PredictedVideo, data: CardData) -> Example:
    """Draws the card of one video."""
    video, classes = prediction.video, prediction.classes
    best = int(data.scores.argmax())
    strip_frames = overlay.evenly_spaced_page_frames(video.frames, frame_picture.STRIP_FRAMES)
    panels = _panels(prediction, data.frames)
    # A film of one frame would be an animation without motion, which encoders refuse.
    moving = None
    if video.frames > 1:
        moving = encoded.animation_of_pictures(panels, _stride(video.frames) / video.fps)
    return Example(
        video=video.name,
        true=classes[video.label],
        predicted=classes[best],
        score=float(data.scores[best]),
        right=best == video.label,
        facts=data.facts + _other_answer(prediction, best),
        moving=moving,
        # The middle frame stands for the video in print and for readers who prefer no motion.
        still=encoded.still_of_picture(panels[len(panels) // 2], "AVIF"),
        strip=_strip(prediction, data.frames, strip_frames),
        description=_description(prediction, best),
        timeline=score_plot(prediction, best),
        film=data.film,
        attention=attention_plot(data.attention_curves or {}),
        **_state_fields(prediction, data.states, strip_frames),
    )


def _other_answer(prediction: PredictedVideo, best: int) -> tuple[tuple[str, str], ...]:
    """The answer of the pass that the film shows, where the mean over segments gives another."""
    of_pass = prediction.best_of_pass
    if of_pass == best:
        return ()
    score = prediction.scores[:, of_pass].mean()
    text = (
        f"{prediction.classes[of_pass]}, mean score {score:.2f}, as in the film and the strip; "
        "the prediction above is the mean over segments, as in the results"
    )
    return (("In one pass of the whole video", text),)


# ---- plots ---------------------------------------------------------------------------------------


def score_plot(prediction: PredictedVideo, predicted: int, most: int = 4) -> Plot:
    """Plots the scores over time of the true class, the predicted class and the next best classes.

    The frames of the action are shaded where it does not last for the whole video.

    Args:
      prediction: the video.
      predicted: the class of the highest score of the whole video.
      most: the number of classes shown.
    """
    series = _score_series(prediction, predicted, most)
    last = len(prediction.scores) - 1
    bands = []
    # A flow model has no scores for the last frame: spans end where the plot does.
    for first, end in true_spans_on_picture(prediction):
        if first < min(end, last):
            bands.append((first, min(end, last)))
    title = "Class scores over time"
    if bands:
        title += ", shaded where the action is"
    plot = line_plot(
        title,
        series[::-1],  # the line drawn last lies on top: the true class
        Axis("frame", 0.0, float(max(last, 1))),
        Axis("score", 0.0, 1.0),
        height=240,
        bands=bands,
    )
    return plot._replace(legend=plot.legend[::-1])  # but the true class is named first


def _score_series(prediction: PredictedVideo, predicted: int, most: int) -> list[Series]:
    """The lines of the score plot, the true class first, then the predicted one."""
    label, of_pass = prediction.video.label, prediction.best_of_pass
    by_score = np.argsort(-prediction.scores.mean(0), kind="stable").tolist()
    # dict.fromkeys drops repeated classes and keeps the order.
    class_numbers = list(dict.fromkeys([label, predicted, *by_score]))[:most]
    other_colours = iter(OTHER_COLOURS)
    frames = np.arange(len(prediction.scores))
    series = []
    for index in class_numbers:
        roles = []
        if index == label:
            colour = TRUE_COLOUR
            roles.append("true")
        elif index == predicted:
            colour = WRONG_COLOUR
            roles.append("predicted")
        else:
            colour = next(other_colours)
        dashed = not roles
        # The plotted scores are those of one pass; results are means over segments.
        if index == of_pass and of_pass != predicted:
            roles.append("in one pass")
        name = prediction.classes[index]
        if roles:
            name += f" ({', '.join(roles)})"
        series.append(Series(name, frames, prediction.scores[:, index], colour, dashed=dashed))
    return series


def attention_plot(curves: Mapping[str, np.ndarray]) -> Plot | None:
    """Plots entropy, peak, drift and mass in the true box of the attention over time.

    Args:
      curves: values [L'] by the name of the line; the line `BOX_AREA` is dashed.

    Returns:
      The plot; None without curves.
    """
    if not curves:
        return None
    series = []
    for colour, (name, values) in enumerate(curves.items()):
        series.append(Series(name, np.arange(len(values)), values, colour, dashed=name == BOX_AREA))
    longest = max(map(len, curves.values()))
    return line_plot(
        "Attention over time",
        series,
        Axis("frame", 0.0, float(max(1, longest - 1))),
        Axis("share", 0.0, 1.0),
        height=170,
        width=STRIP_WIDTH,
    )


# ---- pictures ------------------------------------------------------------------------------------


def _stride(length: int) -> int:
    """The step between the frames of an animation."""
    return -(-length // MOVING_FRAMES)


def _panels(prediction: PredictedVideo, frames: Mapping[int, np.ndarray]) -> list[np.ndarray]:
    """The frames of the animation, each beside itself under its attention."""
    renderer = Renderer(prediction, SIDE)
    length = prediction.video.frames
    panels = []
    for t in range(0, length, _stride(length)):
        panels.append(renderer.panels(frames[t], t))
    return panels


def _strip(
    prediction: PredictedVideo, frames: Mapping[int, np.ndarray], numbers: np.ndarray
) -> bytes:
    """The film strip, without a score board, since the page has the scores as a plot."""
    # Half as large: a strip shows several pictures in the width of the page.
    renderer = Renderer(prediction, SIDE // 2)
    pictures = []
    for t in numbers.tolist():
        pictures.append(renderer.strip_picture(frames[t], t))
    picture = overlay.filmstrip(np.stack(pictures), columns=len(numbers), ground=overlay.BAND)
    return encoded.still_of_picture(picture, "AVIF")


def _state_fields(
    prediction: PredictedVideo, states: States | None, numbers: np.ndarray
) -> dict[str, bytes | str | None]:
    """The state of the model on the frames of the film strip, as wide as the strip."""
    if states is None:
        return {}
    video = prediction.video
    size = overlay.picture_display_size(video.width, video.height, SIDE // 2)
    return {
        "states": encoded.still_of_picture(
            state_picture_sheet(states, numbers, size, prediction.fit), "WEBP"
        ),
        "states_title": f"{states.kind.capitalize()} state of the model on the frames of the strip",
    }


def _description(prediction: PredictedVideo, predicted: int) -> str:
    """The text for readers who do not see the pictures."""
    video, classes = prediction.video, prediction.classes
    text = (
        f"{classes[video.label]}, predicted {classes[predicted]}; "
        f"{video.frames} frames of {video.name}"
    )
    if prediction.heat is not None:
        text += ", with a heat map of the attention"
    if prediction.detections:
        text += " and the detected box"
    if prediction.truth:
        text += " and the true box"
    return text
