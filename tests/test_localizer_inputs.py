"""The inputs of the localizer: attention, weighted features, and motion without the camera's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from videolstm_jax.localize.inputs import (
    localizer_flow_without_camera,
    localizer_input,
    localizer_input_of_features,
    localizer_input_of_flow,
)

RNG = np.random.default_rng(0)
ATTENTION = RNG.dirichlet(np.ones(49), 3).reshape(3, 7, 7)


def test_feature_size_is_the_mean_of_absolute_values():
    x = RNG.normal(size=(2, 3, 3, 5)).astype(np.float16)
    by_hand = np.array(
        [
            [[np.mean([abs(float(value)) for value in place]) for place in row] for row in frame]
            for frame in x
        ]
    )
    np.testing.assert_allclose(localizer_input_of_features(x), by_hand, rtol=1e-6)


def test_weighted_features_are_the_size_of_attention_times_features():
    """Eq. (9): the mean absolute value of A * X, place by place, in shares of its sum."""
    x = RNG.normal(size=(3, 7, 7, 4))
    product = np.abs(ATTENTION[..., None] * x).mean(-1)
    np.testing.assert_allclose(
        localizer_input("weighted_features", ATTENTION, localizer_input_of_features(x)),
        product / product.sum((1, 2), keepdims=True),
        rtol=1e-5,
    )
    assert localizer_input("attention", ATTENTION) is ATTENTION


@given(st.floats(0.1, 100), st.floats(-30, 30), st.floats(-30, 30))
def test_the_camera_does_not_count(scale, right, down):
    images = np.full((2, 14, 14, 2), 128.0)
    images += np.round([right, down])
    images[:, 2:4, 4:6, 0] += 40
    flow = localizer_flow_without_camera(images.astype(np.uint8), 7)
    assert flow[0, 1, 2] == pytest.approx(1) and flow.sum() == pytest.approx(2)
    features = np.full((3, 7, 7), scale, np.float32)
    both = localizer_input("motion", ATTENTION, features, flow)
    assert both.shape == ATTENTION.shape and both[2, 1, 2] == pytest.approx(1)  # held at the end


def test_the_geometric_mean():
    flow = RNG.dirichlet(np.ones(49), 3).reshape(3, 7, 7)
    by_hand = np.sqrt(ATTENTION * flow)
    np.testing.assert_allclose(
        localizer_input("motion", ATTENTION, np.ones((3, 7, 7)), flow),
        by_hand / by_hand.sum((1, 2), keepdims=True),
    )


def test_plain_flow_counts_the_camera():
    images = np.full((1, 14, 14, 2), 138, np.uint8)
    np.testing.assert_allclose(localizer_input_of_flow(images, 7), 1 / 49, rtol=1e-5)


def test_nothing_anywhere_is_uniform():
    np.testing.assert_allclose(
        localizer_input("weighted_features", ATTENTION, np.zeros((3, 7, 7))), 1 / 49
    )


def test_refuses():
    with pytest.raises(ValueError, match="'weighted_features' needs the size of the features"):
        localizer_input("weighted_features", ATTENTION)
    with pytest.raises(ValueError, match="'motion' needs the flow images"):
        localizer_input("motion", ATTENTION, np.ones((3, 7, 7)))
