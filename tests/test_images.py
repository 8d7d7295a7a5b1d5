"""Preprocessing of the two families of weights by their published constants, and cuts by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from videolstm_jax.clips import frames, images
from videolstm_jax.nn import preprocessing


def test_each_preprocessing_is_that_of_its_publisher():
    pixels = np.random.default_rng(0).integers(0, 256, (3, 4, 4, 3)).astype(np.uint8)
    caffe = pixels[..., ::-1].astype(np.float64) - [
        103.939,
        116.779,
        123.68,
    ]  # Keras: B, G, R minus their mean
    np.testing.assert_allclose(
        preprocessing.preprocess_for_network(pixels, "rgb", preprocessing="caffe")[..., ::-1],
        caffe,
        atol=1e-4,
    )
    torch = (pixels / 255 - [0.485, 0.456, 0.406]) / [
        0.229,
        0.224,
        0.225,
    ]  # torchvision: ToTensor, then Normalize
    np.testing.assert_allclose(
        preprocessing.preprocess_for_network(pixels, "rgb", preprocessing="torch"), torch, atol=1e-5
    )


def test_flow_of_no_motion_is_zero_and_as_large_as_the_mean_colour():
    flow = np.array([[128, 128], [228, 28]], np.uint8)
    assert preprocessing.preprocess_for_network(flow, "flow").tolist() == [[0, 0], [100, -100]]
    inputs = preprocessing.preprocess_for_network(flow, "flow", preprocessing="torch")
    mean = np.mean([0.229, 0.224, 0.225]) * 255
    np.testing.assert_allclose(inputs, [[0, 0], [100 / mean, -100 / mean]], rtol=2e-3)


def test_what_is_stored_with_features_is_what_is_done():
    pixels = np.random.default_rng(1).integers(0, 256, (5, 3)).astype(np.uint8)
    for name in preprocessing.PREPROCESSING:
        mean, scale = preprocessing.network_pixels("rgb", name, 0.5)
        inputs = preprocessing.preprocess_for_network(
            pixels, "rgb", preprocessing=name, pixel_scale=0.5
        )
        np.testing.assert_allclose(
            inputs, (pixels - np.array(mean)) * np.array(scale), rtol=1e-5, atol=1e-5
        )


@settings(max_examples=40)
@given(
    step=st.integers(0, 10**6),
    seed=st.integers(0, 99),
    side=st.integers(2, 224),
    smallest=st.floats(0.1, 1.0),
)
def test_cuts_lie_inside_and_are_large_enough(step, seed, side, smallest):
    boxes = frames.draw_crops(step, batch=9, seed=seed, side=side, smallest=smallest)
    assert boxes.shape == (9, 4) and boxes.min() >= 0 and boxes.max() <= side
    assert (boxes[:, 2:] - boxes[:, :2]).min() >= max(1, round(smallest * side))
    np.testing.assert_array_equal(
        boxes, frames.draw_crops(step, batch=9, seed=seed, side=side, smallest=smallest)
    )


def test_cuts_reach_every_size_and_corner():
    boxes = np.concatenate(
        [frames.draw_crops(step, batch=500, seed=0, side=10, smallest=0.7) for step in range(4)]
    )
    sides = boxes[:, 2:] - boxes[:, :2]
    assert {tuple(row) for row in sides.tolist()} == {
        (a, b) for a in range(7, 11) for b in range(7, 11)
    }
    for axis in (0, 1):
        small = boxes[sides[:, axis] == 7, axis]
        assert all(abs(np.mean(small == at) - 0.25) < 0.1 for at in range(4))
    assert (frames.draw_crops(0, batch=3, seed=0, side=10, smallest=1.0) == [0, 0, 10, 10]).all()


@pytest.mark.parametrize("channels", [2, 3])
def test_a_cut_is_brought_back_to_size(channels):
    image = np.random.default_rng(2).integers(0, 256, (12, 12, channels)).astype(np.uint8)
    inputs = images.cropped_image(image, np.array([3, 1, 11, 10]))
    part = [Image.fromarray(image[1:10, 3:11, at].copy()) for at in range(channels)]
    # Pillow reads beyond a box where it can, so only the inside of a cut equals that of a part cut
    # out before
    truth = np.stack(
        [np.asarray(plane.resize((12, 12), Image.Resampling.BILINEAR)) for plane in part], -1
    )
    assert np.abs(inputs[2:-2, 2:-2].astype(int) - truth[2:-2, 2:-2]).max() <= 1
    np.testing.assert_array_equal(images.cropped_image(image, (0, 0, 12, 12)), image)
