"""Attention on padded and cropped frames to boxes of the video: nothing lies beside the frame."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from videolstm_jax.config import FITS, LocalizeConfig
from videolstm_jax.localize import baselines, causal
from videolstm_jax.localize.saliency import saliency, upscale_saliency_maps
from videolstm_jax.localize.tubes import video_tracks, video_tube
from videolstm_jax.report.pictures.overlay import BAND, picture_text_size
from videolstm_jax.report.pictures.states import States, state_picture_sheet
from videolstm_jax.square import square_window

PLAIN = {"sigma": 0.0, "span": 0}
NO_SQUASH = pytest.mark.parametrize("fit", ["pad", "crop"])
WIDE_AND_TALL = pytest.mark.parametrize("size", [(40, 100), (101, 40)])


def maps_of(frames, cells=7, seed=0):
    """Random attention [T, N, N]."""
    values = np.random.default_rng(seed).dirichlet(np.full(cells**2, 0.2), frames)
    return values.reshape(frames, cells, cells)


def cut(size, fit):
    """Where the picture lies in the rectangle that becomes the square, in whole pixels."""
    height, width = size
    part = square_window(fit, size)
    return round(-part.top), round(-part.left), height, width


@st.composite
def boxes_in_frames(draw):
    """A fit, the size of a video, and a visible box of at least a fifth of its shorter side."""
    fit = draw(st.sampled_from(FITS))
    size = draw(st.integers(30, 200)), draw(st.integers(30, 200))
    left, top, right, bottom = square_window(fit, size).visible(size)
    least = min(size) / 5
    x0 = draw(st.floats(left, right - least))
    y0 = draw(st.floats(top, bottom - least))
    x1 = draw(st.floats(x0 + least, right))
    y1 = draw(st.floats(y0 + least, bottom))
    return fit, size, np.array([x0, y0, x1, y1])


@given(boxes_in_frames())
def test_a_visible_box_comes_back_from_the_square(scene):
    """Box to cells to box, for any size: within the length of a cell, which is a few pixels."""
    fit, size, box = scene
    cells = 28
    maps = baselines.ideal_attention(box[None], size, cells, fit)
    settings = LocalizeConfig(theta=127.0, **PLAIN)
    (found,) = video_tube(maps, size, 1, settings=settings, fit=fit).boxes
    part = square_window(fit, size)
    assert np.abs(found - box).max() <= max(part.width, part.height) / cells + 1
    moments = LocalizeConfig(box="moments", **PLAIN)
    (found,) = video_tube(maps, size, 1, settings=moments, fit=fit).boxes
    assert np.abs(found - box).max() <= 2 * max(part.width, part.height) / cells + 1


@given(st.sampled_from(FITS), st.integers(8, 90), st.integers(8, 90), st.integers(0, 9))
def test_boxes_lie_in_what_the_network_read(fit, height, width, seed):
    size = height, width
    visible = square_window(fit, size).visible(size)
    for box in ("region", "moments"):
        tube = video_tube(maps_of(4, seed=seed), size, 5, settings=LocalizeConfig(box=box), fit=fit)
        assert (tube.boxes[:, :2] >= visible[:2] - 1e-9).all()
        assert (tube.boxes[:, 2:] <= visible[2:] + 1e-9).all()
        assert (tube.boxes[:, 2:] - tube.boxes[:, :2] >= 1 - 1e-9).all()


@WIDE_AND_TALL
def test_padding_is_cut_off_the_map_and_a_crop_put_into_the_frame(size):
    maps = maps_of(2)
    height, width = size[0] // 2 * 2, size[1] // 2 * 2  # even, so that windows are whole pixels
    size = height, width
    longer, shorter = max(size), min(size)
    down, across, _, _ = cut(size, "pad")
    padded = upscale_saliency_maps(maps, (longer, longer), 0.0)
    expected = padded[:, down : down + height, across : across + width]
    np.testing.assert_allclose(upscale_saliency_maps(maps, size, 0.0, "pad"), expected, rtol=1e-5)
    down, across, _, _ = cut(size, "crop")
    cropped = np.zeros((2, height, width), np.float32)
    place = np.s_[:, -down : shorter - down, -across : shorter - across]
    cropped[place] = upscale_saliency_maps(maps, (shorter, shorter), 20.0)
    np.testing.assert_allclose(upscale_saliency_maps(maps, size, 20.0, "crop"), cropped, rtol=1e-5)


def test_attention_on_padding_makes_no_box():
    maps = np.full((3, 7, 7), 1e-9)
    maps[:, 0] = 1.0  # in the border above the frame
    maps[:, 3, 5] = 1e-3  # all that is left lies on the frame
    for box in ("region", "moments"):
        settings = LocalizeConfig(box=box, **PLAIN)
        tube = video_tube(maps, (30, 98), 3, settings=settings, fit="pad")
        x0, _, x1, _ = tube.boxes[0]
        assert 55 < x0 < x1 <= 98
    maps = np.zeros((2, 7, 7))
    maps[:, 0] = 1.0
    with pytest.raises(ValueError, match="all attention of 2 maps lies beside the frame"):
        video_tube(maps, (30, 98), 2, settings=LocalizeConfig(**PLAIN), fit="pad")


@NO_SQUASH
@WIDE_AND_TALL
@pytest.mark.parametrize("normalise", ["frame", "video"])
def test_a_stream_makes_the_boxes_of_the_whole_video(fit, size, normalise):
    maps = maps_of(12)
    settings = LocalizeConfig(box="moments", normalise=normalise, causal=True)
    trail, boxes = causal.START, []
    for frame in maps:
        trail, box = causal.follow_causal_tube(trail, frame, size, settings=settings, fit=fit)
        boxes.append(box)
    tube = video_tube(maps, size, 12, settings=settings, fit=fit)
    np.testing.assert_allclose(np.array(boxes), tube.boxes, atol=1e-9)


@NO_SQUASH
@WIDE_AND_TALL
def test_several_tubes_lie_in_what_the_network_read(fit, size):
    visible = square_window(fit, size).visible(size)
    settings = LocalizeConfig(tubes=0, sigma=5.0)
    tracks = video_tracks(maps_of(5), size, 6, settings=settings, fit=fit)
    for track in tracks:
        assert (track.tube.boxes[:, :2] >= visible[:2] - 1e-9).all()
        assert (track.tube.boxes[:, 2:] <= visible[2:] + 1e-9).all()


@WIDE_AND_TALL
def test_cells_and_flow_as_if_the_frame_were_padded_or_cut_before(size):
    height, width = size[0] // 2 * 2, size[1] // 2 * 2
    size = height, width
    longer, shorter = max(size), min(size)
    generator = np.random.default_rng(0)
    flow = generator.normal(size=(2, height, width, 2))
    box = np.array([[0.3 * width, 0.35 * height, 0.6 * width, 0.8 * height]])
    down, across, _, _ = cut(size, "pad")
    borders = ((0, 0), (down, down), (across, across), (0, 0))
    np.testing.assert_allclose(
        baselines.flow_baseline_attention(flow, 7, "pad"),
        baselines.flow_baseline_attention(np.pad(flow, borders), 7),
        atol=1e-6,
    )
    np.testing.assert_allclose(
        baselines.box_coverage_of_cells(box, size, 7, "pad"),
        baselines.box_coverage_of_cells(box + [across, down, across, down], (longer, longer), 7),
        atol=1e-12,
    )
    down, across, _, _ = cut(size, "crop")
    part = flow[:, -down : shorter - down, -across : shorter - across]
    np.testing.assert_allclose(
        baselines.flow_baseline_attention(flow, 7, "crop"),
        baselines.flow_baseline_attention(part, 7),
        atol=1e-6,
    )
    np.testing.assert_allclose(
        baselines.box_coverage_of_cells(box, size, 7, "crop"),
        baselines.box_coverage_of_cells(box + [across, down, across, down], (shorter, shorter), 7),
        atol=1e-12,
    )


@NO_SQUASH
def test_square_videos_have_the_same_boxes_to_the_bit(fit):
    maps, size = maps_of(6), (64, 64)
    settings = LocalizeConfig()
    np.testing.assert_array_equal(
        video_tube(maps, size, 7, settings=settings, fit=fit).boxes,
        video_tube(maps, size, 7, settings=settings).boxes,
    )
    np.testing.assert_array_equal(saliency(maps, size, fit=fit), saliency(maps, size))
    boxes = np.array([[3.0, 5, 40, 50]])
    np.testing.assert_array_equal(
        baselines.box_coverage_of_cells(boxes, size, 7, fit),
        baselines.box_coverage_of_cells(boxes, size, 7),
    )


def test_maps_of_the_state_are_drawn_where_they_lie_on_the_frame():
    channel = np.zeros((1, 2, 2))
    channel[0, 0, 0] = 1.0
    states = States("hidden", np.ones((1, 2, 2)), np.array([0]), channel[None])
    size = 80, 40  # W, H
    title = picture_text_size(80) + 6
    pictures = {}
    for fit in FITS:
        pictures[fit] = state_picture_sheet(states, np.array([0]), size, fit)[
            title : title + 40, :80
        ]
    # With padding the frame has the lower half of the upper cells; the crop is the middle.
    assert not (pictures["squash"] == BAND).all(-1).any()
    assert not (pictures["pad"] == BAND).all(-1).any()
    beside = (pictures["crop"] == BAND).all(-1).all(0)
    assert beside.tolist() == [True] * 20 + [False] * 40 + [True] * 20
