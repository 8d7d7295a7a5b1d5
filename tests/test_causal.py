"""The boxes of a stream are those of the whole tube cut where the stream has come to."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from videolstm_jax.config import LocalizeConfig
from videolstm_jax.localize import causal
from videolstm_jax.localize.tubes import video_tube


def maps(seed, frames, cells=7):
    return (
        np.random.default_rng(seed)
        .dirichlet(np.full(cells**2, 0.2), size=frames)
        .reshape(frames, cells, cells)
    )


def followed(attention, size, settings):
    trail, boxes = causal.START, []
    for frame in attention:
        trail, box = causal.follow_causal_tube(trail, frame, size, settings=settings)
        boxes.append(box)
    return trail, np.array(boxes)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 10**6),
    st.integers(1, 25),
    st.integers(0, 9),
    st.sampled_from(["frame", "video"]),
    st.sampled_from(["region", "moments"]),
)
def test_equals_the_causal_tube(seed, frames, span, normalise, box):
    attention = maps(seed, frames)
    cfg = LocalizeConfig(span=span, normalise=normalise, box=box, theta=120.0, causal=True)
    trail, boxes = followed(attention, (48, 80), cfg)
    tube = video_tube(attention, (48, 80), frames + 1, settings=cfg)
    np.testing.assert_allclose(boxes, tube.boxes[:-1], atol=1e-9)
    assert len(trail.boxes) <= max(span, 1)


@pytest.mark.parametrize("box", ["region", "moments"])
@pytest.mark.parametrize("normalise", ["frame", "video"])
def test_agrees_from_the_first_box_on_where_the_first_maps_are_empty(normalise, box):
    attention = maps(8, 20)
    cfg = LocalizeConfig(span=7, normalise=normalise, box=box, causal=True)
    attention[:3] = 0
    trail, boxes = causal.START, []
    for frame in attention:
        trail, box = causal.follow_causal_tube(trail, frame, (48, 80), settings=cfg)
        boxes.append(box)
    tube = video_tube(attention, (48, 80), 20, settings=cfg).boxes
    assert [box is None for box in boxes] == [True] * 3 + [False] * 17
    np.testing.assert_allclose(boxes[3:], tube[3:], atol=1e-9)
    np.testing.assert_array_equal(tube[:3], tube[[3] * 3])


@pytest.mark.parametrize("normalise", ["frame", "video"])
def test_knows_nothing_of_later_frames(normalise):
    attention = maps(3, 20)
    stream = LocalizeConfig(normalise=normalise, causal=True)
    tube = video_tube(attention, (40, 60), 20, settings=stream).boxes
    for length in (1, 2, 9, 19):
        cut = video_tube(attention[:length], (40, 60), length, settings=stream).boxes
        np.testing.assert_array_equal(cut, tube[:length])
    centred = LocalizeConfig(normalise=normalise)
    later = video_tube(attention, (40, 60), 20, settings=centred).boxes
    assert np.abs(later[:10] - tube[:10]).max() > 0.1, "looking ahead should make a difference here"


def test_per_frame_without_smoothing_causal_changes_nothing():
    attention = maps(5, 12)
    np.testing.assert_array_equal(
        video_tube(attention, (40, 60), 12, settings=LocalizeConfig(span=0, causal=True)).boxes,
        video_tube(attention, (40, 60), 12, settings=LocalizeConfig(span=0)).boxes,
    )


def test_no_box_before_anything_is_salient():
    trail, box = causal.follow_causal_tube(causal.START, np.zeros((7, 7)), (40, 60))
    assert box is None
    trail, box = causal.follow_causal_tube(trail, maps(0, 1)[0], (40, 60))
    trail, held = causal.follow_causal_tube(
        trail, np.zeros((7, 7)), (40, 60), settings=LocalizeConfig(span=0)
    )
    assert box is not None and held is not None
    np.testing.assert_array_equal(held, box)


def test_refuses_what_is_no_attention():
    with pytest.raises(ValueError, match="expected finite and not negative"):
        causal.follow_causal_tube(causal.START, np.full((7, 7), np.nan), (40, 60))
