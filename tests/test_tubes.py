"""Linking follows Eq. (17) frame by frame, and a video's tube covers every one of its frames."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from videolstm_jax.config import LocalizeConfig
from videolstm_jax.localize.boxes import frame_boxes
from videolstm_jax.localize.linking import link
from videolstm_jax.localize.saliency import saliency
from videolstm_jax.localize.scoring import detections_of_tube
from videolstm_jax.localize.smooth import smooth_tube
from videolstm_jax.localize.tubes import repeat_last_box, video_tube
from videolstm_jax.types import Tube


def arrays(*frames):
    """Boxes and masses from lists of (box, mass)."""
    return (
        [np.array([box for box, _ in frame], float).reshape(-1, 4) for frame in frames],
        [np.array([mass for _, mass in frame], float) for frame in frames],
    )


LEFT, RIGHT, NEAR_LEFT = [0, 0, 10, 10], [50, 0, 60, 10], [4, 0, 14, 10]


def test_starts_with_the_largest_mass_and_follows_the_overlap():
    tube = link(*arrays([(LEFT, 5), (RIGHT, 9)], [(LEFT, 50), (RIGHT, 1)]))
    np.testing.assert_array_equal(tube.boxes, [RIGHT, RIGHT])
    tube = link(*arrays([(LEFT, 9), (RIGHT, 5)], [(RIGHT, 50), (NEAR_LEFT, 1)]))
    np.testing.assert_array_equal(tube.boxes, [LEFT, NEAR_LEFT])


def test_without_any_overlap_the_largest_mass_wins():
    tube = link(*arrays([(LEFT, 9)], [([20, 0, 30, 10], 1), (RIGHT, 2)]))
    np.testing.assert_array_equal(tube.boxes, [LEFT, RIGHT])


def test_a_tie_of_overlap_and_mass_takes_the_first_listed():
    tube = link(*arrays([([10, 0, 20, 10], 1)], [([5, 0, 15, 10], 3), ([15, 0, 25, 10], 3)]))
    np.testing.assert_array_equal(tube.boxes[1], [5, 0, 15, 10])


def test_frames_without_boxes_hold_the_last_one_and_the_first_backwards():
    tube = link(*arrays([], [], [(LEFT, 1)], [], [(NEAR_LEFT, 1)], []))
    assert tube.start == 0
    np.testing.assert_array_equal(tube.boxes, [LEFT, LEFT, LEFT, LEFT, NEAR_LEFT, NEAR_LEFT])


def test_no_box_at_all_is_refused():
    with pytest.raises(ValueError, match="none of 2 frames has a box"):
        link(*arrays([], []))


def walking(frames: int, cells: int = 7) -> np.ndarray:
    attention = np.full((frames, cells, cells), 0.001)
    for t in range(frames):
        attention[t, 3, round(t * (cells - 1) / max(frames - 1, 1))] = 1
    return attention / attention.sum(axis=(1, 2), keepdims=True)


@pytest.mark.parametrize("normalise", ["frame", "video"])
@pytest.mark.parametrize("frames", [1, 2, 20])
def test_the_whole_way_equals_its_parts(normalise, frames):
    attention = walking(frames)
    cfg = LocalizeConfig(sigma=10.0, theta=90.0, normalise=normalise, span=5)
    proposals = [frame_boxes(frame, 90) for frame in saliency(attention, (48, 100), settings=cfg)]
    expected = smooth_tube(
        link([boxes for boxes, _ in proposals], [mass for _, mass in proposals]), 5
    )
    tube = video_tube(attention, (48, 100), frames + 1, settings=cfg)
    assert tube.boxes.shape == (frames + 1, 4)
    np.testing.assert_allclose(
        tube.boxes[:-1], np.clip(expected.boxes, 0, [100, 48, 100, 48]), atol=1e-6
    )
    np.testing.assert_array_equal(tube.boxes[-1], tube.boxes[-2])


@pytest.mark.parametrize("box", ["region", "moments"])
def test_follows_what_moves(box):
    tube = video_tube(walking(30), (240, 320), 31, settings=LocalizeConfig(box=box))
    middle = tube.boxes[:, [0, 2]].mean(axis=1)
    assert middle[0] < 90 and middle[-1] > 230
    assert (np.diff(middle) > -1).all()


@settings(max_examples=20, deadline=None)
@given(
    st.integers(0, 10**6),
    st.integers(1, 12),
    st.integers(10, 60),
    st.integers(10, 60),
    st.floats(0, 255),
    st.sampled_from(["region", "moments"]),
)
def test_boxes_lie_inside_the_frame(seed, frames, height, width, theta, box):
    attention = (
        np.random.default_rng(seed).dirichlet(np.full(49, 0.2), size=frames).reshape(frames, 7, 7)
    )
    boxes = video_tube(
        attention, (height, width), frames + 1, settings=LocalizeConfig(theta=theta, box=box)
    ).boxes
    assert boxes.shape == (frames + 1, 4)
    assert (boxes[:, :2] >= 0).all() and (boxes[:, 2:] <= [width, height]).all()
    assert (boxes[:, 2:] - boxes[:, :2] >= 1 - 1e-9).all()


def test_refuses_what_cannot_be_localised():
    with pytest.raises(ValueError, match="5 maps for 4 frames"):
        video_tube(walking(5), (24, 32), 4)
    with pytest.raises(ValueError, match="maps are zero"):
        video_tube(np.zeros((3, 7, 7)), (24, 32), 4)


def test_repeat_last_reaches_the_end_and_no_further():
    tube = Tube(2, np.arange(8.0).reshape(2, 4))
    np.testing.assert_array_equal(
        repeat_last_box(tube, 6).boxes, [[0, 1, 2, 3], [4, 5, 6, 7], [4, 5, 6, 7], [4, 5, 6, 7]]
    )
    assert len(repeat_last_box(tube, 3).boxes) == 2


def test_every_class_shares_the_tube_and_has_its_mean_score():
    tube = Tube(0, np.tile([0.0, 0, 5, 5], (3, 1)))
    detections = detections_of_tube("Jump/a", tube, np.array([[0.2, 0.8], [0.6, 0.4]]))
    assert [(detection.video, detection.label) for detection in detections] == [
        ("Jump/a", 0),
        ("Jump/a", 1),
    ]
    np.testing.assert_allclose([detection.score for detection in detections], [0.4, 0.6])
    assert all(detection.tube is tube for detection in detections)
    assert [
        detection.score for detection in detections_of_tube("Jump/a", tube, np.array([0.25, 0.75]))
    ] == [
        0.25,
        0.75,
    ]
