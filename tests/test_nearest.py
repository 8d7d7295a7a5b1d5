"""Motion energy by plain averaging, and nearest neighbours by hand."""

import numpy as np
import pytest

from videolstm_jax.measure.nearest import motion_energy, nearest_scores


@pytest.mark.parametrize("height, width, side", [(8, 12, 4), (6, 6, 6), (32, 16, 16)])
def test_energy_is_the_mean_of_each_cell(height, width, side):
    flow = np.random.default_rng(0).normal(size=(5, height, width, 2))
    magnitude = np.hypot(flow[..., 0], flow[..., 1]).mean(0)
    cells = magnitude.reshape(side, height // side, side, width // side).mean((1, 3))
    np.testing.assert_allclose(motion_energy(flow, side), cells / cells.sum(), rtol=1e-10)


def test_energy_of_an_odd_size_against_fine_pixels():
    flow = np.random.default_rng(1).normal(size=(2, 5, 7, 2))
    fine = flow.repeat(12, 1).repeat(12, 2)  # 60 x 84 divides by 4, 5 x 7 does not
    np.testing.assert_allclose(motion_energy(flow, 4), motion_energy(fine, 4), rtol=1e-10)


def test_nothing_moves():
    assert not motion_energy(np.zeros((3, 8, 8, 2)), 4).any()


def test_nearest_neighbour():
    train = np.array([[0.0, 0], [1, 0], [5, 5]])
    scores = nearest_scores(train, np.array([0, 1, 1]), np.array([[0.1, 0], [4, 4.0], [0, 0]]), 2)
    assert scores.argmax(1).tolist() == [0, 1, 0]
    np.testing.assert_allclose(scores.sum(1), 1)


def test_a_class_without_examples():
    with pytest.raises(ValueError, match="class 2 has no training example"):
        nearest_scores(np.zeros((2, 1)), np.array([0, 1]), np.zeros((1, 1)), 3)
