"""Every setting of the localizer has its effect, and the defaults are the paper's."""

import numpy as np
import pytest

from videolstm_jax.config import LocalizeConfig
from videolstm_jax.localize.scoring import VideoOutput, detections_of_tube, score_tracks
from videolstm_jax.localize.trim import trim_gain, trim_tubes
from videolstm_jax.localize.tubes import video_tracks, video_tube

SIZE, FRAMES = (48, 64), 13


@pytest.fixture
def output():
    frame_scores = np.random.default_rng(5).dirichlet([1, 1, 1], FRAMES - 1)
    maps = np.random.default_rng(4).dirichlet(np.full(49, 0.1), FRAMES - 1)
    return VideoOutput("a", frame_scores.mean(axis=0), frame_scores, maps.reshape(-1, 7, 7))


def test_the_defaults_are_one_tube_with_the_mean_of_frame_scores(output):
    (track,) = video_tracks(output.attention, SIZE, FRAMES)
    tube = video_tube(output.attention, SIZE, FRAMES, settings=LocalizeConfig())
    np.testing.assert_array_equal(track.tube.boxes, tube.boxes)
    detections = score_tracks([track], output, LocalizeConfig())
    assert detections == detections_of_tube("a", track.tube, output.frame_scores)


@pytest.mark.parametrize(
    "changed",
    [
        {"sigma": 5.0},
        {"theta": 180.0},
        {"normalise": "video"},
        {"span": 3},
        {"box": "moments"},
        {"causal": True},
    ],
)
def test_every_setting_of_one_tube_changes_its_boxes(output, changed):
    settings = LocalizeConfig(**changed)
    (track,) = video_tracks(output.attention, SIZE, FRAMES, settings=settings)
    tube = video_tube(output.attention, SIZE, FRAMES, settings=settings)
    np.testing.assert_array_equal(track.tube.boxes, tube.boxes)
    assert np.abs(tube.boxes - video_tube(output.attention, SIZE, FRAMES).boxes).max() > 0.01


@pytest.mark.parametrize(
    "changed", [{}, {"theta": 180.0}, {"normalise": "video"}, {"span": 3}, {"causal": True}]
)
def test_several_tubes(output, changed):
    def tracks_of(count):
        settings = LocalizeConfig(**{"sigma": 5.0, "tubes": count, **changed})
        return video_tracks(output.attention, SIZE, FRAMES, settings=settings)

    every = tracks_of(0)
    assert len(every) > 2
    for count, expected in ((2, every[:2]), (10**6, every)):
        tracks = tracks_of(count)
        assert [track.mass for track in tracks] == [track.mass for track in expected]
        for track, other in zip(tracks, expected, strict=True):
            np.testing.assert_array_equal(track.tube.boxes, other.tube.boxes)


def test_a_video_without_any_region_is_refused():
    # Not zero, but zero in float32, in which maps are upscaled.
    faint = np.full((3, 7, 7), 1e-46)
    with pytest.raises(ValueError, match="none of 3 maps has a region at or above theta, 200"):
        video_tracks(faint, SIZE, FRAMES, settings=LocalizeConfig(theta=200.0, tubes=0))


def test_tubes_are_cut_last(output):
    settings = LocalizeConfig(sigma=5.0, tubes=0, trim="mean")
    tracks = video_tracks(output.attention, SIZE, FRAMES, settings=settings)
    full = score_tracks(tracks, output, LocalizeConfig(tubes=0))
    cut = score_tracks(tracks, output, settings)
    gain = trim_gain(output.frame_scores, output.attention, "mean")

    def spans(detections):
        return [(d.label, d.score, d.tube.start, len(d.tube.boxes)) for d in detections]

    assert spans(cut) == spans(trim_tubes(full, gain))
    assert any(
        len(short.tube.boxes) < len(long.tube.boxes) for short, long in zip(cut, full, strict=True)
    )
