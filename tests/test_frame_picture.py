"""Pictures of frames with the score board: lines at the right places, readable at any size."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ImageFont

from videolstm_jax.report.pictures import frame_picture, overlay, score_board
from videolstm_jax.report.pictures.score_lines import (
    FIRST_WINDOW,
    TIMELINE_FRAMES,
    EvenSample,
    RecentScores,
    ScoreLines,
    score_board_slots,
)


def painted(picture, colour):
    """Rows and columns that have exactly this colour."""
    return np.nonzero((picture == np.array(colour)).all(-1))


def lines(values, so_far=(0.75, 0.25), **more):
    values = np.asarray(values, float).reshape(-1, 2)
    return ScoreLines(
        ("Jump", "Walk"), np.asarray(so_far), values, **{"start": 0, "length": len(values), **more}
    )


def frame(width=96, height=64, level=90):
    return np.full((height, width, 3), level, np.uint8)


@given(
    st.lists(
        st.lists(st.integers(0, 9), min_size=3, max_size=3, unique=True), min_size=1, max_size=12
    )
)
def test_places_are_kept(rows):
    places = []
    for chosen in rows:
        before, places = places, score_board_slots(places, chosen)
        assert sorted(places) == sorted(chosen)
        for slot, index in enumerate(before):
            assert index not in chosen or places[slot] == index


@given(st.integers(1, 500), st.sampled_from([2, 4, 10, 32]))
def test_thinned_is_even_and_bounded(count, most):
    thinned, computed = EvenSample(most), []
    for t in range(count):
        thinned.add(lambda t=t: computed.append(t) or t)
    assert thinned.items == list(range(0, count, thinned.stride))
    assert min(count, most // 2) <= len(thinned.items) <= most
    assert len(computed) <= most * (1 + np.log2(max(1, count / most)))


def test_recent_scores_scroll():
    recent = RecentScores(tuple("abcde"))
    generator = np.random.default_rng(0)
    for t in range(TIMELINE_FRAMES + 50):
        scores = generator.dirichlet(np.ones(5))
        recent_lines = recent.add(scores, np.array([0.05, 0.3, 0.2, 0.4, 0.05]))
        assert len(recent_lines.values) == min(t + 1, TIMELINE_FRAMES)
        assert recent_lines.start == max(0, t + 1 - TIMELINE_FRAMES)
        assert recent_lines.length in (
            FIRST_WINDOW,
            2 * FIRST_WINDOW,
            TIMELINE_FRAMES,
        ) and recent_lines.length >= len(recent_lines.values)
    assert recent_lines.names[0] == "d" and set(recent_lines.names) == {"a", "b", "c", "d"}
    np.testing.assert_array_equal(recent_lines.values[-1, 0], scores[3])


def test_bars_are_as_long_as_scores():
    picture = score_board.score_board(lines([[0.5, 0.5]], (0.8, 0.2)), 960)
    lengths = []
    for colour in score_board.PALETTE[:2]:
        counts = np.bincount(painted(picture[:, : round(960 * 0.42)], colour)[0])
        lengths.append(
            np.median(counts[counts > 30])
        )  # rows of the bar, with a few pixels of the name beside it
    assert lengths[0] / lengths[1] == pytest.approx(4, rel=0.2)


def test_the_timeline_goes_where_scores_go():
    up = np.linspace(0, 1, 50)
    picture = score_board.score_board(lines(np.stack([up, 1 - up], 1)), 960)
    right = slice(round(960 * 0.45), None)
    for colour, sign in zip(score_board.PALETTE, (-1, 1), strict=False):
        rows, columns = painted(picture[:, right], colour)
        assert np.polyfit(columns, rows, 1)[0] * sign > 0.05 and np.ptp(columns) > 400


def test_half_a_video_fills_half_the_timeline_and_says_where_it_is():
    reach = []
    for length in (40, 80):
        _, columns = painted(
            score_board.score_board(lines([[1, 0]] * 40, length=length), 960),
            score_board.PALETTE[0],
        )
        reach.append(columns.max())
    left = round(960 * 0.42)
    assert (reach[1] - left) / (reach[0] - left) == pytest.approx(0.53, abs=0.04)
    strided = score_board.score_board(lines([[1, 0]] * 20, length=80, stride=2), 960)
    assert painted(strided, score_board.PALETTE[0])[1].max() == pytest.approx(reach[1], abs=10)


def test_bands_shade_the_action():
    plain, shaded = (
        score_board.score_board(lines([[1, 0]] * 60, bands=bands), 960)
        for bands in ((), ((15, 44),))
    )
    columns = np.nonzero((plain != shaded).any(-1))[1]
    left = round(960 * 0.42)
    share = np.ptp(columns) / (960 - left)
    assert 0.4 < share < 0.55 and columns.min() > left + 0.2 * (960 - left)


def test_a_card_has_both_panels_and_the_board():
    heat, box = np.full((64, 96), 128.0), np.array([[10.0, 10, 50, 40]])
    index = frame_picture.frame_card(
        frame_picture.FrameView(frame(400, 200), None, None, None), lines([[1, 0]]), "frame 3"
    )
    two = frame_picture.frame_card(
        frame_picture.FrameView(frame(400, 200), np.full((200, 400), 128.0), box, box + 9),
        lines([[1, 0]]),
        "frame 3",
    )
    assert index.shape[1] == 400 and two.shape[1] == 804 and two.shape[0] > 200
    assert (
        len(painted(two[:, :400], overlay.DETECTED)[0])
        > 50
        < len(painted(two[:, 404:], overlay.DETECTED)[0])
    )
    assert len(painted(two[:, 404:][60:], overlay.TRUE)[0]) < len(
        painted(two[:, :400][60:], overlay.TRUE)[0]
    )
    narrow = frame_picture.frame_card(
        frame_picture.FrameView(frame(), heat, box, None), lines([[1, 0]]), "frame 3"
    )
    assert narrow.shape[1] == frame_picture.NARROWEST and (narrow[5, :60] == overlay.BAND).all()


def test_a_frame_of_the_strip_names_the_best_class_so_far():
    view = frame_picture.FrameView(frame(400, 64), None, None, None)
    first, second = (
        frame_picture.strip_picture(view, lines([[1, 0]], so_far), "frame 3")[:30]
        for so_far in ((0.7, 0.3), (0.2, 0.8))
    )
    assert painted(first, score_board.PALETTE[0])[0].size
    assert not painted(first, score_board.PALETTE[1])[0].size
    assert (second == score_board.PALETTE[1]).all(-1).any()


@settings(max_examples=15, deadline=None)
@given(
    size=st.sampled_from([(1, 1), (3, 500), (500, 3), (64, 64), (641, 359)]),
    names=st.integers(1, 4),
    seed=st.integers(0, 99),
    heat=st.booleans(),
)
def test_anything_can_be_drawn_and_filmed(size, names, seed, heat):
    """Tiny and thin frames, long names, single frames: sides are even, and nothing is raised."""
    generator = np.random.default_rng(seed)
    values = generator.dirichlet(np.ones(names), size=1 + seed % 3)
    drawn_lines = ScoreLines(
        tuple("ümläut" * 9 for _ in range(names)), values[-1], values, 0, 1 + seed % 5
    )
    picture = frame_picture.frame_card(
        frame_picture.FrameView(
            frame(*size), np.zeros(size[::-1]) if heat else None, None, np.zeros((0, 4))
        ),
        drawn_lines,
        "frame 1000000",
    )
    assert picture.dtype == np.uint8 and not picture.shape[0] % 2 and not picture.shape[1] % 2
    strip = frame_picture.frame_strip(
        [
            frame_picture.strip_picture(
                frame_picture.FrameView(frame(*size), None, None, None), drawn_lines, "0"
            )
        ]
        * 3,
        drawn_lines,
    )
    assert strip.shape[1] >= frame_picture.NARROWEST


@pytest.mark.parametrize("width, height", [(64, 64), (1920, 1080)])
def test_a_view_at_the_size_it_is_shown(width, height):
    boxes = np.array([[width / 4, height / 4, width / 2, height / 2]])
    view = frame_picture.shown_frame_view(
        frame(width, height), 640, lambda size: np.zeros(size), detections=boxes
    )
    shown_height, shown_width = view.frame.shape[:2]
    assert max(shown_width, shown_height) == 640 and view.saliency.shape == (
        shown_height,
        shown_width,
    )
    np.testing.assert_allclose(
        view.detections, [[shown_width / 4, shown_height / 4, shown_width / 2, shown_height / 2]]
    )
    assert view.truth is None


def test_words_are_cut_where_they_do_not_fit():
    font = ImageFont.load_default(20)
    assert score_board.text_fitted_to_picture("Jump", font, 500) == "Jump"
    cut = score_board.text_fitted_to_picture("HandstandPushups", font, 90)
    assert cut.endswith("…") and font.getlength(cut) <= 90 and cut.startswith("Ha")
    assert score_board.text_fitted_to_picture("Jump", font, 0) == "J…"


def test_a_mark_stays_behind_a_name_that_is_cut():
    font = ImageFont.load_default(20)
    assert score_board.text_fitted_to_picture("Jump", font, 500, " (true)", 4) == "Jump (true)"
    short = score_board.text_fitted_to_picture("HandstandPushups", font, 140, " (true)", 4)
    assert short.startswith("Hand") and short.endswith("… (true)") and font.getlength(short) <= 140
    # Too narrow for four letters and the mark: the name is shown instead.
    assert score_board.text_fitted_to_picture("HandstandPushups", font, 90, " (true)", 4).endswith(
        "…"
    )


def test_a_board_shows_both_answers_of_long_names():
    names, scores = ("a class of a long name",) * 2, np.array([0.6, 0.4])
    plain = ScoreLines(names, scores, scores[None], 0, 1)
    marked = plain._replace(marks=(" (true, in one pass)", " (by segments)"))
    boards = [score_board.score_board(rows, 772) for rows in (plain, marked)]
    for row in (slice(0, 28), slice(28, 56)):
        # The mark ends right of where the cut name alone ends, and leaves room for a bar.
        assert (boards[0][row, 8:200] != boards[1][row, 8:200]).any()
    for colour, score in zip(score_board.PALETTE, scores, strict=False):
        columns = painted(boards[1][:, 225:300], colour)[1]
        assert np.ptp(columns) > 40 * score
