"""Settings choose among the options of the localiser, and the paper's are what the defaults give."""

import numpy as np
import pytest

from videolstm_jax.config import LocalizeConfig
from videolstm_jax.localize.found import one_tube, scored, video_found
from videolstm_jax.localize.several import video_tracks
from videolstm_jax.localize.trim import frame_gain, trimmed
from videolstm_jax.localize.tubes import detections, video_tube

SIZE, FRAMES = (48, 64), 13


@pytest.fixture
def attention():
    return np.random.default_rng(4).dirichlet(np.full(49, 0.1), FRAMES - 1).reshape(-1, 7, 7)


@pytest.fixture
def frame_scores():
    return np.random.default_rng(5).dirichlet([1, 1, 1], FRAMES - 1)


def test_the_defaults_are_one_tube_with_the_mean_of_frame_scores(attention, frame_scores):
    how = LocalizeConfig()
    (track,) = video_found(attention, SIZE, FRAMES, how)
    np.testing.assert_array_equal(track.tube.boxes, video_tube(attention, SIZE, FRAMES).boxes)
    found = scored("a", [track], frame_scores.mean(axis=0), how, frame_scores, attention)
    assert found == detections("a", track.tube, frame_scores)


@pytest.mark.parametrize(
    "settings",
    [
        {"sigma": 5.0},
        {"theta": 180.0},
        {"normalise": "video"},
        {"span": 3},
        {"box": "moments"},
        {"causal": True},
    ],
)
def test_every_setting_of_one_tube_is_handed_on(attention, settings):
    tube = one_tube(attention, SIZE, FRAMES, LocalizeConfig(**settings))
    np.testing.assert_array_equal(tube.boxes, video_tube(attention, SIZE, FRAMES, **settings).boxes)
    assert np.abs(tube.boxes - video_tube(attention, SIZE, FRAMES).boxes).max() > 0.01


@pytest.mark.parametrize(
    "settings", [{}, {"theta": 180.0}, {"normalise": "video"}, {"span": 3}, {"causal": True}]
)
def test_several_tubes(attention, settings):
    settings = {"sigma": 5.0, **settings}
    every = video_tracks(attention, SIZE, FRAMES, **settings)
    assert len(every) > 2
    for count, expected in ((0, every), (2, every[:2]), (10**6, every)):
        tracks = video_found(attention, SIZE, FRAMES, LocalizeConfig(tubes=count, **settings))
        assert [track.mass for track in tracks] == [track.mass for track in expected]
        assert all(
            np.array_equal(a.tube.boxes, b.tube.boxes)
            for a, b in zip(tracks, expected, strict=True)
        )


def test_tubes_are_cut_last(attention, frame_scores):
    how = LocalizeConfig(sigma=5.0, tubes=0, trim="mean")
    tracks = video_found(attention, SIZE, FRAMES, how)
    whole = scored(
        "a", tracks, frame_scores.mean(axis=0), LocalizeConfig(tubes=0), frame_scores, attention
    )
    cut = scored("a", tracks, frame_scores.mean(axis=0), how, frame_scores, attention)
    expected = trimmed(whole, frame_gain(frame_scores, attention, "mean"))
    assert [(one.label, one.score, one.tube.start, len(one.tube.boxes)) for one in cut] == [
        (one.label, one.score, one.tube.start, len(one.tube.boxes)) for one in expected
    ]
    assert any(len(a.tube.boxes) < len(b.tube.boxes) for a, b in zip(cut, whole, strict=True))
