"""The benchmark of the localizer's options, on a few synthetic videos."""

import numpy as np
import pytest

from benchmarks import read_outs, scored_videos
from videolstm_jax.config import LocalizeConfig
from videolstm_jax.localize.baselines import ideal_attention
from videolstm_jax.types import Detection, Tube

SIZE, FRAMES = (56, 56), 9


def scored_video(name, label, place):
    boxes = np.tile([place, place, place + 20.0, place + 24], (FRAMES, 1))
    scores = np.full((FRAMES - 1, 2), 0.1)
    scores[:, label] = 0.9
    return scored_videos.ScoredVideo(
        name,
        SIZE,
        FRAMES,
        scores,
        ideal_attention(boxes[1:], SIZE, 7),
        (Detection(name, label, 1.0, Tube(0, boxes)),),
        "squash",
    )


@pytest.fixture
def videos():
    return [
        scored_video("a", 0, 4),
        scored_video("b", 0, 20),
        scored_video("c", 1, 12),
        scored_video("d", 1, 28),
    ]


def test_joined_videos_hold_two_classes_one_after_the_other(videos):
    pairs = scored_videos.joined(videos)
    assert [video.name for video in pairs] == ["a+c", "b+d", "c+a", "d+b"]
    first = pairs[0]
    assert (
        first.frames == 2 * FRAMES and len(first.scores) == len(first.attention) == 2 * FRAMES - 1
    )
    assert (
        first.scores[:FRAMES].argmax(1).tolist() == [0] * FRAMES
        and (first.scores[FRAMES:].argmax(1) == 1).all()
    )
    assert [(true.label, true.tube.start, true.video) for true in first.truth] == [
        (0, 0, "a+c"),
        (1, FRAMES, "a+c"),
    ]


def test_trimming_reaches_the_upper_bound_where_scores_are_right(videos):
    pairs = scored_videos.joined(videos)
    settings = LocalizeConfig(sigma=0.0, span=1)
    full = read_outs.measure(pairs, settings, resamples=5)
    cut = read_outs.measure(pairs, LocalizeConfig(sigma=0.0, span=1, trim="chance"), resamples=5)
    upper_bound = read_outs.measure(pairs, settings, resamples=5, true_spans=True)
    assert full.video_map["0.5"][0] == 0 and full.frames == 1
    assert cut.video_map == upper_bound.video_map and cut.video_map["0.5"] == [1, 1, 1]
    assert cut.frames == 0.5
    np.testing.assert_array_equal(cut.overlaps, full.overlaps)


def test_intervals_hold_the_value(videos, capsys):
    wrong = videos[1]._replace(attention=videos[0].attention)
    rows = read_outs.table(
        [videos[0], wrong, *videos[2:]],
        {"paper": LocalizeConfig(), "all": LocalizeConfig(tubes=0)},
        resamples=50,
    )
    for row in rows.values():
        for value, low, high in (row["frame_iou"], *row["video_map"].values()):
            assert low <= value <= high
    assert rows["paper"]["video_map"]["0.2"][0] < 1 and rows["paper"]["video_map"]["0.2"][1] < 0.9
    assert "paper" in capsys.readouterr().out
