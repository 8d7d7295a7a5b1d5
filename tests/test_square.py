"""Frames of any shape to a square and back: the geometry, and the pixels against plain numpy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from videolstm_jax.clips.images import mirrored_image, square_images
from videolstm_jax.config import FITS, DataConfig
from videolstm_jax.errors import ConfigError
from videolstm_jax.nn.preprocessing import (
    PREPROCESSING,
    network_picture_fit,
    preprocess_for_network,
)
from videolstm_jax.square import SQUASH, PictureFit, Window, square_window
from videolstm_jax.video import decode

ALL_FITS = pytest.mark.parametrize("fit", FITS)
sides = st.integers(1, 4000)
corners = st.lists(st.floats(-50, 4050), min_size=4, max_size=4)


# ---- the geometry --------------------------------------------------------------------------------


@given(st.sampled_from(FITS), sides, sides, corners, st.sampled_from([1.0, 7.0, 224.0]))
def test_there_and_back_is_where_it_was(fit, height, width, box, side):
    part = square_window(fit, (height, width))
    there = part.to_square(np.array(box), side)
    np.testing.assert_allclose(part.to_picture(there, side), box, atol=1e-8 * max(height, width))
    again = part.to_square(part.to_picture(np.array(box), side), side)
    np.testing.assert_allclose(again, box, atol=1e-6)


@given(st.sampled_from(FITS), sides, sides)
def test_what_is_visible_lies_in_the_square(fit, height, width):
    part = square_window(fit, (height, width))
    visible = part.visible((height, width))
    assert 0 <= visible[0] < visible[2] <= width and 0 <= visible[1] < visible[3] <= height
    inside = part.to_square(visible, 7)
    assert inside.min() >= -1e-9 and inside.max() <= 7 + 1e-9
    # A crop fills the square; squash and padding show all of the picture.
    full = {"crop": inside, "squash": visible, "pad": visible}[fit]
    expected = (0, 0, 7, 7) if fit == "crop" else (0, 0, width, height)
    np.testing.assert_allclose(full, expected, atol=1e-9)


def test_the_three_rectangles_by_hand():
    size = 60, 101  # H, W
    assert square_window("squash", size) == Window(0, 0, 101, 60)
    assert square_window("pad", size) == Window(0, -20.5, 101, 101)
    assert square_window("crop", size) == Window(20.5, 0, 60, 60)
    with pytest.raises(ValueError, match="fit is 'stretch'; expected 'squash', 'pad' or 'crop'"):
        square_window("stretch", size)
    with pytest.raises(ConfigError, match=r"data\.fit is 'stretch'; expected one of 'squash', 'p"):
        DataConfig(fit="stretch")


# ---- the pixels ----------------------------------------------------------------------------------


def triangle_resized(image, side, box):
    """The box of an image [H, W] at S x S: each pixel the mean under a triangle of its own size."""

    def matrix(pixels, start, stop):
        step = (stop - start) / side
        reach = max(step, 1.0)
        centres = start + (np.arange(side) + 0.5) * step
        distance = np.abs(np.arange(pixels) + 0.5 - centres[:, None]) / reach
        weights = np.maximum(0, 1 - distance)
        return weights / weights.sum(1, keepdims=True)

    left, top, right, bottom = box
    rows = matrix(image.shape[0], top, bottom)
    return rows @ image.astype(float) @ matrix(image.shape[1], left, right).T


def expected_square(image, side, fit, fill):
    """A channel [H, W], padded with numpy or cut, at S x S."""
    height, width = image.shape
    part = square_window(fit, (height, width))
    across, down = (int(np.ceil(max(0.0, -start))) for start in (part.left, part.top))
    image = np.pad(image, ((down, down), (across, across)), constant_values=fill)
    left, top = part.left + across, part.top + down
    return triangle_resized(image, side, (left, top, left + part.width, top + part.height))


@ALL_FITS
@pytest.mark.parametrize("size", [(40, 90), (91, 40), (33, 33), (12, 20)])
def test_pixels_are_those_of_plain_numpy(fit, size):
    image = np.random.default_rng(size[0]).integers(0, 256, (*size, 3)).astype(np.uint8)
    rgb, flow = (network_picture_fit(fit, stream, "lite0") for stream in ("rgb", "flow"))
    squares = {"rgb": decode.fitted_video_frame(image, 16, rgb)}
    (squares["flow"],) = square_images(image[None, ..., :2], 16, flow)
    for stream, how in (("rgb", rgb), ("flow", flow)):
        square = squares[stream]
        assert square.shape[:2] == (16, 16) and square.dtype == np.uint8
        for channel, fill in enumerate(how.fill):
            expected = expected_square(image[..., channel], 16, fit, fill)
            # Pillow rounds after the rows and again after the columns.
            np.testing.assert_allclose(square[..., channel], expected, atol=1.01)


@ALL_FITS
def test_a_square_picture_is_the_same_bytes(fit):
    """So the figures of square videos, such as stick actions, do not depend on the setting."""
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    how = network_picture_fit(fit, "rgb", "caffe")
    np.testing.assert_array_equal(
        decode.fitted_video_frame(image, 28, how), decode.squashed_video_frame(image, (28, 28))
    )
    np.testing.assert_array_equal(
        square_images(image[None], 28, how), square_images(image[None], 28)
    )


@pytest.mark.parametrize("name", sorted(PREPROCESSING))
@pytest.mark.parametrize("stream", ["rgb", "flow"])
def test_padding_is_nearly_nothing_to_the_network(name, stream):
    """Zeros, as beyond the edges of every picture; of flow exactly no motion."""
    if name == "raw":
        expected = (124, 117, 104) if stream == "rgb" else (128, 128)
        assert network_picture_fit("pad", stream, name).fill == expected
        return
    fill = np.array(network_picture_fit("pad", stream, name).fill, np.uint8)
    # Half a grey level is what rounding to a byte costs.
    scale = max(PREPROCESSING[name][stream].scale)
    assert (
        np.abs(preprocess_for_network(fill, stream, preprocessing=name)).max() <= 0.5 * scale + 1e-6
    )
    if stream == "flow":
        assert not preprocess_for_network(fill, stream, preprocessing=name).any()


@ALL_FITS
@pytest.mark.parametrize("size", [(40, 91), (90, 41)])
def test_a_mirrored_picture_gives_the_mirrored_square(fit, size):
    images = np.random.default_rng(1).integers(0, 256, (1, *size, 3)).astype(np.uint8)
    how = network_picture_fit(fit, "rgb", "caffe")
    square = square_images(mirrored_image(images, "rgb"), 24, how).astype(int)
    assert np.abs(square - mirrored_image(square_images(images, 24, how), "rgb")).max() <= 1


def test_a_border_needs_a_value_for_each_channel():
    with pytest.raises(ValueError, match="padding of 2 channels for a picture of 3"):
        decode.fitted_video_frame(np.zeros((4, 8, 3), np.uint8), 8, PictureFit("pad", (128, 128)))
    assert decode.fitted_video_frame(np.zeros((4, 8, 3), np.uint8), 8, SQUASH).shape == (8, 8, 3)


@pytest.mark.parametrize("fit", ["pad", "crop"])
def test_flow_keeps_its_unit(fit):
    """A byte is a displacement in pixels of the stored picture, however that is resized."""
    images = np.full((1, 30, 90, 2), 128, np.uint8)
    images[..., 0], images[..., 1] = 150, 100
    how = network_picture_fit(fit, "flow", "caffe")
    (square,) = square_images(images, 9, how)
    np.testing.assert_array_equal(square[4, 4], (150, 100))
    border = (128, 128) if fit == "pad" else (150, 100)
    np.testing.assert_array_equal(square[0, 0], border)
