"""Every region ends in exactly one tube; a single region gives the single tube of the paper."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from videolstm_jax.config import LocalizeConfig
from videolstm_jax.localize.linking import Track, link, link_all
from videolstm_jax.localize.scoring import share_scores_among_tubes
from videolstm_jax.localize.tubes import video_tracks, video_tube
from videolstm_jax.types import Tube

LEFT, RIGHT, NEAR_LEFT = [0, 0, 10, 10], [50, 0, 60, 10], [4, 0, 14, 10]


def arrays(*frames):
    """Boxes and masses from lists of (box, mass)."""
    return (
        [np.array([box for box, _ in frame], float).reshape(-1, 4) for frame in frames],
        [np.array([mass for _, mass in frame], float) for frame in frames],
    )


def test_two_regions_make_two_tubes_the_heaviest_first():
    light, heavy = [(LEFT, 1), (RIGHT, 4)], [(RIGHT, 3), (NEAR_LEFT, 2)]
    tracks = link_all(*arrays(light, heavy))
    assert [track.mass for track in tracks] == [7, 3]
    np.testing.assert_array_equal(tracks[0].tube.boxes, [RIGHT, RIGHT])
    np.testing.assert_array_equal(tracks[1].tube.boxes, [LEFT, NEAR_LEFT])


def test_a_box_that_no_tube_takes_starts_one():
    tracks = link_all(*arrays([(LEFT, 5)], [(LEFT, 5), (NEAR_LEFT, 9)], [(RIGHT, 1)]))
    spans = [(track.tube.start, len(track.tube.boxes), track.mass) for track in tracks]
    assert spans == [(0, 2, 10), (1, 1, 9), (2, 1, 1)]


def test_a_gap_is_held_and_the_end_is_cut():
    tracks = link_all(*arrays([], [(LEFT, 1)], [], [(RIGHT, 1)], [(NEAR_LEFT, 1)], []))
    assert [track.tube.start for track in tracks] == [1, 3]
    np.testing.assert_array_equal(tracks[0].tube.boxes, [LEFT, LEFT, LEFT, NEAR_LEFT])
    np.testing.assert_array_equal(tracks[1].tube.boxes, [RIGHT])


def test_the_best_overlap_is_paired_first_and_mass_breaks_ties():
    tracks = link_all(*arrays([([10, 0, 20, 10], 1)], [([5, 0, 15, 10], 2), ([15, 0, 25, 10], 3)]))
    np.testing.assert_array_equal(tracks[0].tube.boxes[1], [15, 0, 25, 10])
    older = link_all(*arrays([(LEFT, 1), ([8, 0, 18, 10], 1)], [(NEAR_LEFT, 1)]))
    assert [len(track.tube.boxes) for track in older] == [2, 1], (
        "of two that overlap it equally the older goes on"
    )
    np.testing.assert_array_equal(older[0].tube.boxes, [LEFT, NEAR_LEFT])


def test_no_box_no_tube():
    assert link_all(*arrays([], [])) == []


def scene(seed, frames):
    generator = np.random.default_rng(seed)
    low = [generator.integers(0, 40, (generator.integers(0, 4), 2)) for _ in range(frames)]
    boxes = [
        np.concatenate([corner, corner + generator.integers(5, 30, corner.shape)], axis=1).astype(
            float
        )
        for corner in low
    ]
    return boxes, [generator.uniform(1, 2, len(frame)) for frame in boxes]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 12))
def test_every_box_lies_in_exactly_one_tube(seed, frames):
    boxes, mass = scene(seed, frames)
    tracks = link_all(boxes, mass)
    assert sum(track.mass for track in tracks) == pytest.approx(sum(map(np.sum, mass)))
    weights = [track.mass for track in tracks]
    assert weights == sorted(weights, reverse=True)
    for frame, candidates in enumerate(boxes):
        shown = [
            tuple(track.tube.boxes[frame - track.tube.start])
            for track in tracks
            if 0 <= frame - track.tube.start < len(track.tube.boxes)
        ]
        assert all(shown.count(tuple(box)) >= 1 for box in candidates)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 12))
def test_one_overlapping_box_a_frame_is_the_single_tube(seed, frames):
    generator = np.random.default_rng(seed)
    low = np.cumsum(generator.integers(-3, 4, (frames, 2)), axis=0)
    boxes = [np.array([[*corner, *(corner + 10)]], float) for corner in low]
    mass = [np.ones(1)] * frames
    (track,) = link_all(boxes, mass)
    np.testing.assert_array_equal(track.tube.boxes, link(boxes, mass).boxes)


def spots(*walks, frames, cells=7):
    attention = np.full((frames, cells, cells), 1e-4)
    for walk, weight in walks:
        for t, (row, column) in enumerate(walk):
            attention[t, row, column] += weight
    return attention / attention.sum(axis=(1, 2), keepdims=True)


@pytest.mark.parametrize("causal", [False, True])
def test_one_peak_gives_the_tube_of_the_paper(causal):
    walk = [(3, t // 3) for t in range(20)]
    attention = spots((walk, 1), frames=20)
    cfg = LocalizeConfig(sigma=10.0, span=7, causal=causal, tubes=0)
    (track,) = video_tracks(attention, (48, 100), 21, settings=cfg)
    expected = video_tube(attention, (48, 100), 21, settings=cfg)
    np.testing.assert_allclose(track.tube.boxes, expected.boxes)


def test_two_actors_get_a_tube_each():
    attention = spots(([(1, 1)] * 12, 1.0), ([(5, 5)] * 6, 0.8), frames=12)
    tracks = video_tracks(attention, (70, 70), 13, settings=LocalizeConfig(sigma=5.0, tubes=0))
    assert [(track.tube.start, len(track.tube.boxes)) for track in tracks] == [(0, 13), (0, 6)]
    for track, place in zip(tracks, (15, 55), strict=True):
        np.testing.assert_allclose(track.tube.boxes.reshape(-1, 2, 2).mean(axis=1), place, atol=1.5)


def test_scores_are_shared_out_by_mass():
    tracks = [Track(Tube(0, np.ones((3, 4))), 6.0), Track(Tube(1, np.zeros((2, 4))), 2.0)]
    detections = share_scores_among_tubes("a", tracks, np.array([[0.2, 0.8], [0.4, 0.6]]))
    assert [(detection.label, detection.tube.start) for detection in detections] == [
        (0, 0),
        (1, 0),
        (0, 1),
        (1, 1),
    ]
    np.testing.assert_allclose(
        [detection.score for detection in detections], [0.225, 0.525, 0.075, 0.175]
    )
    assert detections[0].tube is detections[1].tube


def test_refuses_what_cannot_be_localised():
    every = LocalizeConfig(tubes=0)
    with pytest.raises(ValueError, match="5 maps for 4 frames"):
        video_tracks(np.ones((5, 7, 7)) / 49, (24, 32), 4, settings=every)
    with pytest.raises(ValueError, match="maps are zero"):
        video_tracks(np.zeros((3, 7, 7)), (24, 32), 4, settings=every)
