"""The card of one test video: its pictures, its words, its plots."""

import io

import numpy as np
import pytest
from PIL import Image
from report_workdir import CLASSES, FRAMES, SIDE, attention, clip, frame_scores

from videolstm_jax.localize.saliency import saliency
from videolstm_jax.report import example
from videolstm_jax.report.pictures import predicted
from videolstm_jax.report.pictures.predicted import PredictedVideo
from videolstm_jax.report.pictures.states import States
from videolstm_jax.types import Tube, Video

pytestmark = pytest.mark.usefixtures("quick_pictures")

SCORES = np.array([0.5, 0.3, 0.1, 0.1])


@pytest.fixture
def prediction():
    boxes, maps = clip(0, 3)[1], attention(clip(0, 3)[1][:-1], 3)
    video = Video("c0/a", "a.mp4", 0, "test", "g", FRAMES, SIDE, SIDE, 12.5)
    return PredictedVideo(
        video,
        CLASSES,
        frame_scores(0, 3.0, 1),
        lambda t, size: saliency(maps[t : t + 1], size)[0],
        (Tube(0, boxes + [-2, -2, 2, 2]),),
        (Tube(4, boxes[4:12]),),
    )


def frames_of(length=FRAMES):
    frames = clip(0, 3)[0]
    return {t: frames[t % FRAMES] for t in example.shown_page_frames(length)}


def card_of(prediction, **more):
    frames = frames_of(prediction.video.frames)
    return example.example_card(
        prediction, example.CardData(SCORES, frames, "videos/a.mp4", **more)
    )


def test_the_card_holds_what_was_seen(prediction):
    card = card_of(prediction)
    assert (card.true, card.predicted, card.right, card.film) == (
        "Left",
        "Left",
        True,
        "videos/a.mp4",
    )
    with Image.open(io.BytesIO(card.moving)) as image:
        assert image.n_frames == FRAMES and image.size[0] == 2 * 256 + 4
    with Image.open(io.BytesIO(card.strip)) as image:
        assert image.format == "AVIF" and image.size[0] == 8 * (2 * SIDE + 3) - 3
    assert "heat map" in card.description and "detected box" in card.description


def test_two_answers_are_both_shown(prediction):
    """The film shows one pass, the results are the mean over segments."""
    assert not [name for name, _ in card_of(prediction).facts if "one pass" in name]
    other = int(np.argsort(prediction.scores.mean(0))[-2])
    scores = np.eye(len(CLASSES))[other]
    data = example.CardData(scores, frames_of(), "videos/a.mp4", facts=(("Length", "4"),))
    facts = dict(example.example_card(prediction, data).facts)
    of_pass = CLASSES[prediction.best_of_pass]
    assert facts["In one pass of the whole video"].startswith(f"{of_pass}, mean score ")
    assert "mean over segments" in facts["In one pass of the whole video"]
    assert facts["Length"] == "4"
    # The plot of one pass names both answers too.
    legend = [name for name, *_ in example.score_plot(prediction, other).legend]
    assert legend[:2] == [f"{of_pass} (true, in one pass)", f"{CLASSES[other]} (predicted)"]
    # The score board of the film and the strip names the answer of each rule.
    assert not any("segments" in mark for mark in marks_of(prediction).values())
    for by_segments in range(len(CLASSES)):
        marks = marks_of(prediction._replace(best_by_segments=by_segments))
        differs = by_segments != prediction.best_of_pass
        assert [name for name, mark in marks.items() if "by segments" in mark] == (
            [CLASSES[by_segments]] * differs
        )
        assert ("in one pass" in marks[of_pass]) == differs


def marks_of(prediction):
    """The remarks on the score board, by the names of the classes."""
    lines = predicted.Renderer(prediction, 64)._lines(3)
    return dict(zip(lines.names, lines.marks, strict=True))


@pytest.mark.parametrize("length, moving", [(1, 0), (2, 2), (24, 24), (25, 13), (200, 23)])
def test_frames_that_are_shown(length, moving):
    shown = example.shown_page_frames(length)
    assert {0, length - 1} <= shown <= set(range(length)) and moving <= len(shown) <= moving + 8


def test_long_videos_move_in_strides(prediction):
    long = prediction._replace(
        video=prediction.video._replace(frames=200), scores=np.tile(SCORES, (199, 1)), heat=None
    )
    with Image.open(io.BytesIO(card_of(long).moving)) as image:
        assert image.n_frames == 23
        image.seek(1)
        image.load()
        assert image.info["duration"] == 720, "nine frames at 12.5 a second"


def test_a_model_without_attention_and_boxes(prediction):
    bare = prediction._replace(
        heat=None, detections=(), truth=(), video=prediction.video._replace(frames=1)
    )
    card = card_of(bare)
    assert (
        card.moving is None and "heat map" not in card.description and "box" not in card.description
    )


def test_the_timeline_leads_with_the_true_and_the_predicted_class(prediction):
    plot = example.score_plot(prediction, 2)
    assert len(plot.legend) == 4
    # The scores are those of one pass, whose best class is the true one here.
    names = [name for name, *_ in plot.legend[:2]]
    assert names == ["Left (true, in one pass)", "Up (predicted)"]
    assert "shaded" in plot.title, "the truth does not cover the video"
    assert "shaded" not in example.score_plot(prediction._replace(truth=()), 2).title


def test_attention_over_time_is_drawn_as_wide_as_the_strip():
    assert example.attention_plot({}) is None
    drift = np.full(FRAMES - 1, 0.2)
    drift[0] = np.nan
    plot = example.attention_plot(
        {
            "entropy": np.linspace(1, 0.5, FRAMES - 1),
            "drift": drift,
            example.BOX_AREA: np.full(FRAMES - 1, 0.1),
        }
    )
    assert plot.legend == (("entropy", 0, False), ("drift", 1, False), (example.BOX_AREA, 2, True))
    assert 'viewBox="0 0 1000 170"' in plot.svg and "nan" not in plot.svg


def test_the_state_lies_under_the_strip_on_the_same_frames(prediction):
    mean = np.zeros((FRAMES - 1, 7, 7), np.float16)
    mean[:, 2, 5] = np.linspace(0, 1, FRAMES - 1)
    state_maps = States("hidden", mean, np.array([4, 11]), np.stack([mean, -mean]))
    card = card_of(prediction, states=state_maps)
    with Image.open(io.BytesIO(card.states)) as image, Image.open(io.BytesIO(card.strip)) as strip:
        assert image.size[0] == strip.size[0] and image.size[1] == 3 * (strip.size[1] + 3) - 3
    assert card.states_title == "Hidden state of the model on the frames of the strip"
    bare = card_of(prediction)
    assert bare.states is None and bare.states_title == ""
