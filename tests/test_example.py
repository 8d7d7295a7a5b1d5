"""One test video as a model saw it."""

import io

import numpy as np
import pytest
from PIL import Image
from report_walk import CLASSES, FRAMES, SIDE, attention, clip, frame_scores

from videolstm_jax.localize.saliency import saliency
from videolstm_jax.report import example, overlay
from videolstm_jax.report.states import States
from videolstm_jax.types import Tube


@pytest.fixture
def seen():
    frames, boxes = clip(0, 3)
    heat = saliency(attention(boxes[:-1], 3), (SIDE * 2, SIDE * 2))
    shown = overlay.resized(frames[:-1], (SIDE * 2, SIDE * 2))
    return example.Seen("c0/a", 0, CLASSES, 12.5, (SIDE, SIDE), shown, heat,
                        frame_scores(0, 3.0, 1), np.array([0.5, 0.3, 0.1, 0.1]), Tube(0, boxes + [-2, -2, 2, 2]),
                        (Tube(4, boxes[4:12]),))


def test_boxes_at_a_frame():
    tubes = [Tube(2, np.array([[0, 0, 1, 1], [0, 0, 2, 2]])), Tube(3, np.array([[5, 5, 9, 9]]))]
    assert [example.boxes_at(tubes, t).tolist() for t in range(5)] == [
        [], [], [[0, 0, 1, 1]], [[0, 0, 2, 2], [5, 5, 9, 9]], []]


def test_panels_show_boxes_where_they_are_and_have_even_sides(seen):
    film = example.panels(seen)
    assert len(film) == FRAMES - 1 and film.shape[1] % 2 == 0 and film.shape[2] % 2 == 0
    last = film[8][-(2 * SIDE + 4 + film.shape[1] % 2):, -2 * SIDE:]
    found = (last == overlay.FOUND).all(-1)
    x0, y0, x1, y1 = (seen.found.boxes[8] * 2).astype(int)
    band = film.shape[1] - 2 * SIDE - 4
    third = (film[8][band:band + 2 * SIDE, 2 * (2 * SIDE + 4):] == overlay.FOUND).all(-1)
    assert found.any() and third[y0, x0:x1].all() and third[y0:y1, x1 - 1].all()


def test_true_boxes_are_drawn_on_their_own_frames_only(seen):
    film = example.panels(seen._replace(frames=np.zeros_like(seen.frames), saliency=None, found=None))
    white = [(frame[30:-4, 2 * SIDE + 4:] == 255).all(-1).sum() > 20 for frame in film]
    assert white == [4 <= t < 12 for t in range(FRAMES - 1)]


def test_the_card_holds_what_was_seen(seen):
    card = example.example(seen, example.panels(seen), "videos/a.mp4")
    assert (card.true, card.predicted, card.right, card.film) == ("Left", "Left", True, "videos/a.mp4")
    with Image.open(io.BytesIO(card.moving)) as image:
        assert image.n_frames == FRAMES - 1
    with Image.open(io.BytesIO(card.strip)) as image:
        assert image.format == "PNG" and image.size[0] == example.STRIP_FRAMES * (SIDE + 3) - 3
    assert "heat map" in card.seen and "found box" in card.seen


def test_long_videos_move_in_strides(seen):
    film = np.zeros((200, 8, 8, 3), np.uint8)
    film[:, :, :, 0] = np.arange(200)[:, None, None]
    card = example.example(seen, film)
    with Image.open(io.BytesIO(card.moving)) as image:
        assert image.n_frames == 40
        image.seek(1)
        image.load()
        assert image.info["duration"] == 400, "five frames at 12.5 a second"


def test_a_model_without_attention_boxes_or_frame_scores(seen):
    bare = seen._replace(saliency=None, frame_scores=None, found=None, truth=(), frames=seen.frames[:1])
    card = example.example(bare, example.panels(bare))
    assert card.moving is None and card.timeline is None and "heat map" not in card.seen


def test_the_timeline_leads_with_the_true_and_the_predicted_class(seen):
    plot = example.timeline(seen._replace(scores=np.array([0.2, 0.1, 0.6, 0.1])))
    assert [name for name, *_ in plot.legend[:2]] == ["Left (true)", "Up (predicted)"] and len(plot.legend) == 4
    assert "shaded" in plot.title, "the truth does not cover the video"
    assert "shaded" not in example.timeline(seen._replace(truth=())).title


def test_attention_over_time_is_drawn_as_wide_as_the_strip(seen):
    assert example.looks(seen) is None
    drift = np.full(FRAMES - 1, 0.2)
    drift[0] = np.nan
    plot = example.looks(seen._replace(looks={"entropy": np.linspace(1, 0.5, FRAMES - 1), "drift": drift,
                                              example.AREA: np.full(FRAMES - 1, 0.1)}))
    assert plot.legend == (("entropy", 0, False), ("drift", 1, False), (example.AREA, 2, True))
    assert 'viewBox="0 0 1000 170"' in plot.svg and "nan" not in plot.svg


def test_the_state_lies_under_the_strip_on_the_same_frames(seen):
    mean = np.zeros((FRAMES - 1, 7, 7), np.float16)
    mean[:, 2, 5] = np.linspace(0, 1, FRAMES - 1)
    kept = States("hidden", mean, np.array([4, 11]), np.stack([mean, -mean]))
    card = example.example(seen._replace(states=kept), example.panels(seen))
    with Image.open(io.BytesIO(card.states)) as image, Image.open(io.BytesIO(card.strip)) as strip:
        assert image.size[0] == strip.size[0] and image.size[1] == 3 * (strip.size[1] + 3) - 3
    assert card.states_said == "Hidden state of the LSTM on the frames of the strip"
    bare = example.example(seen, example.panels(seen))
    assert bare.states is None and bare.states_said == ""
