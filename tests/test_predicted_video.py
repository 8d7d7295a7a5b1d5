"""A test video as a model saw it: the boxes, heat and scores of each frame at their places."""

import numpy as np
import pytest
from report_workdir import CLASSES, FRAMES, SIDE, clip, frame_scores

from videolstm_jax.config import LocalizeConfig
from videolstm_jax.localize.saliency import saliency_by_frame
from videolstm_jax.report.pictures import overlay, score_board
from videolstm_jax.report.pictures.predicted import (
    PredictedVideo,
    Renderer,
    picture_boxes_at_frame,
    true_spans_on_picture,
)
from videolstm_jax.types import Tube, Video

VIDEO = Video("c0/a", "a.mp4", 0, "test", "g", FRAMES, SIDE, SIDE, 12.5)
FRAME = np.full((SIDE, SIDE, 3), 40, np.uint8)


def prediction_of(**more):
    return PredictedVideo(VIDEO, CLASSES, frame_scores(0, 3.0, 1), None, (), ())._replace(**more)


def has(picture, colour):
    return (picture == np.array(colour)).all(-1).sum() > 20


def test_boxes_at_a_frame():
    tubes = [Tube(2, np.array([[0, 0, 1, 1], [0, 0, 2, 2]])), Tube(3, np.array([[5, 5, 9, 9]]))]
    assert [picture_boxes_at_frame(tubes, t).tolist() for t in range(5)] == [
        [],
        [],
        [[0, 0, 1, 1]],
        [[0, 0, 2, 2], [5, 5, 9, 9]],
        [],
    ]


def test_every_tube_is_drawn_on_its_own_frames():
    left, right = (
        Tube(start, np.tile(np.array([x, 10.0, x + 20, 50]), (8, 1)))
        for start, x in ((0, 4), (4, 36))
    )
    renderer = Renderer(prediction_of(detections=(left, right)), 2 * SIDE)
    sides = [
        [
            has(half, overlay.DETECTED)
            for half in np.split(renderer.panels(FRAME, t)[-2 * SIDE :], 2, axis=1)
        ]
        for t in (0, 5, 10, 20)
    ]
    assert sides == [[True, False], [True, True], [False, True], [False, False]]


def test_true_boxes_are_drawn_on_their_own_frames_only():
    renderer = Renderer(prediction_of(truth=(Tube(4, clip(0, 3)[1][4:12]),)), 2 * SIDE)
    white = [has(renderer.panels(FRAME, t)[30:], overlay.TRUE) for t in range(FRAMES)]
    assert white == [4 <= t < 12 for t in range(FRAMES)]


def test_a_card_is_panels_over_the_scores_up_to_its_frame():
    renderer = Renderer(prediction_of(), 384)
    first, last = (renderer.card(FRAME, t) for t in (2, FRAMES - 1))
    panels = renderer.panels(FRAME, 2)
    np.testing.assert_array_equal(first[: len(panels)], panels)
    timeline = []
    for card in (first, last):
        board = card[len(panels) :, 165:]
        timeline.append((board == score_board.PALETTE[0]).all(-1).sum())
    assert timeline[1] > 3 * timeline[0] > 0


@pytest.mark.parametrize("normalise, same", [("frame", True), ("video", False)])
def test_heat_is_scaled_as_the_boxes_are_made(normalise, same):
    maps = np.zeros((FRAMES - 1, 7, 7), np.float32)
    maps[:, 3, 3] = np.where(np.arange(FRAMES - 1) == 9, 1.0, 0.2)
    renderer = Renderer(
        prediction_of(heat=saliency_by_frame(maps, LocalizeConfig(normalise=normalise, sigma=0.0))),
        2 * SIDE,
    )
    faint, strong = (
        renderer.panels(FRAME, t)[-2 * SIDE :, -2 * SIDE :].astype(int) for t in (3, 9)
    )
    assert (abs(faint - strong).max() == 0) == same and strong.max() > 200


def test_the_last_frame_holds_what_is_known():
    maps = np.random.default_rng(0).dirichlet(np.ones(49), FRAMES - 1).reshape(-1, 7, 7)
    renderer = Renderer(prediction_of(heat=saliency_by_frame(maps, LocalizeConfig())), SIDE)
    np.testing.assert_array_equal(
        renderer.panels(FRAME, FRAMES - 1)[30:], renderer.panels(FRAME, FRAMES - 2)[30:]
    )


@pytest.mark.parametrize("label, shown", [(5, [0, 1, 2, 5]), (2, [0, 1, 2, 3])])
def test_the_true_class_is_always_among_those_shown(label, shown):
    names = tuple("abcdef")
    prediction = prediction_of(
        video=VIDEO._replace(label=label),
        classes=names,
        scores=np.tile([0.3, 0.25, 0.2, 0.15, 0.1, 0.0], (5, 1)),
    )
    lines = Renderer(prediction, SIDE)._lines(3)
    assert lines.names == tuple(names[c] for c in shown)
    assert lines.marks == tuple(" (true)" * (c == label) for c in shown)
    assert len(lines.values) == 4 and lines.length == FRAMES


def test_the_action_is_told_where_it_is_not_all_there_is():
    boxes = np.tile([0.0, 0, 5, 5], (FRAMES, 1))
    assert true_spans_on_picture(prediction_of(truth=(Tube(0, boxes),))) == ()
    assert true_spans_on_picture(prediction_of(truth=(Tube(4, boxes[:8]),))) == ((4, 11),)
